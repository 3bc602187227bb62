"""Readiness: what of all that is installed, or of what a study asks for, can run on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from husai_core.errors import HusaiError, UsageError, did_you_mean
from husai_core.need import Need
from husai_core.plugins import Plugin, PluginTable, package_needs
from husai_core.settings import parse_settings
from husai_core.study import Choice, PretrainedChoice, Study

OFFLINE = "HF_HUB_OFFLINE"  # what the libraries of the hub go by, and everybody who would ask it
BENCHMARKS, MODELS, TEXTS = "benchmarks", "models", "texts"
_LISTED = (BENCHMARKS, MODELS, TEXTS)


@dataclass(frozen=True)
class Readiness:
    """One plugin, or the study as a whole, and everything that it needs."""

    kind: str
    name: str
    needs: tuple[Need, ...]

    @property
    def ready(self) -> bool:
        return all(need.present for need in self.needs)

    def to_json(self) -> dict[str, object]:
        needs = [need.to_json() for need in self.needs]
        return {"kind": self.kind, "name": self.name, "ready": self.ready, "needs": needs}


@contextmanager
def offline() -> Iterator[None]:
    """While this lasts, nobody asks the hub."""
    before = os.environ.get(OFFLINE)
    os.environ[OFFLINE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[OFFLINE]
        else:
            os.environ[OFFLINE] = before


class Doctor:
    """Asks plugins what they need. Paths are meant from `folder`, where the study lies."""

    def __init__(self, plugins: PluginTable, folder: Path) -> None:
        self._plugins, self._folder = plugins, folder

    def everything(self) -> list[Readiness]:
        """All benchmarks, models and sources of texts at their default settings, and modules that do not load."""
        found = [p for kind in _LISTED for p in self._plugins.all() if p.kind == kind]
        broken = [p for p in self._plugins.all() if p.kind == "module"]
        return [self._by_default(plugin) for plugin in [*found, *broken]]

    def benchmarks(self, names: Iterable[str]) -> list[Readiness]:
        """These benchmarks at their default settings."""
        known = {p.name: p for p in self._plugins.all() if p.kind in (BENCHMARKS, "module")}
        if unknown := [name for name in names if name not in known]:
            offered = [name for name, plugin in known.items() if plugin.kind == BENCHMARKS]
            near = did_you_mean(unknown[0], offered)
            raise UsageError("husai doctor", f"no benchmark '{unknown[0]}' is installed", near)
        return [self._by_default(known[name]) for name in names]

    def study(self, study: Study, names: Sequence[str], cache: Path) -> list[Readiness]:
        """All that a study asks for, with its settings; with `names`, those of its benchmarks alone."""
        benchmarks = [(BENCHMARKS, c, f"$.benchmark[{i}]") for i, c in enumerate(study.benchmarks)]
        if unknown := [name for name in names if name not in {c.name for c in study.benchmarks}]:
            near = did_you_mean(unknown[0], {c.name for c in study.benchmarks})
            raise UsageError(f"husai doctor --study {study.place}", f"it has no benchmark '{unknown[0]}'", near)
        if names:
            wanted = [(kind, choice, path) for kind, choice, path in benchmarks if choice.name in names]
            return self._chosen(wanted, study.place)
        models = [(MODELS, s.model, f"$.site[{i}]") for i, s in enumerate(study.sites)]
        saes = [sae for sae in study.saes if not isinstance(sae, PretrainedChoice)]
        families = [("architectures", s.architecture, f"$.sae[{s.point.index}]") for s in saes]
        controls = [("controls", c, f"$.control[{i}]") for i, c in enumerate(study.controls)]
        found = self._chosen([*models, *families, *controls, *benchmarks], study.place)
        return [*found, Readiness("study", study.name, (*_checkpoints(study), _cache(cache)))]

    def _chosen(self, choices: Iterable[tuple[str, Choice, str]], study: str) -> list[Readiness]:
        found = {}
        for kind, choice, path in choices:
            plugin = self._find(kind, choice.name, f"{study} {path}")
            settings = None
            if plugin.status == "ready":
                settings = parse_settings(plugin.item.Settings, choice.settings, f"{study} {path}.settings")
            readiness = self._of(plugin, settings)
            found[repr(readiness)] = readiness  # the points of a sweep need the same
        return list(found.values())

    def _find(self, kind: str, name: str, place: str) -> Plugin:
        matches = [p for k in (kind, "module") for p in self._plugins.all() if p.kind == k and p.name == name]
        return matches[0] if matches else self._plugins.get(kind, name, place)

    def _by_default(self, plugin: Plugin) -> Readiness:
        """At settings that nobody has changed; some must be given, and then the study that gives them must be asked."""
        if plugin.status != "ready" or plugin.kind == TEXTS:
            return self._of(plugin, None)
        kind = plugin.item.Settings
        if any(field.default is field.default_factory is MISSING for field in fields(kind)):
            need = Need("settings", "settings", True, "some must be given; ask with --study")
        else:
            try:
                return self._of(plugin, parse_settings(kind, {}, plugin.name))
            except UsageError as error:  # what it takes from the environment
                need = Need("settings", "settings", False, error.rule, "change what it says, or set it in a study")
        known = self._of(plugin, None)
        return Readiness(known.kind, known.name, (*known.needs, need))

    def _of(self, plugin: Plugin, settings: Any) -> Readiness:
        if plugin.status in ("failed", "refused") or plugin.item is None:
            broken = Need("plugin", plugin.module, False, plugin.problem, plugin.next_step)
            return Readiness(plugin.kind.removesuffix("s"), plugin.name, (broken,))
        needs = package_needs(plugin.item.requires)
        if plugin.kind == TEXTS:
            needs += plugin.item.needs("", self._folder)
        elif plugin.kind == MODELS and settings is not None:
            needs += _files_of(plugin.item.beside(self._folder), settings)
        elif plugin.kind == BENCHMARKS and settings is not None:
            needs += plugin.item.needs(settings)
            for name in plugin.item.reads(settings):
                needs += self._of_texts(name)
        return Readiness(plugin.kind.removesuffix("s"), plugin.name, tuple(needs))

    def _of_texts(self, name: str) -> list[Need]:
        """The needs of a set `source:part`, of which one missing thing is said as a lack of the set."""
        source, _, part = name.partition(":")
        try:
            plugin = self._find(TEXTS, source, f"texts {name}")
        except UsageError as error:
            return [Need("data", name, False, error.rule, error.next_step)]
        asked = [] if plugin.item is None else [*package_needs(plugin.item.requires)]
        if plugin.item is not None:
            asked += plugin.item.needs("" if part == "*" else part, self._folder)
        missing = next((need for need in asked if not need.present), None)
        if plugin.item is None or plugin.status in ("failed", "refused"):
            return [Need("data", name, False, plugin.problem, plugin.next_step)]
        return [Need("data", name, False, missing.detail, missing.fix) if missing else Need("data", name, True)]


def _files_of(model: Any, settings: Any) -> list[Need]:
    """What a model is made of, as it finds it for a run."""
    try:
        return [Need("data", name, True) for name in model.inputs(settings)]
    except HusaiError as error:
        return [Need("data", error.place, False, error.rule, error.next_step)]


def _checkpoints(study: Study) -> Iterator[Need]:
    folders = [folder for sae in study.saes if isinstance(sae, PretrainedChoice) for folder in sae.folders]
    for folder in folders:
        rule = "" if folder.is_dir() else "there is no such folder"
        yield Need("data", f"checkpoint {folder}", not rule, rule, "put the checkpoint there" if rule else "")


def _cache(folder: Path) -> Need:
    """Where activations and weights are kept. How many bytes they take is known once the model is read."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    writable = there.is_dir() and os.access(there, os.W_OK)
    free = f"{shutil.disk_usage(there).free / 2**30:.1f} GiB free"
    fix = "" if writable else "give --cache DIR, or set HUSAI_CACHE"
    return Need("disk", f"cache {folder}", writable, free if writable else "it cannot be written", fix)
