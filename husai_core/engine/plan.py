"""The plan: a study with every name looked up and every setting checked, before anything is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core import interchange
from husai_core.engine.library import Library
from husai_core.errors import UsageError, did_you_mean
from husai_core.plugins import Plugin, PluginTable
from husai_core.sae import Dims
from husai_core.search import Search
from husai_core.settings import parse_settings, settings_table
from husai_core.site import Hook
from husai_core.study import Choice, PretrainedChoice, Recipe, SaeChoice, Study
from husai_core.subject import Role
from husai_core.sweep import SETTING


@dataclass(frozen=True)
class Chosen:
    """A usable plugin with checked settings."""

    plugin: Plugin
    settings: Any
    bound: Any = None  # a model that knows where the study file lies
    stated: Mapping[str, Any] | None = None  # what a checkpoint states: how it was trained is not made up
    sites: tuple[str, ...] | None = None  # of a control or benchmark: where it is wanted; None is everywhere
    controls: tuple[str, ...] | None = None  # of a benchmark: the controls that it measures; None is all of them

    @property
    def item(self) -> Any:
        return self.plugin.item if self.bound is None else self.bound

    def is_at(self, site: PlannedSite) -> bool:
        return self.sites is None or site.name in self.sites

    def is_for(self, control: str | None) -> bool:
        """Whether a benchmark measures what that control made, or what is no control at all."""
        return control is None or self.controls is None or control in self.controls

    def describe(self) -> dict[str, Any]:
        """Who it is and how it is set, as evidence records it and as cache keys depend on it."""
        settings = settings_table(self.settings) if self.stated is None else dict(self.stated)
        return {**self.plugin.origin().to_json(), "settings": settings}


@dataclass(frozen=True)
class PlannedSite:
    name: str
    model: Chosen
    model_seed: int
    hook_in: Hook
    hook_out: Hook


@dataclass(frozen=True)
class PlannedCheckpoint:
    """A checkpoint that was read and found sound; `source` is the digest of its files."""

    folder: Path
    form: str
    source: str
    dims: Dims
    hook: str | None
    changes: tuple[str, ...]


@dataclass(frozen=True)
class PlannedCondition:
    """All seeds of one dictionary at one site; its name is `site.dictionary`. It has a recipe or checkpoints."""

    name: str
    site: PlannedSite
    architecture: Chosen
    role: Role
    d_sae: int
    recipe: Recipe | None
    checkpoints: tuple[PlannedCheckpoint, ...] = ()


@dataclass(frozen=True)
class PlannedSearch:
    """A search at one site. Its points are explored; the chosen one is trained again under the name of the search."""

    search: Search
    site: PlannedSite
    role: Role
    points: tuple[PlannedCondition, ...]
    controls: tuple[Chosen, ...]
    benchmarks: tuple[Chosen, ...]

    @property
    def name(self) -> str:
        return f"{self.site.name}.{self.search.name}"

    def confirmed(self, chosen: str) -> PlannedCondition:
        """The condition that the chosen point becomes on the fresh seeds."""
        (point,) = (point for point in self.points if point.name == chosen)
        return dataclasses.replace(point, name=self.name, role=self.role)


@dataclass(frozen=True)
class Plan:
    study: Study
    sites: tuple[PlannedSite, ...]
    conditions: tuple[PlannedCondition, ...]
    searches: tuple[PlannedSearch, ...]
    controls: tuple[Chosen, ...]
    benchmarks: tuple[Chosen, ...]
    metrics: tuple[Plugin, ...]
    library: Library

    def controls_at(self, site: PlannedSite) -> list[Chosen]:
        return [c for c in self.controls if c.is_at(site)]

    def benchmarks_at(self, site: PlannedSite) -> list[Chosen]:
        return [b for b in self.benchmarks if b.is_at(site)]

    def conditions_at(self, site: PlannedSite) -> list[PlannedCondition]:
        return [c for c in self.conditions if c.site == site]

    def searches_at(self, site: PlannedSite) -> list[PlannedSearch]:
        return [s for s in self.searches if s.site == site]


def make_plan(study: Study, plugins: PluginTable) -> Plan:
    """Look up every plugin and check every setting of a study."""

    def choose(kind: str, choice: Choice, path: str) -> Chosen:
        place = f"{study.place} {path}"
        plugin = plugins.get(kind, choice.name, place)
        settings = parse_settings(plugin.item.Settings, choice.settings, f"{place}.settings")
        bound = plugin.item.beside(Path(study.place).parent) if kind == "models" else None
        return Chosen(plugin, settings, bound=bound, sites=choice.sites, controls=choice.controls)

    sites = {}
    for index, site in enumerate(study.sites):
        model = choose("models", site.model, f"$.site[{index}]")
        hook_in = site.hook_in or model.item.default_hook
        hook_out = site.hook_out or hook_in
        sites[site.name] = PlannedSite(site.name, model, site.model_seed, hook_in, hook_out)
    metrics = plugins.of_kind("metrics")
    _refuse_unknown_metrics(study, {plugin.name: plugin for plugin in metrics})
    controls = tuple(choose("controls", c, f"$.control[{i}]") for i, c in enumerate(study.controls))
    benchmarks = tuple(choose("benchmarks", b, f"$.benchmark[{i}]") for i, b in enumerate(study.benchmarks))
    library = Library(plugins, Path(study.place).parent)
    for index, chosen in enumerate(benchmarks):
        for name in chosen.item.reads(chosen.settings):
            library.refuse_unknown_source(name, f"{study.place} $.benchmark[{index}].settings")
    searched = {search.points[0].family: search for search in study.searches}
    conditions: list[PlannedCondition] = []
    points: dict[tuple[str, str], list[PlannedCondition]] = {}  # of the searches, by search and site
    roles: dict[str, Role] = {}
    for sae in study.saes:
        path = _path_of(sae)
        place = f"{study.place} {path}"
        checkpoints: tuple[PlannedCheckpoint, ...] = ()
        if isinstance(sae, PretrainedChoice):
            _refuse_controls_of_a_past(controls, sae, study.place)
            architecture, checkpoints = _read_checkpoints(sae, plugins, place)
        else:
            plugin = plugins.get("architectures", sae.architecture.name, f"{study.place} $.sae[{sae.point.index}]")
            _refuse_unknown_axes(sae, plugin, study.place)
            architecture = choose("architectures", sae.architecture, path)
        d_sae = checkpoints[0].dims.d_sae if checkpoints else sae.d_sae
        assert d_sae is not None, "a dictionary without a width passed the schema"
        _refuse_k_wider_than_dictionary(architecture, d_sae, place)
        recipe = sae.recipe if isinstance(sae, SaeChoice) else None
        search = searched.get(sae.point.family)
        for name in sae.sites:
            role: Role = "explored" if search else sae.role
            planned = PlannedCondition(
                f"{name}.{sae.name}", sites[name], architecture, role, d_sae, recipe, checkpoints
            )
            _refuse_controls_of_a_map(controls, planned, study.place)
            if search:
                points.setdefault((search.name, name), []).append(planned)
                roles[search.name] = sae.role
            else:
                conditions.append(planned)
    searches = [
        PlannedSearch(
            search,
            sites[site],
            roles[search.name],
            tuple(found),
            tuple(c for c in controls if c.plugin.name == search.over),
            tuple(b for b in benchmarks if b.plugin.name in {q.benchmark for q in search.quantities}),
        )
        for search in study.searches
        for (name, site), found in points.items()
        if name == search.name
    ]
    _refuse_searches_without(searches, study.place)
    return Plan(
        study, tuple(sites.values()), tuple(conditions), tuple(searches), controls, benchmarks, tuple(metrics), library
    )


def _refuse_searches_without(searches: list[PlannedSearch], place: str) -> None:
    """Searches at a site where what they look at was not asked for."""
    for planned in searches:
        for chosen in (*planned.controls, *planned.benchmarks):
            if not chosen.is_at(planned.site):
                rule = f"looks at '{chosen.plugin.name}', which is not wanted at the site '{planned.site.name}'"
                step = f"add '{planned.site.name}' to its 'sites'"
                raise UsageError(f"{place} $.search[{planned.search.index}]", rule, step)
        over = planned.search.over
        for chosen in planned.benchmarks:
            if chosen.plugin.name == planned.search.criterion.benchmark and not chosen.is_for(over):
                rule = f"is over the control '{over}', which '{chosen.plugin.name}' does not measure"
                raise UsageError(f"{place} $.search[{planned.search.index}]", rule, f"add '{over}' to its 'controls'")


def _path_of(sae: SaeChoice | PretrainedChoice) -> str:
    """Where a dictionary stands in the study; of a swept one, also which of them it is."""
    path = f"$.sae[{sae.point.index}]"
    return f"{path}.sweep ({sae.name})" if sae.point.values else path


def _refuse_unknown_axes(sae: SaeChoice, architecture: Plugin, place: str) -> None:
    known = {field.name for field in dataclasses.fields(architecture.item.Settings)}
    for axis in sae.point.values:
        if axis.startswith(SETTING) and axis.removeprefix(SETTING) not in known:
            near = did_you_mean(axis, (f"{SETTING}{name}" for name in known))
            raise UsageError(f"{place} $.sae[{sae.point.index}].sweep.{axis}", "unknown setting", near)


def _refuse_unknown_metrics(study: Study, metrics: Mapping[str, Plugin]) -> None:
    """Metrics that a search or the report asks for and that no plugin has, or that have no better side."""
    asked = [
        *((f"$.search[{s.index}]", quantity.metric) for s in study.searches for quantity in s.quantities),
        *((f"$.report.frontier[{i}]", metric) for i, pair in enumerate(study.frontiers) for metric in pair),
        *((f"$.report.scaling[{i}]", metric) for i, metric in enumerate(study.scaling)),
    ]
    for path, name in asked:
        if name not in metrics:
            raise UsageError(f"{study.place} {path}", f"no metric '{name}'", did_you_mean(name, metrics))
    sided = [
        *((f"$.search[{s.index}]", s.criterion.metric, s.prefer) for s in study.searches),
        *((f"$.report.frontier[{i}]", cost, "lower") for i, (cost, _) in enumerate(study.frontiers)),
        *((f"$.report.frontier[{i}]", quality, None) for i, (_, quality) in enumerate(study.frontiers)),
    ]
    for path, name, prefer in sided:
        direction = metrics[name].item.card.direction
        if direction == "neither" and prefer is None:
            step = "say 'prefer'" if "search" in path else "put it first, where less is better"
            raise UsageError(f"{study.place} {path}", f"'{name}' has no better side", step)
        if prefer is not None and direction not in ("neither", prefer):
            raise UsageError(f"{study.place} {path}", f"'{name}' is better when {direction}, here {prefer} is asked")


def _refuse_k_wider_than_dictionary(architecture: Chosen, d_sae: int, place: str) -> None:
    k = getattr(architecture.settings, "k", None) or 0
    if k > d_sae:
        raise UsageError(f"{place}.settings.k", f"k = {k} is more than d_sae = {d_sae}")


def _refuse_controls_of_a_past(controls: tuple[Chosen, ...], sae: PretrainedChoice, place: str) -> None:
    """Controls that repeat how a dictionary became what it is, where nobody knows that."""
    for index, control in enumerate(controls):
        if control.sites is not None and not set(control.sites) & set(sae.sites):
            continue
        name, lacks = control.plugin.name, None
        if control.item.needs_recipe:
            lacks = (
                f"'{name}' is trained by the recipe of its base, and nobody knows that of the pretrained '{sae.name}'"
            )
        elif control.item.needs_initial:
            lacks = f"'{name}' needs initial weights, and nobody knows those of the pretrained '{sae.name}'"
        if lacks:
            next_step = "leave this control out; 'random_decoder' needs neither"
            raise UsageError(f"{place} $.control[{index}]", lacks, next_step)


def _refuse_controls_of_a_map(controls: tuple[Chosen, ...], planned: PlannedCondition, place: str) -> None:
    """Controls that copy what they read, where something else is to be written."""
    traits = planned.architecture.item.traits
    if planned.site.hook_in == planned.site.hook_out and not (traits.transcoder or traits.own_target):
        return
    for index, control in enumerate(controls):
        if control.item.autoencoders_only and control.is_at(planned.site):
            rule = f"'{control.plugin.name}' copies what it reads, and '{planned.name}' has something else to write"
            next_step = "give the control 'sites' where only autoencoders are"
            raise UsageError(f"{place} $.control[{index}]", rule, next_step)


def _read_checkpoints(
    sae: PretrainedChoice, plugins: PluginTable, place: str
) -> tuple[Chosen, tuple[PlannedCheckpoint, ...]]:
    """Every checkpoint read once, so that a bad one is found before anything is run; weights are read again later."""
    if sae.architecture is not None:
        plugins.get("architectures", sae.architecture, f"{place}.architecture")
    usable = {plugin.name: plugin for plugin in plugins.usable("architectures", place)}
    chosen: list[Chosen] = []
    found: list[PlannedCheckpoint] = []
    for number, folder in enumerate(sae.folders):
        loaded = interchange.load_coder(folder, [p.item for p in usable.values()], sae.architecture)
        coder, checkpoint = loaded.coder, loaded.checkpoint
        metadata = checkpoint.config.get("metadata") or {}
        hook = metadata.get("hook_name", checkpoint.config.get("hook_name"))
        chosen.append(Chosen(usable[coder.architecture.name], coder.settings, stated=dict(loaded.stated)))
        found.append(
            PlannedCheckpoint(folder, checkpoint.form, checkpoint.source, coder.dims, hook, checkpoint.changes)
        )
        at = f"{place}.pretrained[{number}]"
        _refuse_other_kind(chosen[0], found[0], chosen[-1], found[-1], at)
        if found[-1].source in [earlier.source for earlier in found[:-1]]:
            raise UsageError(at, "the same files as an earlier seed's", "a checkpoint counts once")
    width = found[0].dims.d_sae
    if sae.d_sae not in (None, width):
        raise UsageError(f"{place}.d_sae", f"is {sae.d_sae}, the checkpoints have {width}", "leave d_sae out")
    return chosen[0], tuple(found)


def _refuse_other_kind(
    first: Chosen, first_found: PlannedCheckpoint, other: Chosen, other_found: PlannedCheckpoint, place: str
) -> None:
    """The seeds of one condition differ in nothing but their weights."""
    for key, one, two in (
        ("architecture", first.plugin.name, other.plugin.name),
        ("settings", first.stated, other.stated),
        ("dims", first_found.dims, other_found.dims),
    ):
        if one != two:
            rule = f"differs from the first seed's in {key}: {two} and {one}"
            raise UsageError(place, rule, "the seeds of one condition are of one kind; make it another [[sae]]")


def recipe_table(recipe: Recipe) -> Mapping[str, Any]:
    """The training recipe as cache keys and subjects record it."""
    return dict(vars(recipe))
