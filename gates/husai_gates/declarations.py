"""Declarations: what every search or choice compared, what it chose, and why, as sections of the report."""

from __future__ import annotations

from collections.abc import Iterator

from husai_gates.audit.choice import Choice, Met, ScoredPoint
from husai_gates.audit.chosen import Chosen
from husai_gates.plain_text import number
from husai_gates.reporters import choice as choice_view
from husai_gates.reporters.markdown import safe, table

_HEAD = ("point", "score", "interval", "control's interval", "constraints", "standing")


def section(name: str, choice: Choice) -> Iterator[str]:
    """The lines of one search at one site."""
    search = choice.planned.search
    criterion, over = search.criterion, f" minus that of the control '{search.over}'" if search.over else ""
    yield f"## Selection of {safe(name)}"
    yield ""
    yield safe(
        f"{len(choice.points)} points were trained on seeds {', '.join(map(str, search.seeds))}. The score is the "
        f"conservative end of the {100 * search.confidence:g} % interval of {criterion.metric} ({criterion.benchmark}; "
        f"better: {choice.direction}){over}. Points that miss a constraint on its harder bound are not eligible."
    )
    yield ""
    for number_, constraint in enumerate(search.constraints, 1):
        bounds = (("at least", constraint.at_least), ("at most", constraint.at_most))
        says = [f"{words} {number(value)}" for words, value in bounds if value is not None]
        if constraint.drop_at_most is not None:
            says.append(f"at most {number(constraint.drop_at_most)} worse than {constraint.reference}")
        yield safe(f"Constraint {number_}: {constraint.quantity.metric} {' and '.join(says)}.")
        yield ""
    yield from table(_HEAD, [_row(point, choice) for point in choice.points])
    yield ""
    yield safe(f"{name}: {choice.declaration()}." if choice.chosen else f"{name}: nothing could be chosen.")
    yield ""


def chosen_section(name: str, chosen: Chosen) -> Iterator[str]:
    """The lines of one condition that was chosen from those of other bundles."""
    document = chosen.document
    policy = document["policy"]
    yield f"## Choice of {safe(name)}"
    yield ""
    yield safe(
        f"{len(document['compared'])} conditions of {len(document['bundles'])} bundles were compared by the policy "
        f"{policy['name']} {policy['version']} ({policy['digest']}), {len(document['left_out'])} were left out."
    )
    yield ""
    for index, objective in enumerate(document["objectives"], 1):
        yield safe(f"Metric {index}: {choice_view.objective_words(objective)}.")
        yield ""
    yield from table(choice_view.head(document), choice_view.rows(document))
    yield ""
    for line in choice_view.sensitivity_lines(document):
        yield safe(f"{line[0].upper()}{line[1:]}.")
        yield ""
    yield safe(f"{name}: {chosen.declaration()}.")
    yield ""


def _row(point: ScoredPoint, choice: Choice) -> list[str]:
    standing = "chosen" if point.condition == choice.chosen else ("eligible" if point.eligible else "not eligible")
    return [
        point.condition,
        point.code if point.score is None else number(point.score),
        _bounds(point.bounds),
        _bounds(point.control),
        "; ".join(f"{i}: {_met(met)}" for i, met in enumerate(point.constraints, 1)),
        standing,
    ]


def _met(met: Met) -> str:
    holds = {"RULE-HOLDS": "holds", "RULE-FAILED": "missed"}.get(met.code, met.code)
    bounds = f" ({number(met.low)} to {number(met.high)})" if met.low is not None and met.high is not None else ""
    return f"{holds}{bounds}"


def _bounds(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"{number(bounds[0])} to {number(bounds[1])}"
