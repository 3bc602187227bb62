"""What each form says: JUnit, SARIF, annotations, summary and badge, each within the limits of its platform."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_core.cli import invoke
from husai_core.testing.corpus.specimen import without_views
from husai_gates.audit import audit
from husai_gates.decision import Decision, Row
from husai_gates.finding import Finding
from husai_gates.reporters import REPORTERS
from husai_gates.reporters.findings import AUDIT_REPORTERS
from husai_gates.views import check_views, unchecked


@pytest.fixture
def failing(draft: Any, decide: Any) -> Decision:
    draft.measurement("explained_variance")["observations"][2]["value"] = 0.84
    decision: Decision = decide(draft.files())
    return decision


@pytest.fixture
def released(good: Any, decide: Any) -> Decision:
    decision: Decision = decide(good)
    return decision


def many(decision: Decision, rows: int, status: str = "fail", findings: int = 0) -> Decision:
    first = dataclasses.replace(decision.rows[0], status=status, code="RULE-FAILED")
    return dataclasses.replace(
        decision,
        rows=tuple(dataclasses.replace(first, rule=f"rule-{number}") for number in range(rows)),
        findings=tuple(Finding("EV-DIGEST", f"evidence/{n}.json", "$", "differs") for n in range(findings)),
    )


def test_junit_has_a_case_for_the_verdict_and_every_row(failing: Decision) -> None:
    suites = ElementTree.fromstring(REPORTERS["junit"](failing))
    cases = {case.attrib["name"]: case for case in suites.iter("testcase")}
    assert list(cases) == ["verdict", *(name for name in cases if name != "verdict")]
    assert set(cases) == {"verdict", *(row.rule for row in failing.rows)}
    assert {name for name, case in cases.items() if case.find("failure") is not None} == {
        "verdict",
        "explains",
        "not-worse",
    }
    failure = cases["explains"].find("failure")
    assert failure is not None
    assert "needs: " in (failure.text or "")
    properties = {p.attrib["name"]: p.attrib["value"] for p in suites.iter("property")}
    assert properties["verdict"] == "not_released"
    assert properties["policy_digest"] == failing.policy.digest


def test_rows_that_are_all_waived_are_no_release_in_junit(released: Decision) -> None:
    waived = many(released, 3, "waived")
    assert waived.exit_code == 5
    suites = ElementTree.fromstring(REPORTERS["junit"](waived))
    assert (suites.attrib["failures"], suites.attrib["skipped"]) == ("1", "3")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("fail", "failure"),
        ("missing", "failure"),
        ("inconclusive", "failure"),
        ("invalid", "error"),
        ("error", "error"),
        ("waived", "skipped"),
        ("not_applicable", "skipped"),
    ],
)
def test_every_status_has_its_kind_in_junit(status: str, kind: str, released: Decision) -> None:
    suites = ElementTree.fromstring(REPORTERS["junit"](many(released, 1, status)))
    case = list(suites.iter("testcase"))[1]
    assert [element.tag for element in case] == [kind]


def test_sarif_points_at_files_of_the_bundle_and_a_release_has_no_results(
    failing: Decision, released: Decision
) -> None:
    (run,) = json.loads(REPORTERS["sarif"](failing))["runs"]
    first, explains = run["results"][:2]
    assert (first["ruleId"], first["level"]) == ("HUSAI", "error")
    assert "NOT RELEASED" in first["message"]["text"]
    place = explains["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "evidence/reconstruction.addition.json"
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "$.measurements"
    assert run["tool"]["driver"]["rules"][1]["shortDescription"]["text"] == "Does it explain the variance?"
    (run,) = json.loads(REPORTERS["sarif"](released))["runs"]
    assert run["results"] == []
    assert run["invocations"][0]["exitCodeDescription"] == "RELEASED: 6 of 6 rules hold (exit 0)"


def _problems(value: Any, schema: dict[str, Any]) -> list[str]:
    from jsonschema import Draft202012Validator

    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOG = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": ["id", "shortDescription", "fullDescription", "help"],
                                            "properties": {
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                                "defaultConfiguration": {"properties": {"level": LEVEL}},
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "invocations": {"items": {"required": ["executionSuccessful"]}},
                    "results": {
                        "type": "array",
                        "maxItems": 5000,
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
                            "properties": {
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": LEVEL,
                                "message": TEXT,
                                "locations": {"type": "array", "minItems": 1, "maxItems": 1},
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize("rows", [0, 1, 5200])
def test_sarif_keeps_to_its_schema_and_to_github_s_limits_and_says_what_is_left_out(
    rows: int, released: Decision
) -> None:
    decision = many(released, rows, findings=3)
    log = json.loads(REPORTERS["sarif"](decision))
    assert _problems(log, LOG) == []
    (run,) = log["runs"]
    assert [result["ruleId"] for result in run["results"][:4]] == ["HUSAI", "EV-DIGEST", "EV-DIGEST", "EV-DIGEST"]
    said = run["invocations"][0].get("toolExecutionNotifications", [])
    if rows > 5000:
        assert len(run["results"]) == 5000
        assert said[0]["message"]["text"].startswith("204 of 5204 results are not in this log")
    else:
        assert len(run["results"]) == rows + 4
        assert said == []


@pytest.mark.parametrize("rows", [9, 10, 200])
def test_annotations_are_at_most_ten_errors_with_the_verdict_first_and_the_rest_counted(
    rows: int, released: Decision
) -> None:
    lines = REPORTERS["github"](many(released, rows)).splitlines()
    assert lines[0].startswith("::error title=HUSAI::NOT RELEASED")
    assert len(lines) == min(rows + 1, 10)
    assert ("more are not shown" in lines[-1]) == (rows > 9)
    if rows > 9:
        assert f"::{rows - 8} more" in lines[-1]


def test_what_bars_nothing_is_a_warning_and_graver_things_come_first(released: Decision) -> None:
    mixed = many(released, 30, "waived")
    bad = dataclasses.replace(mixed.rows[0], rule="broken", status="error")
    mixed = dataclasses.replace(mixed, rows=(*mixed.rows, released.rows[0], bad))
    lines = REPORTERS["github"](mixed).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 2 + ["::warning"] * 10
    assert "broken" in lines[1]


def test_the_summary_keeps_the_verdict_and_says_where_it_was_cut(released: Decision) -> None:
    row = dataclasses.replace(released.rows[0], status="fail", question="é" * 5000)
    rows = tuple(dataclasses.replace(row, rule=f"rule-{number}") for number in range(300))
    text = REPORTERS["summary"](dataclasses.replace(released, rows=rows))
    assert len(text.encode()) <= 2**20
    assert text.startswith("**NOT RELEASED: 0 of 300 rules hold** (exit 2)\n")
    assert text.splitlines()[-1].startswith("Cut here: ")
    assert REPORTERS["summary"](released) == REPORTERS["markdown"](released)


def test_the_badge_says_the_verdict(failing: Decision, released: Decision) -> None:
    badge = json.loads(REPORTERS["badge"](released))
    assert badge == {
        "schemaVersion": 1,
        "label": "husai test",
        "message": "released",
        "color": "brightgreen",
        "isError": False,
    }
    assert json.loads(REPORTERS["badge"](failing))["color"] == "red"
    assert json.loads(REPORTERS["badge"](many(released, 1, findings=1)))["color"] == "critical"
    picture = ElementTree.fromstring(REPORTERS["badge-svg"](failing))
    assert picture.attrib["aria-label"] == "husai test: not released"


def test_an_audit_has_the_same_forms(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][0]["value"] = 3.0
    report = audit(Snapshot("bundle", draft.files()))
    (run,) = json.loads(AUDIT_REPORTERS["sarif"](report))["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["HUSAI", "EV-RANGE"]
    place = run["results"][1]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "evidence/reconstruction.addition.json"
    assert place["logicalLocations"][0]["fullyQualifiedName"].startswith("$.measurements[")
    suites = ElementTree.fromstring(AUDIT_REPORTERS["junit"](report))
    assert suites.attrib["errors"] == "2"
    assert AUDIT_REPORTERS["github"](report).startswith("::error title=HUSAI::INVALID: 1 finding (exit 3)")


# --- the command line: one judgement, many forms


@pytest.fixture
def folder(good: Any, tmp_path: Path) -> Path:
    target = tmp_path / "bundle"
    for path, raw in good.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(raw)
    return target


def _gate(folder: Path, *more: object) -> int:
    return invoke(["gate", str(folder), "--policy", str(folder / "policy" / "test.toml"), *map(str, more)])


def test_one_run_writes_many_forms_and_judges_once(
    folder: Path, tmp_path: Path, released: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    from husai_gates import pipeline

    calls = []
    judge = pipeline.judge
    monkeypatch.setattr(pipeline, "judge", lambda *a: calls.append(1) or judge(*a))
    wanted = {form: tmp_path / form for form in REPORTERS}
    assert _gate(folder, *(part for form, path in wanted.items() for part in ("--report", f"{form}={path}"))) == 0
    assert len(calls) == 1
    assert {form: path.read_text() for form, path in wanted.items()} == {
        form: render(released) for form, render in REPORTERS.items()
    }


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--report", "junit"], "no FORM=FILE"),
        (["--report", "junit="], "no FORM=FILE"),
        (["--report", "junti=x.xml"], "did you mean 'junit'"),
        (["--report", "junit=FOLDER/junit.xml"], "lies in the bundle"),
        (["--out", "FOLDER/plots/x.md"], "lies in the bundle"),
        (["--report", "junit=TMP/x", "--report", "sarif=TMP/x"], "is to be written twice"),
        (["--report", "junit=TMP/none/x"], "cannot be written"),
        (["--format", "json", "--format", "text"], "'--format' is given 2 times"),
        (["--policy", "toy"], "'--policy' is given 2 times"),
        (["--out", "TMP/a", "--out", "TMP/b"], "'--out' is given 2 times"),
    ],
)
def test_a_mistake_in_where_to_write_is_a_usage_error(
    more: list[str], says: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [text.replace("FOLDER", str(folder)).replace("TMP", str(tmp_path)) for text in more]
    assert _gate(folder, *given) == 64
    assert says in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_on_github_actions_the_summary_is_appended_where_it_is_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, released: Decision
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert _gate(folder) == 0
    assert summary.read_text() == "# Before\n"
    assert _gate(folder, "--format", "github") == 0
    assert summary.read_text() == "# Before\n" + REPORTERS["summary"](released)
    assert invoke(["audit", str(folder), "--format", "github"]) == 0
    assert "SOUND" in summary.read_text()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary.md"))
    assert _gate(folder, "--format", "github") == 4


# --- as views in a bundle


@pytest.mark.parametrize(("path", "form"), [("junit.xml", "junit"), ("results.sarif", "sarif")])
def test_a_view_in_a_bundle_is_made_again_and_compared(
    path: str, form: str, good: Any, seal: Any, released: Decision
) -> None:
    view = REPORTERS[form](released).encode()
    snapshot = Snapshot("bundle", seal({**good, path: view}))
    report = audit(snapshot)
    assert report.findings == ()
    assert report.content_digest == released.content_digest
    assert check_views(snapshot, report) == ()
    edited = Snapshot("bundle", seal({**good, path: view.replace(b"RELEASED", b"RELEASED!")}))
    assert [(f.code, f.file) for f in check_views(edited, audit(edited))] == [("EV-VIEW", path)]
    alone = Snapshot("bundle", seal({**without_views(good), path: view}))
    assert [(f.code, f.file) for f in check_views(alone, audit(alone))] == [("EV-VIEW", path)]


@pytest.mark.parametrize(("path", "form"), [("junit.xml", "junit"), ("results.sarif", "sarif")])
def test_a_view_in_the_words_of_another_version_still_gives_this_verdict(
    path: str, form: str, good: Any, seal: Any, released: Decision
) -> None:
    view = REPORTERS[form](released).encode()
    then = json.loads(good["decision.json"]) | {"husai": "0.0.1"}
    provenance = json.loads(good["provenance.json"])
    provenance["packages"]["husai"] = "0.0.1"
    older = {**without_views(good), "decision.json": strict_json.encode(then)}
    older["provenance.json"] = strict_json.encode(provenance)
    same = Snapshot("bundle", seal({**older, path: view.replace(b"needs", b"wants")}))
    assert check_views(same, audit(same)) == ()
    assert unchecked(same) == (path,)
    forged = Snapshot("bundle", seal({**older, path: view.replace(b"RELEASED: 6", b"RELEASED: 7")}))
    assert [(f.code, f.file) for f in check_views(forged, audit(forged))] == [("EV-VIEW", path)]


def test_rows_keep_their_words_in_every_form_that_lists_them(failing: Decision) -> None:
    row: Row = next(row for row in failing.rows if row.status == "fail")
    for form in ("text", "markdown", "github", "junit", "sarif"):
        assert row.says[:40] in REPORTERS[form](failing).replace("&#95;", "_").replace("&#x27;", "'"), form
