"""Benchmarks: measure a group of subjects in one pass and yield raw observations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from husai_core.errors import Skipped, did_you_mean
from husai_core.evidence import Measurement
from husai_core.metric import Metric
from husai_core.model import Known, Progress
from husai_core.sae import Coder
from husai_core.site import Site

if TYPE_CHECKING:
    from torch import Tensor

M = TypeVar("M", bound=Metric)


@dataclass(frozen=True)
class Task:
    """All a benchmark may look at: the coders at one site by condition, held-out rows, metrics, its settings."""

    site: Site
    conditions: Mapping[str, Sequence[Coder]]
    test_in: Tensor  # (rows, d_in), held out from training
    test_out: Tensor  # (rows, d_out)
    metrics: Sequence[Metric]
    settings: Any
    progress: Progress
    known: Callable[[], Known] = Known  # what the model knows of the test rows; asked only by who needs it
    own: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)  # test rows that are not the site's

    def own_rows(self, condition: str) -> tuple[Tensor, Tensor]:
        """The test rows that a condition belongs to, read and to be written: its own network's, else the site's.

        They are of the same tokens in the same order, so what is known of a row holds for both.
        """
        return self.own.get(condition, (self.test_in, self.test_out))

    def label(self, name: str) -> Tensor:
        """What the model knows of each test row under this name; the benchmark is skipped where it knows nothing."""
        return self._ask("label", self.known().labels, name)

    def table(self, name: str) -> Tensor:
        """What the model knows of itself under this name; the benchmark is skipped where it knows nothing."""
        return self._ask("table", self.known().tables, name)

    def _ask(self, kind: str, found: Mapping[str, Tensor], name: str) -> Tensor:
        if name not in found:
            rule = f"the model '{self.site.model}' gives no {kind} '{name}'"
            raise Skipped(f"site {self.site.name}", rule, f"use a model that does; {did_you_mean(name, found)}")
        return found[name]

    def metrics_of_kind(self, kind: type[M]) -> list[M]:
        """The installed metrics of one kind, in the order of their names."""
        return [m for m in self.metrics if isinstance(m, kind)]


class Benchmark(ABC):
    """Measures every condition it is handed, in one pass over model and data."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    requires: ClassVar[Sequence[str]] = ("torch",)
    Settings: ClassVar[type]

    @abstractmethod
    def measure(self, task: Task) -> Iterator[Measurement]:
        """One measurement per condition, metric and setting; each observation a finite value of one unit.

        Raise `Skipped` where it does not apply; a library that cannot be imported is turned into that.
        """
