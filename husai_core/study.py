"""The study file: what is asked, written down before the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import husai_schemas
from husai_core.errors import UsageError, did_you_mean
from husai_core.search import Search, searches_of
from husai_core.site import Hook
from husai_core.strict_toml import TomlProblem, read_toml
from husai_core.subject import Role
from husai_core.sweep import Point, points_of
from husai_core.written import refuse_other_kind

DECAY_SHARE = 0.2  # the learning rate falls linearly to zero over the last fifth, unless a study says otherwise


@dataclass(frozen=True)
class Choice:
    """A plugin by name, with the settings that differ from its defaults."""

    name: str
    settings: Mapping[str, Any]
    sites: tuple[str, ...] | None = None  # of a control or benchmark: where it is wanted; None is everywhere
    controls: tuple[str, ...] | None = None  # of a benchmark: the controls that it measures; None is all of them


@dataclass(frozen=True)
class SiteChoice:
    """A model and the hook points in it; hooks left out are the model's own default."""

    name: str
    model: Choice
    model_seed: int
    hook_in: Hook | None
    hook_out: Hook | None


@dataclass(frozen=True)
class Recipe:
    """The training budget that every dictionary of a study shares unless it says otherwise."""

    steps: int
    batch_size: int
    learning_rate: float
    data_order_seed: int
    dead_after_steps: int
    agreement: float = 0.0  # weight of the term that draws the seeds' dictionaries together; 0 is none
    match_every: int = 50  # steps between matchings of their latents
    decay_share: float = DECAY_SHARE  # of the steps, over which the learning rate falls to zero at the end


@dataclass(frozen=True)
class SaeChoice:
    """One architecture with settings and role, trained once per seed at each of its sites."""

    point: Point
    name: str
    architecture: Choice
    role: Role
    d_sae: int
    sites: tuple[str, ...]
    recipe: Recipe


@dataclass(frozen=True)
class PretrainedChoice:
    """Checkpoints from elsewhere, one per seed of the study; architecture and width where the study states them."""

    point: Point
    name: str
    folders: tuple[Path, ...]
    architecture: str | None
    role: Role
    d_sae: int | None
    sites: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A parsed study file, with the bytes it was parsed from."""

    place: str
    raw: bytes
    name: str
    question: str
    policy: str | None
    sites: tuple[SiteChoice, ...]
    seeds: tuple[int, ...]
    saes: tuple[SaeChoice | PretrainedChoice, ...]
    searches: tuple[Search, ...]
    frontiers: tuple[tuple[str, str], ...]
    scaling: tuple[str, ...]
    controls: tuple[Choice, ...]
    benchmarks: tuple[Choice, ...]
    keep_weights: bool


def load_study(path: Path) -> Study:
    """Read and check a study file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", "give the path of a study file") from None
    return parse_study(raw, str(path))


def parse_study(raw: bytes, place: str) -> Study:
    """A study from the bytes of its TOML file; the first thing wrong is named with its place."""
    try:
        data = read_toml(raw)
    except TomlProblem as error:
        raise UsageError(f"{place} {error.path}", error.rule) from None
    refuse_other_kind(data, "study", place)
    if problems := husai_schemas.problems("study", data):
        raise UsageError(f"{place} {problems[0].path}", problems[0].rule, "see 'husai schema show study'")
    _refuse_repeated_names(data, place)
    sites = tuple(_site(entry) for entry in data["site"])
    _refuse_unknown_sites(data, place)
    _refuse_unknown_controls(data, place)
    try:
        points = points_of(data)
        searches = searches_of(data, points)
        _refuse_shared_seeds(searches, data["training"]["seeds"])
    except UsageError as error:
        raise UsageError(f"{place} {error.place}", error.rule, error.next_step) from None
    report = data.get("report", {})
    return Study(
        place=place,
        raw=raw,
        name=data["name"],
        question=data["question"],
        policy=data.get("policy"),
        sites=sites,
        seeds=tuple(data["training"]["seeds"]),
        saes=tuple(_sae(point, data["training"], sites, place) for point in points),
        searches=tuple(searches),
        frontiers=tuple((cost, quality) for cost, quality in report.get("frontier", ())),
        scaling=tuple(report.get("scaling", ())),
        controls=tuple(_choice(entry) for entry in data.get("control", ())),
        benchmarks=tuple(_choice(entry) for entry in data["benchmark"]),
        keep_weights=data.get("bundle", {}).get("weights", False),
    )


