"""Benchmarks run: measurements checked as they arrive, and what did not complete recorded with its reason."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from husai_core import strict_json
from husai_core.benchmark import Task
from husai_core.data_source import DataSource
from husai_core.engine.coders import ReadyCondition
from husai_core.engine.kept import KeptParts
from husai_core.engine.library import Library
from husai_core.engine.plan import Chosen
from husai_core.engine.sites import Perform, ReadySite
from husai_core.errors import EvaluationError, HusaiError, Skipped, one_line
from husai_core.evidence import Measurement, Outcome, evidence_document
from husai_core.fault import last_line
from husai_core.metric import MetricCard
from husai_core.model import Progress
from husai_core.plugins import Plugin, install_command
from husai_core.site import Site
from husai_core.texts import TextSet
from husai_core.transcript import transcript_document

DOCUMENT, TRANSCRIPT, EXTERNAL = "evidence.json", "transcript.json", "external"
Recall = Callable[[Any, Callable[[], Any]], Any]


@dataclass(frozen=True)
class Measured:
    """The evidence of one benchmark at one site, what was asked of a language model, what another program wrote."""

    evidence: bytes
    outcome: Outcome
    transcript: bytes | None = None
    external: Mapping[str, bytes] = field(default_factory=dict)  # the files of another program, by name


def measure(
    benchmark: Chosen,
    site: ReadySite,
    conditions: Sequence[ReadyCondition],
    metrics: Sequence[Plugin],
    library: Library,
    perform: Perform,
    unfinished: Callable[[Any], Path],
    recall: Recall,
) -> Measured:
    """The evidence of one benchmark at one site. What did not complete is written down, not cached.

    The next run tries it again.
    """
    work = _Work(benchmark, site, conditions, metrics)
    try:
        asked = benchmark.item.reads(benchmark.settings)
        work.texts = {name: library.read(name) for group in asked for name in library.members(group)}
        key = work.depends_on()
        folder = perform(
            f"{benchmark.plugin.name} at {site.planned.name}",
            key,
            lambda folder, progress: work.do(folder, progress, unfinished(key), recall),
        )
    except Exception as error:
        outcome = _incomplete(error, work)
        return Measured(work.document(outcome, []), outcome)
    transcript = folder / TRANSCRIPT
    return Measured(
        (folder / DOCUMENT).read_bytes(),
        Outcome("completed"),
        transcript.read_bytes() if transcript.exists() else None,
        {file.name: file.read_bytes() for file in sorted((folder / EXTERNAL).glob("*"))},
    )


@dataclass
class _Work:
    """One benchmark at one site: what its result depends on, how it is done, and the document about it."""

    benchmark: Chosen
    site: ReadySite
    conditions: Sequence[ReadyCondition]
    metrics: Sequence[Plugin]
    texts: Mapping[str, TextSet] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"benchmark {self.benchmark.plugin.name}"

    @property
    def modules(self) -> Sequence[str]:
        """The modules of the plugins that take part, in which an author looks for a mistake."""
        architectures = [coder.architecture for condition in self.conditions for coder in condition.coders]
        return [p.module for p in (self.benchmark.plugin, *self.metrics)] + [type(a).__module__ for a in architectures]

    def depends_on(self) -> Mapping[str, Any]:
        return {
            "work": "benchmark",
            "benchmark": self.benchmark.describe(),
            "site": self.site.digest,
            "conditions": [dict(c.key) for c in self.conditions],
            "subjects": [s.to_json() for c in self.conditions for s in c.subjects],
            "metrics": [plugin.origin().to_json() for plugin in self.metrics],
            "texts": [source.to_json() for source in self._read()],
        }

    def do(self, folder: Path, progress: Progress, unfinished: Path, recall: Recall) -> None:
        """Measure, and write the document and, where somebody was asked, the transcript."""
        parts = KeptParts(unfinished)
        task = self._task(progress, parts, recall)
        cards = {plugin.name: plugin.item.card for plugin in self.metrics}
        found = []
        for measurement in self.benchmark.item.measure(task):
            refuse_unsound(measurement, cards, task.conditions)
            found.append(measurement)
        if not found:
            raise EvaluationError(self.place, "it yielded no measurement")
        transcript = None
        if task.transcript:
            written = transcript_document(self.benchmark.plugin.name, self.site.planned.name, task.transcript)
            raw = strict_json.encode(written)
            (folder / TRANSCRIPT).write_bytes(raw)
            transcript = {"digest": strict_json.digest(raw), "exchanges": len(task.transcript)}
        external = self._keep_external(task, folder / EXTERNAL) if task.external else None
        elsewhere = [source for one in task.external for source in one.texts]
        (folder / DOCUMENT).write_bytes(self.document(Outcome("completed"), found, transcript, external, elsewhere))
        parts.remove()

    def _keep_external(self, task: Task, folder: Path) -> Mapping[str, Any]:
        """The files of the program that measured, written to a folder, and the block of the evidence about them."""
        if len(task.external) != 1:
            raise EvaluationError(self.place, f"{len(task.external)} programs measured it, and evidence is of one")
        folder.mkdir()
        for name, raw in task.external[0].files.items():
            (folder / name).write_bytes(raw)
        return task.external[0].to_json(self.benchmark.plugin.name, self.site.planned.name)

    def document(
        self,
        outcome: Outcome,
        found: Sequence[Measurement],
        transcript: Mapping[str, Any] | None = None,
        external: Mapping[str, Any] | None = None,
        elsewhere: Sequence[DataSource] = (),
    ) -> bytes:
        own = (source for c in self.conditions for source in c.own_test_sources)
        document = evidence_document(
            benchmark=self.benchmark.plugin.origin(),
            settings=self.benchmark.describe()["settings"],
            site={"name": self.site.planned.name, "digest": self.site.digest},
            data=list(dict.fromkeys([*self.site.test_sources, *own])),
            texts=[*self._read(), *elsewhere],
            subjects=[
                {"name": s.name, "digest": strict_json.digest(strict_json.encode(s.to_json()))}
                for c in self.conditions
                for s in c.subjects
            ],
            outcome=outcome,
            measurements=sorted(found, key=lambda m: (m.condition, m.metric, repr(sorted(m.setting.items())))),
            metrics={plugin.name: (plugin.origin(), plugin.item.card) for plugin in self.metrics},
            transcript=transcript,
            external=external,
        )
        return strict_json.encode(document)

    def _read(self) -> list[DataSource]:
        return [DataSource(name, found.digest, len(found.texts)) for name, found in sorted(self.texts.items())]

    def _task(self, progress: Progress, parts: KeptParts, recall: Recall) -> Task:
        return Task(
            site=_public_site(self.site),
            conditions={c.name: c.coders for c in self.conditions},
            test_in=self.site.rows("test"),
            test_out=self.site.rows("test", target=True),
            metrics=[plugin.item for plugin in self.metrics],
            settings=self.benchmark.settings,
            progress=progress,
            own={c.name: (o.rows("test"), o.rows("test", target=True)) for c in self.conditions if (o := c.own)},
            own_readers={c.name: o.reader for c in self.conditions if (o := c.own)},
            known=self.site.known,
            texts=self.texts,
            reader=self.site.reader,
            kept=parts,
            recalled=recall,
        )


def _incomplete(error: Exception, work: _Work) -> Outcome:
    """Skipped, with the command that helps, where a library is missing or the benchmark says so; else failed."""
    library = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if library and importlib.util.find_spec(library) is None:
        error = Skipped(work.place, f"needs '{library}', which is not installed", install_command(library))
    if isinstance(error, HusaiError):
        return Outcome("skipped" if isinstance(error, Skipped) else "failed", one_line(error), error.next_step)
    line = last_line(error, work.modules)
    return Outcome("failed", one_line(f"{type(error).__name__}: {error}" + (f", at {line}" if line else "")))


def refuse_unsound(measurement: Measurement, cards: Mapping[str, MetricCard], conditions: Mapping[str, Any]) -> None:
    """An error when a benchmark yields what evidence may not hold."""
    place = f"measurement {measurement.metric} of {measurement.condition}"
    card = cards.get(measurement.metric)
    if card is None:
        raise EvaluationError(place, "no metric of that name is installed")
    if measurement.condition not in conditions:
        raise EvaluationError(place, "the benchmark was not handed that condition")
    if not measurement.observations:
        raise EvaluationError(place, "no observations; a summary alone is not evidence")
    units = [(o.seeds, o.part) for o in measurement.observations]
    if len(set(units)) != len(units):
        raise EvaluationError(place, "a unit was observed twice")
    for observation in measurement.observations:
        if not math.isfinite(observation.value):
            raise EvaluationError(f"{place}, seeds {observation.seeds}", f"the value is {observation.value}")
        if not card.allows(observation.value):
            bounds = f"[{card.low}, {card.high}]"
            raise EvaluationError(f"{place}, seeds {observation.seeds}", f"{observation.value} is outside {bounds}")


def _public_site(site: ReadySite) -> Site:
    planned = site.planned
    return Site(
        name=planned.name,
        model=planned.model.plugin.name,
        hook_in=planned.hook_in,
        hook_out=planned.hook_out,
        model_seed=planned.model_seed,
        settings=planned.model.describe()["settings"],
    )
