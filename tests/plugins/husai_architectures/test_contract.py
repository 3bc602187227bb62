"""Every architecture that HUSAI ships keeps the contract; a new one is found by its entry point."""

from __future__ import annotations

from typing import Any

import pytest

from husai_core import Dims
from husai_core.plugins import PluginTable
from husai_core.testing import architecture_contract

OURS = [p.name for p in PluginTable().of_kind("architectures") if p.distribution.startswith("husai ")]
# What differs from the plain two lines: settings that show more than the defaults, and excuses.
RUNS: dict[str, dict[str, Any]] = {
    "topk": {"settings": [{"k": 4}, {"k": 4, "apply_b_dec_to_input": False}, {"k": 1, "aux_coefficient": 0.0}]},
    "route": {"dims": Dims(32, 48, 16)},
    "topk_transcoder": {"dims": Dims(16, 48, 12), "settings": [{"k": 4}, {"k": 4, "beside_output": True}]},
    "skip_transcoder": {"dims": Dims(16, 48, 12), "settings": [{"k": 4}, {"k": 4, "beside_output": True}]},
    "topk_of_output": {"dims": Dims(20, 48, 8)},
    "hierarchical_topk": {"settings": [{"k": 4}, {"k": 4, "budgets": [1, 4], "inference_k": 2}]},
    "jumprelu": {"settings": [{}, {"sparsity": "step"}]},
    "sae_lens": {
        "settings": [{"family": "standard"}, {"family": "topk", "k": 4}, {"family": "batchtopk", "k": 4}],
        "known_failures": {
            "fixed_exists-family=standard": "one adapter for all families: only BatchTopK's keep a threshold",
            "fixed_exists-family=topk,k=4": "one adapter for all families: only BatchTopK's keep a threshold",
            "save_and_load-family=topk,k=4": "SAELens folds decoder norms into the weights as it saves",
            "save_and_load-family=batchtopk,k=4": "SAELens folds decoder norms into the weights as it saves",
            "rows_are_independent-family=batchtopk,k=4": "without a threshold SAELens's BatchTopK looks at the batch",
            "loads_in_sae_lens-family=batchtopk,k=4": "without a threshold SAELens's BatchTopK looks at the batch",
            "dtypes-family=batchtopk,k=4": "SAELens keeps its running threshold in float64",
        },
    },
    "relu": {"settings": [{}, {"l1_coefficient": 0.1, "apply_b_dec_to_input": False}]},
}
TRANSCODES = {"settings": {"apply_b_dec_to_input": False}, "dims": Dims(16, 48, 12)}

for name in OURS:
    globals()[f"test_{name}"] = architecture_contract(name, **RUNS.get(name, {}))


def test_all_are_here_and_every_run_is_of_one_of_them() -> None:
    assert {"relu", "topk"} <= set(OURS)
    assert set(RUNS) <= set(OURS)


test_relu_between_widths = architecture_contract("relu", **TRANSCODES)
test_topk_between_widths = architecture_contract(
    "topk", settings={"k": 4, "apply_b_dec_to_input": False}, dims=Dims(16, 48, 12)
)


@pytest.mark.parametrize("name", OURS)
def test_an_architecture_has_one_line_about_itself(name: str) -> None:
    item = PluginTable().get("architectures", name, "here").item
    assert item.summary.endswith(".")
    assert "\n" not in item.summary
