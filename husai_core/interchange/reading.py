"""Reading a checkpoint of any known layout, and making a coder of it with an installed architecture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.errors import UsageError
from husai_core.interchange import dictionary_learning, sae_lens, sparsify
from husai_core.interchange.checkpoint import Checkpoint, Files
from husai_core.sae import Architecture, Coder, Dims
from husai_core.settings import parse_settings

if TYPE_CHECKING:
    from husai_core.sae import Params

LAYOUTS = {
    (sae_lens.CONFIG_FILE, sae_lens.WEIGHTS_FILE): sae_lens.read,
    (dictionary_learning.CONFIG_FILE, dictionary_learning.WEIGHTS_FILE): dictionary_learning.read,
    (sparsify.CONFIG_FILE, sparsify.WEIGHTS_FILE): sparsify.read,
}


@dataclass(frozen=True)
class Loaded:
    """A coder from a checkpoint; `stated` has the settings that the checkpoint states, and no defaults."""

    coder: Coder
    stated: Mapping[str, Any]
    checkpoint: Checkpoint


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a folder, or the one that a `.pt` file belongs to."""
    folder = path if path.suffix != ".pt" or path.is_dir() else path.parent
    if folder is not path and path.name != dictionary_learning.WEIGHTS_FILE:
        rule = f"a lone .pt file is read as dictionary_learning's '{dictionary_learning.WEIGHTS_FILE}' only"
        raise UsageError(str(path), rule, "give the folder of a checkpoint")
    if not folder.is_dir():
        raise UsageError(str(path), "there is no checkpoint here", "give the folder of a checkpoint")
    fitting = {weights: read for (_, weights), read in LAYOUTS.items() if (folder / weights).is_file()}
    if folder is not path:
        fitting = {name: read for name, read in fitting.items() if name == path.name}
    if len(fitting) != 1:
        rule = f"holds {' and '.join(fitting) or 'no weights'} where one checkpoint is wanted"
        layouts = ", ".join(f"{config} + {weights}" for config, weights in LAYOUTS)
        raise UsageError(str(path), rule, f"known layouts: {layouts}")
    (read,) = fitting.values()
    return read(Files(folder))


def load_coder(path: Path, architectures: Iterable[Architecture], named: str | None = None, seed: int = 0) -> Loaded:
    """The coder of a checkpoint. It knows no initial weights: nobody can tell from it where its training began."""
    checkpoint = read_checkpoint(path)
    architecture = _claimant(checkpoint, list(architectures), named)
    config = checkpoint.config
    dims = Dims(config["d_in"], config["d_sae"], config.get("d_out", config["d_in"]))
    try:
        stated, params = sae_lens.understood(architecture, config, dict(checkpoint.tensors))
    except KeyError as error:
        rule = f"the architecture '{architecture.name}' needs {error}, which is missing"
        raise UsageError(checkpoint.place, rule, "take the files that the library wrote") from None
    except ValueError as error:
        raise UsageError(checkpoint.place, str(error)) from None
    settings = parse_settings(architecture.Settings, stated, f"{checkpoint.place} $")
    coder = Coder(architecture, settings, dims, seed, params, None)
    _refuse_other_parameters(coder, checkpoint.place)
    _refuse_a_loss(coder, stated, checkpoint)
    _refuse_nonsense(coder, checkpoint.place)
    return Loaded(coder, stated, checkpoint)


def _claimant(checkpoint: Checkpoint, architectures: list[Architecture], named: str | None) -> Architecture:
    """The one architecture that reads this family, or the one that was asked for among several."""
    family, place = checkpoint.config["architecture"], f"{checkpoint.place} $.architecture"
    readable = {name for a in architectures for name in _families(a)}
    found = [a for a in architectures if family in _families(a) and named in (None, a.name)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(a.name for a in found))
        raise UsageError(place, f"'{family}' is read by several architectures: {names}", "name one of them")
    if named and family in readable:
        names = ", ".join(sorted(a.name for a in architectures if family in _families(a)))
        raise UsageError(place, f"'{family}' is not read by the architecture '{named}'", f"it is by: {names}")
    rule = f"no installed architecture reads '{family}'"
    raise UsageError(place, rule, f"readable: {', '.join(sorted(readable)) or 'nothing'}")


