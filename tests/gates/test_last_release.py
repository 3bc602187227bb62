"""Regression against the last release: what is compared, and every way in which the older bundle is unfit for it."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from husai_core.bundle import Snapshot
from husai_core.cli import invoke
from husai_gates import last_release as releases
from husai_gates import policy as policies
from husai_gates.audit import audit
from husai_gates.cannot_judge import CannotJudge
from husai_gates.explain import explain
from husai_gates.judge import judge
from husai_gates.last_release import LastRelease
from husai_gates.reporters import REPORTERS
from husai_gates.views import check_views, make_views

HEAD = """
schema = "husai:policy/v1"
name = "next"
version = "1"
purpose = "Nothing got worse."
confidence = 0.95
min_units = 3

[[rule]]
id = "it"
question = "Did it get worse?"
reason = "It must not."
"""
REGRESSION = 'kind = "regression"\nbenchmark = "reconstruction"\nmetric = "explained_variance"\n'
PRESENT = """
[[rule]]
id = "measured"
question = "Was it measured?"
reason = "It must be."
kind = "present"
benchmark = "reconstruction"
"""


@pytest.fixture
def older(make_draft: Any) -> Any:
    """The bundle of an earlier release: other weights, an earlier run, a decision that released it."""
    draft = make_draft(views=True)
    for subject in draft.subjects.values():
        subject["weights"] = "sha256:" + subject["weights"].removeprefix("sha256:")[::-1]
    draft.provenance |= {"started": "2026-01-01T12:00:00Z", "finished": "2026-01-01T12:10:00Z"}
    for offset, observation in enumerate(draft.measurement("explained_variance")["observations"]):
        observation["value"] = round(observation["value"] + 0.001 * (offset % 3), 6)
    return draft


def compared(
    draft: Any, older: Any, rule: str, spoil: Callable[[dict[str, bytes]], dict[str, bytes]] | None = None
) -> Any:
    """The decision on the draft beside the older bundle, as `husai gate --baseline` makes it."""
    audited = []
    for files in (draft.files(), older.files() if older else None):
        if files is not None:
            if spoil and audited:
                files = spoil(dict(files))
            snapshot = Snapshot("bundle", files)
            report = audit(snapshot)
            audited.append((snapshot, report.with_findings(check_views(snapshot, report))))
    snapshot, report = audited[0]
    last = LastRelease.of(*audited[1]) if older else None
    return judge(report, policies.load((HEAD + rule).encode(), "p.toml"), snapshot, last)


def test_a_release_is_not_worse_than_the_last_one_by_the_margin(draft: Any, older: Any) -> None:
    decision = compared(draft, older, REGRESSION + "margin = 0.01")
    (row,) = decision.rows
    (cell,) = row.cells
    assert (row.status, cell.against, decision.baseline) == (
        "pass",
        "last release",
        LastRelease.of(Snapshot("b", older.files()), audit(Snapshot("b", older.files()))).report.content_digest,
    )
    assert cell.interval.method == "Welch: t over seeds"
    assert cell.interval.estimate == pytest.approx(-0.0008, abs=1e-6)
    assert cell.p < 0.025
    low = cell.interval.low
    assert compared(draft, older, REGRESSION + f"margin = {-low * (1 - 1e-9)!r}").rows[0].status == "fail"
    assert compared(draft, older, REGRESSION + f"margin = {-low * (1 + 1e-9)!r}").rows[0].status == "pass"


def test_seeds_may_be_paired_where_the_policy_says_that_they_are_the_same(draft: Any, older: Any) -> None:
    cell = compared(draft, older, REGRESSION + "margin = 0.01\npaired = true").rows[0].cells[0]
    assert cell.interval.method == "t over seeds"
    assert cell.exact_p == 1 / 32


def test_seeds_that_one_release_lacks_cannot_be_paired(draft: Any, older: Any) -> None:
    older.drop_seed(5)
    older.study = older.study.replace("[1, 2, 3, 4, 5]", "[1, 2, 3, 4]")
    (row,) = compared(draft, older, REGRESSION + "margin = 0.01\npaired = true").rows
    assert (row.status, row.code) == ("inconclusive", "CMP-UNITS")
    assert row.says == "only one of 'addition.topk' and 'addition.topk' has the unit [5]"
    assert compared(draft, older, REGRESSION + "margin = 0.01").rows[0].code == "RULE-HOLDS"


def test_without_the_last_release_nothing_is_shown(draft: Any) -> None:
    decision = compared(draft, None, REGRESSION + "margin = 0.01")
    assert (decision.rows[0].status, decision.rows[0].code) == ("missing", "BASE-ABSENT")
    assert decision.baseline is None
    assert "--baseline" in decision.rows[0].next_step
    assert int(decision.exit_code) == 2


def drop_condition(older: Any) -> None:
    older.drop([name for name, s in older.subjects.items() if s["condition"].startswith("addition.topk")])
    older.study = older.study.replace('role = "baseline"', 'role = "candidate"')
    older.policy = older.policy.partition("\n[[rule]]")[0] + PRESENT
    head, _, tail = older.study.partition("\n[[sae]]")
    older.study = f"{head}\n[[sae]]{tail.partition('[[sae]]')[2]}"
    for subject in older.subjects.values():
        subject["role"] = "candidate" if subject["role"] == "baseline" else subject["role"]
    for document in older.evidence.values():
        document["measurements"] = [m for m in document["measurements"] if "topk" not in m["condition"]]


def never_released(older: Any) -> None:
    for observation in older.measurement("explained_variance")["observations"]:
        observation["value"] -= 0.5


def no_decision(older: Any) -> None:
    older.views = False


def same_weights(older: Any) -> None:
    for name, subject in older.subjects.items():
        if name == "addition.topk.s3":
            subject["weights"] = "sha256:" + subject["weights"].removeprefix("sha256:")[::-1]


def newer(older: Any) -> None:
    older.provenance |= {"started": "2026-02-01T12:00:00Z", "finished": "2026-02-01T12:10:00Z"}


def other_test_rows(older: Any) -> None:
    for document in older.evidence.values():
        document["data"][0] |= {"rows": 500}
    older.site["data"][1]["rows"] = 500


def other_benchmark(older: Any) -> None:
    older.reconstruction["benchmark"]["version"] = "0"


@pytest.mark.parametrize(
    ("mutation", "status", "code"),
    [
        (drop_condition, "missing", "BASE-ABSENT"),
        (never_released, "inconclusive", "BASE-INVALID"),
        (no_decision, "inconclusive", "BASE-INVALID"),
        (same_weights, "inconclusive", "BASE-STALE"),
        (newer, "inconclusive", "BASE-STALE"),
        (other_test_rows, "inconclusive", "CMP-SITE"),
        (other_benchmark, "inconclusive", "CMP-BENCHMARK"),
    ],
)
def test_an_unfit_release_is_no_comparison(draft: Any, older: Any, mutation: Any, status: str, code: str) -> None:
    mutation(older)
    decision = compared(draft, older, REGRESSION + "margin = 0.5")
    assert (decision.rows[0].status, decision.rows[0].code) == (status, code), decision.rows[0].says
    assert int(decision.exit_code) == 2
    assert explain(decision)


@pytest.mark.parametrize("side", ["new", "old"])
def test_a_side_whose_seeds_do_not_differ_proves_nothing(draft: Any, older: Any, side: str) -> None:
    for observation in (draft if side == "new" else older).measurement("explained_variance")["observations"]:
        observation["value"] = 0.95
    older.policy = older.policy.partition("\n[[rule]]")[0] + PRESENT
    row = compared(draft, older, REGRESSION + "margin = 0.5").rows[0]
    assert (row.status, row.code) == ("inconclusive", "EV-ZERO-WIDTH")


def test_a_bundle_with_a_regression_in_its_policy_is_fit_to_be_the_next_last_release(draft: Any, older: Any) -> None:
    """Its own decision could not be compared with anything; that alone does not hold it back."""
    for bundle in (draft, older):
        bundle.views = True
        bundle.policy += f'\n[[rule]]\nid = "as-good"\nquestion = "?"\nreason = "So."\n{REGRESSION}margin = 0.5\n'
    decision = compared(draft, older, REGRESSION + "margin = 0.5")
    assert decision.rows[0].status == "pass"
    assert not decision.findings


def test_the_very_same_bundle_is_stale(draft: Any) -> None:
    draft.views = True
    row = compared(draft, draft, REGRESSION + "margin = 0.5").rows[0]
    assert (row.code, "this very bundle" in row.says) == ("BASE-STALE", True)


def test_a_release_that_was_tampered_with_is_invalid(draft: Any, older: Any) -> None:
    def not_a_number(files: dict[str, bytes]) -> dict[str, bytes]:
        path = "evidence/reconstruction.addition.json"
        return {**files, path: files[path].replace(b'"value": 0.9', b'"value": NaN, "x": 0.9', 1)}

    decision = compared(draft, older, REGRESSION + "margin = 0.5", not_a_number)
    assert (decision.rows[0].status, decision.rows[0].code) == ("invalid", "BASE-INVALID")
    assert "cannot be believed: EV-" in decision.rows[0].says
    assert int(decision.exit_code) == 3


def test_a_release_that_ended_when_this_run_began_is_older(draft: Any, older: Any) -> None:
    older.provenance |= {"started": "2026-01-31T11:50:00Z", "finished": "2026-01-31T12:00:00Z"}
    assert compared(draft, older, REGRESSION + "margin = 0.5").rows[0].status == "pass"
    older.provenance |= {"finished": "2026-01-31T12:00:01Z"}
    row = compared(draft, older, REGRESSION + "margin = 0.5").rows[0]
    assert (row.code, "made after this run began" in row.says) == ("BASE-STALE", True)


def test_a_release_that_does_not_say_when_it_was_made_is_stale(draft: Any, older: Any, seal: Any) -> None:
    def forget(files: dict[str, bytes]) -> dict[str, bytes]:
        del files["provenance.json"], files["decision.json"], files["report.md"]
        files |= make_views(files)
        return dict(seal(files))

    older.policy = older.policy.partition("\n[[rule]]")[0] + PRESENT
    row = compared(draft, older, REGRESSION + "margin = 0.5", forget).rows[0]
    assert (row.status, row.code) == ("inconclusive", "BASE-STALE")
    assert "no time" in row.says


@pytest.mark.parametrize(("days", "status"), [(29.9931, "pass"), (29.993, "inconclusive")])
def test_a_policy_may_say_how_old_a_release_may_be(draft: Any, older: Any, days: float, status: str) -> None:
    """The older run ended ten minutes short of thirty days before this one began."""
    row = compared(draft, older, REGRESSION + f"margin = 0.5\nmax_age_days = {days}").rows[0]
    assert row.status == status
    if status == "inconclusive":
        assert (row.code, "30 days before" in row.says) == ("BASE-STALE", True)


@pytest.mark.parametrize(("second", "status"), [(0, "pass"), (1, "inconclusive")])
def test_a_release_may_be_as_old_as_the_policy_says_to_the_second(
    draft: Any, older: Any, second: int, status: str
) -> None:
    older.provenance |= {"started": "2026-01-01T11:50:00Z", "finished": "2026-01-01T12:00:00Z"}
    draft.provenance |= {"started": f"2026-01-31T12:00:0{second}Z"}
    row = compared(draft, older, REGRESSION + "margin = 0.5\nmax_age_days = 30").rows[0]
    assert (row.status, row.code) == (status, "RULE-HOLDS" if status == "pass" else "BASE-STALE")


def test_a_run_that_does_not_say_when_it_began_has_no_older_release(draft: Any, older: Any) -> None:
    report, last = (audit(Snapshot("bundle", made.files())) for made in (draft, older))
    rule = policies.load((HEAD + REGRESSION + "margin = 0.5").encode(), "p.toml").rules[0]
    there = LastRelease(last, datetime(2026, 1, 1), (), True)
    target = report.conditions["addition.topk"]
    assert releases.older(rule, target, report, datetime(2026, 1, 2), there).name == "addition.topk"
    with pytest.raises(CannotJudge, match="its rule 'one' did not hold"):
        releases.older(rule, target, report, datetime(2026, 1, 2), dataclasses.replace(there, held_back=("one", "two")))
    with pytest.raises(CannotJudge, match="it holds no decision"):
        releases.older(rule, target, report, datetime(2026, 1, 2), dataclasses.replace(there, decided=False))
    with pytest.raises(CannotJudge, match="has no time") as caught:
        releases.older(rule, target, report, None, there)
    assert caught.value.code == "BASE-STALE"


@pytest.mark.parametrize(
    ("rows", "held_back", "decided"),
    [
        ([("pass", "RULE-HOLDS"), ("waived", "WAIVED"), ("not_applicable", "RULE-NONE")], (), True),
        ([("missing", "BASE-ABSENT"), ("missing", "EV-ABSENT"), ("fail", "RULE-FAILED")], ("r1", "r2"), True),
        ([], (), True),
        (None, (), False),
        ("no rows", (), False),
    ],
)
def test_what_held_a_release_back_is_read_off_its_decision(
    older: Any, rows: Any, held_back: tuple[str, ...], decided: bool
) -> None:
    files = older.files()
    report = audit(Snapshot("bundle", files))
    listed = (
        []
        if rows in (None, "no rows")
        else [{"rule": f"r{n}", "status": s, "code": c} for n, (s, c) in enumerate(rows)]
    )
    files["decision.json"] = json.dumps({"rows": listed} if rows != "no rows" else {}).encode()
    if rows is None:
        del files["decision.json"]
    found = LastRelease.of(Snapshot("bundle", files), report)
    assert (found.held_back, found.decided) == (held_back, decided)
    assert found.finished == datetime(2026, 1, 1, 12, 10)


def test_another_condition_of_the_release_may_be_named(draft: Any, older: Any) -> None:
    rule = REGRESSION + 'margin = 0.5\nto = { condition = "addition.relu" }'
    cell = compared(draft, older, rule).rows[0].cells[0]
    assert cell.interval.estimate == pytest.approx(0.01, abs=0.001)
    rule = REGRESSION + 'margin = 0.5\nto = { condition = "addition.gated" }'
    assert compared(draft, older, rule).rows[0].code == "BASE-ABSENT"


def test_a_release_of_other_budget_is_compared_unless_the_policy_says_no(draft: Any, older: Any) -> None:
    older.study = older.study.replace("steps = 1500", "steps = 1400")
    for subject in older.subjects.values():
        if subject["budget"]["steps"]:
            subject["budget"] |= {"steps": 1400, "rows_seen": 1400 * 512}
    keys = "comparable = ['site', 'target', 'benchmark', 'settings', 'data', 'rows', 'budget', 'width']\n"
    rule = REGRESSION + "margin = 0.5\n"
    assert compared(draft, older, rule).rows[0].status == "pass"
    assert compared(draft, older, rule + keys).rows[0].code == "CMP-BUDGET"
    near = "tolerance = { steps = 0.1, rows_seen = 0.1 }"
    assert compared(draft, older, rule + keys + near).rows[0].status == "pass"


def test_the_command_takes_the_older_bundle(
    draft: Any, older: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, files in (("new", draft.files()), ("old", older.files())):
        for path, raw in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(raw)
    (tmp_path / "p.toml").write_text(HEAD + REGRESSION + "margin = 0.01")
    arguments = [str(tmp_path / "new"), "--policy", str(tmp_path / "p.toml")]
    assert invoke(["gate", *arguments]) == 2
    assert "BASE-ABSENT" not in capsys.readouterr().err
    assert invoke(["gate", *arguments, "--baseline", str(tmp_path / "old")]) == 0
    assert "against sha256:" in capsys.readouterr().out
    assert invoke(["explain", *arguments, "--baseline", str(tmp_path / "old")]) == 0
    assert "worse than in the last release by less than 0.01" in capsys.readouterr().out
    assert invoke(["gate", *arguments, "--baseline", str(tmp_path / "none")]) != 0


PARETO = """kind = "pareto"
over = "last_release"
metrics = [
    { benchmark = "reconstruction", metric = "explained_variance" },
    { benchmark = "reconstruction", metric = "dead_fraction" },
]
"""


def test_a_release_that_gained_nothing_may_be_dominated(draft: Any, older: Any) -> None:
    row = compared(draft, older, PARETO).rows[0]
    assert (row.status, row.code) == ("fail", "RULE-FAILED")
    for observation in older.measurement("dead_fraction")["observations"]:
        observation["value"] = min(1.0, observation["value"] + 25 / 256)
    decision = compared(draft, older, PARETO)
    assert decision.rows[0].status == "pass"
    assert "dead_fraction" in decision.rows[0].says
    assert decision.rows[0].cells[0].interval.confidence == 0.975
    assert "Compared with the last release" in REPORTERS["markdown"](decision)
    assert copy.deepcopy(type(decision).from_json(decision.to_json())).to_bytes() == decision.to_bytes()
