"""The frontier: the dictionaries of a site that no other one beats on a cost and a quality at once.

The front is that of the means. A point off it is called dominated only if one on the front beats it with the whole
intervals of both; otherwise more seeds could still put it there, and it is called not resolved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from husai_gates.audit import AuditReport
from husai_gates.condition import Condition
from husai_gates.dominance import dominates
from husai_gates.reporters.markdown import safe, table
from husai_gates.summary import Summary, dictionaries, find

Standing = Literal["front", "dominated", "not resolved"]

_BUDGET = ("batch_size", "rows_seen", "data_order_seed")


@dataclass(frozen=True)
class Place:
    """A condition on the plane of cost and quality. `quality_sign` turns quality so that more is better."""

    condition: Condition
    cost: Summary
    quality: Summary

    @property
    def quality_sign(self) -> int:
        return -1 if self.quality.card.direction == "lower" else 1

    @property
    def worst_quality(self) -> float:
        return self.quality.low if self.quality_sign > 0 else -self.quality.high

    @property
    def best_quality(self) -> float:
        return self.quality.high if self.quality_sign > 0 else -self.quality.low

    def beats(self, other: Place) -> bool:
        """At least as good on both means, and better on one."""
        mine = (-self.cost.mean, self.quality_sign * self.quality.mean)
        theirs = (-other.cost.mean, other.quality_sign * other.quality.mean)
        return dominates(mine, theirs)

    def surely_beats(self, other: Place) -> bool:
        """The same of the whole intervals: the worst end here against the best end there."""
        mine = (-self.cost.high, self.worst_quality)
        theirs = (-other.cost.low, other.best_quality)
        return self.beats(other) and mine[0] >= theirs[0] and mine[1] >= theirs[1]


@dataclass(frozen=True)
class Ranked:
    """A place, where it stands, and the point of the front that beats it, if one does."""

    place: Place
    standing: Standing
    by: str | None


@dataclass(frozen=True)
class Frontier:
    """One pair of metrics at one site; `left_out` lacks one of the two."""

    site: str
    cost: str
    quality: str
    points: tuple[Ranked, ...]
    left_out: tuple[str, ...]

    @property
    def front(self) -> list[Place]:
        return [point.place for point in self.points if point.standing == "front"]


def rank(places: Sequence[Place]) -> tuple[Ranked, ...]:
    """Every place with its standing, cheapest first."""
    ordered = sorted(places, key=lambda p: (p.cost.mean, -p.quality_sign * p.quality.mean, p.condition.name))
    front = [place for place in ordered if not any(other.beats(place) for other in ordered)]
    found = []
    for place in ordered:
        beaten_by = [other for other in front if other.beats(place)]
        surely = [other for other in beaten_by if other.surely_beats(place)]
        if not beaten_by:
            found.append(Ranked(place, "front", None))
        elif surely:
            found.append(Ranked(place, "dominated", surely[0].condition.name))
        else:
            found.append(Ranked(place, "not resolved", beaten_by[0].condition.name))
    return tuple(found)


def frontiers(report: AuditReport, confidence: float) -> Iterator[Frontier]:
    """Every pair that the study names, at every site."""
    for cost, quality in report.plan.frontiers if report.plan else ():
        for site in sorted(report.sites):
            places, left_out = [], []
            for condition in dictionaries(report, site):
                x, y = (find(report, condition, metric, confidence) for metric in (cost, quality))
                if x is None or y is None:
                    left_out.append(condition.name)
                else:
                    places.append(Place(condition, x, y))
            yield Frontier(site, cost, quality, rank(places), tuple(left_out))


def budgets(frontier: Frontier) -> str:
    """Whether all points saw the same tokens in the same order, in words."""
    seen = {
        tuple(subject.budget[key] for key in _BUDGET): point.place.condition.name
        for point in frontier.points
        for subject in point.place.condition.subjects
    }
    if len(seen) == 1:
        ((_, rows, _),) = seen
        return f"Every point was trained on {rows} rows, in one order, in batches of one size: the budgets are equal."
    listing = "; ".join(
        f"{rows} rows in batches of {batch}, order {order} ({name})"
        for (batch, rows, order), name in sorted(seen.items())
    )
    return f"The budgets differ, so a point may be ahead because it was trained longer: {listing}."


def section(frontier: Frontier, confidence: float) -> Iterator[str]:
    """The lines of the report."""
    cost, quality = frontier.cost, frontier.quality
    yield f"## Frontier at {safe(frontier.site)}: {safe(quality)} against {safe(cost)}"
    yield ""
    if frontier.points:
        better = "less" if frontier.points[0].place.quality_sign < 0 else "more"
        yield safe(budgets(frontier))
        yield ""
        yield (
            f"Less {safe(cost)} and {better} {safe(quality)} are better. The front is that of the means; intervals are "
            f"two-sided at {100 * confidence:g} %, over seeds. 'Not resolved' is beaten on the means by a point of the "
            "front, but an interval reaches over."
        )
        yield ""
        yield from table(
            ("condition", "architecture", "d_sae", cost, quality, "seeds", "standing"), list(_rows(frontier))
        )
    else:
        yield "No dictionary at this site was measured on both."
    if frontier.left_out:
        yield ""
        yield safe(f"Not measured on both, and left out: {', '.join(frontier.left_out)}.")
    yield ""


def _rows(frontier: Frontier) -> Iterator[list[object]]:
    for number, point in enumerate(frontier.points, 1):  # as the plot numbers them
        subject = point.place.condition.subjects[0]
        standing = "on the front" if point.standing == "front" else f"{point.standing}: {point.by} is ahead"
        yield [
            number,
            point.place.condition.name,
            subject.architecture["name"],
            subject.dims["d_sae"],
            point.place.cost,
            point.place.quality,
            min(point.place.cost.seeds, point.place.quality.seeds),
            standing,
        ]
