"""The run: work in order, each piece once, and one bundle at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from husai_core import bundle, interchange, strict_json
from husai_core.engine import coders, controls, measuring, sites, store
from husai_core.engine.cache import Cache
from husai_core.engine.coders import ReadyCondition
from husai_core.engine.environment import deterministic
from husai_core.engine.plan import Chosen, Plan, PlannedCondition, PlannedSearch
from husai_core.engine.sites import ReadySite
from husai_core.engine.store import ActivationStore
from husai_core.engine.workplace import Listener, Workplace
from husai_core.errors import UsageError
from husai_core.external import external_path
from husai_core.provenance import now, provenance
from husai_core.transcript import transcript_path

Files = dict[str, bytes]
Views = Callable[[Mapping[str, bytes]], Mapping[str, bytes]]
Choose = Callable[[str, Mapping[str, bytes]], bytes]
"""The selection document of the condition that a search confirms, from everything the bundle holds so far."""


def run_plan(
    plan: Plan,
    out: Path,
    cache: Cache,
    listener: Listener,
    threads: int,
    policy: tuple[str, bytes] | None,
    views: Views,
    choose: Choose | None = None,
    activations_cap: int = store.DEFAULT_CAP,
    choices: Mapping[str, bytes] | None = None,
) -> bool:
    """Run a plan and write its bundle to `out`; False when the very same bundle already stands there.

    Killed at any moment, the same call goes on from the last finished piece of work. `views` makes the files that
    are derived from the others (decision, report, plots); `choose` picks the best point of a search by the
    intervals that the gate will compute again; `choices` are documents by which conditions were chosen elsewhere.
    """
    if plan.searches and choose is None:
        raise ValueError("a study with a search needs somebody who chooses")
    _refuse_other_bundle(out, plan.study.raw)
    started = now()
    with deterministic(threads) as environment:
        arrays = ActivationStore(cache.root / "activations", activations_cap)
        run = _Run(plan, cache, arrays, listener, environment, choose)
        files = run.files()
    _add(files, choices or {})
    if policy:
        files[f"policy/{policy[0]}"] = policy[1]
    study_folder = Path(plan.study.place).resolve().parent
    files[bundle.PROVENANCE] = strict_json.encode(
        provenance(started, study_folder, threads, environment["products"], run.number - run.from_cache, run.from_cache)
    )
    if (out / bundle.MANIFEST).exists():
        _refuse_other_content(out, files)
        return False
    files.update(views(files))
    bundle.write(files, out)
    return True


class _Run(Workplace):
    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        arrays: ActivationStore,
        listener: Listener,
        environment: Mapping[str, Any],
        choose: Choose | None,
    ) -> None:
        super().__init__(cache, arrays, listener, environment)
        self.plan, self.choose = plan, choose
        models = len({sites.model_key(site) for site in plan.sites})
        self.total = 3 * models + sum(len(plan.benchmarks_at(site)) for site in plan.sites)
        confirmed = [c.site for c in plan.conditions] + [s.site for s in plan.searches]
        self.total += sum(1 + _pieces(plan.controls_at(site)) for site in confirmed)
        self.total += sum(len(s.points) * (1 + _pieces(s.controls)) + len(s.benchmarks) for s in plan.searches)

    def files(self) -> Files:
        """Everything a bundle says about the study, by path."""
        files: Files = {"study.toml": self.plan.study.raw}
        for site in sites.prepare_sites(self.plan.sites, self.perform, self.capture, self.fill):
            planned = site.planned
            here = self.plan.controls_at(planned)
            controls.refuse_what_is_unknown(here, site)
            _add(files, {f"sites/{planned.name}.json": site.document})
            conditions = self._train(self.plan.conditions_at(planned), self.plan.study.seeds, here, site)
            for search in self.plan.searches_at(planned):
                conditions += self._search(search, site, files)
            for condition in conditions:
                _add(files, self._describe(condition))
            for benchmark in (
                self.plan.benchmarks_at(planned) if conditions else ()
            ):  # a search may have confirmed nothing
                path = f"evidence/{benchmark.plugin.name}.{planned.name}.json"
                _add(files, self._measure(benchmark, path, site, conditions))
        return files

    def _search(self, planned: PlannedSearch, site: ReadySite, files: Files) -> list[ReadyCondition]:
        """Train and measure every point on the seeds of the search, choose, and train the chosen one on fresh seeds."""
        assert self.choose is not None
        points = self._train(planned.points, planned.search.seeds, planned.controls, site)
        for condition in points:
            _add(files, self._describe(condition))
        for benchmark in planned.benchmarks:
            path = f"evidence/{benchmark.plugin.name}.{planned.name}.json"
            _add(files, self._measure(benchmark, path, site, points))
        path = f"selections/{planned.name}.json"
        _add(files, {path: self.choose(planned.name, files)})
        chosen = strict_json.parse(files[path], path)["chosen"]
        if chosen is None:
            self.listener.warn(f"{path}: no point of the search meets its constraints; nothing is confirmed")
            return []
        here = self.plan.controls_at(planned.site)
        return self._train([planned.confirmed(chosen)], self.plan.study.seeds, here, site)

    def _measure(self, benchmark: Chosen, path: str, site: ReadySite, conditions: Sequence[ReadyCondition]) -> Files:
        """The evidence at that path, and the transcript and files of another program that belong to it."""
        found = measuring.measure(
            benchmark,
            site,
            [c for c in conditions if benchmark.is_for(c.control)],
            self.plan.metrics,
            self.plan.library,
            self.perform,
            self.unfinished_parts,
            self.recall,
        )
        if found.outcome.status != "completed":
            did = "failed" if found.outcome.status == "failed" else "was skipped"
            self.listener.warn(f"{path}: the benchmark {did}: {found.outcome.reason}")
        asked = {transcript_path(path): found.transcript} if found.transcript is not None else {}
        kept = {
            external_path(benchmark.plugin.name, site.planned.name, name): raw for name, raw in found.external.items()
        }
        return {path: found.evidence, **asked, **kept}

    def _train(
        self,
        conditions: Sequence[PlannedCondition],
        seeds: tuple[int, ...],
        chosen: Sequence[Chosen],
        site: ReadySite,
    ) -> list[ReadyCondition]:
        """These conditions on these seeds, each followed by its controls."""
        found = []
        for planned in conditions:
            self._warn_of(planned)
            trained = coders.ready_condition(planned, seeds, site, self.perform, self.unfinished)
            found.append(trained)
            for control in chosen:
                found.append(controls.make_control(control, trained, planned, site, self.perform, self.unfinished))
        return found

    def _warn_of(self, condition: PlannedCondition) -> None:
        """What a person should know of a pretrained dictionary, and no rule can decide."""
        if not condition.checkpoints:
            return
        for planned in condition.checkpoints:
            if planned.hook not in (None, condition.site.hook_in):
                text = f"{planned.folder}: says it was trained at {planned.hook}, not at {condition.site.hook_in}"
                self.listener.warn(text)
        missed = [m.name for m in self.plan.metrics if getattr(m.item, "needs_initial", False)]
        if missed:
            self.listener.warn(f"{condition.name}: {', '.join(missed)} not measured, its initial weights are unknown")

    def _describe(self, condition: ReadyCondition) -> Files:
        files: Files = {}
        for subject in condition.subjects:
            files[f"subjects/{subject.name}.json"] = strict_json.encode(subject.to_json())
            if self.plan.study.keep_weights:
                for name in (interchange.CONFIG_FILE, interchange.WEIGHTS_FILE):
                    raw = (condition.folder / f"s{subject.seed}" / name).read_bytes()
                    files[f"weights/{subject.name}/{name}"] = raw
        return files


def _pieces(chosen: Sequence[Chosen]) -> int:
    """How many pieces of work the controls of one condition are: one that is trained needs its rows first."""
    return sum(1 + control.item.needs_recipe for control in chosen)


def _add(files: Files, more: Mapping[str, bytes]) -> None:
    """Names are checked when the plan is made; should two things still meet at one path, neither may be lost."""
    if taken := sorted(files.keys() & more.keys()):
        raise UsageError(taken[0], "two documents of this study would stand at this path", "rename a site or a search")
    files.update(more)


def _refuse_other_bundle(out: Path, study: bytes) -> None:
    """Say at once, and not after the training, that the output folder is taken."""
    if not out.exists():
        return
    kept = out / "study.toml"
    if not (out / bundle.MANIFEST).exists() or not kept.exists():
        raise UsageError(str(out), "is there already and is no complete bundle", "choose another --out")
    if kept.read_bytes() != study:
        raise UsageError(str(out), "holds the bundle of another study", "choose another --out")


def _refuse_other_content(out: Path, files: Mapping[str, bytes]) -> None:
    digests = {path: strict_json.digest(raw) for path, raw in files.items()}
    kept = strict_json.parse((out / bundle.MANIFEST).read_bytes(), bundle.MANIFEST)
    if kept.get("content_digest") != bundle.content_digest(digests):
        raise UsageError(str(out), "holds a bundle whose evidence differs from this run's", "choose another --out")
