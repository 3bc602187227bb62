"""Benchmarks: measure a group of subjects in one pass and yield raw observations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from husai_core.errors import Skipped, did_you_mean
from husai_core.evidence import Measurement
from husai_core.external import External
from husai_core.metric import Metric
from husai_core.model import Corpus, Known, Network, Progress
from husai_core.need import Need
from husai_core.sae import Coder
from husai_core.site import Site
from husai_core.texts import TextSet
from husai_core.transcript import Exchange

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Benchmark", "Read", "Reader", "Task"]

M = TypeVar("M", bound=Metric)
T = TypeVar("T")


@dataclass(frozen=True)
class Read:
    """What a site showed while the model read some documents. Rows lie on disk; take only those of a span."""

    rows_in: Tensor  # (rows, d_in), memory-mapped
    rows_out: Tensor  # (rows, d_out)
    spans: Sequence[tuple[int, int]]  # by document: its first row, and the row after its last
    tokens: Sequence[Sequence[int]]  # by document: the token at each of its rows


class Reader(Protocol):
    """The model under a site, as far as a benchmark may use it."""

    @property
    def predicts_next(self) -> bool:
        """Whether the network predicts, at each position of the corpus, the token after it."""

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: Progress) -> Read:
        """The activations while reading at most `limit` tokens of each document, BOS included but never read."""

    def tokens(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Each document as the model reads it: BOS, then at most `limit - 1` tokens."""

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The text of each of these runs of tokens."""

    def network(self) -> Network:
        """The whole network, every layer of it."""

    def corpus(self) -> Corpus:
        """The token rows behind the activations of the site."""

    def folder(self) -> Path:
        """Where the network lies as it was prepared, for a program that is handed it; skipped where it does not."""


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
    texts: Mapping[str, TextSet] = field(default_factory=dict)  # those that `Benchmark.reads` named
    reader: Reader | None = None
    kept: Callable[[str, Callable[[], Any]], Any] = lambda name, work: work()
    own: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)  # test rows that are not the site's
    own_readers: Mapping[str, Reader] = field(default_factory=dict)  # of the conditions that have such rows
    recalled: Callable[[Any, Callable[[], Any]], Any] = lambda about, work: work()
    transcript: list[Exchange] = field(default_factory=list)  # what was asked of a language model goes in here
    external: list[External] = field(default_factory=list)  # one, where another program measured: its files go in here

    def own_rows(self, condition: str) -> tuple[Tensor, Tensor]:
        """The test rows that a condition belongs to, read and to be written: its own network's, else the site's.

        They are of the same tokens in the same order, so what is known of a row holds for both.
        """
        return self.own.get(condition, (self.test_in, self.test_out))

    def own_model(self, condition: str) -> Reader:
        """The model that a condition belongs to: its own network, else the one under the site."""
        return self.own_readers.get(condition) or self.model

    def read(self, texts: Sequence[str], limit: int = 128, *, last: bool = False, condition: str = "") -> Read:
        """Activations of every token of these documents, or of the last alone; read once for all who ask for them.

        Of the model under the site, or of the one that a condition belongs to.
        """
        return self.own_model(condition).read(texts, limit, last=last, progress=self.progress)

    def remember(self, name: str, work: Callable[[], T]) -> T:
        """The result of a part of the work, which must be plain JSON: done once, also when the run is killed after it.

        `name` tells it from the other parts of the same task.
        """
        found: T = self.kept(name, work)
        return found

    def recall(self, about: Any, work: Callable[[], T]) -> T:
        """The result of work that depends on nothing but `about`, both plain JSON: done once, whichever run asks.

        For what is dear or cannot be repeated, such as the answer of a language model to a prompt.
        """
        found: T = self.recalled(about, work)
        return found

    @property
    def model(self) -> Reader:
        """The model under the site; the benchmark is skipped where there is none to ask."""
        if self.reader is None:
            raise Skipped(f"site {self.site.name}", "there is no model to ask", "give the task a reader")
        return self.reader

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

    def reads(self, settings: Any) -> Sequence[str]:
        """The text sets it needs beside the test rows of the site, each named `source:part`."""
        return ()

    def needs(self, settings: Any) -> Sequence[Need]:
        """What these settings make it need here beside `requires` and the texts that it reads; asked before any work.

        Found out in a moment, with nothing heavy imported: 'husai doctor' asks, and `require` holds a run to it.
        """
        return ()

    def outside(self, settings: Any) -> str:
        """What these settings make it start or ask outside this process: a program, a server. Empty for nothing.

        An auditor runs it again by settings that somebody else wrote; what reaches out is then left out.
        """
        return ""

    @abstractmethod
    def measure(self, task: Task) -> Iterator[Measurement]:
        """One measurement per condition, metric and setting; each observation a finite value of one unit.

        Raise `Skipped` where it does not apply; a library that cannot be imported is turned into that.
        """
