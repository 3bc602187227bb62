"""Every metric that HUSAI ships, in whichever package, keeps the contract; a new one is found by its entry point."""

from __future__ import annotations

from husai_core.testing import metric_contract
from husai_core.testing.installed import installed

OURS = [p for p in installed().of_kind("metrics") if p.distribution.startswith("husai ")]

for plugin in OURS:
    globals()[f"test_{plugin.name}"] = metric_contract(plugin.item)


def test_all_are_here() -> None:
    assert {"explained_variance", "pwmcc", "activation_mcc", "cosine_to_initial", "probe_auc"} <= {
        plugin.name for plugin in OURS
    }
