"""A pretrained language model: converted once to a HookedTransformer, cut above the highest hook, held to its loss."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, replace
from functools import lru_cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from husai_core import Check, Corpus, EvaluationError, Model, UsageError, strict_json
from husai_core.model import WEIGHTS_FILE, Network, Progress
from husai_models.text import TextSettings, documents, make_corpus, text_inputs

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE, TOKENIZER_FOLDER = "network.json", "tokenizer"
CHECKED_TOKENS = 2048
ROWS_AT_ONCE = 8
TOLERANCE = 1e-3  # by how much logits of the converted network may differ, relative to their largest


class LanguageModel(Model):
    """What every pretrained language model shares; a family says where its weights are and what loss it must reach."""

    requires = ("torch", "transformers", "transformer_lens", "safetensors")
    predicts_next = True

    def __init__(self, folder: Path = Path()) -> None:
        self.folder = folder

    def beside(self, folder: Path) -> Self:
        return type(self)(folder)

    @abstractmethod
    def weights_inputs(self, settings: Any) -> Mapping[str, str]:
        """The digests of the files of the model, by name."""

    @abstractmethod
    def read(self, settings: Any) -> tuple[Any, Any]:
        """The model as `transformers` has it, in float32, and its tokenizer."""

    @abstractmethod
    def bounds(self, settings: Any, unigram: float) -> tuple[float, float]:
        """The highest loss on held-out text, and by how much shuffled tokens must be worse (nats per token).

        `unigram` is the loss of knowing only how often each of the checked tokens stands there.
        """

    def inputs(self, settings: TextSettings) -> Mapping[str, str]:
        return {**self.weights_inputs(settings), **text_inputs(settings, self.folder)}

    def prepared_for(self, settings: TextSettings, seed: int) -> Mapping[str, Any]:
        about_text = asdict(TextSettings())
        return {
            "settings": {key: value for key, value in asdict(settings).items() if key not in about_text},
            "files": dict(self.weights_inputs(settings)),
        }

    def prepare(self, settings: Any, seed: int, folder: Path, progress: Progress) -> None:
        from safetensors.torch import save_file

        progress(0.0, "reading the model")
        with _quiet():
            model, tokenizer = self.read(settings)
            progress(0.6, "converting it")
            config, weights = convert(model.eval(), f"model {self.name}")
        save_file({name: weights[name].contiguous() for name in sorted(weights)}, folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_bytes(strict_json.encode(config))
        tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)
        _refuse_other_logits(model, self.load(settings, seed, folder), f"model {self.name}")

    def load(self, settings: Any, seed: int, folder: Path, layers: int | None = None) -> Network:
        import torch
        from safetensors import safe_open

        config = strict_json.parse((folder / CONFIG_FILE).read_bytes(), CONFIG_FILE)
        cut = layers is not None and layers < config["n_layers"]
        if settings.context_length > config["n_ctx"]:
            rule = f"{settings.context_length} tokens are more than the {config['n_ctx']} that the model can read"
            raise UsageError(f"model {self.name}", rule, "read shorter documents, or lower context_length")
        config["n_ctx"] = settings.context_length
        if cut:
            config["n_layers"] = max(1, layers or 0)
        network = _network(config)
        if cut:  # what is above the last block is never run, and need not be read
            network.ln_final, network.unembed = torch.nn.Identity(), torch.nn.Identity()
        own = dict(network.named_parameters())
        with safe_open(folder / WEIGHTS_FILE, "pt") as kept, torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(kept.get_slice(name)[: len(parameter)])  # of a table of positions, the first
        loaded: Network = network.eval()
        return loaded

    def load_reader(self, settings: Any, seed: int, folder: Path, layers: int | None, length: int) -> Network:
        """Its positions are rotary, or a table that is read as far as it goes."""
        return self.load(replace(settings, context_length=max(length, settings.context_length)), seed, folder, layers)

    def tokenise(self, settings: Any, seed: int, folder: Path) -> Corpus:
        begin, ids = self._tokenizer(folder)
        return make_corpus(documents(settings, self.folder), lambda text: ids([text])[0], begin, settings, seed)

    def encode(self, settings: Any, seed: int, folder: Path, texts: Sequence[str]) -> list[list[int]]:
        begin, ids = self._tokenizer(folder)
        return [[begin, *found] for found in ids(texts)]

    def decode(self, settings: Any, seed: int, folder: Path, tokens: Sequence[Sequence[int]]) -> list[str]:
        tokenizer = _tokenizer_in(folder / TOKENIZER_FOLDER)
        return [tokenizer.decode(list(run), clean_up_tokenization_spaces=False) for run in tokens]

    def _tokenizer(self, folder: Path) -> tuple[int, Callable[[Sequence[str]], list[list[int]]]]:
        """The token that begins every text, and what turns texts into the others."""
        tokenizer = _tokenizer_in(folder / TOKENIZER_FOLDER)
        begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if begin is None:
            rule = "its tokenizer has neither a BOS nor an EOS token"
            raise EvaluationError(f"model {self.name}", rule, "add one to the tokenizer in a local folder")

        def ids(texts: Sequence[str]) -> list[list[int]]:
            found: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
            return found

        return begin, ids

    def examine(self, network: Any, corpus: Corpus, settings: Any, seed: int) -> Sequence[Check]:
        """Held-out text is predicted as well as stated, and the same tokens in another order far worse."""
        import torch

        rows = corpus.tokens[corpus.test][: max(1, CHECKED_TOKENS // corpus.tokens.shape[1])]
        generator = torch.Generator().manual_seed(seed)
        order = torch.rand(rows[:, 1:].shape, generator=generator).argsort(1)
        shuffled = torch.cat([rows[:, :1], rows[:, 1:].gather(1, order)], 1)
        share = rows[:, 1:].unique(return_counts=True)[1].double() / rows[:, 1:].numel()
        highest, margin = self.bounds(settings, float(-(share * share.log()).sum()))
        loss = next_token_loss(network, rows)
        worse = next_token_loss(network, shuffled) - loss
        return [Check("heldout_loss", loss, at_most=highest), Check("shuffled_loss_margin", worse, at_least=margin)]


@lru_cache(maxsize=1)
def _tokenizer_in(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def next_token_loss(network: Any, rows: Tensor) -> float:
    """Mean loss in nats of every token but the first."""
    import torch

    total = 0.0
    with torch.no_grad():
        for part in rows.split(ROWS_AT_ONCE):
            guesses = network(part)[:, :-1].flatten(0, 1).log_softmax(-1)
            total -= float(guesses.gather(1, part[:, 1:].reshape(-1, 1)).double().sum())
    return total / rows[:, 1:].numel()


def convert(model: Any, place: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and parameters of a HookedTransformer, nothing folded, from a model of `transformers`."""
    from transformer_lens import loading_from_pretrained as conversion

    about = model.config.to_dict()
    about.pop("quantization_config", None)
    model.config.architectures = about["architectures"] = [type(model).__name__]
    # TransformerLens guesses the family from the path, so it is shown a folder whose name says nothing.
    with TemporaryDirectory(prefix="network-") as neutral:
        written = json.dumps(about, default=str, sort_keys=True)
        (Path(neutral) / "config.json").write_text(written)
        try:
            config = conversion.get_pretrained_model_config(neutral, hf_cfg=about, fold_ln=False, device="cpu")
            weights = conversion.get_pretrained_state_dict(neutral, config, model)
        except (NotImplementedError, ValueError, KeyError, AttributeError) as error:
            rule = f"TransformerLens cannot convert {type(model).__name__}: {type(error).__name__}: {error}"
            raise EvaluationError(place, rule, "choose a model that TransformerLens supports") from None
    kept = {key: value for key, value in config.to_dict().items() if _is_plain(value)}
    kept["init_weights"], kept["seed"], kept["tokenizer_name"] = False, None, None
    kept["model_name"] = hashlib.sha256(written.encode()).hexdigest()[:12]
    return kept, {name: weights[name] for name in dict(_network(kept).named_parameters())}


def _network(config: Mapping[str, Any]) -> Any:
    import torch
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    with _quiet():
        shape = HookedTransformerConfig.from_dict({**config, "dtype": torch.float32, "device": "cpu"})
        return HookedTransformer(shape, move_to_device=False)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def _refuse_other_logits(model: Any, network: Any, place: str) -> None:
    """A conversion that computes something else would be measured without anybody noticing."""
    import torch

    length = min(32, network.cfg.n_ctx)
    tokens = torch.arange(2 * length).view(2, length) * 7919 % network.cfg.d_vocab
    with torch.no_grad():
        expected = model(tokens).logits
        away = float((network(tokens) - expected).abs().max() / expected.abs().max())
    if not away <= TOLERANCE:
        rule = f"converted to TransformerLens its logits are off by {away:.2g} of the largest, at most {TOLERANCE}"
        raise EvaluationError(place, rule, "choose a model that TransformerLens converts exactly")


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries here warn about what was chosen on purpose, and draw bars over ours."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
