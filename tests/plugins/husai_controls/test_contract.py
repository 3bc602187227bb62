"""Every control that HUSAI ships keeps the contract, and does to metrics what it says it does."""

from __future__ import annotations

from typing import Any

from husai_core.testing import control_contract
from husai_core.testing.installed import installed

WORSE = {"explained_variance": "lower", "cosine": "lower", "mse": "higher", "pwmcc": "lower", "mcc": "lower"}
SAME_LATENTS = {"l0": "same", "l1": "same", "dead_fraction": "same", "dense_fraction": "same"}
RUNS: dict[str, dict[str, Any]] = {
    "untrained": {"effect": {**WORSE, "cosine_to_initial": "higher", "l0": "same"}},
    "random_decoder": {"effect": {**WORSE, **SAME_LATENTS}},
    "permuted_decoder": {
        "effect": {"explained_variance": "lower", "mse": "higher", "pwmcc": "same", "mcc": "same", **SAME_LATENTS}
    },
    "degraded": {"effect": {**WORSE, **SAME_LATENTS}, "settings": {"fraction": 0.5}},
    "identity": {"effect": {"pwmcc": "higher", "mcc": "higher", "dead_fraction": "higher"}},
    "pca": {"effect": {"pwmcc": "higher", "mcc": "higher", "dead_fraction": "higher"}},
    "oracle": {"effect": {"pwmcc": "higher", "mcc": "higher", "explained_variance": "higher", "mse": "lower"}},
}
OURS = [p for p in installed().of_kind("controls") if p.distribution.startswith("husai ")]

for plugin in OURS:
    globals()[f"test_{plugin.name}"] = control_contract(plugin.item, **RUNS.get(plugin.name, {}))


def test_all_are_here_and_every_run_is_of_one_of_them() -> None:
    names = {plugin.name for plugin in OURS}
    assert {"untrained", "oracle", "random_model"} <= names
    assert set(RUNS) <= names
