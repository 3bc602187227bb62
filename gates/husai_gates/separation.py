"""Separation: how far a measurement tells a known-good condition from a known-bad one, in units of its own noise.

With paired gains d of the good condition over the bad one, seed by seed, and the standard deviations sd of either side
over n seeds,

    noise = max(sd_good, sd_bad) * sqrt((n - 1) / q)
    separation = lower bound of the t interval of the mean of d, divided by noise

where q is the quantile of chi-square with n - 1 degrees of freedom at (1 - confidence) / 2. Both bounds are taken
against the instrument: few seeds make the gain uncertain, and the noise, too. Of metrics of pairs of seeds, sd is that
of the pseudo-values of the jackknife, which is rather too large than too small. A control that is the same for every
seed has no noise of its own; then the other side's counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from husai_gates import chi_square
from husai_gates.cannot_judge import CannotJudge
from husai_gates.interval import Interval, Spread, replicates, variance
from husai_gates.observe import Observed, estimate, gain, require_direction
from husai_gates.policy import Rule

UNIT = "reseed noise"


@dataclass(frozen=True)
class Separation:
    """The gain of the good condition, in the unit of its metric, and the noise that it is held against."""

    gains: Observed
    gain: Interval
    noise: float

    @property
    def in_noise(self) -> Interval:
        """The same gain in units of the noise; the lower bound is the separation."""
        gain = self.gain
        low, centre, high = (value / self.noise for value in (gain.low, gain.estimate, gain.high))
        spreads = tuple(Spread(spread.error / self.noise, spread.freedom) for spread in gain.spreads)
        return Interval(centre, low, high, gain.n, gain.method, gain.confidence, spreads)


def separate(rule: Rule, one: Observed, other: Observed) -> Separation:
    """The separation of good and bad, already paired; without any noise to hold it against it cannot be judged."""
    require_direction(one, rule, "neither", "has no better side, so it cannot tell good from bad")
    gains = gain(one, other)
    found = estimate(rule, gains)
    sides = [side for side in (one, other) if not side.located.condition.one_unit]
    still = [side for side in sides if side.flat]
    if still and (one.card.continuous or still == sides):
        name = still[0].located.condition.name
        says = f"every unit of '{rule.metric}' of '{name}' has the same value: no noise to hold a separation against"
        raise CannotJudge("inconclusive", "EV-ZERO-WIDTH", says, "check that the seeds are different runs")
    return Separation(gains, found, _noise(sides, rule.confidence))


def _noise(sides: list[Observed], confidence: float) -> float:
    """The upper bound of the larger standard deviation over seeds."""
    units = [replicates(side.values) for side in sides]
    freedom = len(units[0]) - 1
    worst = max(variance(values) for values in units)
    return math.sqrt(worst * freedom / chi_square.quantile((1 - confidence) / 2, freedom))
