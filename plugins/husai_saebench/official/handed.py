"""What the official code would fetch by name, and is handed instead: the model, the texts, the words in their order."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OWN = "husai/texts"  # the name of a data set that is made of handed texts
WEIGHTS_FILE, CONFIG_FILE, TOKENIZER_FOLDER = "model.safetensors", "network.json", "tokenizer"


def load_model(folder: Path, name: str, layers: int | None, length: int) -> Any:
    """The HookedTransformer that HUSAI prepared, whole or cut above a layer, with its tokenizer."""
    import torch
    from safetensors import safe_open
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformers import AutoTokenizer

    config = json.loads((folder / CONFIG_FILE).read_bytes())
    cut = layers is not None and layers < config["n_layers"]
    config |= {"dtype": torch.float32, "device": "cpu", "n_ctx": min(length, config["n_ctx"]), "model_name": name}
    if cut:
        config["n_layers"] = layers
    tokenizer = AutoTokenizer.from_pretrained(folder / TOKENIZER_FOLDER, local_files_only=True, padding_side="right")
    shape = HookedTransformerConfig.from_dict(config)
    model = HookedTransformer(shape, tokenizer, move_to_device=False, default_padding_side="right")
    if cut:  # what is above the last block is never looked at
        model.ln_final, model.unembed = torch.nn.Identity(), torch.nn.Identity()
    with safe_open(folder / WEIGHTS_FILE, "pt") as kept, torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(kept.get_slice(key)[: len(parameter)])  # of a table of positions, the first
    return model.eval()


def hand_over_model(model: Any) -> None:
    """Whoever asks TransformerLens for a pretrained model gets this one."""
    from transformer_lens import HookedTransformer

    def handed(*_: Any, **__: Any) -> Any:
        return model

    HookedTransformer.from_pretrained = HookedTransformer.from_pretrained_no_processing = handed


def load_subject(folder: Path) -> Any:
    """The dictionary as SAELens reads it."""
    from sae_lens import SAE

    sae = SAE.load_from_disk(str(folder), device="cpu")
    sae.cfg.metadata.prepend_bos = True  # as every document that HUSAI's models read; core refuses to guess
    return sae


def throw_away(d_in: int, latents: int, about: Mapping[str, Any]) -> Any:
    """A dictionary of no interest, to fill the caches with, so that no subject is the first of a list."""
    from sae_lens import TopKSAE, TopKSAEConfig

    sae = TopKSAE(TopKSAEConfig(d_in=d_in, d_sae=latents, k=4, dtype="float32", device="cpu"))
    for key in ("model_name", "hook_name"):
        setattr(sae.cfg.metadata, key, about[key])
    sae.cfg.metadata.prepend_bos = True
    return sae


class Texts:
    """Handed documents by class, and a digest of every text that the official code took from somewhere."""

    def __init__(self, path: Path | None) -> None:
        self.by_class: dict[str, list[str]] = json.loads(path.read_bytes()) if path else {}
        self.taken: dict[str, tuple[str, int]] = {}

    def documents(self) -> list[str]:
        """All of them, in their order."""
        return [text for texts in self.by_class.values() for text in texts]

    def note(self, name: str, texts: Sequence[str]) -> None:
        """Remember by digest what was read under a name."""
        hasher = hashlib.sha256()
        for text in texts:
            hasher.update(len(text).to_bytes(8, "little") + text.encode("utf-8", "surrogatepass"))
        self.taken[name] = (f"sha256:{hasher.hexdigest()}", len(texts))

    def by_split(self, train: int, test: int, seed: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """As many distinct documents of every class as the official sets have of theirs, half of the size each."""
        parts: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
        for name, texts in self.by_class.items():
            drawn = list(dict.fromkeys(texts))
            random.Random(seed).shuffle(drawn)
            if len(drawn) < train // 2 + test // 2:
                raise ValueError(f"'{name}' has {len(drawn)} documents, {train // 2 + test // 2} are needed")
            parts[0][name] = drawn[: train // 2]
            parts[1][name] = drawn[train // 2 : train // 2 + test // 2]
        return parts

    def hand_over_classes(self) -> None:
        """The loaders of labelled texts know one more data set, and say what they gave."""
        from sae_bench.evals.scr_and_tpp import dataset_creation
        from sae_bench.evals.scr_and_tpp import main as scr_and_tpp
        from sae_bench.sae_bench_utils import dataset_info, dataset_utils

        official = dataset_utils.get_multi_label_train_test_data

        def found(dataset_name: str, train: int, test: int, seed: int) -> Any:
            if dataset_name == OWN:
                parts = self.by_split(train, test, seed)
            else:
                parts = official(dataset_name, train, test, seed)
            texts = [t for part in parts for name in sorted(part) for t in part[name]]
            self.note(f"hub:{dataset_name}" if dataset_name != OWN else dataset_name, texts)
            return parts

        dataset_utils.get_multi_label_train_test_data = found
        spurious = dataset_creation.get_train_test_data

        def paired(dataset_name: str, perform_scr: bool, *sizes: Any) -> Any:
            parts = spurious(dataset_name, perform_scr, *sizes)
            if perform_scr:
                texts = [t for part in parts for name in sorted(part) for t in part[name]]
                self.note(f"hub:{dataset_name}:{' '.join(map(str, sizes[3] or ()))}", texts)
            return parts

        dataset_creation.get_train_test_data = paired
        if self.by_class:
            dataset_info.chosen_classes_per_dataset[OWN] = list(self.by_class)
            scr_and_tpp.COLUMN2_VALS_LOOKUP[OWN] = None

    def hand_over_stream(self) -> None:
        """SAELens's source of tokens reads the handed documents, where there are any, whatever name it is given."""
        if not self.by_class:
            return
        from datasets import Dataset
        from sae_lens.training import activations_store

        documents = self.documents()
        self.note(OWN, documents)

        def load(*_: Any, **__: Any) -> Any:
            return Dataset.from_dict({"text": documents})

        activations_store.load_dataset = load

    def hand_over_tokens(self) -> None:
        """The loader of text that is tokenised in one piece reads the handed documents, where there are any."""
        from sae_bench.sae_bench_utils import dataset_utils

        official, tokenised = dataset_utils.get_dataset_list_of_strs, dataset_utils.load_and_tokenize_dataset

        def documents(name: str, column: str, shortest: int, characters: int) -> list[str]:
            if name != OWN:
                found = official(name, column, shortest, characters)
                self.note(f"hub:{name}", found)
                return found
            found, held = [], 0
            for text in self.documents():
                if len(text) > shortest and held <= characters:
                    found.append(text)
                    held += len(text)
            if not found:
                raise ValueError(f"none of the handed documents is longer than {shortest} characters")
            self.note(name, found)
            return found

        def tokens(name: str, length: int, count: int, *rest: Any, **options: Any) -> Any:
            try:
                return tokenised(name, length, count, *rest, **options)
            except AssertionError:
                raise ValueError(f"the texts of '{name}' give no {count} tokens: hand over more, or ask less") from None

        dataset_utils.get_dataset_list_of_strs = documents
        dataset_utils.load_and_tokenize_dataset = tokens


