"""The contract of benchmarks: what evidence and the gate take for granted about measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from husai_core.benchmark import Benchmark
from husai_core.errors import UsageError
from husai_core.metric import Metric
from husai_core.settings import parse_settings
from husai_core.testing.benchmarks import failing, judging, purity, yielding
from husai_core.testing.benchmarks import stage as the_stage
from husai_core.testing.benchmarks.stage import Stage
from husai_core.testing.benchmarks.trial import Promises, Trial
from husai_core.testing.contract import Contract, as_test, contracts_of, label_of
from husai_core.testing.generators import one_thread
from husai_core.testing.installed import installed

CHECKS = (*yielding.CHECKS, *purity.CHECKS, *failing.CHECKS, *judging.CHECKS)

Settings = Mapping[str, Any]


def benchmark_contract(
    benchmark: str | Benchmark,
    *,
    settings: Settings | Sequence[Settings] | None = None,
    stage: Callable[[], Stage] = the_stage.stage,
    metrics: Sequence[Metric] = (),
    promises: Promises | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """A pytest test that holds an installed benchmark, or the one given, to every check of the contract.

    It is run on a small stage with a known-good and a known-bad subject, or on the one given. `metrics` are offered
    beside the installed ones; `promises`, here or as an attribute of the class, says what it is known not to do.
    """
    return as_test(benchmark_contracts(benchmark, settings, stage, metrics, promises, known_failures))


def benchmark_contracts(
    benchmark: str | Benchmark,
    settings: Settings | Sequence[Settings] | None = None,
    stage: Callable[[], Stage] = the_stage.stage,
    metrics: Sequence[Metric] = (),
    promises: Promises | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> list[Contract]:
    """The contract under each choice of settings, to be asked for its outcomes."""
    plugins = installed()
    if isinstance(benchmark, str):
        benchmark = plugins.get("benchmarks", benchmark, f"benchmark_contract({benchmark!r})").item
    assert isinstance(benchmark, Benchmark)
    tables = [settings] if isinstance(settings, Mapping) else [{}] if settings is None else list(settings)
    if not tables:
        raise UsageError("settings", "an empty list runs no check", "give at least one, {} for the defaults")
    for table in tables:
        parse_settings(benchmark.Settings, table, "settings")
    promises = promises or getattr(benchmark, "promises", None) or Promises()
    offered = {metric.name: metric for metric in (*(p.item for p in plugins.of_kind("metrics")), *metrics)}
    names = [label_of(table) for table in tables] if len(tables) > 1 else [""]
    trials = {
        name: Trial(benchmark, table, stage, offered.values(), promises)
        for name, table in zip(names, tables, strict=True)
    }
    return contracts_of(f"benchmark '{benchmark.name}'", CHECKS, trials, known_failures or {}, one_thread)
