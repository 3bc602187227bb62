"""The contract of models: what is built on activations, and on the rows that they are of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from husai_core.model import Model
from husai_core.settings import parse_settings
from husai_core.testing.contract import Contract, as_test, contracts_of
from husai_core.testing.generators import one_thread
from husai_core.testing.installed import installed
from husai_core.testing.models import preparing, proving, reading
from husai_core.testing.models.trial import Trial

CHECKS = (*preparing.CHECKS, *reading.CHECKS, *proving.CHECKS)


def model_contract(
    model: str | Model,
    *,
    settings: Mapping[str, Any] | None = None,
    beside: Path | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """A pytest test that holds an installed model, or the one given, to every check of the contract.

    It is prepared twice, so choose settings under which that is quick; relative paths in them are meant from `beside`.
    """
    return as_test(model_contracts(model, settings, beside, known_failures))


def model_contracts(
    model: str | Model,
    settings: Mapping[str, Any] | None = None,
    beside: Path | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> list[Contract]:
    """The contract of one model, to be asked for its outcomes."""
    if isinstance(model, str):
        model = installed().get("models", model, f"model_contract({model!r})").item
    assert isinstance(model, Model)
    parse_settings(model.Settings, settings or {}, "settings")
    trial = Trial(model, settings or {}, beside)
    return contracts_of(f"model '{model.name}'", CHECKS, {"": trial}, known_failures or {}, one_thread)
