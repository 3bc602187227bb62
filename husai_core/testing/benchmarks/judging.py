"""Judgement: the good subject is better than the bad one, and what carries no information is at chance."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import Measurement
from husai_core.testing.benchmarks.stage import random_labels
from husai_core.testing.benchmarks.trial import Trial
from husai_core.testing.contract import Broken, Skipped, check

EXACT = 1e-9
LABEL_DRAWS = 3
SLACK, LABEL_SLACK = 0.02, 0.05  # of the width of the bounds, beside four standard errors


@check(after=("finite", "deterministic"), declare="promises=Promises(indifferent={metric: 'the reason'})")
def direction(trial: Trial) -> None:
    """By its direction no metric calls the bad subject better on every seed, and one calls the good one better."""
    found = trial.found
    _refuse_unknown(trial.promises.indifferent, (m.metric for m in found), "indifferent")
    told, asked = [], []
    for name in dict.fromkeys(m.metric for m in found):
        card = trial.cards[name]
        if card.direction == "neither" or card.defect or name in trial.promises.indifferent:
            continue
        sign = 1.0 if card.direction == "higher" else -1.0
        good, bad = ([sign * value for value in _by_unit(found, name, who)] for who in ("good", "bad"))
        asked.append(name)
        if max(good) < min(bad) - EXACT:
            raise Broken(
                f"{name} is {sign * _mean(good):.4g} of the good subject and {sign * _mean(bad):.4g} of the bad one, "
                f"and its card says '{card.direction}'"
            )
        if min(good) > max(bad) + EXACT:
            told.append(name)
    if not asked:
        raise Skipped("none of its metrics has a direction that is asked about here")
    if not told:
        raise Broken(f"none of {', '.join(asked)} tells the good subject from the bad one")


def _by_unit(found: Sequence[Measurement], metric: str, condition: str) -> list[float]:
    """The mean over settings and parts of every unit."""
    values: dict[tuple[int, ...], list[float]] = {}
    for m in found:
        for o in m.observations if (m.metric, m.condition) == (metric, condition) else ():
            values.setdefault(tuple(sorted(o.seeds)), []).append(o.value)
    return [_mean(each) for each in values.values()]


@check(after=("within_bounds", "deterministic"), declare="promises=Promises(no_chance_here={metric: 'the reason'})")
def chance(trial: Trial) -> None:
    """Where a chance level is stated, dictionaries of random directions are at it."""
    found = trial.found
    _refuse_unknown(trial.promises.no_chance_here, (m.metric for m in found), "no_chance_here")
    if trial.reads_documents:
        raise Skipped("it reads documents: see 'random_labels'")
    stated = [m for m in found if m.chance is not None and m.metric not in trial.promises.no_chance_here]
    if not stated:
        raise Skipped("no measurement states a chance level")
    for m in stated:
        if m.condition == "bad":
            _must_be_at_chance(trial, m)


@check(after=("within_bounds", "deterministic"), declare="promises=Promises(no_chance_here={metric: 'the reason'})")
def random_labels_are_chance(trial: Trial) -> None:
    """With labels drawn at random no score is better than its chance level: one that is has seen those of its test."""
    found = trial.found
    _refuse_unknown(trial.promises.no_chance_here, (m.metric for m in found), "no_chance_here")
    if not trial.reads_documents:
        raise Skipped("it reads no documents")
    names = {m.metric for m in found if m.chance is not None} - set(trial.promises.no_chance_here)
    if not names:
        raise Skipped("no measurement of documents states a chance level")
    seen: dict[tuple[str, str], tuple[float, dict[object, list[float]]]] = {}
    for draw in range(LABEL_DRAWS):
        for m in trial.run(dataclasses.replace(trial.stage, texts=random_labels(draw))):
            if m.metric in names and m.chance is not None:
                _, clusters = seen.setdefault((m.metric, m.condition), (m.chance, {}))
                for o in m.observations:  # seeds and settings are scored on the same documents: these vary, not they
                    clusters.setdefault((draw, o.part), []).append(o.value)
    for (metric, _), (level, clusters) in seen.items():
        mean, allowed = _spread(clusters, LABEL_SLACK * _width(trial, metric, level))
        better = mean - level if trial.cards[metric].direction != "lower" else level - mean
        if better > allowed:
            raise Broken(f"{metric} is {mean:.4f} with random labels (within {allowed:.4f}), its chance is {level:.4f}")


def _must_be_at_chance(trial: Trial, m: Measurement) -> None:
    assert m.chance is not None
    clusters = {(o.seeds, o.part): [o.value] for o in m.observations}
    mean, allowed = _spread(clusters, SLACK * _width(trial, m.metric, m.chance))
    if abs(mean - m.chance) > allowed:
        raise Broken(f"{m.metric} of random directions is {mean:.4f} (within {allowed:.4f}), stated is {m.chance:.4f}")


def _spread(clusters: Mapping[Any, Sequence[float]], slack: float) -> tuple[float, float]:
    """The mean over clusters, and four of its standard errors with some slack."""
    values = [_mean(each) for each in clusters.values()]
    mean, count = _mean(values), len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1)) if count > 1 else 0.0
    return mean, 4 * spread / math.sqrt(count) + slack


def _width(trial: Trial, metric: str, level: float) -> float:
    card = trial.cards[metric]
    return card.high - card.low if card.low is not None and card.high is not None else max(1.0, abs(level))


def _refuse_unknown(promised: Mapping[str, str], measured: Iterable[str], what: str) -> None:
    known = set(measured)
    for name, reason in promised.items():
        place = f"Promises({what}={{{name!r}: ...}})"
        if name not in known:
            raise UsageError(place, f"it measures no '{name}'", did_you_mean(name, known))
        if not reason.strip():
            raise UsageError(place, "the reason is empty", "say why")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


CHECKS = (direction, chance, random_labels_are_chance)
