"""Any causal language model that TransformerLens can convert: a local folder, or a name where there is a hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core import EvaluationError, Model, UsageError, hookimpl
from husai_models.language_model import LanguageModel
from husai_models.text import TextSettings, file_digest

MARGIN = 0.5  # nats by which shuffled tokens must be harder


@dataclass(frozen=True, kw_only=True)
class HuggingFaceSettings(TextSettings):
    """`model` is a folder, or a name on the hub (or of TransformerLens) with the 40 digits of a `revision`.

    `loss_at_most` is in nats per token; None is the loss of guessing by the frequencies of the held-out tokens.
    """

    model: str
    revision: str = ""
    loss_at_most: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            raise ValueError("model must be a folder or a name")
        if self.revision and not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise ValueError(f"revision must be the 40 digits of a commit, not '{self.revision}'")


class HuggingFace(LanguageModel):
    name = "huggingface"
    summary = "Any Hugging Face or TransformerLens causal language model, from a folder or by name."
    Settings = HuggingFaceSettings
    default_hook = "blocks.0.hook_resid_post"

    def weights_inputs(self, settings: HuggingFaceSettings) -> Mapping[str, str]:
        local = self._local(settings)
        if local is None:
            return {}
        kinds = (".safetensors", ".json", ".txt", ".model")
        return {f"model/{p.name}": file_digest(p) for p in sorted(local.iterdir()) if p.suffix in kinds}

    def prepared_for(self, settings: HuggingFaceSettings, seed: int) -> Mapping[str, Any]:
        named = {} if self._local(settings) else {"model": settings.model, "revision": settings.revision}
        return {**named, "files": dict(self.weights_inputs(settings))}

    def read(self, settings: HuggingFaceSettings) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        local = self._local(settings)
        name: Any = local or _official(settings.model)
        where: dict[str, Any] = {"local_files_only": True} if local else {"revision": settings.revision}
        try:
            model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, use_safetensors=True, **where)
            return model, AutoTokenizer.from_pretrained(name, **where)
        except (OSError, ValueError) as error:
            raise _unavailable(settings, str(error)) from None

    def bounds(self, settings: HuggingFaceSettings, unigram: float) -> tuple[float, float]:
        return unigram if settings.loss_at_most is None else settings.loss_at_most, MARGIN

    def _local(self, settings: HuggingFaceSettings) -> Path | None:
        """The folder that `model` names; None for a name, which then needs a revision."""
        folder = self.folder / settings.model
        if (folder / "config.json").is_file():
            return folder
        if folder.is_dir():
            raise UsageError(f"model folder {settings.model}", "has no config.json", "save it with save_pretrained")
        if not settings.revision:
            rule = f"'{settings.model}' is no folder beside the study, and a name on the hub needs a revision"
            raise UsageError("setting model", rule, "give the path of a folder, or set revision to a commit")
        return None


def _official(name: str) -> str:
    """The name on the hub of a model that TransformerLens calls by a shorter one."""
    from transformer_lens.loading_from_pretrained import get_official_model_name

    try:
        official = str(get_official_model_name(name))
    except ValueError:
        return name
    if official.startswith(("NeelNanda/", "ArthurConmy/", "Baidicoot/")):
        raise UsageError(
            "setting model", f"'{official}' is published as a pickle, which is never loaded", "choose another"
        )
    return official


def _unavailable(settings: HuggingFaceSettings, reason: str) -> EvaluationError:
    first = reason.strip().partition("\n")[0]
    fetch = f"hf download {settings.model} --revision {settings.revision} --local-dir DIR"
    way_out = "save it there as safetensors, with its tokenizer" if not settings.revision else f"{fetch}; model = DIR"
    return EvaluationError(
        f"model huggingface '{settings.model}'", f"cannot be had: {first}", f"{way_out}, or use the model smollm2"
    )


@hookimpl
def husai_models() -> Sequence[Model]:
    return [HuggingFace()]
