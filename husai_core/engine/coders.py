"""Conditions made real: trained or loaded dictionaries, each seed a subject with the digest of its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import interchange, strict_json
from husai_core.data_source import DataSource
from husai_core.engine import trainer
from husai_core.engine.plan import Chosen, PlannedCheckpoint, PlannedCondition, recipe_table
from husai_core.engine.sites import OtherModel, Perform, ReadySite
from husai_core.errors import EvaluationError, UsageError
from husai_core.model import Progress
from husai_core.sae import Architecture, Coder, Dims
from husai_core.site import hooks_of
from husai_core.study import Recipe
from husai_core.subject import ControlOf, Subject

if TYPE_CHECKING:
    from husai_core.sae import Params


@dataclass(frozen=True)
class ReadyCondition:
    """All seeds of one condition or of one control of it, as coders and as subjects."""

    name: str
    key: Mapping[str, Any]
    coders: tuple[Coder, ...]
    subjects: tuple[Subject, ...]
    folder: Path
    own: OtherModel | None = None  # the model it belongs to, where that is not the site's
    own_test_sources: tuple[DataSource, ...] = ()

    @property
    def control(self) -> str | None:
        """The control that made it, if one did."""
        made = self.subjects[0].control
        return made.name if made else None


def ready_condition(
    condition: PlannedCondition,
    seeds: tuple[int, ...],
    site: ReadySite,
    perform: Perform,
    unfinished: Callable[[Any], Path],
) -> ReadyCondition:
    """The dictionaries of one condition: trained here, or read from checkpoints."""
    if condition.checkpoints:
        return load_condition(condition, seeds, site, perform)
    return train_condition(condition, seeds, site, perform, unfinished)


def train_condition(
    condition: PlannedCondition,
    seeds: tuple[int, ...],
    site: ReadySite,
    perform: Perform,
    unfinished: Callable[[Any], Path],
) -> ReadyCondition:
    """The dictionaries of one condition, one per seed, trained together unless the cache has them."""
    recipe = condition.recipe
    assert recipe is not None, "a condition without checkpoints is trained, and says how"
    key = {
        "work": "training",
        "activations": dict(site.key),
        "architecture": condition.architecture.describe(),
        "d_sae": condition.d_sae,
        "seeds": list(seeds),
        "recipe": recipe_table(recipe),
    }
    rows_in, rows_out = site.rows("train"), site.rows("train", target=True)
    dims = Dims(rows_in.shape[-1], condition.d_sae, rows_out.shape[-1])
    architecture, settings = condition.architecture.item, condition.architecture.settings
    mean = rows_out.mean(0)
    starts = {s: trainer.initial_params(architecture, settings, dims, s, mean) for s in seeds}

    def work(folder: Path, progress: Progress) -> None:
        checkpoint = unfinished(key)
        trained = trainer.train(architecture, settings, starts, rows_in, rows_out, recipe, progress, checkpoint)
        for seed, params in trained.items():
            coder = Coder(architecture, settings, dims, seed, params, starts[seed])
            write_coder(coder, site, folder / f"s{seed}")
        checkpoint.unlink(missing_ok=True)

    folder = perform(f"train {condition.name}", key, work)
    coders = tuple(
        Coder(architecture, settings, dims, seed, read_params(architecture, folder / f"s{seed}"), starts[seed])
        for seed in seeds
    )
    return ReadyCondition(
        condition.name,
        key,
        coders,
        tuple(subject_of(coder, condition, site, folder, trained=True) for coder in coders),
        folder,
    )


def load_condition(
    condition: PlannedCondition, seeds: tuple[int, ...], site: ReadySite, perform: Perform
) -> ReadyCondition:
    """The dictionaries of one condition from its checkpoints, one per seed, in SAELens's layout."""
    planned = dict(zip(seeds, condition.checkpoints, strict=True))
    dims = condition.checkpoints[0].dims
    _refuse_other_width(condition, site, dims)
    key = {
        "work": "pretrained",
        "architecture": condition.architecture.describe(),
        "sources": {str(seed): [checkpoint.form, checkpoint.source] for seed, checkpoint in planned.items()},
        "saved_for": [site.planned.model.plugin.name, site.planned.hook_in],
    }
    architecture, settings = condition.architecture.item, condition.architecture.settings

    def work(folder: Path, progress: Progress) -> None:
        for number, (seed, checkpoint) in enumerate(planned.items()):
            progress(number / len(planned), f"seed {seed}")
            loaded = interchange.load_coder(checkpoint.folder, [architecture], seed=seed)
            if loaded.checkpoint.source != checkpoint.source:
                rule = "its files changed after the study was planned"
                raise EvaluationError(str(checkpoint.folder), rule, "run the study again when nothing writes there")
            write_coder(loaded.coder, site, folder / f"s{seed}")

    folder = perform(f"load {condition.name}", key, work)
    coders = tuple(
        Coder(architecture, settings, dims, seed, read_params(architecture, folder / f"s{seed}"), None)
        for seed in seeds
    )
    subjects = tuple(
        subject_of(coder, condition, site, folder, trained=True, checkpoint=planned[coder.seed]) for coder in coders
    )
    return ReadyCondition(condition.name, key, coders, subjects, folder)