def _refuse_repeated_names(data: Mapping[str, Any], place: str) -> None:
    for table in ("site", "sae", "control", "benchmark"):
        names = [entry["name"] for entry in data.get(table, ())]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise UsageError(f"{place} $.{table}[{index}]", f"the name '{name}' stands twice", "rename one")


def _refuse_unknown_sites(data: Mapping[str, Any], place: str) -> None:
    """Where a dictionary, control or benchmark is wanted somewhere that the study does not have."""
    known = [site["name"] for site in data["site"]]
    for table in ("sae", "control", "benchmark"):
        for index, entry in enumerate(data.get(table, ())):
            for name in entry.get("sites", ()):
                if name not in known:
                    where = f"{place} $.{table}[{index}].sites"
                    raise UsageError(where, f"no site '{name}'", did_you_mean(name, known))


def _refuse_unknown_controls(data: Mapping[str, Any], place: str) -> None:
    """Where a benchmark is to measure a control that the study does not make."""
    known = [control["name"] for control in data.get("control", ())]
    for index, entry in enumerate(data["benchmark"]):
        for name in entry.get("controls", ()):
            if name not in known:
                where = f"{place} $.benchmark[{index}].controls"
                raise UsageError(where, f"the study makes no control '{name}'", did_you_mean(name, known))


def _refuse_shared_seeds(searches: list[Search], fresh: list[int]) -> None:
    for search in searches:
        if shared := search.shared_seeds(fresh):
            rule = f"seeds {', '.join(map(str, shared))} would both choose a point and confirm it"
            step = "give the search seeds that are not in $.training.seeds"
            raise UsageError(f"$.search[{search.index}].seeds", rule, step)


def _choice(entry: Mapping[str, Any]) -> Choice:
    bound = {key: tuple(entry[key]) for key in ("sites", "controls") if key in entry}
    return Choice(entry["name"], entry.get("settings", {}), **bound)


def _site(entry: Mapping[str, Any]) -> SiteChoice:
    return SiteChoice(
        name=entry["name"],
        model=Choice(entry["model"], entry.get("settings", {})),
        model_seed=entry.get("model_seed", 0),
        hook_in=_hook(entry.get("hook_in")),
        hook_out=_hook(entry.get("hook_out")),
    )


def _hook(entry: str | list[str] | None) -> Hook | None:
    return tuple(entry) if isinstance(entry, list) else entry


def _sae(
    point: Point, training: Mapping[str, Any], sites: tuple[SiteChoice, ...], place: str
) -> SaeChoice | PretrainedChoice:
    entry = point.table
    chosen = tuple(entry.get("sites", [site.name for site in sites]))
    if "pretrained" in entry:
        return _pretrained(point, len(training["seeds"]), chosen, place)
    return SaeChoice(
        point=point,
        name=entry["name"],
        architecture=Choice(entry["architecture"], entry.get("settings", {})),
        role=entry["role"],
        d_sae=entry["d_sae"],
        sites=chosen,
        recipe=Recipe(
            steps=entry.get("steps", training["steps"]),
            batch_size=training["batch_size"],
            learning_rate=float(entry.get("learning_rate", training["learning_rate"])),
            data_order_seed=training.get("data_order_seed", 0),
            dead_after_steps=training.get("dead_after_steps", 200),
            agreement=float(entry.get("agreement", 0.0)),
            match_every=training.get("match_every", 50),
            decay_share=float(training.get("decay_share", DECAY_SHARE)),
        ),
    )


def _pretrained(point: Point, seeds: int, sites: tuple[str, ...], place: str) -> PretrainedChoice:
    """Paths are relative to the study file, so that a study and its checkpoints can be moved together."""
    entry = point.table
    given = entry["pretrained"]
    folders = [given] if isinstance(given, str) else given
    if len(folders) != seeds:
        rule = f"{len(folders)} checkpoints for {seeds} seeds; each seed of the study is one checkpoint, in order"
        raise UsageError(
            f"{place} $.sae.{entry['name']}.pretrained", rule, "make 'training.seeds' as long as this list"
        )
    return PretrainedChoice(
        point=point,
        name=entry["name"],
        folders=tuple(Path(place).parent / folder for folder in folders),
        architecture=entry.get("architecture"),
        role=entry["role"],
        d_sae=entry.get("d_sae"),
        sites=sites,
    )
