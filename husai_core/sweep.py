"""A sweep: one `[[sae]]` table with axes becomes one table per combination, each under a name of its own."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from husai_core.errors import UsageError, one_line

SETTING = "settings."
KEYS = {"d_sae": "d", "steps": "steps", "learning_rate": "lr", "agreement": "agree"}
"""Axes that are no settings, in the order of a name, each with what a name calls it."""

MOST_POINTS = 1000
LONGEST_NAME = 120


@dataclass(frozen=True)
class Point:
    """One dictionary of a study: its own table, the `[[sae]]` it stands in, and its value on every swept axis."""

    index: int
    family: str
    table: Mapping[str, Any]
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.table["name"])


def points_of(study: Mapping[str, Any]) -> list[Point]:
    """Every dictionary of a study that fits its schema; a UsageError whose place is inside the study."""
    found: list[Point] = []
    for index, entry in enumerate(study["sae"]):
        found += _points(index, entry)
    _refuse_shared_names(found, study)
    _refuse_long_names(found, study)
    return found


def _points(index: int, entry: Mapping[str, Any]) -> Iterator[Point]:
    place = f"$.sae[{index}].sweep"
    axes = _axes(entry, place)
    if not {"d_sae", "pretrained"} & {*entry, *axes}:
        raise UsageError(f"$.sae[{index}]", "the key 'd_sae' is missing", "give it a width, or sweep over widths")
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_POINTS:
        raise UsageError(place, f"{count} combinations, the limit is {MOST_POINTS}", "sweep fewer values")
    seen: dict[str, Mapping[str, Any]] = {}
    for combination in itertools.product(*axes.values()):
        values = dict(zip(axes, combination, strict=True))
        name = ".".join([entry["name"], *(label(axis, value) for axis, value in values.items())])
        if name in seen:
            rule = f"{dict(seen[name])} and {values} would both be called '{name}'"
            raise UsageError(place, one_line(rule), "leave one of them out")
        seen[name] = values
        yield Point(index, entry["name"], _filled(entry, name, values), values)


def _axes(entry: Mapping[str, Any], place: str) -> dict[str, list[Any]]:
    """The axes in the order of a name: settings by name, then what is no setting. Values keep the study's order."""
    sweep = entry.get("sweep", {})
    for axis in sweep:
        table, key = (entry.get("settings", {}), axis.removeprefix(SETTING)) if SETTING in axis else (entry, axis)
        if key in table:
            raise UsageError(f"{place}.{axis}", f"'{axis}' is swept and also fixed in the same table", "keep one")
    ordered = [*sorted(axis for axis in sweep if axis not in KEYS), *(axis for axis in KEYS if axis in sweep)]
    return {axis: list(sweep[axis]) for axis in ordered}


def label(axis: str, value: Any) -> str:
    """How a name says that an axis has a value: `k8`, `d128`, `lr0.003`, `mode-fast`."""
    key, text = KEYS.get(axis, axis.removeprefix(SETTING)), _text(value)
    joined = key[-1].isalpha() and (text[:1].isdigit() or text[:1] == "-")
    return f"{key}{text}" if joined else f"{key}-{text}"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "-".join(_text(item) for item in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return re.sub(r"[^a-z0-9_.-]+", "-", str(value).lower().replace("e+", "e"))


def _filled(entry: Mapping[str, Any], name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The table as if somebody had written this combination by hand."""
    table = {key: value for key, value in entry.items() if key != "sweep"} | {"name": name}
    settings = {axis.removeprefix(SETTING): value for axis, value in values.items() if axis not in KEYS}
    if settings:
        table["settings"] = {**entry.get("settings", {}), **settings}
    return table | {axis: value for axis, value in values.items() if axis in KEYS}


def _refuse_shared_names(points: Iterable[Point], study: Mapping[str, Any]) -> None:
    """Conditions and the controls of conditions stand side by side in a bundle, so all their names differ."""
    controls = [control["name"] for control in study.get("control", ())]
    seen: set[str] = set()
    for point in points:
        for name in (point.name, *(f"{point.name}.{control}" for control in dict.fromkeys(controls))):
            if name in seen:
                raise UsageError(f"$.sae[{point.index}]", f"the name '{name}' stands twice", "rename one")
            seen.add(name)


def _refuse_long_names(points: Iterable[Point], study: Mapping[str, Any]) -> None:
    """The longest name that a subject of each dictionary can have."""
    site = max((entry["name"] for entry in study["site"]), key=len)
    control = max((entry["name"] for entry in study.get("control", ())), key=len, default="")
    seeds = [*study["training"]["seeds"], *(seed for search in study.get("search", ()) for seed in search["seeds"])]
    for point in points:
        name = f"{site}.{point.name}.{control}.s{max(seeds)}"
        if len(name) > LONGEST_NAME:
            rule = f"a subject would be called '{name}', which is longer than {LONGEST_NAME} characters"
            raise UsageError(f"$.sae[{point.index}].name", rule, "shorten the names, or sweep fewer axes")