def _refuse_other_width(condition: PlannedCondition, site: ReadySite, dims: Dims) -> None:
    found = site.rows("train").shape[-1], site.rows("train", target=True).shape[-1]
    if (dims.d_in, dims.d_out) != found:
        rule = f"it reads {dims.d_in} and writes {dims.d_out} values, the site has {found[0]} and {found[1]}"
        next_step = f"choose the site it was trained at; this one is {site.planned.hook_in}"
        raise UsageError(f"pretrained dictionary {condition.name}", rule, next_step)


def subject_of(
    coder: Coder,
    condition: PlannedCondition,
    site: ReadySite,
    folder: Path,
    trained: bool,
    checkpoint: PlannedCheckpoint | None = None,
    control: ControlOf | None = None,
) -> Subject:
    """The document of one coder whose files are in a folder of that work."""
    name = f"{condition.name}.{control.name}" if control else condition.name
    return Subject(
        name=f"{name}.s{coder.seed}",
        condition=name,
        role="control" if control else condition.role,
        site=site.planned.name,
        site_digest=site.digest,
        architecture=_architecture_table(condition.architecture),
        dims=vars(coder.dims),
        seed=coder.seed,
        budget=_pretrained_budget(checkpoint) if checkpoint else _budget(condition.recipe, trained),
        weights=strict_json.digest((folder / f"s{coder.seed}" / interchange.WEIGHTS_FILE).read_bytes()),
        control=control,
    )


def _architecture_table(chosen: Chosen) -> dict[str, Any]:
    """Who made it, with which settings, and whether it chooses what it reconstructs."""
    table = chosen.describe()
    return {**table, "own_target": True} if chosen.item.traits.own_target else table


def _budget(recipe: Recipe | None, trained: bool) -> dict[str, Any]:
    assert recipe is not None, "what was trained here has a recipe"
    steps, joint = recipe.steps if trained else 0, trained and recipe.agreement > 0
    budget = {
        "steps": steps,
        "batch_size": recipe.batch_size,
        "rows_seen": steps * recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "data_order_seed": recipe.data_order_seed,
        "agreement": 0.0,
        "decay_share": recipe.decay_share,
    }
    return budget | {"agreement": recipe.agreement, "match_every": recipe.match_every} if joint else budget


def _pretrained_budget(checkpoint: PlannedCheckpoint) -> dict[str, Any]:
    """What is known of a training that nobody here saw: which files hold its result, and how they were read."""
    return {
        "pretrained": True,
        "format": checkpoint.form,
        "source": checkpoint.source,
        "changes": list(checkpoint.changes),
    }


def write_coder(coder: Coder, site: ReadySite, folder: Path) -> None:
    """The files of a coder, in the layout of SAELens."""
    folder.mkdir()
    planned = site.planned
    for name, raw in interchange.saved_files(
        coder, planned.model.plugin.name, ",".join(hooks_of(planned.hook_in))
    ).items():
        (folder / name).write_bytes(raw)


def read_params(architecture: Architecture, folder: Path) -> Params:
    """The parameters that `write_coder` wrote."""
    names = (interchange.CONFIG_FILE, interchange.WEIGHTS_FILE)
    return interchange.read_params(architecture, {name: (folder / name).read_bytes() for name in names})
