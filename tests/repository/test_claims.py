"""The numbers of README and docs are those of the committed evidence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_gates import claims

ROOT = Path(__file__).parents[2]
SMALL = {"readme.topk-over-noise", "readme.step", "readme.task", "training.step-0"}


def test_every_claim_holds_and_the_readme_has_no_other_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    code = invoke(["claims", "check", "--unclaimed"])
    assert code == 0, capsys.readouterr().out
    assert invoke(["claims", "render", "--check"]) == 0


def test_the_documents_that_are_claimed_are_these() -> None:
    ledger = claims.load(ROOT / "claims.toml")
    assert ledger.covered == ("README.md",)
    documents = {claim.document for claim in ledger.claims}
    assert documents == {"README.md", "docs/training.md", "docs/probing.md", "docs/replication.md"}
    leaned_on = {number.bundle for claim in ledger.claims for number in claim.numbers.values()} - {""}
    assert leaned_on == set(ledger.bundles), "a bundle that no claim leans on"


@pytest.mark.parametrize(
    ("file", "old", "new", "status"),
    [
        ("README.md", "(PWMCC 0.038, 95 %", "(PWMCC 0.083, 95 %", "contradicted"),
        ("README.md", "-0.003 to 0.078", "0.003 to 0.078", "contradicted"),
        ("README.md", "(PWMCC 0.038, 95 %", "(PWMCC 0.038, 90 %", "contradicted"),
        ("README.md", "is not resolved (PWMCC", "is resolved (PWMCC", "stale"),
        ("README.md", "modulo 59", "modulo 113", "contradicted"),
        ("docs/training.md", "244 (1.8 times)", "244 (2.8 times)", "contradicted"),
        ("docs/training.md", "| 135 ms |", "| 135 s |", "contradicted"),
        ("README.md", "a step at a fifth of", "a step at a tenth of", "stale"),
    ],
)
def test_an_edit_of_the_prose_is_found(tmp_path: Path, file: str, old: str, new: str, status: str) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/training.md", "docs/probing.md", "docs/replication.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in ("evidence", "benchmarks"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    head, *tables = (ROOT / "claims.toml").read_text().split("\n[[claim]]\n")
    kept = [table for table in tables if any(f'id = "{name}"' in table for name in SMALL)]
    assert len(kept) == len(SMALL)
    (tmp_path / "claims.toml").write_text("\n[[claim]]\n".join([head, *kept]))
    path = tmp_path / "claims.toml"
    assert {verdict.status for verdict in claims.check(claims.load(path)).verdicts} == {"supported"}
    text = (tmp_path / file).read_text()
    assert text.count(old) == 1
    (tmp_path / file).write_text(text.replace(old, new))
    judgement = claims.check(claims.load(path))
    assert [verdict.status for verdict in judgement.verdicts if verdict.status != "supported"] == [status]
    assert judgement.exit_code == 2
