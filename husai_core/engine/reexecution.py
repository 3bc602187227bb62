"""Re-execution: parts of a recorded study, run again by an auditor who believes nothing of it.

The study of a bundle is data: names of plugins that are installed here, and settings. No code comes from a bundle. What
is trained, read and measured is kept in the auditor's own cache.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core import interchange, strict_json
from husai_core.engine import coders, controls, measuring, sites
from husai_core.engine.coders import ReadyCondition
from husai_core.engine.plan import Chosen, Plan, PlannedCondition, make_plan
from husai_core.engine.sites import Perform, ReadySite, Work
from husai_core.engine.workplace import Workplace
from husai_core.errors import EvaluationError, UsageError, did_you_mean
from husai_core.evidence import Evidence, Origin
from husai_core.model import Progress
from husai_core.plugins import Plugin, PluginTable, install_command
from husai_core.settings import parse_settings
from husai_core.study import Study
from husai_core.subject import Subject
from husai_schemas import lift

NEEDED = ("torch", "safetensors")
HELD = (interchange.CONFIG_FILE, interchange.WEIGHTS_FILE)

Wanted = Mapping[str, frozenset[str]]
"""The conditions that are to be measured again, by the path of the evidence that has them."""


@dataclass(frozen=True)
class Redone:
    """What came out: evidence by path, subjects and sites by name. The weights of `held` are those in the bundle.

    A site whose model comes out otherwise is there, and nothing of it: no dictionary was trained on it.
    """

    evidence: Mapping[str, Evidence]
    subjects: Mapping[str, Subject]
    sites: Mapping[str, Mapping[str, Any]]
    held: frozenset[str]


def refuse_without_libraries() -> None:
    """Nothing is run again without what the engine itself needs."""
    for library in NEEDED:
        if importlib.util.find_spec(library) is None:
            rule = f"needs '{library}', which is not installed"
            raise UsageError("husai audit --reexecute", rule, install_command(library))


def reaching_out(study: Study, plugins: PluginTable, completed: Collection[str]) -> dict[str, str]:
    """Of the benchmarks that completed, those whose settings make them start a program or ask a server, and which."""
    found = {}
    for index, choice in enumerate(study.benchmarks):
        if choice.name not in completed:
            continue
        place = f"{study.place} $.benchmark[{index}]"
        benchmark = plugins.get("benchmarks", choice.name, place).item
        settings = parse_settings(benchmark.Settings, choice.settings, f"{place}.settings")
        if reason := benchmark.outside(settings):
            found[choice.name] = reason
    return found


class Reexecution:
    """Conditions of a recorded study, made and measured again; whole ones, because seeds may share what they do."""

    def __init__(self, study: Study, plugins: PluginTable, files: Mapping[str, bytes], wanted: Wanted) -> None:
        self.files = files
        self.recorded = {path: Evidence.from_json(strict_json.parse(files[path], path)) for path in sorted(wanted)}
        self.subjects = {s.name: s for s in _subjects(files)}
        self.wanted = {path: [c for c in self._conditions_of(path) if c in wanted[path]] for path in self.recorded}
        self.conditions = frozenset(name for names in self.wanted.values() for name in names)
        self.bases = {self._base(name) for name in self.conditions}
        self.plan = make_plan(self._reduced(study), plugins)
        for path, evidence in self.recorded.items():
            _refuse_other_versions(path, evidence, self.plan)

    def run(self, workplace: Workplace, retrain: bool) -> Redone:
        """Everything that is wanted; with `retrain`, dictionaries are trained although the bundle has their weights."""
        workplace.total = 3 * len({sites.model_key(site) for site in self.plan.sites}) + len(self.wanted)
        workplace.total += len(self.bases | self.conditions)
        evidence: dict[str, Evidence] = {}
        subjects: dict[str, Subject] = {}
        documents: dict[str, Mapping[str, Any]] = {}
        held: set[str] = set()
        for site in sites.prepare_sites(self.plan.sites, workplace.perform, workplace.capture, workplace.fill):
            name = site.planned.name
            documents[name] = strict_json.parse(site.document, name)
            if not self._is_same_model(name, documents[name]):
                continue
            ready: dict[str, ReadyCondition] = {}
            for planned, seeds in self._planned_at(site):
                for condition, taken in self._make(planned, seeds, site, workplace, retrain):
                    ready[condition.name] = condition
                    subjects.update({subject.name: subject for subject in condition.subjects})
                    held.update(subject.name for subject in condition.subjects if taken)
            for path, conditions in self.wanted.items():
                if self.recorded[path].site == name:
                    evidence[path] = self._measure(path, [ready[c] for c in conditions], site, workplace)
        return Redone(evidence, subjects, documents, frozenset(held))

    def _measure(
        self, path: str, conditions: Sequence[ReadyCondition], site: ReadySite, workplace: Workplace
    ) -> Evidence:
        name = self.recorded[path].benchmark.name
        (benchmark,) = (chosen for chosen in self.plan.benchmarks if chosen.plugin.name == name)
        found = measuring.measure(
            benchmark,
            site,
            conditions,
            self.plan.metrics,
            self.plan.library,
            workplace.perform,
            workplace.unfinished_parts,
            workplace.recall,
        )
        if found.outcome.status != "completed":
            rule = f"the benchmark did not complete here: {found.outcome.reason}"
            raise EvaluationError(path, rule, found.outcome.next_step)
        return Evidence.from_json(strict_json.parse(found.evidence, path))

    def _make(
        self, planned: PlannedCondition, seeds: tuple[int, ...], site: ReadySite, workplace: Workplace, retrain: bool
    ) -> Iterator[tuple[ReadyCondition, bool]]:
        """A condition, then those of its controls that are wanted; each with whether its weights are the bundle's."""
        take = not retrain and not planned.checkpoints
        base, taken = self._with_weights(planned.name, seeds, workplace.perform, take)
        made = coders.ready_condition(planned, seeds, site, base, workplace.unfinished)
        if taken:  # what is made of it depends on these very weights
            made = dataclasses.replace(made, key={**made.key, "held": [s.weights for s in made.subjects]})
        yield made, taken
        for control in self._controls_of(planned):
            name = f"{planned.name}.{control.plugin.name}"
            perform, taken = self._with_weights(name, seeds, workplace.perform, take and control.item.needs_recipe)
            made_of = controls.make_control(control, made, planned, site, perform, workplace.unfinished)
            yield made_of, taken

    def _with_weights(
        self, condition: str, seeds: tuple[int, ...], perform: Perform, take: bool
    ) -> tuple[Perform, bool]:
        """The same way to work, in which weights that the bundle holds stand in for those that would be trained."""
        folders = {seed: f"weights/{condition}.s{seed}" for seed in seeds}
        files = {(seed, file): self.files.get(f"{folder}/{file}") for seed, folder in folders.items() for file in HELD}
        if not take or None in files.values():
            return perform, False
        for seed in seeds:
            subject, raw = self.subjects[f"{condition}.s{seed}"], files[seed, interchange.WEIGHTS_FILE]
            if raw is None or strict_json.digest(raw) != subject.weights:
                raise EvaluationError(f"{folders[seed]}/{interchange.WEIGHTS_FILE}", "is not what its subject says")

        def write(folder: Path, progress: Progress) -> None:
            for (seed, file), raw in files.items():
                (folder / f"s{seed}").mkdir(exist_ok=True)
                (folder / f"s{seed}" / file).write_bytes(raw or b"")

        def instead(label: str, depends_on: Any, work: Work) -> Path:
            if depends_on["work"] not in ("training", "control"):
                return perform(label, depends_on, work)
            digests = {f"s{seed}/{file}": strict_json.digest(raw or b"") for (seed, file), raw in files.items()}
            return perform(f"weights of {condition} in the bundle", {"work": "held weights", "files": digests}, write)

        return instead, True

    def _planned_at(self, site: ReadySite) -> Iterator[tuple[PlannedCondition, tuple[int, ...]]]:
        """What is made at a site, and the seeds that were trained together."""
        seeds = self.plan.study.seeds
        for planned in self.plan.conditions_at(site.planned):
            if planned.name in self.bases:
                yield planned, seeds
        for search in self.plan.searches_at(site.planned):
            yield from ((point, tuple(search.search.seeds)) for point in search.points if point.name in self.bases)
            if search.name in self.bases:
                yield search.confirmed(self._chosen(search.name)), seeds

    def _controls_of(self, planned: PlannedCondition) -> list[Chosen]:
        return [c for c in self.plan.controls if f"{planned.name}.{c.plugin.name}" in self.conditions]

    def _conditions_of(self, path: str) -> list[str]:
        """The conditions that a document is about, in its order."""
        return list(dict.fromkeys(self.subjects[name].condition for name in self.recorded[path].subjects))

    def _base(self, condition: str) -> str:
        first = next(s for s in self.subjects.values() if s.condition == condition)
        return first.control.of if first.control else condition

    def _chosen(self, search: str) -> str:
        path = f"selections/{search}.json"
        if path not in self.files:
            rule = "is not in the bundle, so nobody knows which point was trained again"
            raise UsageError(path, rule, "ask the producer for the whole bundle")
        chosen: str = strict_json.parse(self.files[path], path)["chosen"]
        return chosen

    def _is_same_model(self, site: str, found: Mapping[str, Any]) -> bool:
        """Whether the model is the producer's; of another one nothing can be held against the bundle."""
        path = f"sites/{site}.json"
        recorded = strict_json.parse(self.files[path], path)["model"]["weights"]
        return bool(found["model"]["weights"] == recorded)

    def _reduced(self, study: Study) -> Study:
        """The study without the sites, dictionaries, controls and benchmarks that nothing of what is wanted needs."""
        placed = [(site.name, search) for site in study.sites for search in study.searches]
        confirmed = [name for site, search in placed if (name := f"{site}.{search.name}") in self.bases]
        trained = {*self.bases, *map(self._chosen, confirmed)}
        points = [(site.name, point.name) for site in study.sites for s in study.searches for point in s.points]
        searched = {point for site, point in points if f"{site}.{point}" in trained}
        used = {evidence.site for evidence in self.recorded.values()}
        benchmarks = {evidence.benchmark.name for evidence in self.recorded.values()}
        controlled = {s.control.name for s in self.subjects.values() if s.control and s.condition in self.conditions}
        saes = [
            dataclasses.replace(s, sites=tuple(n for n in s.sites if f"{n}.{s.name}" in trained)) for s in study.saes
        ]
        return dataclasses.replace(
            study,
            sites=tuple(site for site in study.sites if site.name in used),
            saes=tuple(sae for sae in saes if sae.sites),
            searches=tuple(s for s in study.searches if searched & {point.name for point in s.points}),
            frontiers=(),
            scaling=(),
            controls=tuple(c for c in study.controls if c.name in controlled),
            benchmarks=tuple(b for b in study.benchmarks if b.name in benchmarks),
        )


