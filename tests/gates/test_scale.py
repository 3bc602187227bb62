"""Scale: what the values of a metric depend on is stated, is true, and two sides that differ in it never compare."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

import husai_schemas
from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_core.evidence import Measurement, Observation, RecordedMeasurement
from husai_core.metric import MetricCard
from husai_gates.audit import audit

HEAD = """
schema = "husai:policy/v1"
name = "scale"
version = "1"
purpose = "What compares."
confidence = 0.95
min_units = 3

[[rule]]
id = "it"
question = "Does it compare?"
reason = "To find out."
kind = "superiority"
benchmark = "ce_bench"
metric = "ce_bench_contrastive"
margin = 0
"""
BASELINE, UNTRAINED = 'over = { role = "baseline" }\n', 'over = { control = "untrained" }\n'
NOTHING_ELSE = "comparable = []\n"
TEXTS = {"name": "review_pairs:amazon", "digest": "sha256:" + "a" * 64, "rows": 128}
PATH = "evidence/ce_bench.addition.json"


@pytest.fixture
def scored(draft: Any) -> Any:
    """The draft with CE-Bench of every condition: two rows a seed, from the values of explained variance."""
    document = copy.deepcopy(draft.reconstruction)
    card = husai_schemas.metric_cards()["ce_bench_contrastive"]["1"]
    document["benchmark"]["name"] = "ce_bench"
    document["settings"] = {"mode": "official", "rows": None, "texts": "review_pairs:amazon", "tokens": 2048}
    document["texts"] = [dict(TEXTS)]
    document["metrics"] = [{**document["metrics"][0], "name": card["name"]}]
    found = [m for m in document["measurements"] if m["metric"]["name"] == "explained_variance"]
    for measurement in found:
        measurement["metric"] = copy.deepcopy(card)
        measurement["scale"] = {"d_sae": 256, "mode": "official", "rows": 2}
        measurement["observations"] = [
            {**observation, "value": 10 * observation["value"] + shift, "part": part}
            for observation in measurement["observations"]
            for part, shift in (("row 1: tea", 0.5), ("row 2: rain", -0.5))
        ]
    document["measurements"] = found
    draft.evidence[PATH] = document
    draft.study += '\n[[benchmark]]\nname = "ce_bench"\nsettings = { texts = "review_pairs:amazon" }\n'
    return draft


@pytest.fixture
def row(scored: Any, decide: Any) -> Callable[[str], Any]:
    """The row of one rule on the draft as it is now."""
    return lambda rule: decide(scored.files(), HEAD + rule).rows[0]


def of(scored: Any, name: str) -> list[dict[str, Any]]:
    """What was measured of a dictionary and its controls."""
    return [m for m in scored.evidence[PATH]["measurements"] if m["condition"].startswith(f"addition.{name}")]


def codes(scored: Any) -> list[tuple[str, str]]:
    return [(f.code, f.rule) for f in audit(Snapshot("bundle", scored.files())).findings]


def test_two_sides_of_one_scale_are_compared_on_the_mean_over_rows(row: Any, scored: Any) -> None:
    assert codes(scored) == []
    found = row(BASELINE)
    assert found.status == "pass", found.says
    assert found.cells[0].interval.estimate == pytest.approx(0.1, abs=0.01)
    assert row(UNTRAINED).status == "pass"


@pytest.mark.parametrize(("key", "theirs"), [("mode", "paper"), ("rows", 3), ("mode", True)])
def test_another_mode_or_number_of_rows_is_no_comparison_whatever_the_rule_relaxes(
    row: Any, scored: Any, key: str, theirs: object
) -> None:
    for measurement in of(scored, "relu"):
        measurement["scale"][key] = theirs
    for relaxed in ("", NOTHING_ELSE):
        found = row(BASELINE + relaxed)
        assert (found.status, found.code) == ("inconclusive", "CMP-SCALE")
        assert f"differ in {key}, on which the scale of 'ce_bench_contrastive' depends" in found.says
        assert str(theirs) in found.says
    assert row(UNTRAINED).status == "pass"


def test_another_width_is_no_comparison_even_within_a_tolerance_for_widths(row: Any, scored: Any) -> None:
    scored.study = scored.study.replace('role = "baseline"\nd_sae = 256', 'role = "baseline"\nd_sae = 320')
    for subject in scored.subjects.values():
        if subject["condition"].startswith("addition.relu"):
            subject["dims"]["d_sae"] = 320
    for measurement in scored.reconstruction["measurements"]:
        if measurement["metric"]["name"] == "dead_fraction" and measurement["condition"].startswith("addition.relu"):
            for observation in measurement["observations"]:  # whole latents of 320
                observation["value"] = round(observation["value"] * 256) / 320
    for measurement in of(scored, "relu"):
        measurement["scale"]["d_sae"] = 320
    for relaxed in ("", NOTHING_ELSE, "tolerance = { width = 0.5 }\n"):
        found = row(BASELINE + relaxed)
        assert (found.status, found.code) == ("inconclusive", "CMP-SCALE")
        assert "differ in d_sae, on which the scale of 'ce_bench_contrastive' depends: 256 and 320" in found.says


@pytest.mark.parametrize(
    ("where", "change", "key"),
    [
        ("settings", {"mode": "paper"}, "settings"),
        ("texts", {"digest": "sha256:" + "b" * 64}, "review_pairs:amazon"),
        ("texts", {"rows": 126}, "review_pairs:amazon"),
    ],
)
def test_other_data_or_settings_of_the_baseline_are_named(
    row: Any, scored: Any, where: str, change: dict[str, Any], key: str
) -> None:
    document = scored.evidence[PATH]
    theirs = copy.deepcopy(document)
    document["measurements"] = of(scored, "topk")
    theirs["measurements"] = [m for m in theirs["measurements"] if m["condition"].startswith("addition.relu")]
    for one, wanted in ((document, "topk"), (theirs, "relu")):
        one["subjects"] = [s for s in one["subjects"] if wanted in s["name"]]
    (theirs[where][0] if where == "texts" else theirs[where]).update(change)
    scored.evidence["evidence/ce_bench.addition.apart.json"] = theirs
    found = row(BASELINE)
    assert found.status == "inconclusive"
    assert key in found.says


@pytest.mark.parametrize("how", ["not measured", "a row less"])
def test_without_a_matched_baseline_there_is_no_difference_rather_than_none(row: Any, scored: Any, how: str) -> None:
    if how == "not measured":
        scored.evidence[PATH]["measurements"] = of(scored, "topk")
    else:
        for measurement in of(scored, "relu"):
            measurement["observations"] = [o for o in measurement["observations"] if o["part"] != "row 2: rain"]
            measurement["scale"]["rows"] = 1
    found = row(BASELINE)
    assert found.status == ("missing" if how == "not measured" else "inconclusive")
    assert all(cell.interval is None for cell in found.cells)


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda m: m.pop("scale"), "EV-METRIC", "states nothing, the scale of 'ce_bench_contrastive' depends on d_sae"),
        (lambda m: m["scale"].pop("rows"), "EV-METRIC", "states d_sae, mode, the scale of"),
        (lambda m: m["scale"].update(words=3), "EV-METRIC", "states d_sae, mode, rows, words, the scale of"),
        (lambda m: m["metric"].pop("scale"), "EV-METRIC", "says nothing, HUSAI's metric 'ce_bench_contrastive' has"),
        (lambda m: m["scale"].update(d_sae=128), "EV-IMPOSSIBLE", "d_sae is 128, that of the subjects is 256"),
        (lambda m: m["scale"].update(d_sae="256"), "EV-IMPOSSIBLE", "d_sae is 256, that of the subjects is 256"),
    ],
)
def test_a_scale_that_is_left_out_or_untrue_is_found(
    scored: Any, change: Callable[[dict[str, Any]], object], code: str, says: str
) -> None:
    for measurement in scored.evidence[PATH]["measurements"]:
        change(measurement)
    found = codes(scored)
    assert {one for one, _ in found} == {code, "EV-METRIC"} - ({"EV-METRIC"} if code == "EV-IMPOSSIBLE" else set())
    assert any(says in rule for _, rule in found)


def test_a_measurement_with_a_scale_is_read_back_as_written_and_one_without_has_no_word_of_it() -> None:
    plain = MetricCard("m", "1", "u", "higher", "d")
    scaled = MetricCard("m", "1", "u", "higher", "d", scale=("d_sae",))
    seen = (Observation((1,), 2.0, "row"),)
    raw = strict_json.encode(Measurement("m", "c", seen, scale={"d_sae": 8}).to_json(scaled))
    back = RecordedMeasurement.from_json(json.loads(raw))
    assert (back.card, dict(back.scale), back.observations) == (scaled, {"d_sae": 8}, seen)
    assert b"scale" not in strict_json.encode(Measurement("m", "c", seen).to_json(plain))
