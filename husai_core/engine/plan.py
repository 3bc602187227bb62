"""The plan: a study with every name looked up and every setting checked, before anything is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core.errors import UsageError
from husai_core.plugins import Plugin, PluginTable
from husai_core.settings import parse_settings, settings_table
from husai_core.site import Hook
from husai_core.study import Choice, Recipe, Study


@dataclass(frozen=True)
class Chosen:
    """A usable plugin with checked settings."""

    plugin: Plugin
    settings: Any
    bound: Any = None  # a model that knows where the study file lies

    @property
    def item(self) -> Any:
        return self.plugin.item if self.bound is None else self.bound

    def describe(self) -> dict[str, Any]:
        """Who it is and how it is set, as evidence records it and as cache keys depend on it."""
        return {**self.plugin.origin().to_json(), "settings": settings_table(self.settings)}


@dataclass(frozen=True)
class PlannedSite:
    name: str
    model: Chosen
    model_seed: int
    hook_in: Hook
    hook_out: Hook


@dataclass(frozen=True)
class PlannedCondition:
    """All seeds of one dictionary at one site; its name is `site.dictionary`."""

    name: str
    site: PlannedSite
    architecture: Chosen
    role: str
    d_sae: int
    recipe: Recipe


@dataclass(frozen=True)
class Plan:
    study: Study
    sites: tuple[PlannedSite, ...]
    conditions: tuple[PlannedCondition, ...]
    controls: tuple[Chosen, ...]
    benchmarks: tuple[Chosen, ...]
    metrics: tuple[Plugin, ...]

    def conditions_at(self, site: PlannedSite) -> list[PlannedCondition]:
        return [c for c in self.conditions if c.site == site]


def make_plan(study: Study, plugins: PluginTable) -> Plan:
    """Look up every plugin and check every setting of a study."""

    def choose(kind: str, choice: Choice, path: str) -> Chosen:
        place = f"{study.place} {path}"
        plugin = plugins.get(kind, choice.name, place)
        settings = parse_settings(plugin.item.Settings, choice.settings, f"{place}.settings")
        bound = plugin.item.beside(Path(study.place).parent) if kind == "models" else None
        return Chosen(plugin, settings, bound=bound)

    sites = {}
    for index, site in enumerate(study.sites):
        model = choose("models", site.model, f"$.site[{index}]")
        hook_in = site.hook_in or model.item.default_hook
        hook_out = site.hook_out or hook_in
        sites[site.name] = PlannedSite(site.name, model, site.model_seed, hook_in, hook_out)
    conditions = []
    for index, sae in enumerate(study.saes):
        architecture = choose("architectures", sae.architecture, f"$.sae[{index}]")
        _refuse_k_wider_than_dictionary(architecture, sae.d_sae, f"{study.place} $.sae[{index}]")
        for name in sae.sites:
            site_plan = sites[name]
            conditions.append(
                PlannedCondition(f"{name}.{sae.name}", site_plan, architecture, sae.role, sae.d_sae, sae.recipe)
            )
    return Plan(
        study=study,
        sites=tuple(sites.values()),
        conditions=tuple(conditions),
        controls=tuple(choose("controls", c, f"$.control[{i}]") for i, c in enumerate(study.controls)),
        benchmarks=tuple(choose("benchmarks", b, f"$.benchmark[{i}]") for i, b in enumerate(study.benchmarks)),
        metrics=tuple(plugins.of_kind("metrics")),
    )


def _refuse_k_wider_than_dictionary(architecture: Chosen, d_sae: int, place: str) -> None:
    k = getattr(architecture.settings, "k", None) or 0
    if k > d_sae:
        raise UsageError(f"{place}.settings.k", f"k = {k} is more than d_sae = {d_sae}")


def recipe_table(recipe: Recipe) -> Mapping[str, Any]:
    """The training recipe as cache keys and subjects record it."""
    return dict(vars(recipe))
