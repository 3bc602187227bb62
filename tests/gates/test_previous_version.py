"""A bundle that the version before wrote: it is audited and judged as it lies, and migrated without another outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import husai_core
import husai_schemas
from husai_core import bundle as bundles
from husai_core import strict_json
from husai_core.bundle import MANIFEST, PROVENANCE
from husai_core.cli import invoke
from husai_gates.audit.layout import kind_of
from husai_gates.pipeline import audit_folder, gate

FROZEN = Path(__file__).parent / "previous" / "subject-v1.zip"
DIGEST = "sha256:0d208802476033732401cec0e2fdb232f4467ffcda4df3bee880d409bcf17e6f"
CONTENT = "sha256:c74ebcb68ed2f9e24341a9ebdfe7eed1ad5edc828131babad4c6d53ab6063f8c"
ROWS = [
    ("reconstruction-measured", "pass", "RULE-HOLDS"),
    ("consistency-measured", "pass", "RULE-HOLDS"),
    ("explains-variance", "fail", "RULE-FAILED"),
    ("latents-alive", "pass", "RULE-HOLDS"),
    ("training-explains", "fail", "RULE-FAILED"),
    ("training-agrees", "fail", "RULE-FAILED"),
    ("dictionary-moved", "fail", "RULE-FAILED"),
    ("instrument-reads-chance", "pass", "RULE-HOLDS"),
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy that the bundle was judged by, whatever became of the shipped one of that name."""
    path = tmp_path_factory.mktemp("policy") / "toy.toml"
    path.write_bytes(bundles.read(FROZEN).files["policy/toy.toml"])
    return path


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("husai_gates.plots.make_plots", lambda files: {})
        assert invoke(["schema", "migrate", str(FROZEN), "--out", str(path)]) == 0
    return path


def documents(path: Path, kind: str) -> dict[str, Any]:
    snapshot = bundles.read(path)
    return {p: snapshot.json(p) for p in snapshot.files if kind_of(p) == kind}


def test_the_bundle_is_the_one_that_was_frozen() -> None:
    assert strict_json.digest(FROZEN.read_bytes()) == DIGEST, "it is never made again: freeze another one beside it"
    found = documents(FROZEN, "subject").values()
    assert {document["schema"] for document in found} == {"husai:subject/v1"}
    assert len(found) == 15


def test_it_is_audited_and_judged_as_when_it_was_written(policy: Path) -> None:
    report = audit_folder(FROZEN)
    assert (report.findings, report.content_digest) == ((), CONTENT)
    decision = gate(FROZEN, str(policy))
    assert (decision.exit_code, decision.verdict) == (2, "not_released")
    assert [(row.rule, row.status, row.code) for row in decision.rows] == ROWS


def test_it_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["show", str(FROZEN)]) == 0
    assert "candidate addition.topk: topk, d_sae 128, 0 steps" in capsys.readouterr().out


def test_the_migrated_bundle_is_sound_and_decided_alike(migrated: Path, policy: Path) -> None:
    assert invoke(["audit", str(migrated)]) == 0
    decision = gate(migrated, str(policy))
    assert (decision.exit_code, decision.verdict) == (2, "not_released")
    assert [(row.rule, row.status, row.code) for row in decision.rows] == ROWS
    assert decision.content_digest != CONTENT


def test_only_the_versions_and_what_follows_from_them_are_other(migrated: Path) -> None:
    old, new = bundles.read(FROZEN), bundles.read(migrated)
    assert {kind_of(path) for path in new.files.keys() - old.files.keys()} == {"decision", "report", "page"}
    changed = {path for path in old.files if new.files[path] != old.files[path]}
    assert {kind_of(path) for path in changed} == {"subject", "evidence", "provenance", "manifest"}
    for path, document in documents(FROZEN, "subject").items():
        assert new.json(path) == husai_schemas.lift("subject", document)
    for path, document in documents(FROZEN, "evidence").items():
        again = new.json(path)
        for listed in again["subjects"]:
            assert listed["digest"] == strict_json.digest(new.files[f"subjects/{listed['name']}.json"])
        assert {**again, "subjects": 0} == {**document, "subjects": 0}