def settle_words(limit: int | None, seed: int) -> None:
    """Words for absorption in an order that is the same every time, all of them or a sample.

    The official order is that of the tokenizer's hash table, which differs from one process to the next.
    """
    from sae_bench.evals.absorption import common, feature_absorption, vocab

    official = getattr(vocab.get_alpha_tokens, "official", vocab.get_alpha_tokens)

    def settled(tokenizer: Any, **options: Any) -> list[str]:
        words = sorted(official(tokenizer, **options))
        if limit is not None and limit < len(words):
            words = sorted(random.Random(seed).sample(words, limit))
        return words

    settled.official = official  # type: ignore[attr-defined]
    for module in (vocab, common, feature_absorption):
        module.get_alpha_tokens = settled


def mirror(folder: Path) -> None:
    """Data sets by their names on the hub are read from a folder of the same names, where it has them."""
    import datasets
    from sae_bench.evals.scr_and_tpp import dataset_creation
    from sae_bench.sae_bench_utils import dataset_utils

    official = datasets.load_dataset

    def load(name: str, *rest: Any, **options: Any) -> Any:
        local = folder / name
        return official(str(local), *rest, **options) if local.is_dir() else official(name, *rest, **options)

    datasets.load_dataset = dataset_utils.load_dataset = dataset_creation.load_dataset = load
