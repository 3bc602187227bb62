"""What a SAEBench result file says: observations taken from its details, and what is wrong with it.

Nothing here needs SAEBench, torch or numpy. A number that is no finite number, that its metric does not allow, or that
contradicts what stands beside it in the file is a problem and never a reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isclose, isfinite, sqrt
from typing import Any

from husai_core.evidence import Scalar
from husai_saebench.fields import DELTAS, LISTS, Quantity, mean_of, quantity, spread_of
from husai_saebench.metrics import card
from husai_saebench.rows import WHOLE, Cell, Row, config_of, eval_of, headline, rows

_NOT_MEASURED = "measure again, or do without this metric"
_ASK_AGAIN = "ask whoever made the file for the result as the program wrote it"
_CLOSE = 1e-6  # the program averages in double precision, autointerp in single
_LARGEST = 1e100
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Reading:
    """One observation: a metric in a setting on one data set or letter, or on the whole where `part` is empty."""

    metric: str
    setting: Mapping[str, Scalar]
    value: float
    part: str


@dataclass(frozen=True)
class Problem:
    """Something in the file that is no evidence, or that a reader of its numbers must know."""

    place: str
    rule: str
    next_step: str


@dataclass(frozen=True)
class _Entry:
    """A place that should hold an observation, and why it does not if it does not."""

    quantity: Quantity
    part: str
    cell: Cell
    fault: str


def readings(result: Mapping[str, Any]) -> Iterable[Reading]:
    """The observations of one result: those of its details, the base model's own, and the differences of the two."""
    good = [entry for entry in _entries(result) if not entry.fault]
    for entry in good:
        yield _reading(entry.quantity.metric, entry.quantity.setting, float(entry.cell.value), entry.part)
    base = {(e.quantity.metric, e.part, tuple(e.quantity.setting.items())): float(e.cell.value) for e in good}
    for entry in good:
        setting = tuple(entry.quantity.setting.items())
        for subtrahend, difference in DELTAS.get(entry.quantity.metric, ()):
            # A probe on all activations has no k, one on the k best channels has the same.
            found = base.get((subtrahend, entry.part, setting), base.get((subtrahend, entry.part, ())))
            if found is not None:
                value = float(entry.cell.value) - found
                yield _reading(difference, entry.quantity.setting, value, entry.part)


def problems(result: Mapping[str, Any]) -> list[Problem]:
    """Everything in one result that is not a number to be trusted, with its JSON path."""
    kind = eval_of(result)
    if kind is None:
        stated = result.get("eval_type_id")
        rule = f"is '{stated}', which is no eval that is known here" if stated else "the result does not say its eval"
        return [Problem("$.eval_type_id", rule, "nothing of it is read; import it with a newer HUSAI")]
    found = [
        Problem(entry.cell.place, entry.fault, _NOT_MEASURED)
        for entry in _entries(result)
        if entry.fault and not _never_asked(result, entry)
    ]
    found += _not_asked(result)
    found += _switched_off(result)
    found += _absent(kind, result)
    return [*found, *_aggregates(kind, result)]


def _reading(metric: str, setting: Mapping[str, Scalar], value: float, part: str) -> Reading:
    return Reading(metric, dict(setting), value, part)


def _entries(result: Mapping[str, Any]) -> Iterator[_Entry]:
    kind = eval_of(result)
    if kind is None:
        return
    table = rows(result)
    repeated = {row.part for row in table if sum(other.part == row.part for other in table) > 1}
    for row in table:
        wrong = dict(_contradictions(kind, row))
        for field, cell in row.cells.items():
            known = quantity(kind, field)
            if known is None:
                continue
            if kind == "core" and field == "explained_variance" and "explained_variance_legacy" not in row.cells:
                known = Quantity("saebench_explained_variance_legacy", {})
            fault = _fault(kind, known, cell.value) or wrong.get(field, "")
            if row.part in repeated:
                fault = f"'{row.part}' stands in the file more than once"
            elif not row.part and len(table) > 1:
                fault = "the row does not say what it is of"
            yield _Entry(known, row.part, cell, fault)


