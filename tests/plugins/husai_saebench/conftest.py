"""A tiny language model as it is prepared for the official code, and tasks that hand it over."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from husai_core import Coder, Task, TextSet
from husai_core.site import Site

PYTHON = "HUSAI_SAEBENCH_PYTHON"
WIDTH = 16


def official_python() -> str:
    """The interpreter that has sae-bench; the test is skipped where none has."""
    python = os.environ.get(PYTHON)
    if python:
        asked = "import importlib.util as u, sys; sys.exit(u.find_spec('sae_bench') is None)"
        found = subprocess.run([python, "-c", asked], check=False).returncode == 0
    else:
        python, found = sys.executable, importlib.util.find_spec("sae_bench") is not None
    if not found:
        pytest.skip(f"sae-bench is not installed; name a python that has it in {PYTHON}")
    return python


@pytest.fixture
def official() -> str:
    return official_python()


@dataclass(frozen=True)
class Prepared:
    """As much of a reader as the official evals ask for."""

    where: Path
    predicts_next: bool = True

    def folder(self) -> Path:
        return self.where


def ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two random layers, and a token for each byte."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("network")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({"<s>": 0, **{c: i + 1 for i, c in enumerate(letters)}}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<s>")
    fast.save_pretrained(folder / "tokenizer")
    config = HookedTransformerConfig(
        n_layers=2, d_model=WIDTH, n_ctx=128, d_head=8, n_heads=2, d_vocab=len(letters) + 1, act_fn="gelu", device="cpu"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HookedTransformer(config)
    save_file({name: p.detach().contiguous() for name, p in model.named_parameters()}, folder / "model.safetensors")
    plain = {k: v for k, v in config.to_dict().items() if v is None or type(v) in (str, int, float, bool)}
    (folder / "network.json").write_text(json.dumps({**plain, "init_weights": False, "seed": None}))
    return folder


@pytest.fixture
def a_table(tmp_path: Path) -> Prepared:
    """The reader of a model that predicts no tokens."""
    return Prepared(tmp_path, predicts_next=False)


@pytest.fixture
def language_model(network: Path) -> Prepared:
    return Prepared(network)


@pytest.fixture
def task_of(tmp_path: Path) -> Callable[..., Task]:
    """A task at one hook of a model that nobody reads, unless a reader is given."""

    def make(
        settings: Any,
        conditions: Mapping[str, Sequence[Coder]],
        *,
        texts: Sequence[TextSet] = (),
        hook_in: Any = "blocks.0.hook_resid_post",
        hook_out: Any = None,
        model: str = "smollm2",
        reader: Any = None,
        **more: Any,
    ) -> Task:
        rows = torch.zeros(2, WIDTH)
        return Task(
            site=Site("site", model, hook_in, hook_out or hook_in, 0, {}),
            conditions=conditions,
            test_in=rows,
            test_out=rows,
            metrics=[],
            settings=settings,
            progress=ignore,
            texts={found.name: found for found in texts},
            reader=reader or Prepared(tmp_path),
            **more,
        )

    return make


@pytest.fixture
def with_sae_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An interpreter that says it has what it is told to have, and has nothing."""

    def says(modules: Sequence[str], versions: Mapping[str, str]) -> None:
        answer = json.dumps({"modules": list(modules), "versions": {"python": "3.11.0", **versions}})
        python = tmp_path / f"python-{abs(hash(answer))}"
        python.write_text(f"#!/bin/sh\ncase \"$*\" in *' -- '*) cat <<'END'\n{answer}\nEND\n;; esac\n")
        python.chmod(0o755)
        monkeypatch.setenv(PYTHON, str(python))

    says(("sae_bench", "sae_probes", "openai"), {"sae-bench": "0.6.0"})
    return says
