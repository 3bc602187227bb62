"""The numbers of README and docs are those of the committed evidence."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from husai_gates import claims

ROOT = Path(__file__).parents[2]


def test_every_claim_holds_and_the_readme_has_no_other_number() -> None:
    """But for the bundle of SmolLM2, whose audit takes ten seconds: `make claims`, a step of CI, has that as well."""
    ledger = claims.load(ROOT / "claims.toml")
    quick = tuple(c for c in ledger.claims if all(n.bundle != "release" for n in c.numbers.values()))
    assert all(claim.id.startswith("readme.release-") for claim in ledger.claims if claim not in quick)
    judgement = claims.check(dataclasses.replace(ledger, claims=quick))
    assert [verdict for verdict in judgement.verdicts if verdict.status != "supported"] == []
    assert claims.unclaimed(ledger) == []
    assert claims.render(ledger).changed == {}


def test_the_whole_check_is_a_step_of_ci() -> None:
    assert "step make claims\n" in (ROOT / ".ci" / "run").read_text()
    assert "husai claims check --unclaimed" in (ROOT / "Makefile").read_text()


def test_the_documents_that_are_claimed_are_these() -> None:
    ledger = claims.load(ROOT / "claims.toml")
    assert ledger.covered == ("README.md",)
    documents = {claim.document for claim in ledger.claims}
    assert documents == {"README.md", "docs/training.md", "docs/probing.md", "docs/official.md", "docs/replication.md"}
    leaned_on = {number.bundle for claim in ledger.claims for number in claim.numbers.values()} - {""}
    assert leaned_on == set(ledger.bundles), "a bundle that no claim leans on"


EDITS = [  # file, text, what it is made to say, and what its claim becomes
    ("README.md", "(PWMCC 0.038, 95 %", "(PWMCC 0.083, 90 %", "readme.topk-over-noise", "contradicted"),
    ("README.md", "-0.003 to 0.078", "0.003 to 0.078", "readme.topk-over-noise", "contradicted"),
    ("README.md", "modulo 59", "modulo 113", "readme.task", "contradicted"),
    ("README.md", "a step at a fifth of", "a step at a tenth of", "readme.step", "stale"),
    ("docs/training.md", "244 (1.8 times)", "244 (2.8 times)", "training.step-0", "contradicted"),
]


def test_edits_of_the_prose_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in {edit[0] for edit in EDITS}:
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in ("evidence", "benchmarks"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    head, *tables = (ROOT / "claims.toml").read_text().split("\n[[claim]]\n")
    kept = [table for table in tables if any(f'id = "{edit[3]}"' in table for edit in EDITS)]
    (tmp_path / "claims.toml").write_text("\n[[claim]]\n".join([head, *kept]))
    for name, old, new, _, _ in EDITS:
        text = (tmp_path / name).read_text()
        assert text.count(old) == 1
        (tmp_path / name).write_text(text.replace(old, new))
    judgement = claims.check(claims.load(tmp_path / "claims.toml"))
    found = [(verdict.claim, verdict.status) for verdict in judgement.verdicts if verdict.status != "supported"]
    assert sorted({(claim, status) for *_, claim, status in EDITS}) == sorted(set(found))
    assert len(found) == len(EDITS) + 1, "the first edit changes two numbers"
    assert judgement.exit_code == 2
