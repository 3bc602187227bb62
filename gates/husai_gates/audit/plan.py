"""The plan: what the study file asked for before the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from husai_core.errors import UsageError
from husai_core.search import Search, searches_of
from husai_core.study import DECAY_SHARE
from husai_core.subject import Subject
from husai_core.sweep import Point, label, points_of

STUDY = "study.toml"

Difference = tuple[str, Any, Any]
"""A path in a document, what was planned there, and what is there."""

Settings = Mapping[str, Any]

Hook = str | list[str]
"""A hook point, or several whose activations stand side by side, as a document writes them."""


@dataclass(frozen=True)
class PlannedSite:
    """What a study says of one site; what it leaves out is the model's default."""

    model: str
    model_seed: int
    hook_in: Hook | None
    hook_out: Hook | None
    settings: Settings

    @classmethod
    def from_table(cls, site: Mapping[str, Any]) -> PlannedSite:
        return cls(
            site["model"],
            site.get("model_seed", 0),
            site.get("hook_in"),
            site.get("hook_out"),
            site.get("settings", {}),
        )

    def differences(self, site: Mapping[str, Any]) -> Iterator[Difference]:
        """What is to be compared in the site's document."""
        yield "$.model.name", self.model, site["model"]["name"]
        yield "$.model.seed", self.model_seed, site["model"].get("seed")
        yield "$.hook_in", self.hook_in or site["hook_in"], site["hook_in"]
        yield "$.hook_out", self.hook_out or self.hook_in or site["hook_in"], site["hook_out"]
        yield from in_settings("$.model.settings", self.settings, site["model"]["settings"])


@dataclass(frozen=True)
class PlannedPretrained:
    """What a study says of a dictionary that was trained elsewhere; its budget is nobody's plan."""

    site: str
    role: str
    architecture: str | None
    d_sae: int | None
    seeds: frozenset[int]

    @classmethod
    def from_tables(cls, site: str, point: Point, training: Mapping[str, Any]) -> PlannedPretrained:
        sae = point.table
        return cls(site, sae["role"], sae.get("architecture"), sae.get("d_sae"), frozenset(training["seeds"]))

    def differences(self, subject: Subject) -> Iterator[Difference]:
        """What is to be compared in a subject's document."""
        yield "$.site.name", self.site, subject.site
        yield "$.role", self.role, subject.role
        yield "$.budget.pretrained", True, subject.pretrained
        shown = subject.architecture["name"], subject.dims["d_sae"]
        yield "$.architecture.name", self.architecture or shown[0], shown[0]
        yield "$.dims.d_sae", self.d_sae or shown[1], shown[1]


@dataclass(frozen=True)
class PlannedDictionary:
    """What a study says of one dictionary; settings it leaves out are the architecture's defaults."""

    site: str
    role: str
    architecture: str
    d_sae: int
    steps: int
    batch_size: int
    learning_rate: float
    data_order_seed: int
    agreement: float
    decay_share: float
    settings: Settings
    seeds: frozenset[int]
    family: str
    values: Settings

    @classmethod
    def from_tables(cls, site: str, point: Point, training: Mapping[str, Any]) -> PlannedDictionary:
        sae = point.table
        return cls(
            site=site,
            role=sae["role"],
            architecture=sae["architecture"],
            d_sae=sae["d_sae"],
            steps=sae.get("steps", training["steps"]),
            batch_size=training["batch_size"],
            learning_rate=sae.get("learning_rate", training["learning_rate"]),
            data_order_seed=training.get("data_order_seed", 0),
            agreement=sae.get("agreement", 0),
            decay_share=training.get("decay_share", DECAY_SHARE),
            settings=sae.get("settings", {}),
            seeds=frozenset(training["seeds"]),
            family=point.family,
            values=point.values,
        )

    @property
    def kin(self) -> str:
        """What it has in common with those that differ from it in width and length of training alone."""
        others = [label(axis, value) for axis, value in self.values.items() if axis not in ("d_sae", "steps")]
        return ".".join([self.family, *others])

    def differences(self, subject: Subject) -> Iterator[Difference]:
        """What is to be compared in a subject's document."""
        yield "$.site.name", self.site, subject.site
        yield "$.role", self.role, subject.role
        yield "$.architecture.name", self.architecture, subject.architecture["name"]
        yield "$.dims.d_sae", self.d_sae, subject.dims["d_sae"]
        yield "$.budget.pretrained", False, subject.pretrained
        for key in ("steps", "batch_size", "learning_rate", "data_order_seed", "agreement", "decay_share"):
            yield f"$.budget.{key}", getattr(self, key), subject.budget.get(key)
        yield from in_settings("$.architecture.settings", self.settings, subject.architecture["settings"])


