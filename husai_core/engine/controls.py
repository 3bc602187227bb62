"""Controls made real: made, fitted or trained for every seed of a condition, and written like any dictionary."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.control import FittedControl, KnownControl, ModelControl, TrainedControl
from husai_core.data_source import DataSource
from husai_core.engine import activations, trainer
from husai_core.engine.coders import ReadyCondition, read_params, subject_of, write_coder
from husai_core.engine.plan import Chosen, PlannedCondition
from husai_core.engine.sites import OtherModel, Perform, ReadySite
from husai_core.errors import UsageError, did_you_mean
from husai_core.model import Progress
from husai_core.sae import Coder
from husai_core.subject import ControlOf

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params

ROWS_WITHOUT_RECIPE = 16 * 1024  # training rows from which thresholds are set where no recipe says how many


def refuse_what_is_unknown(chosen: Sequence[Chosen], site: ReadySite) -> None:
    """Say before anything is trained that a control needs to know what the model of this site does not."""
    for control in chosen:
        for table in control.item.needs_tables if isinstance(control.item, KnownControl) else ():
            if table not in (known := site.known().tables):
                rule = f"the model '{site.planned.model.plugin.name}' gives no table '{table}'"
                step = f"leave this control out, or use a model that gives it; {did_you_mean(table, known)}"
                raise UsageError(f"control {control.plugin.name} at site {site.planned.name}", rule, step)


def make_control(
    control: Chosen,
    base: ReadyCondition,
    condition: PlannedCondition,
    site: ReadySite,
    perform: Perform,
    unfinished: Callable[[Any], Path],
) -> ReadyCondition:
    """The control of every seed of a condition."""
    name = f"{base.name}.{control.plugin.name}"
    key = {
        "work": "control",
        "name": name,  # the stream of every seed is derived from it
        "activations": dict(site.key),
        "base": dict(base.key),
        "control": control.describe(),
    }
    own = _own_model(control, site)
    rows = (own or site).rows("train")
    starts = _own_starts(base, own) if own else {coder.seed: coder.initial for coder in base.coders}
    learned = _learned_rows(control, site, own, perform)

    def work(folder: Path, progress: Progress) -> None:
        if learned:
            made = _train_again(base, condition, starts, learned, progress, unfinished(key))
        else:
            made = _make(control, base, name, site, rows)
        for coder in base.coders:
            params = made[coder.seed]
            _calibrate(control, coder, condition, params, rows)
            write_coder(dataclasses.replace(coder, params=params), site, folder / f"s{coder.seed}")
        unfinished(key).unlink(missing_ok=True)

    folder = perform(f"control {name}", key, work)
    coders = tuple(
        dataclasses.replace(c, params=read_params(c.architecture, folder / f"s{c.seed}"), initial=starts[c.seed])
        for c in base.coders
    )
    sources = dict(zip((c.seed for c in base.coders), condition.checkpoints, strict=False))
    found = activations.sources(f"{site.planned.name}.{control.plugin.name}", own.arrays) if own else {}
    made_of = ControlOf(control.plugin.name, base.name, _made_by(control, found))
    subjects = tuple(
        subject_of(coder, condition, site, folder, control.item.trained, sources.get(coder.seed), made_of)
        for coder in coders
    )
    return ReadyCondition(name, key, coders, subjects, folder, own, tuple(activations.data_of("test", found)))


def _made_by(control: Chosen, own: Mapping[str, DataSource]) -> Mapping[str, Any]:
    """Who made it and how it is set, whether it is one for all seeds, and which activations are its own."""
    about = {key: value for key, value in control.describe().items() if key != "name"}
    if control.item.deterministic:
        about["deterministic"] = True
    if own:
        about["activations"] = [source.to_json() for source in own.values()]
    return about


def _own_model(control: Chosen, site: ReadySite) -> OtherModel | None:
    """The control's own network, where it has one; every condition of the site has the same."""
    if not isinstance(control.item, ModelControl):
        return None
    return site.other(control.plugin.name, control.describe(), partial(control.item.alter, settings=control.settings))


def _own_starts(base: ReadyCondition, own: OtherModel) -> dict[int, Params]:
    """Where the base's seeds start from on other activations, whose mean a start may hold."""
    mean = own.rows("train", target=True).mean(0)
    return {c.seed: trainer.initial_params(c.architecture, c.settings, c.dims, c.seed, mean) for c in base.coders}


