"""Metrics: the cards that travel with every number."""

from __future__ import annotations

from generator.markdown import code, table
from generator.plugins import shipped
from husai_core.metric import MetricCard

INTRODUCTION = """# Metrics

Every measurement carries the card of its metric. A number outside its bounds is refused; what has no better side is
judged by `range` only; a metric with a defect is shown and never judged.
"""


def page() -> str:
    cards = sorted((p.item.card for p in shipped() if p.kind == "metrics"), key=lambda card: card.name)
    head = ["metric", "version", "unit", "better", "bounds", "definition"]
    return f"{INTRODUCTION}\n{table(head, map(_row, cards))}\n"


def _row(card: MetricCard) -> tuple[str, ...]:
    bounds = f"{_end(card.low)} to {_end(card.high)}"
    notes = [card.definition]
    notes += [f"depends on {', '.join(map(code, card.scale))}"] if card.scale else []
    notes += [f"**not judged:** {card.defect}"] if card.defect else []
    return code(card.name), card.version, card.unit, card.direction, bounds, "; ".join(notes)


def _end(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:g}"