@dataclass(frozen=True)
class PlannedSearch:
    """A search at one site: its points by condition, and the role and seeds of the one that it confirms."""

    search: Search
    site: str
    role: str
    seeds: frozenset[int]
    points: Mapping[str, PlannedDictionary]

    @property
    def name(self) -> str:
        return f"{self.site}.{self.search.name}"

    def confirmed(self, chosen: str) -> PlannedDictionary:
        """What the chosen point becomes on the fresh seeds."""
        return dataclasses.replace(self.points[chosen], role=self.role, seeds=self.seeds)


@dataclass(frozen=True)
class Plan:
    """What was asked. `conditions` has the dictionaries by `site.dictionary`; controls and benchmarks are settings.

    `bound` says at which sites a control or benchmark is wanted, by table and name; what it leaves out is everywhere.
    `measured` says which controls a benchmark is to measure; one that it leaves out measures all of them.

    What a search confirms is known only once the evidence was read: see `with_choices`.
    """

    seeds: frozenset[int]
    sites: Mapping[str, PlannedSite]
    conditions: Mapping[str, PlannedDictionary | PlannedPretrained]
    controls: Mapping[str, Settings]
    benchmarks: Mapping[str, Settings]
    policy: str | None = None
    mistakes: tuple[tuple[str, str], ...] = ()
    searches: Mapping[str, PlannedSearch] = field(default_factory=dict)
    frontiers: tuple[tuple[str, str], ...] = ()
    scaling: tuple[str, ...] = ()
    bound: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    measured: Mapping[str, frozenset[str]] = field(default_factory=dict)
    chosen_by: Mapping[str, str] = field(default_factory=dict)  # of conditions that a document chose: the dictionary

    @classmethod
    def from_study(cls, study: Mapping[str, Any]) -> Plan:
        sites = {site["name"]: PlannedSite.from_table(site) for site in study["site"]}
        mistakes = list(_mistakes(study))
        points, searches = _points_and_searches(study, mistakes)
        conditions = {
            f"{site}.{point.name}": _dictionary(site, point, study["training"])
            for point in points
            for site in point.table.get("sites", sites)
        }
        planned = {s.name: s for search in searches for s in _planned_searches(search, conditions)}
        explored = {name: found for search in planned.values() for name, found in search.points.items()}
        report = study.get("report", {})
        return cls(
            seeds=frozenset(study["training"]["seeds"]),
            sites=sites,
            conditions={**conditions, **explored},
            controls={control["name"]: control.get("settings", {}) for control in study.get("control", ())},
            benchmarks={benchmark["name"]: benchmark.get("settings", {}) for benchmark in study["benchmark"]},
            policy=study.get("policy"),
            mistakes=tuple(mistakes),
            searches=planned,
            frontiers=tuple((cost, quality) for cost, quality in report.get("frontier", ())),
            scaling=tuple(report.get("scaling", ())),
            bound={
                (table, entry["name"]): frozenset(entry["sites"])
                for table in ("control", "benchmark")
                for entry in study.get(table, ())
                if "sites" in entry
            },
            measured={b["name"]: frozenset(b["controls"]) for b in study["benchmark"] if "controls" in b},
            chosen_by={
                f"{site}.{point.name}": point.name
                for point in points
                if "chosen_by" in point.table
                for site in point.table.get("sites", sites)
            },
        )

    def is_at(self, table: str, name: str, site: str) -> bool:
        """Whether a control or benchmark was asked for at a site."""
        return site in self.bound.get((table, name), self.sites)

    def measures(self, benchmark: str, control: str) -> bool:
        """Whether a benchmark was asked to measure a control."""
        return control in self.measured.get(benchmark, self.controls)

    def with_choices(self, chosen: Mapping[str, str]) -> Plan:
        """The same plan with what its searches confirm: the name of a search at a site, and the point it chose."""
        confirmed = {name: self.searches[name].confirmed(point) for name, point in chosen.items()}
        return dataclasses.replace(self, conditions={**self.conditions, **confirmed})

    def seeds_of(self, condition: str) -> frozenset[int]:
        """The seeds that were planned for a condition that is no control."""
        planned = self.conditions.get(condition)
        return planned.seeds if planned else self.seeds

    def controls_of(self, condition: str) -> frozenset[str]:
        """The controls that a condition must have: all of a candidate, of a point the one that its score needs."""
        role, site = self.conditions[condition].role, self.conditions[condition].site
        if role == "explored":
            over = {s.search.over for s in self.searches.values() if condition in s.points}
            return frozenset(name for name in over if name)
        here = (name for name in self.controls if self.is_at("control", name, site))
        return frozenset(here if role == "candidate" else ())


