"""The plan: what the study file asked for before the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from husai_core.subject import Subject

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
        yield "$.model.seed", self.model_seed, site["model"]["seed"]
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

    @classmethod
    def from_table(cls, site: str, sae: Mapping[str, Any]) -> PlannedPretrained:
        return cls(site, sae["role"], sae.get("architecture"), sae.get("d_sae"))

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
    settings: Settings

    @classmethod
    def from_tables(cls, site: str, sae: Mapping[str, Any], training: Mapping[str, Any]) -> PlannedDictionary:
        return cls(
            site=site,
            role=sae["role"],
            architecture=sae["architecture"],
            d_sae=sae["d_sae"],
            steps=sae.get("steps", training["steps"]),
            batch_size=training["batch_size"],
            learning_rate=sae.get("learning_rate", training["learning_rate"]),
            data_order_seed=training.get("data_order_seed", 0),
            settings=sae.get("settings", {}),
        )

    def differences(self, subject: Subject) -> Iterator[Difference]:
        """What is to be compared in a subject's document."""
        yield "$.site.name", self.site, subject.site
        yield "$.role", self.role, subject.role
        yield "$.architecture.name", self.architecture, subject.architecture["name"]
        yield "$.dims.d_sae", self.d_sae, subject.dims["d_sae"]
        yield "$.budget.pretrained", False, subject.pretrained
        for key in ("steps", "batch_size", "learning_rate", "data_order_seed"):
            yield f"$.budget.{key}", getattr(self, key), subject.budget.get(key)
        yield from in_settings("$.architecture.settings", self.settings, subject.architecture["settings"])


@dataclass(frozen=True)
class Plan:
    """What was asked. `conditions` has the dictionaries by `site.dictionary`; controls and benchmarks are settings."""

    seeds: frozenset[int]
    sites: Mapping[str, PlannedSite]
    conditions: Mapping[str, PlannedDictionary | PlannedPretrained]
    controls: Mapping[str, Settings]
    benchmarks: Mapping[str, Settings]
    policy: str | None = None
    mistakes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_study(cls, study: Mapping[str, Any]) -> Plan:
        sites = {site["name"]: PlannedSite.from_table(site) for site in study["site"]}
        return cls(
            seeds=frozenset(study["training"]["seeds"]),
            sites=sites,
            conditions={
                f"{site}.{sae['name']}": _dictionary(site, sae, study["training"])
                for sae in study["sae"]
                for site in sae.get("sites", sites)
            },
            controls={control["name"]: control.get("settings", {}) for control in study.get("control", ())},
            benchmarks={benchmark["name"]: benchmark.get("settings", {}) for benchmark in study["benchmark"]},
            policy=study.get("policy"),
            mistakes=tuple(_mistakes(study)),
        )


def _dictionary(
    site: str, sae: Mapping[str, Any], training: Mapping[str, Any]
) -> PlannedDictionary | PlannedPretrained:
    if "pretrained" in sae:
        return PlannedPretrained.from_table(site, sae)
    return PlannedDictionary.from_tables(site, sae, training)


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
    for index, sae in enumerate(study["sae"]):
        checkpoints = sae.get("pretrained", ())
        count, seeds = 1 if isinstance(checkpoints, str) else len(checkpoints), len(study["training"]["seeds"])
        if count and count != seeds:
            yield f"$.sae[{index}].pretrained", f"{count} checkpoints for {seeds} seeds"
        for name in sorted(set(sae.get("sites", ())) - known):
            yield f"$.sae[{index}].sites", f"no site is called '{name}'"
