"""Identities: what must be true of several numbers of one dictionary at once, whatever the dictionary.

Only what follows from the definitions in `husai_schemas/metric_cards.json` is held against evidence, for numbers of one
document, seed and setting. A quantity that is the same for all of a document (the variance of its targets, the loss of
the unspliced model) is not stated anywhere; two metrics give it, and must give everyone the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from husai_core.evidence import Evidence, RecordedMeasurement
from husai_core.subject import Subject
from husai_gates.audit.median import median
from husai_gates.audit.setting import setting_key
from husai_gates.finding import Finding

ROUNDING = 1e-9  # of one number against another of the same sums
SHARED = 1e-6  # of what two metrics give for all of a document: their sums have the same rows, not the same order

_NO_SETTING = setting_key({})

Seed = int
Values = Mapping[Seed, float]


@dataclass(frozen=True)
class _Seen:
    """The single-seed values of a condition at a setting, by metric, and the size of its dictionaries."""

    condition: str
    setting: str
    d_sae: int
    own_target: bool  # it reconstructs something else than the rest of the document, or on other activations
    values: Mapping[str, Values]
    pairs: Mapping[str, Mapping[tuple[int, ...], float]]
    index: Mapping[str, int]


def check_identities(path: str, evidence: Evidence, subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    """Numbers that cannot all be true."""
    seen = list(_seen(evidence, subjects))
    for each in seen:
        for metric, unit, rule in (*_of_latents(each), *_of_matches(each)):
            yield _impossible(path, each, metric, unit, rule)
    for shared in _SHARED:
        yield from _check_shared(path, seen, *shared)


def _impossible(path: str, seen: _Seen, metric: str, unit: object, rule: str) -> Finding:
    place = f"$.measurements[{seen.index[metric]}].observations"
    step = "measure it again; no dictionary has these numbers"
    return Finding("EV-IMPOSSIBLE", path, place, f"'{seen.condition}' at seed {unit}: {rule}", step)


def _seen(evidence: Evidence, subjects: Mapping[str, Subject]) -> Iterator[_Seen]:
    listed: dict[str, list[Subject]] = {}
    for name in evidence.subjects:
        if name in subjects:
            listed.setdefault(subjects[name].condition, []).append(subjects[name])
    groups: dict[tuple[str, str], dict[str, tuple[int, RecordedMeasurement]]] = {}
    for index, measurement in enumerate(evidence.measurements):
        key = (measurement.condition, setting_key(measurement.setting))
        known = measurement.card.name in _METRICS and measurement.card.version == "1"
        if known and measurement.parts() == {""}:
            groups.setdefault(key, {})[measurement.card.name] = (index, measurement)
    for (condition, setting), found in groups.items():
        if condition not in listed or listed[condition][0].weights is None:
            continue  # of a subject that is only spoken of, the metrics are another program's
        first = listed[condition][0]
        by_unit = {name: m.by_unit() for name, (_, m) in found.items()}
        yield _Seen(
            condition=condition,
            setting=setting,
            d_sae=first.dims.get("d_sae", 0),
            own_target=bool(first.architecture.get("own_target")) or bool(first.control and first.control.activations),
            values={n: {u[0]: v for u, v in units.items() if len(u) == 1} for n, units in by_unit.items()},
            pairs={n: {u: v for u, v in units.items() if len(u) == 2} for n, units in by_unit.items()},
            index={name: index for name, (index, _) in found.items()},
        )


def _together(seen: _Seen, *metrics: str) -> Iterator[tuple[Seed, tuple[float, ...]]]:
    """The values of these metrics for every seed that has all of them."""
    if all(metric in seen.values for metric in metrics):
        for seed in sorted(set.intersection(*(set(seen.values[metric]) for metric in metrics))):
            yield seed, tuple(seen.values[metric][seed] for metric in metrics)


def _of_latents(seen: _Seen) -> Iterator[tuple[str, Seed, str]]:
    """What is active on some row is not dead, and latents are counted whole."""
    width = seen.d_sae
    for seed, (dead,) in _together(seen, "dead_fraction"):
        if abs(dead * width - round(dead * width)) > 1e-6 * width:
            yield "dead_fraction", seed, f"{dead} dead is no whole number of {width} latents"
    for seed, (dead, l0) in _together(seen, "dead_fraction", "l0"):
        alive = (1 - dead) * width
        if l0 > alive + ROUNDING * width:
            yield "l0", seed, f"{l0} latents are active on a row, and {alive:g} are alive"
    for seed, (l1, l0) in _together(seen, "l1", "l0"):
        if (l1 == 0) != (l0 == 0):
            yield "l1", seed, f"{l0} latents are active, and the sum of activations is {l1}"
    for seed, (dense, l0) in _together(seen, "dense_fraction", "l0"):
        if l0 > dense * width + 0.1 * (1 - dense) * width + ROUNDING * width:
            yield "l0", seed, f"{l0} active latents are more than {dense} dense ones can give"
    for seed, (pooled, whole) in _together(seen, "explained_variance_pooled", "explained_variance"):
        if pooled < whole - SHARED * max(1.0, abs(whole)):
            yield "explained_variance_pooled", seed, f"{pooled} pooled is less than {whole} by dimension"


def _of_matches(seen: _Seen) -> Iterator[tuple[str, list[int], str]]:
    """A one-to-one assignment is at most as close as every feature's best match."""
    best, assigned = (seen.pairs.get(metric, {}) for metric in ("pwmcc", "mcc"))
    for pair in sorted(best.keys() & assigned.keys()):
        if assigned[pair] > best[pair] + 1e-6:
            yield (
                "mcc",
                list(pair),
                f"one-to-one they match at {assigned[pair]}, at their best at {best[pair]}",
            )