def _fault(kind: str, known: Quantity, value: Any) -> str:
    """Why a value is no observation of its metric; empty where it is one."""
    if value is None:
        return "is null"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {str(value)[:40]!r}, which is no number"
    if not _finite(value):
        return f"is {value}, which is no finite number"
    if abs(value) > _LARGEST:
        return f"is {value:.3g}, which no quantity of a dictionary is near"
    bounds = card(known.metric)
    if value == -1 and (kind == "core" or not bounds.allows(-1.0)):
        return "is -1, which SAEBench writes for NaN and for what it did not measure"
    if not bounds.allows(float(value)):
        return f"is {value}, outside {bounds.low} to {bounds.high}, where {known.metric} lies"
    return ""


def _contradictions(kind: str, row: Row) -> Iterator[tuple[str, str]]:
    """Fields of a row that do not follow from the other fields of that row."""

    def of(*fields: str) -> list[float] | None:
        values = [row.cells[field].value for field in fields if field in row.cells]
        return values if len(values) == len(fields) and all(map(_finite, values)) else None

    if kind == "absorption":
        for rate, count in (("absorption_rate", "num_absorption"), ("full_absorption_rate", "num_full_absorption")):
            if (found := of(rate, count, "num_probe_true_positives")) and (words := found[2]) > 0:
                stated, expected = found[0], found[1] / words
                if not isclose(stated, expected, abs_tol=_CLOSE):
                    yield rate, f"is {stated}, and {found[1]:g} of {words:g} words are {expected:.6g}"
    for field in row.cells:
        if kind == "tpp" and field.endswith("_total_metric"):
            stem = field.removesuffix("_total_metric")
            found = of(field, f"{stem}_intended_diff_only", f"{stem}_unintended_diff_only")
            if found and not isclose(found[0], found[1] - found[2], abs_tol=_CLOSE):
                yield field, f"is {found[0]}, and intended minus unintended is {found[1] - found[2]:.6g}"
        if kind == "scr" and field.startswith("scr_metric_"):
            end = field.removeprefix("scr_metric_")
            found = of(field, f"scr_dir1_{end}", f"scr_dir2_{end}")
            if found and not any(isclose(found[0], one, abs_tol=_CLOSE) for one in found[1:]):
                yield field, f"is {found[0]}, which is neither of the two directions, {found[1]} and {found[2]}"
    if kind == "core":
        if (kl := of("kl_div_score", "kl_div_with_ablation", "kl_div_with_sae")) and kl[1]:
            expected = (kl[1] - kl[2]) / kl[1]
            if not isclose(kl[0], expected, abs_tol=1e-3):
                yield "kl_div_score", f"is {kl[0]}, and the divergences beside it give {expected:.6g}"
        ce = of("ce_loss_score", "ce_loss_with_ablation", "ce_loss_with_sae", "ce_loss_without_sae")
        if ce and ce[1] != ce[3]:
            expected = (ce[1] - ce[2]) / (ce[1] - ce[3])
            if not isclose(ce[0], expected, abs_tol=1e-3):
                yield "ce_loss_score", f"is {ce[0]}, and the losses beside it give {expected:.6g}"


def _never_asked(result: Mapping[str, Any], entry: _Entry) -> bool:
    """Whether a null stands for a `k` or a threshold that the settings did not ask for."""
    if entry.cell.value is not None:
        return False
    config = config_of(result)
    for key, value in entry.quantity.setting.items():
        for name in LISTS.get(key, ()):
            if isinstance(config.get(name), list):
                return value not in config[name]
    # sae-probes has no probe on all latents; its field is there and always null.
    return eval_of(result) == "sparse_probing_sae_probes" and not entry.quantity.setting