def _subjects(files: Mapping[str, bytes]) -> Iterator[Subject]:
    for path, raw in sorted(files.items()):
        if path.startswith("subjects/"):
            yield Subject.from_json(lift("subject", strict_json.parse(raw, path)))


def _refuse_other_versions(path: str, evidence: Evidence, plan: Plan) -> None:
    """Definitions of another version give other numbers, and nobody would know why."""
    (benchmark,) = (chosen.plugin for chosen in plan.benchmarks if chosen.plugin.name == evidence.benchmark.name)
    metrics = {plugin.name: plugin for plugin in plan.metrics}
    _refuse_other_version(f"{path} $.benchmark", evidence.benchmark, benchmark)
    for index, (name, origin) in enumerate(sorted(evidence.metrics.items())):
        place = f"{path} $.metrics[{index}]"
        if name not in metrics:
            rule = f"no metric '{name}' is installed here"
            raise UsageError(place, rule, f"install '{origin.distribution}'; {did_you_mean(name, metrics)}")
        _refuse_other_version(place, origin, metrics[name])


def _refuse_other_version(place: str, recorded: Origin, here: Plugin) -> None:
    if here.version != recorded.version:
        rule = f"'{recorded.name}' is version '{here.version}' here, the bundle was made by '{recorded.version}'"
        raise UsageError(place, rule, f"install the version of '{recorded.distribution}' that made the bundle")
