"""The trial of a benchmark: it is run on the stage as it is, and on stages that are spoilt in one way each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from husai_core.benchmark import Benchmark, Task
from husai_core.errors import Skipped as Inapplicable
from husai_core.evidence import Measurement
from husai_core.metric import Metric, MetricCard
from husai_core.model import Known
from husai_core.sae import Coder
from husai_core.settings import parse_settings
from husai_core.testing.benchmarks.listening import Listening
from husai_core.testing.benchmarks.stage import Stage
from husai_core.testing.contract import Broken, Skipped
from husai_core.testing.generators import changed_generators, fixed_generators
from husai_core.texts import TextSet

if TYPE_CHECKING:
    from torch import Tensor

    from husai_core.sae import Params

Values = Mapping[tuple[Any, ...], float]


@dataclass(frozen=True)
class Promises:
    """What a benchmark is known not to do, with the reason: the contract then asks no more of it.

    `needs`: what it cannot be run without and no contract has; nothing that it yields is looked at then.
    `indifferent`: metrics with a direction by which the good subject of this stage is not better than the bad one.
    `no_chance_here`: metrics whose chance level is not that of random directions, or of random labels.
    """

    needs: str = ""
    indifferent: Mapping[str, str] = field(default_factory=dict)
    no_chance_here: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """Of one run: what it was handed, before and after, whose global generators it changed, and its progress."""

    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    generators: Sequence[str]
    told: Sequence[float]


class Trial:
    """Every run gets copies and fixed global generators: a fault shows in its own check only."""

    def __init__(
        self,
        benchmark: Benchmark,
        table: Mapping[str, Any],
        make_stage: Callable[[], Stage],
        metrics: Iterable[Metric],
        promises: Promises,
    ) -> None:
        self.benchmark, self.table, self.make_stage, self.promises = benchmark, table, make_stage, promises
        self.metrics = {metric.name: metric for metric in metrics}

    @cached_property
    def settings(self) -> Any:
        return parse_settings(self.benchmark.Settings, self.table, "settings")

    @cached_property
    def stage(self) -> Stage:
        return self.make_stage()

    @property
    def cards(self) -> Mapping[str, MetricCard]:
        return {name: metric.card for name, metric in self.metrics.items()}

    @cached_property
    def reads_documents(self) -> bool:
        return bool(self.benchmark.reads(self.settings))

    @cached_property
    def outside(self) -> str:
        return self.benchmark.outside(self.settings)

    @cached_property
    def found(self) -> list[Measurement]:
        """What it yields on the stage as it is."""
        if self.outside:
            raise Skipped(f"it reaches outside this process, and a contract does not: {self.outside}")
        try:
            return self.run()
        except Inapplicable as why:
            raise Skipped(f"it does not apply to this stage: {why}; give `stage=` where it does") from why

    @cached_property
    def watched(self) -> Watched:
        """What one run changes, and what it tells."""
        self.found  # noqa: B018, skips where it does not apply
        known = self.stage.known
        labels, tables = ({n: v.clone() for n, v in part.items()} for part in (known.labels, known.tables))
        told: list[float] = []
        reader: Any = Listening(self.stage.reader) if self.stage.reader else None
        task = self.task(
            self.stage,
            known=lambda: Known(labels, tables),
            progress=lambda fraction, note: told.append(fraction),
            reader=reader,
        )
        before = {name: value.clone() for name, value in _tensors(task, labels, tables).items()}
        changed = changed_generators(lambda: list(self.benchmark.measure(task)))
        after = _tensors(task, labels, tables)
        for number, rows in enumerate(reader.handed if reader else ()):
            name = f"the activations of documents that were read, {number}"
            before[name], after[name] = reader.as_they_were[number], rows
        return Watched(before, after, changed, told)

    def run(self, stage: Stage | None = None, **changes: Any) -> list[Measurement]:
        """All measurements on a copy of a stage; `changes` are of the task."""
        task = self.task(stage or self.stage, **changes)
        with fixed_generators():
            return list(self.benchmark.measure(task))

    def task(self, stage: Stage, **changes: Any) -> Task:
        settings = changes.pop("settings", self.settings)
        known = Known(*({n: v.clone() for n, v in part.items()} for part in (stage.known.labels, stage.known.tables)))
        return dataclasses.replace(
            Task(
                site=stage.site,
                conditions={name: tuple(map(copied, coders)) for name, coders in stage.conditions.items()},
                test_in=(rows := stage.rows_in.clone()),
                test_out=rows if stage.rows_out is stage.rows_in else stage.rows_out.clone(),
                metrics=list(self.metrics.values()),
                settings=settings,
                progress=lambda fraction, note: None,
                known=lambda: known,
                texts=self.texts(stage, settings),
                reader=stage.reader,
            ),
            **changes,
        )

    def texts(self, stage: Stage, settings: Any) -> dict[str, TextSet]:
        return {name: stage.texts(name) for name in self.benchmark.reads(settings)}


def _tensors(task: Task, labels: dict[str, Tensor], tables: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {"test_in": task.test_in, "test_out": task.test_out}
    for condition, coders in task.conditions.items():
        for coder in coders:
            place = f"of {condition}, seed {coder.seed}"
            found |= {f"{name} {place}": value for name, value in coder.params.items()}
            found |= {f"initial {name} {place}": value for name, value in (coder.initial or {}).items()}
    for what, part in (("label", labels), ("table", tables)):
        found |= {f"the {what} {name}": value for name, value in part.items()}
    return found


def copied(coder: Coder) -> Coder:
    return dataclasses.replace(coder, params=_copied(coder.params), initial=coder.initial and _copied(coder.initial))


def _copied(params: Params) -> Params:
    return {name: value.clone() for name, value in params.items()}


def values_of(found: Sequence[Measurement]) -> Values:
    """Every observation by all that names it."""
    return {
        (m.condition, m.metric, *sorted(map(repr, m.setting.items())), *sorted(o.seeds), o.part): o.value
        for m in found
        for o in m.observations
    }


def must_agree(seen: Sequence[Measurement], expected: Sequence[Measurement], what: str, tolerance: float = 0.0) -> None:
    """Refuse values, or things measured, that differ between two runs."""
    one, other = values_of(expected), values_of(seen)
    if missing := sorted(map(str, one.keys() ^ other.keys())):
        raise Broken(f"{what}: only one of the two runs has {missing[0]}")
    for key, value in one.items():
        if _differ(value, other[key], tolerance):
            name = " ".join(str(part) for part in key if part != "")
            raise Broken(f"{what}: {name} is {value!r} in one run and {other[key]!r} in the other")


def _differ(value: Any, other: Any, tolerance: float) -> bool:
    """NaN is like NaN, and text is like itself: that they are no numbers is found out elsewhere."""
    if value == other or (value != value and other != other):
        return False
    numbers = isinstance(value, int | float) and isinstance(other, int | float)
    return not (numbers and abs(value - other) <= tolerance * max(1.0, abs(value)))
