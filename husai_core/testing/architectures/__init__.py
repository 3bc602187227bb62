"""The contract of architectures: what everything else in HUSAI takes for granted about a sparse coder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from husai_core.errors import UsageError
from husai_core.sae import Architecture, Dims
from husai_core.settings import parse_settings
from husai_core.testing.architectures import coding, learning, saving, starting, traits
from husai_core.testing.architectures.trial import Trial
from husai_core.testing.contract import Contract, as_test, contracts_of, label_of
from husai_core.testing.generators import one_thread
from husai_core.testing.installed import installed

CHECKS = (*starting.CHECKS, *coding.CHECKS, *traits.CHECKS, *learning.CHECKS, *saving.CHECKS)
K = 4  # in place of a default `k`, which is meant for dictionaries of thousands

Settings = Mapping[str, Any]


def architecture_contract(
    architecture: str | Architecture,
    *,
    settings: Settings | Sequence[Settings] | None = None,
    dims: Dims | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """A pytest test that holds an installed architecture, or the one given, to every check of the contract.

    Without `settings` it runs under the defaults, with `k`, if there is one, at 4; with several it runs under each.
    `known_failures` gives a check's name (or its full id, for one of several settings) and the reason; an excuse
    for a check that holds is itself a failure.
    """
    return as_test(architecture_contracts(architecture, settings, dims, known_failures))


def architecture_contracts(
    architecture: str | Architecture,
    settings: Settings | Sequence[Settings] | None = None,
    dims: Dims | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> list[Contract]:
    """The contract under each choice of settings, to be asked for its outcomes."""
    if isinstance(architecture, str):
        place = f"architecture_contract({architecture!r})"
        architecture = installed().get("architectures", architecture, place).item
    assert isinstance(architecture, Architecture)
    if settings is None:
        tables: list[Settings] = [_small_defaults(architecture)]
    else:
        tables = [settings] if isinstance(settings, Mapping) else list(settings)
        for table in tables:
            _refuse_wrong_settings(architecture, table)
    if not tables:
        raise UsageError("settings", "an empty list runs no check", "give at least one, {} for the defaults")
    widths = dims or Dims(16, 48, 12 if architecture.traits.transcoder else 16)
    names = [label_of(table) for table in tables] if len(tables) > 1 else [""]
    trials = {name: Trial(architecture, table, widths) for name, table in zip(names, tables, strict=True)}
    return contracts_of(f"architecture '{architecture.name}'", CHECKS, trials, known_failures or {}, one_thread)


def _small_defaults(architecture: Architecture) -> Settings:
    fields = dataclasses.fields(architecture.Settings) if dataclasses.is_dataclass(architecture.Settings) else ()
    return {"k": K} if any(field.name == "k" for field in fields) else {}


def _refuse_wrong_settings(architecture: Architecture, table: Settings) -> None:
    if dataclasses.is_dataclass(architecture.Settings):  # the check `settings` says so where it is none
        parse_settings(architecture.Settings, table, f"architecture '{architecture.name}', settings")
