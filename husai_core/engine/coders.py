"""Conditions made real: trained dictionaries and their controls, each seed a subject with the digest of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core import interchange, strict_json
from husai_core.engine import trainer
from husai_core.engine.plan import Chosen, PlannedCondition, recipe_table
from husai_core.engine.sites import Perform, ReadySite
from husai_core.model import Progress
from husai_core.sae import Architecture, Coder, Dims
from husai_core.subject import ControlOf, Subject


@dataclass(frozen=True)
class ReadyCondition:
    """All seeds of one condition or of one control of it, as coders and as subjects."""

    name: str
    key: Mapping[str, Any]
    coders: tuple[Coder, ...]
    subjects: tuple[Subject, ...]
    folder: Path


def train_condition(
    condition: PlannedCondition, seeds: tuple[int, ...], site: ReadySite, perform: Perform
) -> ReadyCondition:
    """The dictionaries of one condition, one per seed, trained together unless the cache has them."""
    key = {
        "work": "training",
        "activations": dict(site.key),
        "architecture": condition.architecture.describe(),
        "d_sae": condition.d_sae,
        "seeds": list(seeds),
        "recipe": recipe_table(condition.recipe),
    }
    rows_in, rows_out = site.rows("train"), site.rows("train", target=True)
    dims = Dims(rows_in.shape[-1], condition.d_sae, rows_out.shape[-1])
    architecture, settings = condition.architecture.item, condition.architecture.settings
    mean = rows_out.mean(0)
    starts = {s: trainer.initial_params(architecture, settings, dims, s, mean) for s in seeds}

    def work(folder: Path, progress: Progress) -> None:
        recipe = condition.recipe
        trained = trainer.train(architecture, settings, starts, rows_in, rows_out, recipe, progress)
        for seed, params in trained.items():
            coder = Coder(architecture, settings, dims, seed, params, starts[seed])
            _write(coder, site, folder / f"s{seed}")

    folder = perform(f"train {condition.name}", key, work)
    coders = tuple(
        Coder(architecture, settings, dims, seed, _read(architecture, folder / f"s{seed}"), starts[seed])
        for seed in seeds
    )
    return ReadyCondition(
        condition.name,
        key,
        coders,
        tuple(_subject(coder, condition, site, folder, condition.recipe.steps) for coder in coders),
        folder,
    )


def make_control(
    control: Chosen, base: ReadyCondition, condition: PlannedCondition, site: ReadySite, perform: Perform
) -> ReadyCondition:
    """The control of every seed of a condition."""
    name = f"{base.name}.{control.plugin.name}"
    key = {"work": "control", "base": dict(base.key), "control": control.describe()}

    def work(folder: Path, progress: Progress) -> None:
        import torch

        for coder in base.coders:
            generator = torch.Generator().manual_seed(_derived_seed(name, coder.seed))
            params = control.item.make(coder, control.settings, generator)
            made = Coder(coder.architecture, coder.settings, coder.dims, coder.seed, params, coder.initial)
            _write(made, site, folder / f"s{coder.seed}")

    folder = perform(f"control {name}", key, work)
    coders = tuple(
        Coder(c.architecture, c.settings, c.dims, c.seed, _read(c.architecture, folder / f"s{c.seed}"), c.initial)
        for c in base.coders
    )
    made_by = {key: value for key, value in control.describe().items() if key != "name"}
    made_of = ControlOf(control.plugin.name, base.name, made_by)
    steps = condition.recipe.steps if control.item.trained else 0
    return ReadyCondition(
        name,
        key,
        coders,
        tuple(_subject(coder, condition, site, folder, steps, made_of) for coder in coders),
        folder,
    )


def _subject(
    coder: Coder,
    condition: PlannedCondition,
    site: ReadySite,
    folder: Path,
    steps: int,
    control: ControlOf | None = None,
) -> Subject:
    recipe = condition.recipe
    name = f"{condition.name}.{control.name}" if control else condition.name
    return Subject(
        name=f"{name}.s{coder.seed}",
        condition=name,
        role="control" if control else condition.role,
        site=site.planned.name,
        site_digest=site.digest,
        architecture=condition.architecture.describe(),
        dims=vars(coder.dims),
        seed=coder.seed,
        budget={
            "steps": steps,
            "batch_size": recipe.batch_size,
            "rows_seen": steps * recipe.batch_size,
            "learning_rate": recipe.learning_rate,
            "data_order_seed": recipe.data_order_seed,
        },
        weights=strict_json.digest((folder / f"s{coder.seed}" / interchange.WEIGHTS_FILE).read_bytes()),
        control=control,
    )


def _write(coder: Coder, site: ReadySite, folder: Path) -> None:
    folder.mkdir()
    planned = site.planned
    for name, raw in interchange.saved_files(coder, planned.model.plugin.name, planned.hook_in).items():
        (folder / name).write_bytes(raw)


def _read(architecture: Architecture, folder: Path) -> Any:
    names = (interchange.CONFIG_FILE, interchange.WEIGHTS_FILE)
    return interchange.read_params(architecture, {name: (folder / name).read_bytes() for name in names})


def _derived_seed(name: str, seed: int) -> int:
    """A stream of its own for every control of every condition and seed."""
    return int.from_bytes(hashlib.sha256(f"{name}/{seed}".encode()).digest()[:6], "big")
