"""Comparability: two measurements are subtracted only if nothing but the condition differs between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates.cannot_judge import CannotJudge
from husai_gates.condition import Condition
from husai_gates.select import Located

BUDGET = ("steps", "batch_size", "rows_seen", "data_order_seed", "decay_share")


def require_comparable(one: Located, other: Located) -> None:
    """Stop at the first key in which the two sides differ, and say which it is."""
    for code, key, mine, theirs in _differences(one, other):
        says = f"'{one.condition.name}' and '{other.condition.name}' differ in {key}: {mine} and {theirs}"
        raise CannotJudge("inconclusive", code, says, "measure both sides in the same way")
    if other.condition.role == "baseline":
        _require_known_budgets(one.condition, other.condition)


def _require_known_budgets(*conditions: Condition) -> None:
    """A budget that nobody knows matches none, not even another unknown one."""
    for condition in conditions:
        if any(subject.pretrained for subject in condition.subjects):
            says = f"the training budget of the pretrained '{condition.name}' is unknown, so none is matched to it"
            next_step = "compare it with its controls, or train both sides in one study"
            raise CannotJudge("inconclusive", "CMP-BUDGET", says, next_step)


def _differences(one: Located, other: Located) -> Iterator[tuple[str, str, Any, Any]]:
    a, b = one.condition, other.condition
    if (a.site, a.site_digest) != (b.site, b.site_digest):
        yield "CMP-SITE", "site", a.site, b.site
    if (own := _target(a.subjects)) != (other_target := _target(b.subjects)):
        yield "CMP-TARGET", "what is reconstructed", own, other_target
    card = one.measurement.card
    if (whose := _model(a.subjects)) != (other_model := _model(b.subjects)) and "activation" in card.unit.split():
        yield "CMP-SCALE", f"whose activations '{card.name}' is measured in", whose, other_model
    sides = [(_benchmark(one.evidence), _benchmark(other.evidence), "CMP-BENCHMARK")]
    sides.append((_data(one.evidence), _data(other.evidence), "CMP-DATA"))
    sides.append((one.measurement.card.to_json(), other.measurement.card.to_json(), "CMP-METRIC"))
    if b.role == "baseline":
        mine, theirs = _trained_by_seed(a.subjects), _trained_by_seed(b.subjects)
        sides += [(_budget(mine[s]), _budget(theirs[s]), "CMP-BUDGET") for s in sorted(mine.keys() & theirs.keys())]
    for left, right, code in sides:
        for key in sorted(left.keys() | right.keys()):
            if left.get(key) != right.get(key):
                yield code, key, left.get(key, "nothing"), right.get(key, "nothing")


def _benchmark(evidence: Evidence) -> Mapping[str, Any]:
    origin = evidence.benchmark
    return {"version": origin.version, "source": origin.source, "settings": dict(evidence.settings)}


def _data(evidence: Evidence) -> Mapping[str, Any]:
    return {f"the data '{source.name}'": (source.digest, source.rows) for source in (*evidence.data, *evidence.texts)}


def _target(subjects: tuple[Subject, ...]) -> str:
    """What the errors of these subjects are about: an architecture may choose what it reconstructs."""
    names = {s.architecture["name"] for s in subjects if s.architecture.get("own_target")}
    return ", ".join(f"the choice of '{name}'" for name in sorted(names)) or "the site's target"


def _model(subjects: tuple[Subject, ...]) -> str:
    """Whose activations these subjects are measured on: one model's have another scale than another's."""
    return "another model's" if any(s.control and s.control.activations for s in subjects) else "the site's"


def _trained_by_seed(subjects: tuple[Subject, ...]) -> dict[int, Subject]:
    return {subject.seed: subject for subject in subjects if not subject.pretrained}


def _budget(subject: Subject) -> Mapping[str, Any]:
    return {**{key: subject.budget.get(key) for key in BUDGET}, "d_sae": subject.dims["d_sae"]}