def _learned_rows(
    control: Chosen, site: ReadySite, own: OtherModel | None, perform: Perform
) -> tuple[Tensor, Tensor] | None:
    """What the base's recipe is run on again, if it is."""
    if own:
        return own.rows("train"), own.rows("train", target=True)
    return _new_rows(control, site, perform) if isinstance(control.item, TrainedControl) else None


def _new_rows(control: Chosen, site: ReadySite, perform: Perform) -> tuple[Tensor, Tensor]:
    """The rows that a trained control writes, one array or two; every condition of the site has the same."""
    key = {"work": "control rows", "activations": dict(site.key), "control": control.describe()}
    files = ["0.npy", "1.npy"][: len(site.arrays)]

    def work(folder: Path, progress: Progress) -> None:
        import numpy
        import torch
        from numpy.lib.format import open_memmap

        found = [activations.load(array["train"].path) for array in site.arrays]
        written: list[numpy.memmap[Any, Any]] = [
            open_memmap(folder / file, mode="w+", dtype="<f4", shape=tuple(rows.shape))  # type: ignore[no-untyped-call, unused-ignore]  # typed since NumPy 2
            for file, rows in zip(files, found, strict=True)
        ]
        new = [torch.from_numpy(array) for array in written]
        generator = torch.Generator().manual_seed(_derived_seed(control.plugin.name, 0))
        control.item.write_rows(found[0], found[-1], new[0], new[-1], control.settings, generator)
        for array in written:
            array.flush()

    folder = perform(f"rows of control {control.plugin.name} at {site.planned.name}", key, work)
    return activations.load(folder / files[0]), activations.load(folder / files[-1])


def _train_again(
    base: ReadyCondition,
    condition: PlannedCondition,
    starts: Mapping[int, Params | None],
    rows: tuple[Tensor, Tensor],
    progress: Progress,
    checkpoint: Path,
) -> dict[int, Params]:
    """All seeds of a condition by their own recipe, on other rows."""
    first = base.coders[0]
    known = {seed: start for seed, start in starts.items() if start is not None}
    assert condition.recipe is not None, "the plan refuses controls of pretrained coders that need a recipe"
    assert known.keys() == starts.keys(), "what was trained here has a start"
    return trainer.train(first.architecture, first.settings, known, *rows, condition.recipe, progress, checkpoint)


def _make(control: Chosen, base: ReadyCondition, name: str, site: ReadySite, rows: Tensor) -> dict[int, Params]:
    """What the plugin makes of every coder; a deterministic control is made once."""
    if not control.item.deterministic:
        return {coder.seed: _make_one(control, coder, name, site, rows) for coder in base.coders}
    one = _make_one(control, base.coders[0], name, site, rows)
    return {coder.seed: {name: value.clone() for name, value in one.items()} for coder in base.coders}


def _make_one(control: Chosen, coder: Coder, name: str, site: ReadySite, rows: Tensor) -> Params:
    """What the plugin makes of one coder."""
    import torch

    generator = torch.Generator().manual_seed(_derived_seed(name, coder.seed))
    if isinstance(control.item, FittedControl):
        params = control.item.fit(coder, rows, control.settings, generator)
    elif isinstance(control.item, KnownControl):
        params = control.item.reveal(coder, site.known().tables, rows, control.settings, generator)
    else:
        params = control.item.make(coder, control.settings, generator)
    return {name: value.clone() for name, value in params.items()}  # the base may share its tensors


def _calibrate(control: Chosen, coder: Coder, condition: PlannedCondition, params: Params, rows: Tensor) -> None:
    """Set inference thresholds on the rows that the control is measured on the like of."""
    import torch

    if condition.recipe:
        trainer.calibrate(coder.architecture, coder.settings, params, rows, condition.recipe)
    elif isinstance(control.item, FittedControl | KnownControl):
        with torch.no_grad():
            coder.architecture.calibrate(params, rows[:ROWS_WITHOUT_RECIPE], coder.settings)
    # else: a pretrained coder keeps the threshold that it came with, and so does what is made of it


def _derived_seed(name: str, seed: int) -> int:
    """A stream of its own for every control of every condition and seed."""
    return int.from_bytes(hashlib.sha256(f"{name}/{seed}".encode()).digest()[:6], "big")
