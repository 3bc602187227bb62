"""The models that HUSAI ships keep the contract, at sizes that take seconds; language models have their own tests."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy

from husai_core.testing import model_contract
from husai_core.testing.installed import installed

FEW = "so few letters make few sequences, and each split has nearly all of them; at its defaults none is shared"
PLACE = tempfile.TemporaryDirectory(prefix="husai-rows-")
numpy.save(Path(PLACE.name) / "rows.npy", numpy.random.default_rng(0).normal(size=(50, 6)).astype("f4"))

RUNS: dict[str, dict[str, Any]] = {
    "modular_addition": {
        "settings": {"p": 11, "d_model": 16, "heads": 2, "d_mlp": 16, "target_accuracy": 0.01},
        "known_failures": {"checks_hold": "a network this small does not learn to add; the real one takes a minute"},
    },
    "sequence_copy": {
        "settings": {"letters": 3, "length": 3, "rows": 60, "d_model": 32, "batch_size": 32},
        "known_failures": {"splits_share_no_content": FEW},
    },
    "sparse_sums": {"settings": {}},
    "synthetic": {"settings": {"features": 12, "width": 8, "rows": 200}},
    "leaky_addition": {"settings": {"p": 31, "d_model": 32, "batch_size": 64, "learning_rate": 3e-3}},
    "padded_copy": {
        "settings": {
            "letters": 5,
            "length": 2,
            "sequences": 300,
            "rows": 50,
            "d_model": 32,
            "batch_size": 32,
            "learning_rate": 3e-3,
        },
        "known_failures": {"splits_share_no_content": FEW},
    },
    "tensor_file": {"settings": {"file": "rows.npy"}, "beside": Path(PLACE.name)},
}
NEED_WEIGHTS = {
    "smollm2": "135 million parameters from a package of their own",
    "huggingface": "a model from a folder or the hub",
}

for name, arguments in RUNS.items():
    globals()[f"test_{name}"] = model_contract(name, **arguments)


def test_all_are_here_but_those_that_need_weights() -> None:
    ours = {p.name for p in installed().of_kind("models") if p.distribution.startswith("husai ")}
    assert ours == RUNS.keys() | NEED_WEIGHTS.keys()
