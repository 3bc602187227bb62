"""Comparability: two measurements are subtracted only if nothing but the condition differs between them.

A rule may say which keys must be the same (`comparable`) and how far budgets, widths and sparsities may be apart
(`tolerance`). The definition of the metric, what its scale depends on, and the model in whose scale it is measured, are
compared always.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates.audit import AuditReport
from husai_gates.audit.setting import same_value
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.interval import mean
from husai_gates.policy import ALWAYS, LAST_RELEASE, MATCHED, Rule
from husai_gates.select import Located

BUDGET = ("steps", "batch_size", "rows_seen", "data_order_seed", "decay_share")
SPARSITY = ("l0", "saebench_l0")  # as HUSAI and as SAEBench measure it
SPARSITY_TOLERANCE = 0.1

Difference = tuple[str, str, Any, Any]


def keys_of(rule: Rule, against: Condition) -> tuple[str, ...]:
    """What must be the same. A control differs from its base in its budget, and a release may be trained longer."""
    if rule.comparable is not None:
        return rule.comparable
    matched = against.role != "control" and rule.against != LAST_RELEASE
    return (*ALWAYS, *MATCHED) if matched else ALWAYS


def require_comparable(rule: Rule, one: Located, other: Located, report: AuditReport, there: AuditReport) -> None:
    """Stop at the first key in which the two sides differ, and say which it is."""
    keys = keys_of(rule, other.condition)
    for code, key, mine, theirs in _differences(rule, keys, one, other):
        says = f"'{one.condition.name}' and '{other.condition.name}' differ in {key}: {mine} and {theirs}"
        raise CannotJudge("inconclusive", code, says, "measure both sides in the same way")
    if "budget" in keys:
        _require_known_budgets(one.condition, other.condition)
    if "width" in keys:
        _require_known_widths(one.condition, other.condition)
    if "data" in keys or "rows" in keys:
        _require_known_data(one, other)
    if "sparsity" in keys:
        _require_sparsity(rule, one.condition, other.condition, report, there)


def _require_known_budgets(*conditions: Condition) -> None:
    """A budget that nobody knows matches none, not even another unknown one."""
    for condition in conditions:
        if any(subject.pretrained for subject in condition.subjects):
            says = f"the training budget of the pretrained '{condition.name}' is unknown, so none is matched to it"
            next_step = "compare it with its controls, or train both sides in one study"
            raise CannotJudge("inconclusive", "CMP-BUDGET", says, next_step)


def _require_known_widths(*conditions: Condition) -> None:
    """Nor does a width that no file states."""
    for condition in conditions:
        if any("d_sae" not in subject.dims for subject in condition.subjects):
            says = f"the width of '{condition.name}' is unknown, so none is matched to it"
            raise CannotJudge("inconclusive", "CMP-BUDGET", says, "leave 'width' out of 'comparable', or import it")


def _require_known_data(*sides: Located) -> None:
    """Nor do rows without a digest: two sides that name none need not have read the same."""
    for side in sides:
        if not (side.evidence.data or side.evidence.texts):
            says = f"what '{side.condition.name}' was measured on has no digest, so nobody can tell that it is the same"
            step = "measure both sides here; or leave 'data' and 'rows' out of 'comparable', and say why in the rule"
            raise CannotJudge("inconclusive", "CMP-DATA", says, step)


def _require_sparsity(rule: Rule, one: Condition, other: Condition, report: AuditReport, there: AuditReport) -> None:
    """Mean active latents of both sides, as measured, are within the tolerance of one another."""
    mine, theirs = _active_latents(one, report), _active_latents(other, there)
    if not _near(mine, theirs, rule.tolerance.get("sparsity", SPARSITY_TOLERANCE)):
        says = f"'{one.name}' and '{other.name}' differ in sparsity: {mine:.4g} and {theirs:.4g} active latents"
        raise CannotJudge("inconclusive", "CMP-BUDGET", says, "compare dictionaries of the same sparsity")


def _active_latents(condition: Condition, report: AuditReport) -> float:
    found = [
        mean(list(measurement.by_unit().values()))
        for path in sorted(report.evidence)
        for metric in SPARSITY
        for measurement in report.measurements.get((path, condition.name, metric), ())
        if not measurement.setting
    ]
    if not found:
        says = f"nobody measured '{SPARSITY[0]}' of '{condition.name}', so its sparsity is matched to none"
        raise CannotJudge(
            "inconclusive", "CMP-BUDGET", says, f"measure '{SPARSITY[0]}', as the benchmark reconstruction does"
        )
    return found[0]


def _differences(rule: Rule, keys: tuple[str, ...], one: Located, other: Located) -> Iterator[Difference]:
    a, b = one.condition, other.condition
    if "site" in keys and (a.site, a.site_digest) != (b.site, b.site_digest):
        yield "CMP-SITE", "site", _site(a, b), _site(b, a)
    if "target" in keys and (own := _target(a.subjects)) != (other_target := _target(b.subjects)):
        yield "CMP-TARGET", "what is reconstructed", own, other_target
    card = one.measurement.card
    if (whose := _model(a.subjects)) != (other_model := _model(b.subjects)) and "activation" in card.unit.split():
        yield "CMP-SCALE", f"whose activations '{card.name}' is measured in", whose, other_model
    mine, theirs = one.measurement.scale, other.measurement.scale
    for key in sorted(mine.keys() | theirs.keys()):
        if key not in mine or key not in theirs or not same_value(mine[key], theirs[key]):
            says = f"{key}, on which the scale of '{card.name}' depends"
            yield "CMP-SCALE", says, mine.get(key, "nothing"), theirs.get(key, "nothing")
    tables = [(_benchmark(one.evidence, keys), _benchmark(other.evidence, keys), "CMP-BENCHMARK")]
    tables.append((_data(one.evidence, keys), _data(other.evidence, keys), "CMP-DATA"))
    tables.append((card.to_json(), other.measurement.card.to_json(), "CMP-METRIC"))
    for left, right, code in tables:
        for key in sorted(left.keys() | right.keys()):
            if left.get(key) != right.get(key):
                yield code, key, left.get(key, "nothing"), right.get(key, "nothing")
    yield from _budgets(rule, keys, a.subjects, b.subjects)


def _site(one: Condition, other: Condition) -> str:
    return one.site if one.site != other.site else f"{one.site} ({one.site_digest[:19]}...)"


def _benchmark(evidence: Evidence, keys: tuple[str, ...]) -> Mapping[str, Any]:
    origin = evidence.benchmark
    found: dict[str, Any] = {"name": origin.name}
    if "benchmark" in keys:
        found |= {"version": origin.version, "source": origin.source}
    if "benchmark" in keys and evidence.external:
        found |= {"who measured": evidence.source, "tool": evidence.external.tool}
        found["version of the tool"] = evidence.external.version
    return {**found, "settings": dict(evidence.settings)} if "settings" in keys else found


def _data(evidence: Evidence, keys: tuple[str, ...]) -> Mapping[str, Any]:
    """Digests and row counts by name; of data that may differ, the row counts alone, whatever the names."""
    sources = (*evidence.data, *evidence.texts)
    if "data" not in keys:
        return {"the numbers of rows": sorted(source.rows for source in sources)} if "rows" in keys else {}
    rows = "rows" in keys
    return {f"the data '{source.name}'": (source.digest, source.rows if rows else None) for source in sources}


def _target(subjects: tuple[Subject, ...]) -> str:
    """What the errors of these subjects are about: an architecture may choose what it reconstructs."""
    names = {s.architecture["name"] for s in subjects if s.architecture.get("own_target")}
    return ", ".join(f"the choice of '{name}'" for name in sorted(names)) or "the site's target"


def _model(subjects: tuple[Subject, ...]) -> str:
    """Whose activations these subjects are measured on: one model's have another scale than another's."""
    return "another model's" if any(s.control and s.control.activations for s in subjects) else "the site's"


def _budgets(
    rule: Rule, keys: tuple[str, ...], ours: tuple[Subject, ...], theirs: tuple[Subject, ...]
) -> Iterator[Difference]:
    """Budget and width, as far as both are known, seed by seed; where no seed is in both, of every pair."""
    together = [(a, b) for a, b in itertools.product(ours, theirs) if a.seed == b.seed]
    together = together or list(itertools.product(ours, theirs))
    for one, other in together:
        left, right = _budget(one, keys), _budget(other, keys)
        for key in sorted(left.keys() & right.keys()):
            if not _near(left[key], right[key], rule.tolerance.get("width" if key == "d_sae" else key, 0.0)):
                yield "CMP-BUDGET", key, _shown(left[key]), _shown(right[key])


def _budget(subject: Subject, keys: tuple[str, ...]) -> Mapping[str, Any]:
    known = "budget" in keys and not subject.pretrained
    found = {key: subject.budget[key] for key in BUDGET} if known else {}
    return {**found, "d_sae": subject.dims.get("d_sae")} if "width" in keys else found


def _near(one: Any, other: Any, tolerance: float) -> bool:
    """Equal, or numbers whose difference is at most this share of the larger."""
    if one is None or other is None:
        return bool(one == other)
    return bool(abs(one - other) <= tolerance * max(abs(one), abs(other)))


def _shown(value: Any) -> Any:
    return "nothing" if value is None else value
