"""The contract of controls: what a comparison with one takes for granted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from husai_core.control import AnyControl
from husai_core.errors import UsageError, did_you_mean
from husai_core.metric import CoderMetric, PairMetric, StreamMetric
from husai_core.settings import parse_settings
from husai_core.testing.contract import Contract, as_test, contracts_of
from husai_core.testing.controls import effect as effects
from husai_core.testing.controls import making
from husai_core.testing.controls.trial import Trial
from husai_core.testing.generators import one_thread
from husai_core.testing.installed import installed

CHECKS = (*making.CHECKS, *effects.CHECKS)


def control_contract(
    control: str | AnyControl,
    *,
    settings: Mapping[str, Any] | None = None,
    effect: Mapping[str, str] | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """A pytest test that holds an installed control, or the one given, to every check of the contract.

    `effect` says of metrics, by name, whether the control scores `lower`, the `same` or `higher` than its base.
    """
    return as_test(control_contracts(control, settings, effect, known_failures))


def control_contracts(
    control: str | AnyControl,
    settings: Mapping[str, Any] | None = None,
    effect: Mapping[str, str] | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> list[Contract]:
    """The contract of one control, to be asked for its outcomes."""
    plugins = installed()
    if isinstance(control, str):
        control = plugins.get("controls", control, f"control_contract({control!r})").item
    assert isinstance(control, AnyControl)
    parse_settings(control.Settings, settings or {}, "settings")
    metrics = {plugin.name: plugin.item for plugin in plugins.of_kind("metrics")}
    _refuse_wrong_effect(effect or {}, metrics)
    trial = Trial(control, settings or {}, metrics.values(), effect or {})
    return contracts_of(f"control '{control.name}'", CHECKS, {"": trial}, known_failures or {}, one_thread)


def _refuse_wrong_effect(effect: Mapping[str, str], metrics: Mapping[str, Any]) -> None:
    usable = {name for name, metric in metrics.items() if isinstance(metric, StreamMetric | PairMetric | CoderMetric)}
    for name, way in effect.items():
        place = f"effect[{name!r}]"
        if name not in usable:
            raise UsageError(place, f"no metric of coders or rows '{name}' is installed", did_you_mean(name, usable))
        if way not in effects.WAYS:
            raise UsageError(place, f"'{way}' is none of {', '.join(effects.WAYS)}")
