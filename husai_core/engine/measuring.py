"""Benchmarks run: measurements checked as they arrive, and what did not complete recorded with its reason."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core import strict_json
from husai_core.benchmark import Task
from husai_core.engine.coders import ReadyCondition
from husai_core.engine.kept import KeptParts
from husai_core.engine.library import Library
from husai_core.engine.plan import Chosen
from husai_core.engine.sites import Perform, ReadySite
from husai_core.errors import EvaluationError, HusaiError, Skipped, one_line
from husai_core.evidence import DataSource, Measurement, Outcome, evidence_document
from husai_core.metric import MetricCard
from husai_core.model import Progress
from husai_core.plugins import Plugin, install_command
from husai_core.site import Site
from husai_core.transcript import transcript_document

DOCUMENT, TRANSCRIPT = "evidence.json", "transcript.json"
Recall = Callable[[Any, Callable[[], Any]], Any]


@dataclass(frozen=True)
class Measured:
    """The evidence of one benchmark at one site, and what it asked of a language model on the way, if anything."""

    evidence: bytes
    outcome: Outcome
    transcript: bytes | None = None


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
    cards = {plugin.name: plugin.item.card for plugin in metrics}
    place = f"benchmark {benchmark.plugin.name}"
    try:
        asked = benchmark.item.reads(benchmark.settings)
        texts = {name: library.read(name) for group in asked for name in library.members(group)}
    except Exception as error:
        outcome = _incomplete(error, place)
        return Measured(_document(outcome, [], benchmark, site, conditions, (), metrics), outcome)
    read = [DataSource(name, found.digest, len(found.texts)) for name, found in sorted(texts.items())]
    key = {
        "work": "benchmark",
        "benchmark": benchmark.describe(),
        "site": site.digest,
        "conditions": [dict(c.key) for c in conditions],
        "subjects": [s.to_json() for c in conditions for s in c.subjects],
        "metrics": [plugin.origin().to_json() for plugin in metrics],
        "texts": [source.to_json() for source in read],
    }

    def work(folder: Path, progress: Progress) -> None:
        parts = KeptParts(unfinished(key))
        task = Task(
            site=_public_site(site),
            conditions={c.name: c.coders for c in conditions},
            test_in=site.rows("test"),
            test_out=site.rows("test", target=True),
            metrics=[plugin.item for plugin in metrics],
            settings=benchmark.settings,
            progress=progress,
            own={c.name: (o.rows("test"), o.rows("test", target=True)) for c in conditions if (o := c.own)},
            own_readers={c.name: o.reader for c in conditions if (o := c.own)},
            known=site.known,
            texts=texts,
            reader=site.reader,
            kept=parts,
            recalled=recall,
        )
        found = []
        for measurement in benchmark.item.measure(task):
            refuse_unsound(measurement, cards, task.conditions)
            found.append(measurement)
        if not found:
            raise EvaluationError(place, "it yielded no measurement")
        transcript = None
        if task.transcript:
            written = transcript_document(benchmark.plugin.name, site.planned.name, task.transcript)
            raw = strict_json.encode(written)
            (folder / TRANSCRIPT).write_bytes(raw)
            transcript = {"digest": strict_json.digest(raw), "exchanges": len(task.transcript)}
        done = _document(Outcome("completed"), found, benchmark, site, conditions, read, metrics, transcript)
        (folder / DOCUMENT).write_bytes(done)
        parts.remove()

    try:
        folder = perform(f"{benchmark.plugin.name} at {site.planned.name}", key, work)
    except Exception as error:
        outcome = _incomplete(error, place)
        return Measured(_document(outcome, [], benchmark, site, conditions, read, metrics), outcome)
    asked = folder / TRANSCRIPT
    transcript = asked.read_bytes() if asked.exists() else None
    return Measured((folder / DOCUMENT).read_bytes(), Outcome("completed"), transcript)


def _document(
    outcome: Outcome,
    found: Sequence[Measurement],
    benchmark: Chosen,
    site: ReadySite,
    conditions: Sequence[ReadyCondition],
    read: Sequence[DataSource],
    metrics: Sequence[Plugin],
    transcript: Mapping[str, Any] | None = None,
) -> bytes:
    document = evidence_document(
        benchmark=benchmark.plugin.origin(),
        settings=benchmark.describe()["settings"],
        site={"name": site.planned.name, "digest": site.digest},
        data=list(dict.fromkeys([*site.test_sources, *(s for c in conditions for s in c.own_test_sources)])),
        texts=read,
        subjects=[
            {"name": s.name, "digest": strict_json.digest(strict_json.encode(s.to_json()))}
            for c in conditions
            for s in c.subjects
        ],
        outcome=outcome,
        measurements=sorted(found, key=lambda m: (m.condition, m.metric, repr(sorted(m.setting.items())))),
        metrics={plugin.name: (plugin.origin(), plugin.item.card) for plugin in metrics},
        transcript=transcript,
    )
    return strict_json.encode(document)


def _incomplete(error: Exception, place: str) -> Outcome:
    """Skipped, with the command that helps, where a library is missing or the benchmark says so; else failed."""
    library = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if library and importlib.util.find_spec(library) is None:
        error = Skipped(place, f"needs '{library}', which is not installed", install_command(library))
    if isinstance(error, HusaiError):
        return Outcome("skipped" if isinstance(error, Skipped) else "failed", one_line(error), error.next_step)
    return Outcome("failed", one_line(f"{type(error).__name__}: {error}"))


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
