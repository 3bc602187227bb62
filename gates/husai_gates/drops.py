"""Drops: what each shift costs each condition, drawn as bars; like every picture, nothing is decided by it."""

from __future__ import annotations

from collections.abc import Mapping

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_gates.canvas import PALETTE, canvas, png
from husai_gates.crossed import crossed_interval
from husai_gates.interval import Interval, TooFewUnits, interval, mean

GREYS = ("#c4c4c4", "#8f8f8f", "#dcdcdc", "#6b6b6b", "#a9a9a9")  # of controls
METRIC = "ood_drop"  # its settings name the metric that drops, and the shift

Drops = dict[str, dict[str, dict[str, RecordedMeasurement]]]


def drops_of(evidence: Evidence) -> Drops:
    """What is drawn, by metric, shift and condition: the metrics measured on pairs of documents, else all of them."""
    found: Drops = {}
    for measurement in evidence.measurements:
        metric, shift = (measurement.setting.get(key) for key in ("metric", "shift"))
        if measurement.card.name != METRIC or not (isinstance(metric, str) and isinstance(shift, str)):
            continue
        by_condition = found.setdefault(metric, {}).setdefault(shift, {})
        kept = by_condition.get(measurement.condition)
        if kept is None or len(measurement.parts()) > len(kept.parts()):
            by_condition[measurement.condition] = measurement
    in_documents = {metric: shifts for metric, shifts in found.items() if _in_documents(shifts)}
    return in_documents or found


def _in_documents(shifts: Mapping[str, Mapping[str, RecordedMeasurement]]) -> bool:
    return any(len(measurement.parts()) > 1 for bars in shifts.values() for measurement in bars.values())


def reach(measurement: RecordedMeasurement, confidence: float) -> Interval | None:
    """The interval of one bar: over seeds and documents where it has documents, else over seeds."""
    try:
        if len(measurement.parts()) > 1:
            return crossed_interval(measurement.by_part(), confidence)
        return interval(measurement.by_unit(), confidence)
    except (TooFewUnits, ValueError):
        return None


def draw_drops(evidence: Evidence, roles: Mapping[str, str], confidence: float) -> bytes | None:
    """A panel per metric, a group of bars per shift, a bar per condition; nothing where no drop was measured."""
    drops = drops_of(evidence)
    if not drops:
        return None
    conditions = sorted({c for shifts in drops.values() for bars in shifts.values() for c in bars})
    conditions.sort(key=lambda condition: roles.get(condition) == "control")
    shifts = list(dict.fromkeys(shift for by_shift in drops.values() for shift in by_shift))
    height = 1.4 + 0.22 * len(shifts) * (len(conditions) + 1)
    figure, axes = canvas(3.6 * len(drops) + 1.8, height, columns=len(drops), sharey=True)
    size = 0.8 / len(conditions)
    colours = {
        condition: (GREYS if of_controls else PALETTE)[number % (len(GREYS) if of_controls else len(PALETTE))]
        for of_controls in (True, False)
        for number, condition in enumerate(c for c in conditions if (roles.get(c) == "control") is of_controls)
    }
    for axis, (metric, by_shift) in zip(axes.flat, sorted(drops.items()), strict=True):
        for number, condition in enumerate(conditions):
            for place, shift in enumerate(shifts):
                measurement = by_shift.get(shift, {}).get(condition)
                if measurement is None:
                    continue
                values = measurement.by_unit()
                centre, found = mean([values[unit] for unit in sorted(values)]), reach(measurement, confidence)
                error = [[centre - found.low], [found.high - centre]] if found else None
                axis.barh(
                    [place - 0.4 + size * (number + 0.5)],
                    [centre],
                    size * 0.9,
                    xerr=error,
                    color=colours[condition],
                    error_kw={"elinewidth": 1, "capsize": 2},
                    label=condition if place == 0 else None,
                )
        axis.grid(axis="y", visible=False)
        axis.axvline(0, color="#4a4a4a", linewidth=0.8)
        axis.set_title(metric, fontsize=9)
        over = "seeds and documents" if _in_documents(by_shift) else "seeds"
        axis.set_xlabel(f"drop from home; interval over {over}", fontsize=7)
        axis.set_yticks(range(len(shifts)), shifts, fontsize=7)
        axis.set_ylim(len(shifts) - 0.5, -0.5)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", fontsize=7, frameon=False, ncols=2)
    figure.suptitle(f"What a shift costs at {evidence.site}: mean and {confidence:.0%} interval", fontsize=10)
    return png(figure)
