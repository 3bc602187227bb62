"""Waivers: an exception that two people answer for, for these weights, for a time, down to a floor, and no further."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import husai_schemas
from husai_core import bundle as bundles
from husai_core.bundle import Snapshot
from husai_core.cli import invoke
from husai_core.errors import UsageError
from husai_gates import policy as policies
from husai_gates import waivers
from husai_gates.audit import audit
from husai_gates.decision import WORST_FIRST, Cell, Decision, Row
from husai_gates.interval import Interval
from husai_gates.pipeline import gate

POLICY = """
schema = "husai:policy/v1"
name = "waiving"
version = "1"
purpose = "Which rules may be waived?"
confidence = 0.95
min_units = 3
waiver_days = 10

[[rule]]
id = "explains"
question = "Do they explain?"
reason = "A dictionary should."
kind = "threshold"
benchmark = "reconstruction"
metric = "explained_variance"
at_least = 0.99999
waivable = true

[[rule]]
id = "alive"
question = "Are they alive?"
reason = "Dead latents are of no use."
kind = "threshold"
benchmark = "reconstruction"
metric = "dead_fraction"
at_most = 0.5

[[rule]]
id = "probed"
question = "Was it probed?"
reason = "It should have been."
kind = "present"
benchmark = "sparse_probing"
waivable = true
"""
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
CONDITION = "addition.topk"


@pytest.fixture
def folder(draft: Any, tmp_path: Path) -> Path:
    bundles.write({path: raw for path, raw in draft.files().items() if path != bundles.MANIFEST}, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def digest(folder: Path) -> str:
    return waivers.digest_of(audit(bundles.read(folder)).conditions[CONDITION])


def waiver(folder: Path, **changes: Any) -> str:
    fields = {
        "rule": "explains",
        "condition": CONDITION,
        "subject": digest(folder),
        "owner": "ada@example.org",
        "approver": "grace@example.org",
        "reason": "The next training repairs it.",
        "granted": "2026-06-09T00:00:00Z",
        "expires": "2026-06-11T00:00:00Z",
        "floor": 0.5,
    } | changes
    lines = [f"{key} = {value!r}" for key, value in fields.items() if value is not None]
    return "\n[[waiver]]\n" + "\n".join(lines).replace("'", '"') + "\n"


def judged(folder: Path, policy: Path, *texts: str, now: datetime = NOW) -> Decision:
    path = policy.with_name("waivers.toml")
    path.write_text('schema = "husai:waivers/v1"\n' + "".join(texts))
    return gate(folder, str(policy), waivers=path, now=now)


def both(folder: Path, **changes: Any) -> tuple[str, str]:
    """Waivers of both rules that do not hold, the first of them changed."""
    return waiver(folder, **changes), waiver(folder, rule="probed", floor=None)


def status(decision: Decision, rule: str) -> str:
    return next(row.status for row in decision.rows if row.rule == rule)


def codes(decision: Decision) -> set[str]:
    return {finding.code for finding in decision.findings}


def test_without_waivers_the_rules_do_not_hold_and_the_decision_names_none(folder: Path, policy: Path) -> None:
    decision = gate(folder, str(policy))
    assert (decision.exit_code, status(decision, "explains"), status(decision, "probed")) == (2, "fail", "missing")
    assert decision.waivers is None


def test_what_is_waived_releases_and_says_who_until_when_and_what_it_really_is(folder: Path, policy: Path) -> None:
    decision = judged(folder, policy, *both(folder))
    assert decision.exit_code == 0
    row = next(row for row in decision.rows if row.rule == "explains")
    assert (row.status, row.code) == ("waived", "WAIVED")
    for words in ("2026-06-11T00:00:00Z", "ada@example.org", "grace@example.org", "next training", "it is fail"):
        assert words in row.says
    assert decision.waivers is not None
    assert [entry["state"] for entry in decision.waivers["given"]] == ["used", "used"]
    assert decision.waivers["at"] == "2026-06-10T12:00:00Z"
    assert Decision.from_json(decision.to_json()).to_bytes() == decision.to_bytes()


REFUSED = {
    "expired at this very instant": ({"expires": "2026-06-10T12:00:00Z"}, "WAIVER-EXPIRED", 2),
    "not yet granted": ({"granted": "2026-06-10T12:00:01Z"}, "WAIVER-NOT-YET", 2),
    "longer than the policy allows": ({"granted": "2026-06-01T00:00:00Z"}, None, 0),
    "a second longer than the policy allows": (
        {"granted": "2026-06-01T00:00:00Z", "expires": "2026-06-11T00:00:01Z"}, "WAIVER-LIFETIME", 64
    ),
    "other weights": ({"subject": "sha256:" + "0" * 64}, "WAIVER-SUBJECT", 2),
    "below the floor": ({"floor": 0.999}, "WAIVER-FLOOR", 2),
    "no floor for what was measured": ({"floor": None}, "WAIVER-FLOOR", 2),
    "a rule that nobody called waivable": ({"rule": "alive", "floor": 0.9}, "WAIVER-FORBIDDEN", 64),
    "a rule that is not there": ({"rule": "explain"}, "WAIVER-UNMATCHED", 64),
    "a condition that is not there": ({"condition": "addition.topkk"}, "WAIVER-UNMATCHED", 64),
    "a condition that the rule is not about": ({"condition": "addition.relu"}, "WAIVER-UNMATCHED", 64),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_waiver_that_does_not_hold_is_reported_and_leaves_the_rule_as_it_is(
    folder: Path, policy: Path, case: str
) -> None:
    changes, code, exit_code = REFUSED[case]
    decision = judged(folder, policy, *both(folder, **changes))
    assert decision.exit_code == exit_code
    if code is None:
        assert codes(decision) == set()
        return
    assert codes(decision) == {code}
    assert status(decision, "explains") == "fail"
    assert decision.waivers is not None
    assert [entry["state"] for entry in decision.waivers["given"]] == ["refused", "used"]


MISTAKES = {
    "the owner approves": ({"approver": "Ada@Example.org"}, "is the owner, too"),
    "no owner": ({"owner": None}, "'owner' is missing"),
    "no such day": ({"expires": "2026-06-31T00:00:00Z"}, "no day of the calendar"),
    "over before it begins": ({"granted": "2026-06-11T00:00:00Z"}, "is not after 'granted'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_the_file_is_a_usage_error_with_its_place(folder: Path, policy: Path, case: str) -> None:
    changes, says = MISTAKES[case]
    with pytest.raises(UsageError, match=r"waivers\.toml") as caught:
        judged(folder, policy, *both(folder, **changes))
    assert says in str(caught.value)


def test_two_waivers_of_one_thing_are_refused(folder: Path, policy: Path) -> None:
    with pytest.raises(UsageError, match="a second waiver"):
        judged(folder, policy, waiver(folder), waiver(folder, floor=0.1))


def test_integrity_is_never_waived(draft: Any, folder: Path, policy: Path) -> None:
    texts = both(folder)
    path = next((folder / "evidence").iterdir())
    path.write_bytes(path.read_bytes() + b" ")
    decision = judged(folder, policy, *texts)
    assert decision.exit_code == 3
    assert "WAIVER-INTEGRITY" in codes(decision)
    assert {row.status for row in decision.rows} == {"invalid"}


def test_a_waiver_that_is_not_needed_is_recorded_and_changes_nothing(folder: Path, policy: Path) -> None:
    policy.write_text(POLICY.replace("0.99999", "0.1"))
    decision = judged(folder, policy, *both(folder))
    assert decision.exit_code == 0
    assert decision.waivers is not None
    assert [entry["state"] for entry in decision.waivers["given"]] == ["not_needed", "used"]


def test_waivers_alone_release_nothing(folder: Path, policy: Path) -> None:
    policy.write_text(
        POLICY.replace("dead_fraction", "explained_variance").replace(
            "at_most = 0.5", "at_least = 0.99999\nwaivable = true"
        )
    )
    decision = judged(folder, policy, *both(folder), waiver(folder, rule="alive"))
    assert {row.status for row in decision.rows} == {"waived"}
    assert decision.exit_code == 5


def test_the_floor_of_a_ceiling_is_above_it(folder: Path, policy: Path) -> None:
    strict = POLICY.replace("at_most = 0.5", "at_most = 0.0\nwaivable = true")
    policy.write_text(strict)
    for floor, expected in ((0.9, "waived"), (1e-6, "fail")):
        decision = judged(folder, policy, *both(folder), waiver(folder, rule="alive", floor=floor))
        assert status(decision, "alive") == expected


def test_a_rule_of_a_family_cannot_be_called_waivable(policy: Path, folder: Path) -> None:
    family = '\n[[family]]\nname = "claims"\nreason = "They are made together."\n'
    text = POLICY.replace("waivable = true", 'waivable = true\nfamily = "claims"', 1) + family
    policy.write_text(text.replace("at_most = 0.5", 'at_most = 0.5\nfamily = "claims"'))
    with pytest.raises(UsageError, match="which no waiver is about"):
        gate(folder, str(policy))


def test_the_command_line_takes_a_file_of_waivers(
    folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = policy.with_name("waivers.toml")
    path.write_text('schema = "husai:waivers/v1"\n' + "".join(both(folder)))
    assert invoke(["gate", str(folder), "--policy", str(policy), "--waivers", str(path)]) == 2  # they are of 2026-06
    assert "WAIVER-EXPIRED" in capsys.readouterr().out
    assert invoke(["gate", str(folder), "--policy", str(policy), "--waivers", str(path) + "x"]) == 64


def test_the_example_of_the_docs_is_a_file_of_waivers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "waivers.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(waivers.load(example.encode(), "docs", NOW).waivers) == 1
    for code in ("EXPIRED", "NOT-YET", "SUBJECT", "FLOOR", "INTEGRITY", "FORBIDDEN", "LIFETIME", "UNMATCHED"):
        assert f"`WAIVER-{code}`" in page


THRESHOLD = 'kind = "threshold"\nbenchmark = "reconstruction"\nmetric = "l0"\n'
SHARE = 'kind = "proportion"\nbenchmark = "reconstruction"\nmetric = "dead_fraction"\nshare = 0.9\n'
GAIN = 'kind = "superiority"\nbenchmark = "reconstruction"\nmetric = "l0"\nover = { role = "baseline" }\n'
ALIKE = 'kind = "equivalence"\nbenchmark = "reconstruction"\nmetric = "l0"\nto = "chance"\nmargin = 0.01\n'
MEASURED = {  # the rule, the interval, the worst unit, the worst floor that holds, and whether a lower one would
    "lower bound": (THRESHOLD + "at_least = 0.9\n", (0.2, 0.4), None, 0.2, True),
    "worst unit": (THRESHOLD + "at_least = 0.9\nworst_at_least = 0.8\n", (0.2, 0.4), 0.1, 0.1, True),
    "worst unit alone": (THRESHOLD + "worst_at_least = 0.8\n", (0.2, 0.4), 0.3, 0.2, True),
    "upper bound": (THRESHOLD + "at_most = 0.1\n", (0.2, 0.4), None, 0.4, False),
    "highest unit": (THRESHOLD + "at_most = 0.1\nworst_at_most = 0.2\n", (0.2, 0.4), 0.5, 0.5, False),
    "highest unit alone": (THRESHOLD + "worst_at_most = 0.1\n", (0.2, 0.4), 0.5, 0.5, False),
    "share above": (
        SHARE.replace("dead_fraction", "explained_variance") + "at_least = 0.9\n",
        (0.2, 1.0),
        None,
        0.2,
        True,
    ),
    "share below": (SHARE + "at_most = 0.1\n", (0.2, 1.0), None, 0.2, True),
    "gain": (GAIN, (-0.5, 0.4), None, -0.5, True),
    "more apart below": (ALIKE, (-0.5, 0.4), None, 0.5, False),
    "more apart above": (ALIKE, (-0.3, 0.4), None, 0.4, False),
}


def held(
    draft: Any, rule: str, floor: float | None, cells: list[Cell], condition: str = CONDITION
) -> tuple[Any, Any, Any]:
    """What `waived` makes of a rule with these cells and a waiver of one condition."""
    conditions = audit(Snapshot("bundle", draft.files())).conditions
    head = POLICY[: POLICY.index("[[rule]]")]
    asked = head + '[[rule]]\nid = "it"\nquestion = "?"\nreason = "!"\nwaivable = true\n' + rule
    worst = min(cells, key=lambda cell: WORST_FIRST.index(cell.status))
    row = Row("it", "?", "!", "threshold", "it", worst.status, worst.code, f"of all: {worst.says}", "do", tuple(cells))
    weights, until = waivers.digest_of(conditions[CONDITION]), NOW + timedelta(days=1)
    given = waivers.Waiver("it", condition, weights, "ada", "grace", "Soon.", NOW, until, floor)
    ((found,), findings, record) = waivers.waived(
        (row,), policies.load(asked.encode(), "p.toml"), waivers.Waivers("sha256:0", NOW, (given,)), conditions
    )
    return found, findings, record


def cell(
    ends: tuple[float, float] | None, worst: float | None = None, status: Any = "fail", condition: str = CONDITION
) -> Cell:
    interval = Interval(0.3, *ends, 5, "t", 0.95) if ends else None
    return Cell(condition, None, status, "CODE", "no", "do", interval=interval, worst=((3,), worst) if worst else None)


@pytest.mark.parametrize("case", MEASURED)
def test_a_floor_holds_up_to_the_worst_that_was_measured(draft: Any, case: str) -> None:
    rule, ends, worst, floor, lower = MEASURED[case]
    looser, stricter = floor - 1e-9, floor + 1e-9
    if not lower:
        looser, stricter = stricter, looser
    for at, status in ((floor, "waived"), (looser, "waived"), (stricter, "fail")):
        found, findings, record = held(draft, rule, at, [cell(ends, worst)])
        assert (found.status, found.cells[0].status) == (status, status)
        assert [f.code for f in findings] == ([] if status == "waived" else ["WAIVER-FLOOR"])
        assert record[0]["state"] == ("used" if status == "waived" else "refused")
    assert f"the floor is {waivers.number(stricter)}" in findings[0].rule


ENDS = "at_least = 0.1\nat_most = 0.2\n"
TWO_ENDS = {
    "range": THRESHOLD.replace("threshold", "range") + ENDS,
    "bounds": THRESHOLD + ENDS,
    "a worst unit below": THRESHOLD + f"worst_{ENDS}",
    "a worst unit above": THRESHOLD + ENDS.replace("at_most", "worst_at_most"),
}


@pytest.mark.parametrize("rule", TWO_ENDS)
@pytest.mark.parametrize("floor", [-1e9, 0.3, 1e9])
def test_no_floor_can_be_held_between_two_ends(draft: Any, rule: str, floor: float) -> None:
    found, findings, _ = held(draft, TWO_ENDS[rule], floor, [cell((0.2, 0.4))])
    assert (found.status, [f.code for f in findings]) == ("fail", ["WAIVER-FLOOR"])
    assert "bounded on both sides" in findings[0].rule


def test_what_was_not_measured_is_waived_without_a_floor_alone(draft: Any) -> None:
    rule = THRESHOLD + "at_least = 0.9\n"
    assert held(draft, rule, None, [cell(None, status="missing")])[0].status == "waived"
    found, findings, _ = held(draft, rule, 0.1, [cell(None, status="missing")])
    assert (found.status, findings[0].rule) == ("missing", "nothing was measured that could be held to the floor")


def test_a_waiver_is_of_one_condition_and_the_row_is_as_bad_as_the_others(draft: Any) -> None:
    rule = THRESHOLD + "at_least = 0.9\n"
    other = cell((0.2, 0.4), status="inconclusive", condition="addition.relu")
    found, findings, record = held(draft, rule, 0.1, [other, cell((0.2, 0.4))])
    assert [one.status for one in found.cells] == ["inconclusive", "waived"]
    assert (found.status, found.code, found.says, found.next_step) == ("inconclusive", "CODE", "no", "do")
    assert (findings, record[0]["state"]) == ((), "used")
    found, _, record = held(draft, rule, 0.1, [cell((0.95, 0.96), status="pass"), other])
    assert ([one.status for one in found.cells], record[0]["state"]) == (["pass", "inconclusive"], "not_needed")
    assert found.says == "of all: no"


@pytest.mark.parametrize("status", ["invalid", "error"])
def test_a_cell_that_cannot_be_believed_is_not_waived(draft: Any, status: str) -> None:
    rule = THRESHOLD + "at_least = 0.9\n"
    cells = [cell((0.2, 0.4)), cell(None, status=status)]
    found, findings, _ = held(draft, rule, 0.1, cells)
    assert (found.status, [f.code for f in findings]) == (status, ["WAIVER-INTEGRITY"])
    other = cell(None, status=status, condition="addition.relu")
    found, findings, _ = held(draft, rule, 0.1, [other])
    assert (found.status, [f.code for f in findings]) == (status, ["WAIVER-INTEGRITY"])
    other = cell((0.2, 0.4), condition="addition.relu")
    _, findings, _ = held(draft, rule, 0.1, [other])
    assert [f.code for f in findings] == ["WAIVER-UNMATCHED"]
    assert "addition.relu" in findings[0].next_step


def test_a_cell_that_holds_is_not_held_to_the_floor(draft: Any) -> None:
    found, findings, record = held(draft, THRESHOLD + "at_least = 0.1\n", 0.3, [cell((0.2, 0.4), status="pass")])
    assert (found.status, findings, record[0]["state"]) == ("pass", (), "not_needed")


def test_a_control_that_was_never_made_has_no_weights_to_be_waived(draft: Any) -> None:
    lost = "addition.topk.shuffled"
    found, findings, _ = held(draft, THRESHOLD + "at_least = 0.9\n", None, [cell(None, condition=lost)], lost)
    assert (found.status, [f.code for f in findings]) == ("fail", ["WAIVER-UNMATCHED"])


def test_a_file_is_looked_at_at_one_whole_second(folder: Path) -> None:
    raw = ('schema = "husai:waivers/v1"\n' + waiver(folder)).encode()
    found = waivers.load(raw, "waivers.toml", NOW.replace(microsecond=999_999).astimezone(timezone(timedelta(hours=2))))
    assert (found.at, found.at.tzinfo) == (NOW, UTC)
    assert found.waivers[0].floor == 0.5
    wrong = raw.replace(b'owner = "ada@example.org"', b"owner = 1").replace(b"floor = 0.5", b'floor = "low"')
    first, second = husai_schemas.problems("waivers", tomllib.loads(wrong.decode()))
    assert first.path != second.path
    with pytest.raises(UsageError) as caught:
        waivers.load(wrong, "waivers.toml", NOW)
    assert (caught.value.place, caught.value.rule) == (f"waivers.toml {first.path}", first.rule)
    with pytest.raises(UsageError, match=r"waivers\.toml"):
        waivers.load(raw + b"[", "waivers.toml", NOW)