def _points_and_searches(
    study: Mapping[str, Any], mistakes: list[tuple[str, str]]
) -> tuple[Sequence[Point], Sequence[Search]]:
    """Both as the run understands them; what it would have refused is a mistake here and yields nothing."""
    points: Sequence[Point] = ()
    try:
        points = points_of(study)
        return points, searches_of(study, points)
    except UsageError as error:
        if (error.place, error.rule) not in mistakes:
            mistakes.append((error.place, error.rule))
        return points, ()


def _planned_searches(
    search: Search, conditions: Mapping[str, PlannedDictionary | PlannedPretrained]
) -> Iterator[PlannedSearch]:
    """The search at each of its sites."""
    names = {point.name for point in search.points}
    found = {
        name: planned
        for name, planned in conditions.items()
        if name.partition(".")[2] in names and isinstance(planned, PlannedDictionary)
    }
    for site in dict.fromkeys(planned.site for planned in found.values()):
        here = {name: planned for name, planned in found.items() if planned.site == site}
        first = next(iter(here.values()))
        explored = {
            name: dataclasses.replace(planned, role="explored", seeds=frozenset(search.seeds))
            for name, planned in here.items()
        }
        yield PlannedSearch(search, site, first.role, first.seeds, explored)


def _dictionary(site: str, point: Point, training: Mapping[str, Any]) -> PlannedDictionary | PlannedPretrained:
    kind = PlannedPretrained if "pretrained" in point.table else PlannedDictionary
    return kind.from_tables(site, point, training)


def in_settings(path: str, planned: Settings, shown: Settings) -> Iterator[Difference]:
    """The settings that were planned, each beside what is shown."""
    for key, value in sorted(planned.items()):
        yield f"{path}.{key}", value, shown.get(key)


def _mistakes(study: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and rule of what makes a study mean two things."""
    for table in ("site", "sae", "control", "benchmark"):
        names = [entry["name"] for entry in study.get(table, ())]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield f"$.{table}[{index}].name", f"the name '{name}' stands twice"
    known = {site["name"] for site in study["site"]}
    for table in ("sae", "control", "benchmark"):
        for index, entry in enumerate(study.get(table, ())):
            for name in sorted(set(entry.get("sites", ())) - known):
                yield f"$.{table}[{index}].sites", f"no site is called '{name}'"
    made = {control["name"] for control in study.get("control", ())}
    for index, entry in enumerate(study["benchmark"]):
        for name in sorted(set(entry.get("controls", ())) - made):
            yield f"$.benchmark[{index}].controls", f"the study makes no control '{name}'"
    for index, sae in enumerate(study["sae"]):
        checkpoints = sae.get("pretrained", ())
        count, seeds = 1 if isinstance(checkpoints, str) else len(checkpoints), len(study["training"]["seeds"])
        if count and count != seeds:
            yield f"$.sae[{index}].pretrained", f"{count} checkpoints for {seeds} seeds"
