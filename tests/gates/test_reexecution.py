"""Re-execution compared: which units are drawn, how far a value may lie, and what an auditor is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import pytest

from husai_core.bundle import Snapshot
from husai_core.evidence import Evidence, Observation, RecordedMeasurement
from husai_gates.audit import AuditReport, audit
from husai_gates.audit.draw import Draw, Unit, draw
from husai_gates.audit.reexecution import Reexecution, Side, compare
from husai_gates.reporters.findings import AUDIT_REPORTERS

EVIDENCE = "evidence/reconstruction.addition.json"
UNIT = Unit(EVIDENCE, "addition.topk", (1,))
Change = Callable[[float], float]


@pytest.fixture
def report(good: Mapping[str, bytes]) -> AuditReport:
    found = audit(Snapshot("bundle", good))
    assert found.findings == ()
    return found


def _side(report: AuditReport) -> Side:
    return Side(report.evidence, report.subjects, report.sites)


def _with_values(side: Side, metric: str, change: Change) -> Side:
    def altered(m: RecordedMeasurement) -> RecordedMeasurement:
        told = tuple(Observation(o.seeds, change(o.value), o.part) for o in m.observations)
        return dataclasses.replace(m, observations=told) if m.card.name == metric else m

    evidence = {p: dataclasses.replace(e, measurements=tuple(map(altered, e.measurements))) for p, e in _items(side)}
    return dataclasses.replace(side, evidence=evidence)


def _items(side: Side) -> list[tuple[str, Evidence]]:
    return sorted(side.evidence.items())


def _with_weights(side: Side, name: str) -> Side:
    other = dataclasses.replace(side.subjects[name], weights="sha256:" + "9" * 64)
    return dataclasses.replace(side, subjects={**side.subjects, name: other})


def _compare(report: AuditReport, found: Side, *units: Unit, exact: bool = False) -> Reexecution:
    return compare(Draw(units or (UNIT,), 99, 7, ()), _side(report), found, frozenset(), exact)


def test_what_comes_out_the_same_is_complete_and_raises_the_assurance(report: AuditReport) -> None:
    done = _compare(report, _side(report))
    assert (done.findings, done.notes, done.complete) == ((), (), True)
    assert done.reruns[0].weights == "made again, the same"
    assert report.with_reexecution(done).assurance == "re_executed"
    assert report.assurance == "recomputed"


@pytest.mark.parametrize(
    ("times", "agrees"), [(1 + 9e-4, True), (1 - 9e-4, True), (1 + 2e-3, False), (1 - 2e-3, False)]
)
def test_by_the_same_weights_values_agree_but_for_rounding(report: AuditReport, times: float, agrees: bool) -> None:
    found = _with_values(_side(report), "explained_variance", lambda value: value * times)
    done = _compare(report, found)
    assert done.complete == agrees
    assert [f.code for f in done.findings] == ([] if agrees else ["EV-REEXECUTE"])
    held = report.with_reexecution(done)
    assert (int(held.exit_code), held.assurance) == ((0, "re_executed") if agrees else (3, "recomputed"))


def test_a_value_that_is_not_a_number_agrees_with_nothing(report: AuditReport) -> None:
    found = _with_values(_side(report), "explained_variance", lambda value: float("nan"))
    assert not _compare(report, found).complete


def test_by_other_weights_a_value_must_lie_where_one_more_seed_would(report: AuditReport) -> None:
    found = _with_weights(_side(report), "addition.topk.s1")
    near = _compare(report, _with_values(found, "explained_variance", lambda value: value * 1.003))
    assert near.complete
    assert "prediction interval" in near.reruns[0].tolerance
    assert near.reruns[0].weights == "made again, others"
    assert any("subjects/addition.topk.s1.json: the weights have the digest" in note for note in near.notes)
    far = _compare(report, _with_values(found, "explained_variance", lambda value: value - 0.3))
    assert [(f.code, f.file) for f in far.findings] == [("EV-REEXECUTE", EVIDENCE)]


def test_other_weights_are_a_finding_where_the_auditor_expects_the_same(report: AuditReport) -> None:
    done = _compare(report, _with_weights(_side(report), "addition.topk.s1"), exact=True)
    assert [(f.code, f.file, f.path) for f in done.findings] == [
        ("EV-REEXECUTE", "subjects/addition.topk.s1.json", "$.weights")
    ]


@pytest.mark.parametrize("exact", [True, False])
def test_other_rows_are_a_note_or_a_finding(report: AuditReport, exact: bool) -> None:
    side = _side(report)
    site = dict(side.sites["addition"])
    site["data"] = [{**source, "digest": "sha256:" + "8" * 64} for source in site["data"]]
    done = _compare(report, dataclasses.replace(side, sites={"addition": site}), exact=exact)
    assert any("sites/addition.json" in note for note in done.notes)
    assert done.complete is not exact
    assert {f.path for f in done.findings} == (
        {f"$.data[{i}].digest" for i in range(len(site["data"]))} if exact else set()
    )


def test_other_weights_of_one_recorded_seed_are_not_compared_and_prove_nothing(report: AuditReport) -> None:
    evidence = report.evidence[EVIDENCE]
    of_one_seed = [
        dataclasses.replace(m, observations=tuple(o for o in m.observations if o.seeds == (1,)))
        for m in evidence.measurements
    ]
    one = dataclasses.replace(
        report, evidence={EVIDENCE: dataclasses.replace(evidence, measurements=tuple(of_one_seed))}
    )
    done = _compare(one, _with_weights(_side(one), "addition.topk.s1"))
    assert ([f.code for f in done.findings], done.reruns[0].compared, done.complete) == (["EV-NOT-REPEATED"], 0, False)
    assert "too few seeds" in done.notes[-1]
    held = one.with_reexecution(done)
    assert (int(held.exit_code), held.assurance) == (2, "recomputed")


@pytest.mark.parametrize(("exact", "code"), [(False, "EV-NOT-REPEATED"), (True, "EV-REEXECUTE")])
def test_another_model_proves_nothing_unless_the_auditor_expects_the_same(
    report: AuditReport, exact: bool, code: str
) -> None:
    side = _side(report)
    site = {**side.sites["addition"], "model": {**side.sites["addition"]["model"], "weights": "sha256:" + "7" * 64}}
    done = _compare(report, Side({}, {}, {"addition": site}), exact=exact)
    assert [(f.code, f.file, f.path) for f in done.findings] == [(code, "sites/addition.json", "$.model.weights")]
    assert (done.reruns, done.complete) == ((), False)


def test_what_is_missing_on_one_side_is_found(report: AuditReport) -> None:
    side = _side(report)
    without = {p: dataclasses.replace(e, measurements=e.measurements[1:]) for p, e in _items(side)}
    metric = report.evidence[EVIDENCE].measurements[0]
    unit = Unit(EVIDENCE, metric.condition, (1,))
    done = _compare(report, dataclasses.replace(side, evidence=without), unit)
    assert "is not measured when run again" in done.findings[0].rule
    poorer = dataclasses.replace(report, evidence=without)
    done = compare(Draw((unit,), 1, 7, ()), _side(poorer), side, frozenset(), False)
    assert "the bundle does not have it" in done.findings[0].rule


def test_a_metric_that_is_installed_here_alone_is_a_note(report: AuditReport) -> None:
    side = _side(report)
    evidence = side.evidence[EVIDENCE]
    first = next(m for m in evidence.measurements if m.condition == UNIT.condition)
    mine = dataclasses.replace(first, card=dataclasses.replace(first.card, name="mine"))
    more = dataclasses.replace(evidence, measurements=(*evidence.measurements, mine))
    done = _compare(report, dataclasses.replace(side, evidence={**side.evidence, EVIDENCE: more}))
    assert done.complete
    assert "no such metric is in this evidence" in done.notes[0]


def test_another_chance_level_is_found(report: AuditReport) -> None:
    side = _side(report)
    path = "evidence/consistency.addition.json"
    measurement = next(m for m in side.evidence[path].measurements if m.chance is not None)
    other = dataclasses.replace(measurement, chance=(measurement.chance or 0) + 0.1)
    told = tuple(other if m is measurement else m for m in side.evidence[path].measurements)
    found = dataclasses.replace(side, evidence={path: dataclasses.replace(side.evidence[path], measurements=told)})
    done = _compare(report, found, Unit(path, measurement.condition, (1, 2)))
    assert [f.path.rpartition(".")[2] for f in done.findings] == ["chance"]


def _drawn(report: AuditReport, count: int, seed: int = 7, **reaching_out: str) -> Draw:
    return draw(report.evidence, report.conditions, report.content_digest, count, seed, reaching_out)


def test_every_benchmark_has_its_turn_of_candidates_then_baselines_then_controls(report: AuditReport) -> None:
    units = _drawn(report, 6).units
    assert [report.conditions[unit.condition].role for unit in units] == [
        "candidate", "candidate", "baseline", "baseline", "control", "control",
    ]  # fmt: skip
    assert all(
        {one.path, other.path} == set(report.evidence) for one, other in zip(units[::2], units[1::2], strict=True)
    )


def test_a_draw_is_of_the_bundle_and_the_seed_and_nested(report: AuditReport) -> None:
    assert _drawn(report, 9) == _drawn(report, 9)
    assert _drawn(report, 9).units[:4] == _drawn(report, 4).units
    assert _drawn(report, 9).units != _drawn(report, 9, seed=8).units
    other = dataclasses.replace(report, content_digest="sha256:" + "1" * 64)
    assert _drawn(report, 9).units != _drawn(other, 9).units
    everything = _drawn(report, 10**6)
    assert len(everything.units) == everything.of == len(set(everything.units))


def test_what_reaches_out_is_left_out_and_named(report: AuditReport) -> None:
    found = _drawn(report, 10**6, consistency="asks a server")
    assert {unit.path for unit in found.units} == {EVIDENCE}
    assert "asks a server" in found.left_out[0]


@pytest.mark.parametrize("form", sorted(AUDIT_REPORTERS))
def test_every_form_says_what_was_reached(report: AuditReport, form: str) -> None:
    said = AUDIT_REPORTERS[form](report.with_reexecution(_compare(report, _side(report))))
    assert "re_executed" in said or form in ("github",)
