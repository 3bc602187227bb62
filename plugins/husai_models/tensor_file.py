"""Activations from a file: no model, only rows, with a split that keeps equal rows and whole groups together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import Check, Corpus, Model, UsageError, hookimpl, strict_json
from husai_core.model import Network

if TYPE_CHECKING:
    import numpy
    from torch import Tensor

    from husai_core.model import Progress

INPUT, TARGET = "input", "target"
NOTE = "rows.json"


@dataclass(frozen=True, kw_only=True)
class TensorFileSettings:
    """`file` is a .npy or .safetensors file of (rows, width); `tensor` names one of several in a safetensors file.

    `target` is a second such file, row by row what a transcoder writes (`hook_out = "target"`); `groups` a file of
    one whole number per row, such as its document: a group is never split.
    """

    file: str
    tensor: str = ""
    target: str = ""
    groups: str = ""
    test_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must be between 0 and 1, not {self.test_share}")
        for name in ("file", "target", "groups"):
            value = getattr(self, name)
            if (value or name == "file") and not value.endswith((".npy", ".safetensors")):
                raise ValueError(f"{name} must be a .npy or .safetensors file, not '{value}': pickles are not read")


class Table:
    """Rows that answer what the engine asks of a network: token n is row n."""

    class Depth:
        n_layers = 0

    def __init__(self, arrays: Mapping[str, numpy.ndarray[Any, Any]]) -> None:
        self.cfg = self.Depth()
        self.arrays = arrays
        self.hook_dict: Mapping[str, Any] = dict.fromkeys(arrays)

    def run_with_cache(
        self, tokens: Tensor, *, names_filter: list[str], stop_at_layer: int | None
    ) -> tuple[None, Mapping[str, Tensor]]:
        import torch

        return None, {hook: torch.from_numpy(self.arrays[hook][tokens.numpy()]).float() for hook in names_filter}


class TensorFile(Model):
    name = "tensor_file"
    summary = "Activations from a .npy or .safetensors file, split into train and test by row or by group."
    requires = ("torch", "safetensors")
    Settings = TensorFileSettings
    default_hook = INPUT

    def __init__(self, folder: Path = Path()) -> None:
        self.folder = folder

    def beside(self, folder: Path) -> TensorFile:
        return TensorFile(folder)

    def inputs(self, settings: TensorFileSettings) -> Mapping[str, str]:
        named = {INPUT: settings.file, TARGET: settings.target, "groups": settings.groups}
        return {what: _digest(self._path(path)) for what, path in named.items() if path}

    def prepared_for(self, settings: TensorFileSettings, seed: int) -> Mapping[str, Any]:
        return {"files": dict(self.inputs(settings)), "tensor": settings.tensor}

    def prepare(self, settings: TensorFileSettings, seed: int, folder: Path, progress: Progress) -> None:
        """Nothing is computed: the file stays where it is, and its shape is noted."""
        arrays = self._arrays(settings)
        shapes = {hook: [int(n) for n in array.shape] for hook, array in arrays.items()}
        (folder / NOTE).write_bytes(strict_json.encode({**shapes, "files": dict(self.inputs(settings))}))

    def weights(self, settings: TensorFileSettings, folder: Path) -> str:
        """The file stands in the place of a model."""
        return self.inputs(settings)[INPUT]

    def load(self, settings: TensorFileSettings, seed: int, folder: Path, layers: int | None = None) -> Network:
        return Table(self._arrays(settings))

    def tokenise(self, settings: TensorFileSettings, seed: int, folder: Path) -> Corpus:
        import torch

        rows = self._arrays(settings)[INPUT]
        groups = self._groups(settings, len(rows))
        names = sorted(set(groups))
        if len(names) < 2:
            rule = f"{len(names)} group of rows that differ; train and test need one each"
            raise UsageError(f"file {settings.file}", rule, "give more rows, or other groups")
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
        cut = min(len(names) - 1, max(1, round(settings.test_share * len(names))))
        chosen = {names[n] for n in order[:cut]}
        in_test = torch.tensor([group in chosen for group in groups])
        tokens = torch.arange(len(rows)).unsqueeze(1)
        return Corpus(tokens, (0,), (~in_test).nonzero().flatten(), in_test.nonzero().flatten())

    def examine(self, network: Table, corpus: Corpus, settings: TensorFileSettings, seed: int) -> Sequence[Check]:
        """Every value is finite, the rows are not all one, and no test row is also a train row or has no direction."""
        written = (TARGET, settings.target) if settings.target else (INPUT, settings.file)
        _refuse_empty_rows(network.arrays[written[0]], corpus.test.tolist(), f"file {written[1]}")
        finite, varying = 1.0, float("inf")
        for rows in network.arrays.values():
            low, high = rows.min(0).astype("f8"), rows.max(0).astype("f8")
            with _no_warning():
                finite = min(finite, float((low * 0 + high * 0 == 0).mean()))
                varying = min(varying, float((high > low).sum()))
        seen = {_row_digest(network.arrays[INPUT][n]) for n in corpus.train.tolist()}
        shared = sum(_row_digest(network.arrays[INPUT][n]) in seen for n in corpus.test.tolist())
        return [
            Check("finite_columns", finite, at_least=1.0),
            Check("varying_columns", varying, at_least=1.0),
            Check("test_rows_in_train", float(shared), at_most=0.0),
        ]

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UsageError(f"file {name}", "is not there, seen from the study's folder", "give its path from there")
        return path

    def _arrays(self, settings: TensorFileSettings) -> dict[str, numpy.ndarray[Any, Any]]:
        arrays = {INPUT: self._matrix(settings.file, settings.tensor)}
        if settings.target:
            arrays[TARGET] = self._matrix(settings.target, "")
            if len(arrays[TARGET]) != len(arrays[INPUT]):
                rule = f"has {len(arrays[TARGET])} rows, {settings.file} has {len(arrays[INPUT])}"
                raise UsageError(f"file {settings.target}", rule, "give a target for every row")
        return arrays

    def _matrix(self, name: str, tensor: str) -> numpy.ndarray[Any, Any]:
        rows = _read(self._path(name), name, tensor)
        if rows.ndim != 2 or rows.dtype.kind != "f" or 0 in rows.shape:
            rule = f"holds {rows.dtype} of shape {tuple(rows.shape)}, not floats of shape (rows, width)"
            raise UsageError(f"file {name}", rule, "reshape it to one row per token")
        return rows

    def _groups(self, settings: TensorFileSettings, rows: int) -> list[str]:
        """The group of every row; without a file of them, rows with the same bytes form one."""
        if not settings.groups:
            return [_row_digest(row) for row in self._arrays(settings)[INPUT]]
        groups = _read(self._path(settings.groups), settings.groups, "")
        if groups.shape != (rows,) or groups.dtype.kind not in "iu":
            rule = f"holds {groups.dtype} of shape {tuple(groups.shape)}, not {rows} whole numbers"
            raise UsageError(f"file {settings.groups}", rule, "give one whole number per row")
        return [str(int(group)) for group in groups]


def _read(path: Path, name: str, tensor: str) -> numpy.ndarray[Any, Any]:
    """A tensor of a file: .npy memory-mapped and never unpickled, or by name from safetensors."""
    import numpy

    place = f"file {name}"
    if path.suffix == ".npy":
        try:
            mapped: numpy.ndarray[Any, Any] = numpy.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise UsageError(place, f"cannot be read: {error}", "save it with numpy.save, as floats") from None
        return mapped
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as handle:
            names = list(handle.keys())
            chosen = tensor or (names[0] if len(names) == 1 else "")
            if chosen not in names:
                raise UsageError(place, f"which tensor, '{tensor}'?", f"set tensor; known: {', '.join(sorted(names))}")
            loaded = handle.get_tensor(chosen)
    except SafetensorError as error:
        raise UsageError(place, f"is no safetensors file: {error}", "save it with safetensors") from None
    found: numpy.ndarray[Any, Any] = (loaded.float() if loaded.is_floating_point() else loaded).numpy()
    return found


def _refuse_empty_rows(rows: numpy.ndarray[Any, Any], tested: Sequence[int], place: str) -> None:
    """Nothing can be said of how well zeros are reconstructed, and a benchmark would say so after the training."""
    for row in tested:
        if not rows[row].astype("f4").any():
            rule = "is all zeros, and it is a test row: a reconstruction has no cosine with it, and no ratio to it"
            raise UsageError(f"{place} row {row}", rule, "leave rows of padding out of the file")


def _row_digest(row: numpy.ndarray[Any, Any]) -> str:
    return hashlib.sha256(row.astype("<f4").tobytes()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def _no_warning() -> Any:
    """A product with an infinity is meant here."""
    import numpy

    return numpy.errstate(invalid="ignore")


@hookimpl
def husai_models() -> Sequence[Model]:
    return [TensorFile()]
