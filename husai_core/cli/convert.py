"""`husai convert`: a checkpoint of another library becomes a folder in SAELens's layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from husai_core.cli.arguments import PATH, WORD
from husai_core.errors import UsageError, one_line

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Coder


@click.command("convert")
@click.argument("source", type=PATH)
@click.argument("dest", type=PATH)
@click.option("--architecture", type=WORD, help="Which architecture reads it, where several could.")
@click.option("--check", "rows", type=PATH, help="Activations (.npy, rows x d_in) to run through the result.")
def command(source: Path, dest: Path, architecture: str | None, rows: Path | None) -> None:
    """Read the checkpoint SOURCE (SAELens, dictionary_learning or sparsify) and write it to DEST as SAELens does."""
    from husai_core.interchange import load_coder, saved_files
    from husai_core.plugins import PluginTable

    if dest.exists():
        raise UsageError(str(dest), "already exists", "choose another DEST, or remove it yourself")
    plugins = PluginTable()
    if architecture:
        plugins.get("architectures", architecture, "--architecture")
    installed = [plugin.item for plugin in plugins.usable("architectures", str(source))]
    loaded = load_coder(source, installed, architecture)
    coder, checkpoint = loaded.coder, loaded.checkpoint
    given = _rows(rows, coder.dims.d_in) if rows else None
    metadata = checkpoint.config.get("metadata") or checkpoint.config
    _write(saved_files(coder, metadata.get("model_name"), metadata.get("hook_name")), dest)
    dims = coder.dims
    about = f"{coder.architecture.name}, d_in {dims.d_in}, d_sae {dims.d_sae}, d_out {dims.d_out}"
    click.echo(f"{dest}: {about}, from {checkpoint.form}, {checkpoint.source}")
    for change in checkpoint.changes or ("nothing was changed",):
        click.echo(f"  {one_line(change)}")
    if given is not None:
        click.echo(f"  {_agreement(coder, load_coder(dest, installed, coder.architecture.name).coder, given)}")


def _rows(path: Path, width: int) -> Tensor:
    import numpy
    import torch

    try:
        rows = numpy.load(path, allow_pickle=False)
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise UsageError(str(path), f"is no array of numbers: {str(error).splitlines()[0]}") from None
    if getattr(rows, "ndim", 0) != 2 or rows.shape[1] != width or not len(rows) or rows.dtype.kind not in "fiu":
        shape = getattr(rows, "shape", "none")
        raise UsageError(str(path), f"has shape {shape}, expected numbers in (rows, d_in) = (at least 1, {width})")
    found = torch.from_numpy(rows.astype("float32"))
    if not found.isfinite().all():
        raise UsageError(str(path), "has values that are not finite")
    return found


def _agreement(coder: Coder, again: Coder, rows: Tensor) -> str:
    """What the coder does on the rows, and how far its converted form, read from disk, is from it."""
    import torch

    with torch.no_grad():
        latents = coder.encode(rows)
        output = coder.reconstruct(rows, latents)
        other = again.encode(rows)
        gap = max(float((latents - other).abs().max()), float((output - again.reconstruct(rows, other)).abs().max()))
    l0 = float((latents != 0).sum(-1).float().mean())
    says = f"{len(rows)} rows: l0 {l0:.4g}; read again it differs by at most {gap:.3g}"
    if output.shape != rows.shape:
        return says
    left = (rows - output).square().sum() / (rows - rows.mean(0)).square().sum().clamp_min(1e-30)
    return f"{says}; explained variance {1 - float(left):.4f}"


def _write(files: Mapping[str, bytes], dest: Path) -> None:
    """The folder whole, or not at all."""
    partial = dest.with_name(f".{dest.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        for name, raw in files.items():
            (partial / name).write_bytes(raw)
        os.rename(partial, dest)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
