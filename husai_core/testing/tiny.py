"""A model of no interest whose activations are ready in milliseconds: a mixture of few sparse directions.

It is a plugin module like any other, but no entry point names it: hand it to a `PluginTable` in a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.hookspecs import hookimpl
from husai_core.model import WEIGHTS_FILE, Check, Corpus, Model, Progress, TrainedModel
from husai_core.plugins import EntryPoint

if TYPE_CHECKING:
    from torch import Tensor

BEFORE = "blocks.0.hook_resid_pre"  # the vector of the token at hand, without those before it
ENTRY_POINT = EntryPoint("tiny", "husai_core.testing.tiny", "husai tests")


@dataclass(frozen=True)
class TinySettings:
    """`learned` false makes the self-check fail, as a model that did not learn its task would."""

    width: int = 16
    tokens: int = 32
    rows: int = 256
    learned: bool = True


class Tiny(TrainedModel):
    name = "tiny"
    summary = "Sums of two random token directions; for tests."
    requires = ("torch",)
    Settings = TinySettings
    default_hook = "blocks.0.hook_resid_post"

    def build(self, settings: TinySettings, seed: int) -> Any:
        import torch

        return _network(settings, torch.Generator().manual_seed(seed))

    def train(self, settings: TinySettings, seed: int, progress: Progress) -> Any:
        progress(1.0, "nothing to learn")
        return self.build(settings, seed)

    def corpus(self, settings: TinySettings, seed: int) -> Corpus:
        import torch

        generator = torch.Generator().manual_seed(seed + 1)
        tokens = torch.randint(settings.tokens, (settings.rows, 2), generator=generator)
        cut = settings.rows * 3 // 4
        return Corpus(tokens, (1,), torch.arange(cut), torch.arange(cut, settings.rows))

    def labels(
        self, settings: TinySettings, seed: int, folder: Path, corpus: Corpus, rows: Tensor
    ) -> Mapping[str, Tensor]:
        """The two tokens that are summed."""
        return {"summed": corpus.tokens[rows].unsqueeze(1)}

    def tables(self, settings: TinySettings, seed: int, folder: Path) -> Mapping[str, Tensor]:
        """The direction of every token, with its length and without."""
        from safetensors.torch import load_file

        directions = load_file(folder / WEIGHTS_FILE)["embed"]
        return {"directions": directions, "features": directions / directions.norm(dim=-1, keepdim=True)}

    def encode(self, settings: TinySettings, seed: int, folder: Path, texts: Sequence[str]) -> list[list[int]]:
        """A token per word; the first of all tokens begins every text."""
        return [[0, *(sum(word.encode()) % settings.tokens for word in text.split())] for text in texts]

    def decode(self, settings: TinySettings, seed: int, folder: Path, tokens: Sequence[Sequence[int]]) -> list[str]:
        """A made-up word per token."""
        return [" ".join(f"w{token}" for token in run) for run in tokens]

    def self_check(self, network: Any, settings: TinySettings, seed: int) -> Sequence[Check]:
        return [Check("learned", float(settings.learned), at_least=1.0)]


def _network(settings: TinySettings, generator: Any) -> Any:
    """Something that answers what the engine asks of a HookedTransformer."""
    import torch

    class Configuration:
        n_layers = 1

    class Network(torch.nn.Module):  # type: ignore[misc]
        cfg = Configuration()

        def __init__(self) -> None:
            super().__init__()
            drawn = torch.randn(settings.tokens, settings.width, generator=generator)
            self.embed = torch.nn.Parameter(drawn)
            self.hook_dict = dict.fromkeys([BEFORE, Tiny.default_hook])

        def run_with_cache(
            self, tokens: Tensor, *, names_filter: Sequence[str], stop_at_layer: int | None
        ) -> tuple[None, dict[str, Tensor]]:
            read = self.embed[tokens]
            return None, {hook: read if hook == BEFORE else read.cumsum(1) for hook in names_filter}

    return Network()


@hookimpl
def husai_models() -> Sequence[Model]:
    return [Tiny()]
