"""The contract of an installed plugin by its kind and name, for those who run it without pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from husai_core.errors import UsageError, did_you_mean
from husai_core.plugins import PluginTable, kind_called
from husai_core.sae import Dims
from husai_core.testing.contract import Broken, Check, Contract, Outcome

# By kind, the check that runs the plugin at all: where it is not run nothing was proven.
FIRST = {
    "architectures": "starts",
    "benchmarks": "measures",
    "metrics": "card",
    "controls": "makes",
    "models": "prepares",
    "importers": "reads",
}


@dataclass(frozen=True)
class Given:
    """What the caller chose in place of what is usual; None where nothing."""

    settings: Mapping[str, Any] | None = None
    dims: Dims | None = None
    samples: Mapping[str, bytes] | None = None


def kind_of(name: str, kind: str | None, plugins: PluginTable, place: str) -> str:
    """The one kind with a contract that a name is of, or the one asked for."""
    if kind is not None:
        chosen = kind_called(kind)
        if chosen is None or chosen not in FIRST:
            near = did_you_mean(kind, (one.removesuffix("s") for one in FIRST))
            raise UsageError(f"{place} --kind", f"no contract for '{kind}'", near)
        return chosen
    kinds = {plugin.kind for plugin in plugins.all() if plugin.name == name}
    proven = sorted(kinds & FIRST.keys())
    if len(proven) > 1:
        rule = f"'{name}' is one of {' and '.join(proven)}"
        raise UsageError(place, rule, f"say which: --kind {proven[0].removesuffix('s')}")
    if not proven and kinds - {"module"}:
        rule = f"'{name}' is one of {' and '.join(sorted(kinds))}"
        raise UsageError(place, rule, f"contracts exist for: {', '.join(sorted(FIRST))}")
    if not proven and not kinds:
        known = {plugin.name for plugin in plugins.all() if plugin.kind in FIRST}
        step = "; ".join([did_you_mean(name, known), *plugins.unread()])
        raise UsageError(place, f"no plugin '{name}' is installed", step)
    return proven[0] if proven else "architectures"  # a module that could not be loaded says why


def _usable(plugin: Any) -> None:
    if plugin.status != "ready":
        raise Broken(f"{plugin.problem} ({plugin.next_step})")


USABLE = Check("usable", "It can be imported, its name is its own, and everything that it needs is installed.", _usable)


def unusable(kind: str, name: str, plugins: PluginTable) -> Outcome | None:
    """What came of the rule before all contracts, where a plugin was found and cannot be used; else nothing."""
    plugin = plugins.find(kind, name)
    if plugin is None:
        return None
    try:
        USABLE.run(plugin)
    except Broken as seen:
        return Outcome(USABLE, "blocked" if plugin.status == "unavailable" else "fail", str(seen))
    return None


def contracts_for(kind: str, name: str, plugins: PluginTable, place: str, given: Given) -> Sequence[Contract]:
    """The contracts of one plugin; what its kind does not take is refused."""
    item = plugins.get(kind, name, place).item
    if given.dims is not None and kind != "architectures":
        raise UsageError(
            f"{place} --dims", f"'{name}' is one of {kind}", "leave it out: only architectures have widths"
        )
    if given.settings is not None and kind in ("metrics", "importers"):
        raise UsageError(f"{place} --set", f"{kind} have no settings", "leave it out")
    if given.samples is not None and kind != "importers":
        raise UsageError(f"{place} --sample", f"'{name}' is one of {kind}", "leave it out: only importers read files")
    if kind == "importers" and given.samples is None and not item.samples:
        step = f"give files as its program wrote them: {place} {name} --sample FILE, or ask its author for `samples`"
        raise UsageError(place, f"the importer '{name}' brings no samples along, so nothing can be proven", step)
    return _MADE[kind](item, given)


def _architecture(item: Any, given: Given) -> Sequence[Contract]:
    from husai_core.testing.architectures import architecture_contracts

    return architecture_contracts(item, given.settings, given.dims)


def _benchmark(item: Any, given: Given) -> Sequence[Contract]:
    from husai_core.testing.benchmarks import benchmark_contracts

    return benchmark_contracts(item, given.settings)


def _metric(item: Any, given: Given) -> Sequence[Contract]:
    from husai_core.testing.metrics import metric_contracts

    return metric_contracts(item)


def _control(item: Any, given: Given) -> Sequence[Contract]:
    from husai_core.testing.controls import control_contracts

    return control_contracts(item, given.settings)


def _model(item: Any, given: Given) -> Sequence[Contract]:
    from pathlib import Path

    from husai_core.testing.models import model_contracts

    return model_contracts(item, given.settings, beside=Path())


def _importer(item: Any, given: Given) -> Sequence[Contract]:
    from husai_core.testing.importers import importer_contracts

    return importer_contracts(item, given.samples)


_MADE: Mapping[str, Callable[[Any, Given], Sequence[Contract]]] = {
    "architectures": _architecture,
    "benchmarks": _benchmark,
    "metrics": _metric,
    "controls": _control,
    "models": _model,
    "importers": _importer,
}


def proven(kind: str, outcomes: Sequence[Outcome]) -> bool:
    """Whether the plugin was run and no rule is broken."""
    ran = all(o.status not in ("skipped", "blocked") for o in outcomes if o.check.name == FIRST[kind])
    return ran and not any(outcome.against for outcome in outcomes)
