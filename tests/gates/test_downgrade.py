"""Versions of subjects: an older one means what it meant, and says nothing away that was to be said."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core.bundle import MANIFEST, Snapshot, manifest_of
from husai_gates.audit import audit
from husai_gates.last_release import LastRelease
from husai_gates.migration import migrate

FIELDS = ("agreement", "match_every", "decay_share")


def of_version_1(subjects: Any) -> None:
    """As a husai of that version would have written them, or as somebody would who has something to hide."""
    for subject in subjects:
        subject["schema"] = "husai:subject/v1"
        for key in FIELDS:
            subject["budget"].pop(key, None)


def forget_digests(draft: Any) -> None:
    """Of subjects, so that they are filled in again when the bundle is sealed the next time."""
    for document in draft.evidence.values():
        for listed in document["subjects"]:
            listed["digest"] = ""


def outcome(decision: Any) -> Any:
    return decision.exit_code, decision.findings, [(row.rule, row.status, row.code) for row in decision.rows]


def test_a_bundle_of_the_version_before_is_decided_as_one_of_the_newest(draft: Any, decide: Any) -> None:
    newest = decide(draft.files())
    forget_digests(draft)
    of_version_1(draft.subjects.values())
    older = decide(draft.files())
    assert outcome(older) == outcome(newest)
    assert older.exit_code == 0
    assert older.content_digest != newest.content_digest


def test_versions_may_stand_side_by_side(draft: Any, decide: Any) -> None:
    of_version_1(draft.of("addition.topk"))
    decision = decide(draft.files())
    assert (decision.exit_code, decision.findings) == (0, ())


def test_a_planned_decay_cannot_be_left_unsaid_by_naming_an_older_version(draft: Any, decide: Any) -> None:
    draft.study = draft.study.replace("steps = 1500", "steps = 1500\ndecay_share = 0.5")
    for subject in draft.subjects.values():
        subject["budget"]["decay_share"] = 0.5
    assert decide(draft.files()).exit_code == 0
    forget_digests(draft)
    of_version_1(draft.of("addition.topk"))
    decision = decide(draft.files())
    assert decision.exit_code == 3
    found = {(f.code, f.path, f.rule) for f in decision.findings if f.file.startswith("subjects/addition.topk.s")}
    assert found == {("EV-SUBJECT", "$.budget.decay_share", "0.5 was planned in study.toml, 0.2 is shown")}


def test_seeds_that_were_drawn_together_cannot_be_many_by_naming_an_older_version(draft: Any, decide: Any) -> None:
    draft.study = draft.study.replace('role = "candidate"', 'role = "candidate"\nagreement = 0.1')
    joint = [s for s in draft.subjects.values() if s["name"].startswith("addition.topk") and s["budget"]["steps"]]
    for subject in joint:
        subject["budget"] |= {"agreement": 0.1, "match_every": 5}
    honest = decide(draft.files())
    assert honest.exit_code == 2
    assert "EV-JOINT-SEEDS" in {row.code for row in honest.rows}
    forget_digests(draft)
    of_version_1(joint)
    decision = decide(draft.files())
    assert decision.exit_code == 3
    assert {f.path for f in decision.findings} == {"$.budget.agreement"}


def test_nor_those_of_a_trained_control_alone(draft: Any, decide: Any) -> None:
    draft.study = draft.study.replace('role = "candidate"', 'role = "candidate"\nagreement = 0.1')
    for subject in draft.subjects.values():
        if subject["name"].startswith("addition.topk") and subject["budget"]["steps"]:
            subject["budget"] |= {"agreement": 0.1, "match_every": 5}
    of_version_1(draft.of("addition.topk.random_decoder"))
    decision = decide(draft.files())
    assert decision.exit_code == 3
    assert {(f.code, f.file, f.rule) for f in decision.findings} == {
        (
            "EV-SUBJECT",
            f"subjects/addition.topk.random_decoder.s{seed}.json",
            f"a control with 0.0, 'addition.topk.s{seed}' has 0.1",
        )
        for seed in (1, 2, 3, 4, 5)
    }


STRANGE = {
    "of a newer husai": ("husai:subject/v3", "install a newer husai"),
    "with a leading zero": ("husai:subject/v01", "make the bundle again"),
    "with a blank": ("husai:subject/v2 ", "make the bundle again"),
    "as a number": (2, "make the bundle again"),
    "of another document": ("husai:site/v1", "make the bundle again"),
    "in a list": (["husai:subject/v2"], "make the bundle again"),
    "nowhere": (None, "make the bundle again"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_version_that_is_none_is_refused_and_nothing_is_read_of_it(draft: Any, decide: Any, case: str) -> None:
    stated, step = STRANGE[case]
    (first, *_) = draft.of("addition.topk")
    if stated is None:
        del first["schema"]
    else:
        first["schema"] = stated
    decision = decide(draft.files())
    assert decision.exit_code == 3
    (found,) = (f for f in decision.findings if f.code == "EV-SCHEMA")
    assert (found.file, found.path) == (f"subjects/{first['name']}.json", "$.schema")
    assert "'husai:subject/v1' or 'husai:subject/v2'" in found.rule
    assert found.next_step.startswith(step)


@pytest.mark.parametrize("key", FIELDS[::2])
def test_the_newest_version_must_say_it(draft: Any, decide: Any, key: str) -> None:
    (first, *_) = draft.of("addition.topk")
    del first["budget"][key]
    decision = decide(draft.files())
    assert decision.exit_code == 3
    assert (f"subjects/{first['name']}.json", f"the key '{key}' is missing") in {
        (f.file, f.rule) for f in decision.findings
    }


def test_a_document_that_breaks_its_own_version_is_not_lifted(draft: Any, decide: Any) -> None:
    (first, *_) = draft.of("addition.topk")
    first["schema"] = "husai:subject/v1"  # which has no words for an agreement of 0
    decision = decide(draft.files())
    assert decision.exit_code == 3
    paths = {f.path for f in decision.findings if f.file == f"subjects/{first['name']}.json"}
    assert paths == {"$.budget", "$.budget.agreement"}  # it is too little, and has no 'match_every' beside it


def test_a_last_release_of_the_version_before_has_the_budget_that_it_had(draft: Any) -> None:
    of_version_1(draft.subjects.values())
    files = draft.files()
    snapshot = Snapshot("release", files)
    again = migrate({path: raw for path, raw in files.items() if path != MANIFEST}).files
    there = [
        LastRelease.of(s, audit(s)) for s in (snapshot, Snapshot("again", {**again, MANIFEST: manifest_of(again)}))
    ]
    budgets = [{name: dict(s.budget) for name, s in release.report.subjects.items()} for release in there]
    assert budgets[0] == budgets[1]
    assert all(budget["decay_share"] == 0.2 for budget in budgets[0].values())
