"""Contrasts: the report says of every metric how far a dictionary is from its controls, and which metrics can tell."""

from __future__ import annotations

import math
import re
import statistics
from typing import Any

import pytest

from husai_core.bundle import Snapshot
from husai_core.errors import UsageError
from husai_gates.audit import audit
from husai_gates.contrasts import listing
from husai_gates.policy import load
from husai_gates.student_t import quantile


def lines(draft: Any, first: str) -> dict[tuple[str, ...], list[str]]:
    """The rows of the tables under headings that begin so, by their first four cells."""
    text = draft.report()
    parts = [part for part in re.split(r"\n##? ", text) if part.startswith(first)]
    assert parts, text
    rows = [line.strip("| ").split(" | ") for part in parts for line in part.splitlines() if line.startswith("| ")]
    return {tuple(cell.strip() for cell in row[:4]): [cell.strip() for cell in row[4:]] for row in rows}


def contrast(draft: Any, control: str, metric: str) -> Any:
    report = audit(Snapshot("bundle", draft.files()))
    assert report.intact
    (found,) = (c for c in listing(report, control, 0.95) if (c.asked.metric, c.base.name) == (metric, "addition.topk"))
    return found


def test_every_metric_of_every_benchmark_stands_beside_each_control(draft: Any) -> None:
    found = lines(draft, "Differences to controls")
    assert found["metric", "setting", "dictionary", "better"] == ["random_decoder", "untrained"]
    metrics = {"explained_variance", "dead_fraction", "l0", "pwmcc"}
    assert {key[0] for key in found} - {"metric", "---"} == metrics
    assert {key[2] for key in found} - {"dictionary", "---"} == {"addition.topk", "addition.relu"}


def test_a_difference_is_the_t_interval_of_the_pairs(draft: Any) -> None:
    values = {
        name: [o["value"] for o in draft.measurement("explained_variance", name)["observations"]]
        for name in ("addition.topk", "addition.topk.untrained")
    }
    pairs = [a - b for a, b in zip(*values.values(), strict=True)]
    half = quantile(0.975, 4) * statistics.stdev(pairs) / math.sqrt(5)
    found = contrast(draft, "untrained", "explained_variance").difference
    centre = statistics.mean(pairs)
    assert (found.estimate, found.low, found.high) == pytest.approx((centre, centre - half, centre + half))


def test_a_difference_has_the_sign_of_the_metric_also_where_less_is_better(draft: Any) -> None:
    """More dead latents than in the control: the difference is above zero, however bad that is."""
    assert contrast(draft, "untrained", "dead_fraction").difference.low > 0


def test_what_the_report_shows_is_what_a_rule_judges(draft: Any, decide: Any) -> None:
    found = contrast(draft, "untrained", "pwmcc").difference
    (cell,) = next(row for row in decide(draft.files()).rows if row.rule == "trained").cells
    assert cell.interval == found


def test_settings_are_contrasts_of_their_own(draft: Any) -> None:
    for document in draft.evidence.values():
        extra = [{**m, "setting": {"k": k}} for m in document["measurements"] for k in (1, 5)]
        document["measurements"] += extra
    found = lines(draft, "Differences to controls")
    assert {key[1] for key in found if key[0] == "pwmcc"} == {"", "k = 1", "k = 5"}
    bad = draft.reconstruction["measurements"]
    bad[:] = [m for m in bad if not (m["condition"] == "addition.topk.untrained" and m["setting"] == {"k": 5})]
    assert lines(draft, "Differences to controls")["l0", "k = 5", "addition.topk", "neither"][1] == "not measured"


def test_a_seed_that_is_missing_leaves_no_number(draft: Any) -> None:
    draft.measurement("l0", "addition.topk.untrained")["observations"].pop()
    assert str(contrast(draft, "untrained", "l0")) == "none: EV-SEEDS-MISSING"


def test_a_difference_that_never_varies_is_said_to_have_no_interval(draft: Any) -> None:
    ours = draft.measurement("l0")["observations"]
    draft.measurement("l0", "addition.topk.untrained")["observations"][:] = [dict(o) for o in ours]
    assert str(contrast(draft, "untrained", "l0")) == "0, the same for every seed"


def test_an_unknown_control_is_answered_with_the_nearest(draft: Any) -> None:
    with pytest.raises(UsageError, match="did you mean 'untrained'"):
        listing(audit(Snapshot("bundle", draft.files())), "untraned", 0.95)


def test_the_report_says_which_instruments_tell_good_from_bad(draft: Any, decide: Any) -> None:
    found = lines(draft, "Which instruments tell good from bad")
    assert found["benchmark", "metric", "setting", "dictionary"] == ["trained over random_decoder"]
    assert {key[1] for key in found} == {"metric", "---", "explained_variance", "dead_fraction", "pwmcc"}
    (shown,) = found["reconstruction", "explained_variance", "", "addition.topk"]
    head = draft.policy[: draft.policy.index("[[rule]]")]
    rule = """[[rule]]
id = "it"
question = "Does it separate?"
reason = "It must."
kind = "qualified"
benchmark = "reconstruction"
metric = "explained_variance"
bad = { control = "random_decoder" }
at_least = 1
"""
    load((head + rule).encode(), "test")
    (cell,) = decide(draft.files(), head + rule).rows[0].cells
    assert float(shown) == pytest.approx(cell.interval.low, rel=1e-3)


def test_an_instrument_that_does_not_look_says_so(draft: Any) -> None:
    ours, theirs = (
        draft.measurement("explained_variance", f"addition.topk{control}")["observations"]
        for control in ("", ".random_decoder")
    )
    for one, other in zip(ours, theirs, strict=True):
        other["value"] = one["value"] * (1 + 1e-15)
    found = lines(draft, "Which instruments")
    assert found["reconstruction", "explained_variance", "", "addition.topk"] == ["alike"]
    assert str(contrast(draft, "random_decoder", "explained_variance")) == "0, the same for every seed"


def test_an_instrument_without_noise_says_so(draft: Any) -> None:
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] = 0.95
    found = lines(draft, "Which instruments")
    assert found["reconstruction", "explained_variance", "", "addition.topk"] == ["no noise"]


def test_a_bundle_without_controls_has_neither_section(draft: Any) -> None:
    draft.drop([name for name, s in draft.subjects.items() if "control" in s])
    for document in draft.evidence.values():
        document["measurements"] = [m for m in document["measurements"] if m["condition"].count(".") == 1]
    draft.study = draft.study.partition("\n[[control]]")[0] + '\n[[benchmark]]\nname = "reconstruction"\n'
    text = draft.report()
    assert "Differences to controls" not in text
    assert "Which instruments" not in text