def _ratio(one: float, other: float) -> float | None:
    return one / other if abs(other) > 1e-6 else None


# What two metrics give together that is the same for everyone in a document: its name, the metrics, and how.
_SHARED: tuple[tuple[str, str, str, Callable[[float, float], float | None]], ...] = (
    ("variance of the targets", "mse", "explained_variance", lambda mse, ev: _ratio(mse, 1 - ev)),
    ("loss of the model itself", "ce_loss", "ce_loss_increase", lambda loss, increase: loss - increase),
    ("loss that ablation costs", "ce_loss_increase", "ce_loss_score", lambda up, score: _ratio(up, 1 - score)),
    ("divergence that ablation causes", "kl_divergence", "kl_score", lambda kl, score: _ratio(kl, 1 - score)),
    ("AUC of a dense probe", "probe_auc", "probe_auc_delta", lambda auc, delta: auc - delta),
)


_METRICS = frozenset({"dead_fraction", "l0", "l1", "dense_fraction", "explained_variance_pooled", "pwmcc", "mcc"}) | {
    metric for _, one, other, _ in _SHARED for metric in (one, other)
}


def _check_shared(
    path: str, seen: list[_Seen], name: str, one: str, other: str, derive: Callable[[float, float], float | None]
) -> Iterator[Finding]:
    plain = {each.condition: each for each in seen if each.setting == _NO_SETTING}
    by_setting: dict[str, list[tuple[_Seen, Seed, float]]] = {}
    for each in seen:
        if not each.own_target:
            # A score says what was ablated, and what it is a share of does not.
            here = each if one in each.values else plain.get(each.condition, each)
            for seed in sorted(here.values.get(one, {}).keys() & each.values.get(other, {}).keys()):
                mine, theirs = here.values[one][seed], each.values[other][seed]
                if (value := derive(mine, theirs)) is not None:
                    by_setting.setdefault(each.setting, []).append((each, seed, value))
    for found in by_setting.values():
        usual = median(value for _, _, value in found)
        for each, seed, value in found:
            if not math.isclose(value, usual, rel_tol=SHARED, abs_tol=SHARED * 1e-2):
                rule = f"'{one}' and '{other}' give {value:.6g} for the {name}, others in this document {usual:.6g}"
                yield _impossible(path, each, other, seed, rule)