def _families(architecture: Architecture) -> tuple[str, ...]:
    """The values of `architecture` that it reads; its own name is for where SAELens has none."""
    return (*architecture.sae_lens_names, sae_lens.own_name(architecture))


def _refuse_other_parameters(coder: Coder, place: str) -> None:
    """The parameters are those that the architecture itself begins with: a surplus one would do nothing unseen."""
    import torch

    architecture, dims = coder.architecture, coder.dims
    try:
        mean = torch.zeros(dims.d_out)
        own = architecture.initialise(dims, coder.settings, torch.Generator().manual_seed(0), mean)
    except ValueError as error:
        raise UsageError(place, str(error)) from None
    for name in sorted(own.keys() ^ coder.params.keys()):
        has = "needs" if name in own else "has no place for"
        raise UsageError(place, f"the architecture '{architecture.name}' {has} the tensor '{name}'")
    for name, tensor in sorted(coder.params.items()):
        if tensor.shape != own[name].shape:
            rule = f"{name} has shape {tuple(tensor.shape)}, '{architecture.name}' has {tuple(own[name].shape)}"
            raise UsageError(place, rule)


def _refuse_a_loss(coder: Coder, stated: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """What was read is written again: a tensor or a key that does not come back was not understood."""
    keys, tensors = coder.architecture.to_sae_lens(coder.params, coder.settings)
    config, place = checkpoint.config, checkpoint.place
    if checkpoint.form == sae_lens.FORM and "metadata" in config:  # without it, it is older and holds the whole run
        for key in sorted(config.keys() - sae_lens.KNOWN_KEYS - keys.keys() - stated.keys()):
            rule = f"unknown key, and the architecture '{coder.architecture.name}' does not read it"
            raise UsageError(f"{place} $.{key}", rule, "remove it where it changes neither encode nor decode")
    for name in sorted(checkpoint.tensors.keys() - tensors.keys() - sae_lens.AXES.keys()):
        raise UsageError(place, f"the architecture '{coder.architecture.name}' has no place for the tensor '{name}'")
    if keys.get("architecture", sae_lens.own_name(coder.architecture)) != config["architecture"]:
        return  # a training form, which is written again as what it is at inference
    for key, value in keys.items():
        if key in config and key != "metadata" and config[key] != value:
            rule = f"the architecture '{coder.architecture.name}' has no {key} = {config[key]!r}, only {value!r}"
            raise UsageError(f"{place} $.{key}", rule)
    _refuse_other_tensors(checkpoint.tensors, tensors, coder, place)


def _refuse_other_tensors(stored: Params, written: Params, coder: Coder, place: str) -> None:
    for name in sorted(stored.keys() ^ written.keys()):
        has = "has no place for" if name in stored else "needs"
        raise UsageError(place, f"the architecture '{coder.architecture.name}' {has} the tensor '{name}'")
    for name, tensor in written.items():
        if tensor.shape != stored[name].shape or not tensor.allclose(stored[name], rtol=1e-5, atol=1e-7):
            rule = f"the architecture '{coder.architecture.name}' cannot represent these values of {name}"
            raise UsageError(place, rule)


def _refuse_nonsense(coder: Coder, place: str) -> None:
    """Two rows through the whole coder: shapes that fit, values that are finite."""
    import torch

    rows = torch.stack([torch.zeros(coder.dims.d_in), torch.ones(coder.dims.d_in)])
    try:
        with torch.no_grad():
            latents = coder.encode(rows)
            output = coder.reconstruct(rows, latents)
            coder.dictionary()
    except (RuntimeError, LookupError, ValueError) as error:
        first = str(error).splitlines()[0]
        rule = f"the architecture '{coder.architecture.name}' cannot compute with it: {type(error).__name__}: {first}"
        raise UsageError(place, rule) from None
    expected = (2, coder.dims.d_sae), (2, coder.dims.d_out)
    if (tuple(latents.shape), tuple(output.shape)) != expected:
        raise UsageError(place, f"latents and output have shapes {latents.shape} and {output.shape}, not {expected}")
    if not (latents.isfinite().all() and output.isfinite().all()):
        raise UsageError(place, "its output is not finite on rows of ones", "take an earlier checkpoint")
