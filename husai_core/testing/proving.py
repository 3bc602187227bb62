"""The contract of an installed plugin by its kind and name, for those who run it without pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from husai_core.errors import UsageError, did_you_mean
from husai_core.plugins import KINDS, PluginTable
from husai_core.sae import Dims
from husai_core.testing.contract import Contract, Outcome

Settings = Mapping[str, Any]

# By kind, the check that runs the plugin at all: where it is not run nothing was proven.
FIRST = {
    "architectures": "starts",
    "benchmarks": "measures",
    "metrics": "card",
    "controls": "makes",
    "models": "prepares",
}


def kind_of(name: str, kind: str | None, plugins: PluginTable, place: str) -> str:
    """The one kind with a contract that a name is of, or the one asked for."""
    if kind is not None:
        chosen = kind if kind in KINDS else f"{kind}s"
        if chosen not in FIRST:
            raise UsageError(f"{place} --kind", f"no contract for '{kind}'", did_you_mean(kind, FIRST))
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
        raise UsageError(place, f"no plugin '{name}' is installed", did_you_mean(name, known))
    return proven[0] if proven else "architectures"  # a module that could not be loaded says why


def contracts_for(
    kind: str, name: str, plugins: PluginTable, place: str, settings: Settings | None, dims: Dims | None
) -> Sequence[Contract]:
    """The contracts of one plugin; what its kind does not take is refused."""
    item = plugins.get(kind, name, place).item
    if dims is not None and kind != "architectures":
        raise UsageError(
            f"{place} --dims", f"'{name}' is one of {kind}", "leave it out: only architectures have widths"
        )
    if settings is not None and kind == "metrics":
        raise UsageError(f"{place} --set", "metrics have no settings", "leave it out")
    return _MADE[kind](item, settings, dims)


def _architecture(item: Any, settings: Settings | None, dims: Dims | None) -> Sequence[Contract]:
    from husai_core.testing.architectures import architecture_contracts

    return architecture_contracts(item, settings, dims)


def _benchmark(item: Any, settings: Settings | None, dims: Dims | None) -> Sequence[Contract]:
    from husai_core.testing.benchmarks import benchmark_contracts

    return benchmark_contracts(item, settings)


def _metric(item: Any, settings: Settings | None, dims: Dims | None) -> Sequence[Contract]:
    from husai_core.testing.metrics import metric_contracts

    return metric_contracts(item)


def _control(item: Any, settings: Settings | None, dims: Dims | None) -> Sequence[Contract]:
    from husai_core.testing.controls import control_contracts

    return control_contracts(item, settings)


def _model(item: Any, settings: Settings | None, dims: Dims | None) -> Sequence[Contract]:
    from pathlib import Path

    from husai_core.testing.models import model_contracts

    return model_contracts(item, settings, beside=Path())


_MADE: Mapping[str, Callable[[Any, Settings | None, Dims | None], Sequence[Contract]]] = {
    "architectures": _architecture,
    "benchmarks": _benchmark,
    "metrics": _metric,
    "controls": _control,
    "models": _model,
}


def proven(kind: str, outcomes: Sequence[Outcome]) -> bool:
    """Whether the plugin was run and no rule is broken."""
    ran = all(o.status not in ("skipped", "blocked") for o in outcomes if o.check.name == FIRST[kind])
    return ran and not any(outcome.against for outcome in outcomes)