def test_provenance_says_what_it_was_migrated_from(migrated: Path) -> None:
    found = json.loads((migrated / PROVENANCE).read_text())
    assert found.pop("migrations") == [{"from": CONTENT, "husai": husai_core.__version__}]
    assert found == bundles.read(FROZEN).json(PROVENANCE)


def test_what_is_of_the_newest_version_is_left_alone(
    migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([], ["--out", str(tmp_path / "again")]):
        assert invoke(["schema", "migrate", str(migrated), *arguments]) == 0
        assert "already the newest" in capsys.readouterr().out
    assert not any(tmp_path.iterdir())


def test_a_zip_is_the_same_bundle(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("husai_gates.plots.make_plots", lambda files: {})
    assert invoke(["schema", "migrate", str(FROZEN), "--out", str(tmp_path / "new.zip")]) == 0
    assert bundles.read(tmp_path / "new.zip").files == bundles.read(migrated).files


def test_pictures_are_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = bundles.read(Path("evidence/untrained-candidate")).files["plots/consistency.addition.png"]
    monkeypatch.setattr("husai_gates.plots.make_plots", lambda files: {"plots/new.png": picture})
    files = {path: raw for path, raw in bundles.read(FROZEN).files.items() if path != MANIFEST}
    bundles.write({**files, "plots/old.png": picture}, tmp_path / "old")
    assert invoke(["schema", "migrate", str(tmp_path / "old"), "--out", str(tmp_path / "new")]) == 0
    assert [path.name for path in (tmp_path / "new" / "plots").iterdir()] == ["new.png"]


def test_a_bundle_in_the_words_of_an_earlier_husai_gets_the_words_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("husai_gates.plots.make_plots", lambda files: {})
    files = _as_of_husai("0.0.9")
    bundles.write(files, tmp_path / "old")
    assert audit_folder(tmp_path / "old").findings == ()
    assert invoke(["schema", "migrate", str(tmp_path / "old"), "--out", str(tmp_path / "new")]) == 0
    again = bundles.read(tmp_path / "new")
    assert again.json("decision.json")["husai"] == husai_core.__version__
    assert b"0.0.9" not in again.files["report.md"]
    # A husai after this one finds a decision by another than made the run, and who made it last.
    monkeypatch.setattr("husai_core.__version__", "0.2.0")
    assert audit_folder(tmp_path / "new").findings == ()
    forged = {path: raw for path, raw in again.files.items() if path != MANIFEST}
    provenance = {key: value for key, value in again.json(PROVENANCE).items() if key != "migrations"}
    bundles.write({**forged, PROVENANCE: strict_json.encode(provenance)}, tmp_path / "forged")
    assert {finding.code for finding in audit_folder(tmp_path / "forged").findings} == {"EV-VIEW"}


def _as_of_husai(version: str) -> dict[str, bytes]:
    """The frozen bundle with views that a husai of that version made."""
    from husai_gates.views import make_views

    snapshot = bundles.read(FROZEN)
    files = {path: raw for path, raw in snapshot.files.items() if path != MANIFEST}
    views = make_views(files)
    decision = {**json.loads(views["decision.json"]), "husai": version}
    provenance = snapshot.json(PROVENANCE)
    packages = {**provenance["packages"], "husai": version}
    return {
        **files,
        "decision.json": strict_json.encode(decision),
        "report.md": views["report.md"].replace(husai_core.__version__.encode(), version.encode()),
        PROVENANCE: strict_json.encode({**provenance, "packages": packages}),
    }


def _one_number(files: dict[str, bytes]) -> None:
    """The observation of one seed, under a digest that fits."""
    path = "evidence/reconstruction.addition.json"
    document = json.loads(files[path])
    document["subjects"][0]["digest"] = "sha256:" + "0" * 64
    files[path] = strict_json.encode(document)


def _decay_unsaid(files: dict[str, bytes]) -> None:
    files["study.toml"] = files["study.toml"].replace(b"[training]", b"[training]\ndecay_share = 0.5")


def _unknown_version(files: dict[str, bytes]) -> None:
    path = "subjects/addition.topk.s42.json"
    files[path] = files[path].replace(b"subject/v1", b"subject/v3")


def _own_decision(files: dict[str, bytes]) -> None:
    from husai_gates.views import make_views

    files |= {path: raw.replace(b'"fail"', b'"pass"') for path, raw in make_views(files).items()}


TAMPERED = {
    "digest": (_one_number, "EV-SUBJECT"),
    "planned otherwise": (_decay_unsaid, "EV-SUBJECT"),
    "unknown version": (_unknown_version, "EV-SCHEMA"),
    "edited decision": (_own_decision, "EV-VIEW"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_is_not_believed_is_not_sealed_anew(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, code = TAMPERED[case]
    files = {path: raw for path, raw in bundles.read(FROZEN).files.items() if path != MANIFEST}
    change(files)
    bundles.write(files, tmp_path / "old")
    assert invoke(["schema", "migrate", str(tmp_path / "old"), "--out", str(tmp_path / "new")]) == 3
    says = capsys.readouterr().err
    assert code in says
    assert "cannot be believed" in says
    assert not (tmp_path / "new").exists()


def test_a_byte_after_the_seal_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, raw in bundles.read(FROZEN).files.items():
        (tmp_path / "old" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / path).write_bytes(raw + b" " * (path == "study.toml"))
    assert invoke(["schema", "migrate", str(tmp_path / "old"), "--out", str(tmp_path / "new")]) == 3
    assert "EV-DIGEST" in capsys.readouterr().err


def test_a_bundle_is_never_changed_in_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundles.write({p: raw for p, raw in bundles.read(FROZEN).files.items() if p != MANIFEST}, tmp_path / "old")
    before = bundles.read(tmp_path / "old").files
    assert invoke(["schema", "migrate", str(tmp_path / "old")]) == 64
    assert "give --out NEW" in capsys.readouterr().err
    inside = next((tmp_path / "old" / "subjects").iterdir())
    assert invoke(["schema", "migrate", str(inside)]) == 64
    assert "whose manifest would no longer fit it" in capsys.readouterr().err
    assert invoke(["schema", "migrate", str(tmp_path / "old"), "--out", str(inside)]) == 64
    for out in (tmp_path / "old" / "new", tmp_path / "old" / "subjects" / "new.zip", tmp_path / "old"):
        capsys.readouterr()
        for given in (tmp_path / "old", FROZEN):
            assert invoke(["schema", "migrate", str(given), "--out", str(out)]) == 64
            assert "which would then hold unlisted files" in capsys.readouterr().err
    assert invoke(["schema", "migrate", str(FROZEN), str(tmp_path / "old"), "--out", str(tmp_path / "new")]) == 64
    assert "one bundle at a time" in capsys.readouterr().err
    assert bundles.read(tmp_path / "old").files == before
    assert not (tmp_path / "new").exists()


def test_a_file_that_names_a_document_by_its_digest_and_cannot_be_rewritten_is_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {path: raw for path, raw in bundles.read(FROZEN).files.items() if path != MANIFEST}
    named = strict_json.digest(files["subjects/addition.topk.s42.json"]).encode()
    files["study.toml"] = b"# " + named + b"\n" + files["study.toml"]
    bundles.write(files, tmp_path / "old")
    assert invoke(["schema", "migrate", str(tmp_path / "old"), "--out", str(tmp_path / "new")]) == 64
    assert "study.toml: names sha256:" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
