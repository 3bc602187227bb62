"""The card: what a reader is told about a number, whichever kind of metric it is of."""

from __future__ import annotations

import math
import re
from typing import get_args

from husai_core.metric import Direction, MetricCard
from husai_core.testing.contract import Broken, check
from husai_core.testing.metrics.trial import Trial


@check()
def card(trial: Trial) -> None:
    """The card names the metric, its unit, direction and definition; bounds are finite, the lower one first."""
    found = trial.metric.card
    if not isinstance(found, MetricCard):
        raise Broken(f"card is {found!r:.80}, not a MetricCard")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", found.name):
        raise Broken(f"the name '{found.name}' is not made of small letters, digits and '_'")
    for part in ("version", "unit", "definition"):
        if not str(getattr(found, part)).strip():
            raise Broken(f"its {part} is empty")
    if found.direction not in get_args(Direction):
        raise Broken(f"the direction '{found.direction}' is none of {', '.join(get_args(Direction))}")
    bounds = [bound for bound in (found.low, found.high) if bound is not None]
    if not all(math.isfinite(bound) for bound in bounds) or bounds != sorted(set(bounds)):
        raise Broken(f"the bounds are [{found.low}, {found.high}]")


@check(after=("card",))
def card_survives(trial: Trial) -> None:
    """Written into evidence and read back, the card is the same."""
    found = trial.metric.card
    if MetricCard.from_json(found.to_json()) != found:
        raise Broken(f"it comes back as {MetricCard.from_json(found.to_json())}")


@check(after=("card",))
def former_versions(trial: Trial) -> None:
    """Cards in `former` are of this metric, each of a version of its own, none of them the present one."""
    cards = [trial.metric.card, *trial.metric.former]
    for former in cards[1:]:
        if former.name != cards[0].name:
            raise Broken(f"a former card is of '{former.name}'")
    versions = [one.version for one in cards]
    if len(set(versions)) < len(versions):
        raise Broken(f"the versions {', '.join(versions)} are not all different")


CHECKS = (card, card_survives, former_versions)