def _not_asked(result: Mapping[str, Any]) -> Iterator[Problem]:
    """The `k` or thresholds that stand in the file without a number because nobody asked for them."""
    fields = 0
    seen: dict[str, set[Scalar]] = {}
    for entry in _entries(result):
        if entry.quantity.setting and _never_asked(result, entry):
            fields += 1
            for key, value in entry.quantity.setting.items():
                seen.setdefault(key, set()).add(value)
    for key, values in seen.items():
        listed = ", ".join(map(str, sorted(values, key=lambda value: (len(str(value)), str(value)))))
        rule = f"{key} = {listed} was not asked for: {fields} fields of the details are null"
        yield Problem("$.eval_config", rule, "a rule about it finds no evidence; measure it if one needs it")


def _switched_off(result: Mapping[str, Any]) -> Iterator[Problem]:
    key = "eval_config" if "eval_config" in result else "eval_cfg"
    for name, value in config_of(result).items():
        if name.startswith("compute_") and value is False:
            rule = f"{name.removeprefix('compute_').replace('_', ' ')} was switched off for this result"
            yield Problem(f"$.{key}.{name}", rule, "a rule about it finds no evidence; measure it if one needs it")
    if config_of(result).get("include_llm_baseline") is False:
        rule = "the base model's own probes were switched off: what the dictionary adds cannot be told"
        yield Problem(f"$.{key}.include_llm_baseline", rule, "measure again with the baseline")


def _absent(kind: str, result: Mapping[str, Any]) -> Iterator[Problem]:
    """Details that the settings promise and the file lacks."""
    table = rows(result)
    where = "$.eval_result_unstructured" if kind in ("autointerp", "ravel") else "$.eval_result_details"
    if not table:
        place = "$.eval_result_metrics" if kind in WHOLE else where
        rule = "holds no observations, so nothing of this eval is read; a headline alone cannot be checked"
        yield Problem(place, rule, _ASK_AGAIN)
        return
    parts = {row.part for row in table}
    if kind == "absorption" and (missing := [letter for letter in _LETTERS if letter not in parts]):
        rule = f"no result for {len(missing)} of 26 letters: {', '.join(missing)}"
        if any("absorption_rate" in row.cells for row in table):
            # 0.2 looked only at words on which the letter's latents are silent; without such words, no row.
            rule += "; before 0.3.0 the program left out a letter of which nothing could be absorbed, its best case"
        yield Problem(where, rule, "compare on letters that both sides have, and say so; or measure again")
    asked = config_of(result).get("dataset_names")
    if kind not in (*WHOLE, "autointerp", "ravel", "absorption") and isinstance(asked, list):
        for name in asked:
            if not any(part == name or part.startswith(f"{name}_scr_") for part in parts):
                yield Problem(where, f"no result for '{name}', which the settings ask for", _NOT_MEASURED)


def _aggregates(kind: str, result: Mapping[str, Any]) -> Iterator[Problem]:
    """Headlines that are not the mean, or the standard deviation, of the rows they are of."""
    table = rows(result)
    if kind in WHOLE or not table:
        return
    for name, cell in headline(result).items():
        spread = spread_of(name)
        values = _averaged(table, spread or mean_of(name))
        if not values or cell.value is None:
            if values or (cell.value is not None and not isinstance(cell.value, str)):
                rule = (
                    "is null although the details have values" if values else "has no details that it could follow from"
                )
                yield Problem(cell.place, rule, "only what the details say is read")
            continue
        expected = _deviation(values) if spread else fsum(values) / len(values)
        if not _finite(cell.value) or not isclose(cell.value, expected, rel_tol=_CLOSE, abs_tol=_CLOSE):
            what = "standard deviation" if spread else "mean"
            rule = f"is {cell.value}, and the {what} of the {len(values)} values in the details is {expected:.6g}"
            yield Problem(cell.place, rule, "only what the details say is read; find out who changed the file")


def _averaged(table: Sequence[Row], field: str) -> list[float]:
    """The finite values of a field, averaged within groups."""
    groups: dict[str, list[float]] = {}
    for index, row in enumerate(table):
        cell = row.cells.get(field)
        if cell is not None and _finite(cell.value):
            groups.setdefault(row.group or str(index), []).append(cell.value)
    return [fsum(values) / len(values) for values in groups.values()]


def _deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = fsum(values) / len(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False
