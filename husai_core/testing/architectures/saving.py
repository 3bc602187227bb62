"""Saving: what comes back from disk, here and in SAELens, is the coder that was written."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from husai_core import strict_json
from husai_core.interchange import CONFIG_FILE, read_params, read_weights, saved_files
from husai_core.sae import Coder
from husai_core.settings import parse_settings
from husai_core.testing.architectures.trial import Trial, copied
from husai_core.testing.comparison import must_be_close, must_be_same
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.generators import fixed_global_generator

if TYPE_CHECKING:
    from husai_core.sae import Params


def _files(trial: Trial, params: Params) -> dict[str, bytes]:
    params = copied(params)
    coder = Coder(trial.architecture, trial.settings, trial.dims, 0, params, params)
    return saved_files(coder, "model", "hook")


@check(after=("shapes", "project_in_place", "deterministic"))
def save_and_load(trial: Trial) -> None:
    """A coder written and read back encodes and reconstructs the same, and writing it changes nothing in it."""
    x = trial.rows[0][:64]
    for stage, params in trial.states():
        kept = copied(params)
        files = _files(trial, params)
        read = read_params(trial.architecture, files)
        for name, value in params.items():
            must_be_same(value, kept[name], f"writing changes {name}")
        must_be_close(trial.encode(read, x), trial.encode(params, x), 1e-6, f"encode after loading, with {stage},")
        must_be_close(
            trial.reconstruct(read, x), trial.reconstruct(params, x), 1e-6, f"reconstruct after loading, with {stage},"
        )
        must_be_close(read["W_dec"], params["W_dec"], 1e-6, f"W_dec after loading, with {stage},")


@check(after=("save_and_load",))
def settings_restored(trial: Trial) -> None:
    """An architecture that reads SAELens files gets back from its own the settings under which it encodes the same."""
    if not trial.architecture.sae_lens_names:
        raise Skipped("it names no SAELens family that it reads (sae_lens_names)")
    x, params = trial.rows[0][:64], trial.moved[0]
    if not trial.architecture.to_sae_lens(copied(params), trial.settings)[0]:
        raise Skipped("SAELens has no such family at these widths (to_sae_lens gives no keys)")
    files = _files(trial, params)
    config = strict_json.parse(files[CONFIG_FILE], CONFIG_FILE)
    table, read = trial.architecture.from_sae_lens(config, read_weights(files["sae_weights.safetensors"]))
    settings = parse_settings(trial.architecture.Settings, table, "settings from cfg.json")
    restored = Trial(trial.architecture, trial.table, trial.dims)
    restored.settings = settings
    must_be_close(restored.encode(read, x), trial.encode(params, x), 1e-6, f"encode under the restored {table}")


@check(after=("save_and_load",))
def loads_in_sae_lens(trial: Trial) -> None:
    """Where `to_sae_lens` gives the keys of a SAELens family, SAELens loads the files and computes the same."""
    keys, _ = trial.architecture.to_sae_lens(copied(trial.moved[0]), trial.settings)
    if not keys:
        if trial.architecture.sae_lens_names and trial.dims.d_in == trial.dims.d_out:
            raise Broken("sae_lens_names says that it reads SAELens files, but to_sae_lens writes none")
        raise Skipped("SAELens has no such family (to_sae_lens gives no keys)")
    if importlib.util.find_spec("sae_lens") is None:
        raise Skipped("needs 'sae_lens', which is not installed: pip install 'husai[bench]'")
    for stage, params in trial.states():
        _must_load(trial, params, stage)


def _must_load(trial: Trial, params: Params, stage: str) -> None:
    import torch
    from sae_lens import SAE

    with tempfile.TemporaryDirectory() as folder:
        for name, raw in _files(trial, params).items():
            (Path(folder) / name).write_bytes(raw)
        with fixed_global_generator():
            theirs = SAE.load_from_disk(folder)
    x = trial.rows[0][:64]
    latents = trial.encode(params, x)
    with torch.no_grad():
        must_be_close(theirs.encode(x), latents, 1e-5, f"encode in SAELens, with {stage},")
        must_be_close(theirs.decode(latents), trial.decode(params, latents), 1e-5, f"decode in SAELens, with {stage},")
        must_be_close(theirs(x), trial.reconstruct(params, x), 1e-5, f"the output of SAELens, with {stage},")


CHECKS = (save_and_load, settings_restored, loads_in_sae_lens)
