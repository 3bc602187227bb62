"""Bundles outlive the words of the version that judged them: their decision is compared in substance."""

import json
from typing import Any

import pytest

from husai_core import strict_json
from husai_core.bundle import MANIFEST, Snapshot, manifest_of
from husai_core.testing.corpus.specimen import without_views
from husai_gates.audit import audit
from husai_gates.reporters.findings import AUDIT_REPORTERS
from husai_gates.views import check_views, unchecked

PAGE = "report/reconstruction.addition.md"


def _older(draft: Any, change: Any = lambda document: None, forged: tuple[str, str] = ("", "")) -> Snapshot:
    """The bundle as a version with other words would have sealed it."""
    draft.views = True
    files = dict(draft.files())
    document = json.loads(files["decision.json"])
    document["husai"] = "0.0.1"
    for row in document["rows"]:
        row["says"] = "so it was said then"
    change(document)
    files["decision.json"] = strict_json.encode(document)
    verdict, digests = files["report.md"].decode().split("\n\n")[1], (document["policy"]["digest"], document["bundle"])
    report = f"# Then\n\n{verdict}\n\n{digests}\n"
    files = without_views(files) | {"decision.json": files["decision.json"]}
    files["report.md"] = report.replace(*forged).encode()
    files[PAGE] = f"# Then\n\nOf {document['bundle']['content_digest']}\n".encode()
    provenance = json.loads(files["provenance.json"])
    provenance["packages"]["husai"] = document["husai"]
    files["provenance.json"] = strict_json.encode(provenance)
    del files[MANIFEST]
    files[MANIFEST] = manifest_of(files)
    return Snapshot("bundle", files)


def test_other_words_of_another_version_are_no_tampering_and_are_named(draft: Any) -> None:
    snapshot = _older(draft)
    assert check_views(snapshot, audit(snapshot)) == ()
    assert unchecked(snapshot) == ("report.md", PAGE)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["rows"].pop(),
        lambda d: d["rows"][0].update(status="waived"),
        lambda d: d["rows"][2]["cells"][0]["interval"].update(low=0.99),
        lambda d: d["policy"].update(confidence=0.9),
        lambda d: d["bundle"].update(content_digest="sha256:" + "0" * 64),
    ],
)
def test_another_substance_is_tampering_whatever_the_version_says(draft: Any, change: Any) -> None:
    snapshot = _older(draft, change)
    assert {finding.code for finding in check_views(snapshot, audit(snapshot))} == {"EV-VIEW"}


@pytest.mark.parametrize("forged", [("RELEASED", "NOT RELEASED"), ("sha256:", "sha512:"), ("(exit 0)", "(exit 2)")])
def test_a_report_of_another_version_still_gives_this_verdict(draft: Any, forged: tuple[str, str]) -> None:
    snapshot = _older(draft, forged=forged)
    assert {finding.code for finding in check_views(snapshot, audit(snapshot))} == {"EV-VIEW"}


def test_a_decision_is_of_the_version_that_made_the_run(draft: Any) -> None:
    files = dict(_older(draft).files)
    provenance = json.loads(files["provenance.json"])
    provenance["packages"]["husai"] = "0.1.0"
    files["provenance.json"] = strict_json.encode(provenance)
    snapshot = Snapshot("bundle", files)
    assert {f.code for f in check_views(snapshot, audit(Snapshot("b", _sealed(files))))} == {"EV-VIEW"}


def _sealed(files: dict[str, bytes]) -> dict[str, bytes]:
    rest = {path: raw for path, raw in files.items() if path != MANIFEST}
    return {**rest, MANIFEST: manifest_of(rest)}


def test_other_words_of_this_version_are_tampering(draft: Any) -> None:
    import husai_core

    snapshot = _older(draft, lambda d: d.update(husai=husai_core.__version__))
    assert {finding.code for finding in check_views(snapshot, audit(snapshot))} == {"EV-VIEW"}


def test_the_audit_says_what_it_did_not_compare(draft: Any) -> None:
    import dataclasses

    snapshot = _older(draft)
    report = dataclasses.replace(audit(snapshot), unchecked=unchecked(snapshot))
    assert f"Not compared with the evidence: report.md, {PAGE}" in AUDIT_REPORTERS["text"](report)
    assert '"report.md"' in AUDIT_REPORTERS["json"](report)


def test_of_a_folder_with_many_files_the_audit_says_how_many(draft: Any) -> None:
    import dataclasses

    many = tuple(f"plots/{number}.png" for number in range(9))
    report = dataclasses.replace(audit(Snapshot("bundle", draft.files())), unchecked=("report.md", *many))
    assert "Not compared with the evidence: report.md, 9 files in plots/." in AUDIT_REPORTERS["text"](report)
    assert '"plots/8.png"' in AUDIT_REPORTERS["json"](report)
