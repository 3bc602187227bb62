"""The contract of importers: what evidence that nobody here measured takes for granted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from husai_core.metric import Metric
from husai_core.testing.contract import Contract, as_test, contracts_of
from husai_core.testing.generators import one_thread
from husai_core.testing.importers.reading import CHECKS
from husai_core.testing.importers.samples import samples_of
from husai_core.testing.importers.trial import Trial
from husai_core.testing.installed import installed

__all__ = ["CHECKS", "importer_contract", "importer_contracts", "samples_of"]


def importer_contract(
    importer: Any,
    *,
    files: Mapping[str, bytes] | None = None,
    metrics: tuple[Metric, ...] = (),
    known_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """A pytest test that holds an importer, by name or as given, to every check of the contract.

    `files` are samples by name, byte for byte as the program wrote them; without any, those that the importer brings
    along. `metrics` are offered beside the installed.
    """
    return as_test(importer_contracts(importer, files, metrics, known_failures))


def importer_contracts(
    importer: Any,
    files: Mapping[str, bytes] | None = None,
    metrics: tuple[Metric, ...] = (),
    known_failures: Mapping[str, str] | None = None,
) -> list[Contract]:
    """The contract of one importer, to be asked for its outcomes."""
    plugins = installed()
    if isinstance(importer, str):
        importer = plugins.get("importers", importer, f"importer_contract({importer!r})").item
    offered = (*(plugin.item for plugin in plugins.of_kind("metrics")), *metrics)
    trial = Trial(
        importer, samples_of(importer) if files is None else files, {metric.name: metric.card for metric in offered}
    )
    return contracts_of(f"importer '{importer.name}'", CHECKS, {"": trial}, known_failures or {}, one_thread)
