"""The bundle held to its plan: what was asked and is not there, is there and was not asked, or is otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from husai_core.evidence import Evidence
from husai_gates.audit.paths import evidence_path, path_of
from husai_gates.audit.plan import STUDY, Difference, Plan, in_settings
from husai_gates.audit.setting import same_value
from husai_gates.condition import Condition
from husai_gates.finding import Finding

Sites = Mapping[str, Mapping[str, Any]]


def check_plan(
    plan: Plan | None,
    paths: Collection[str],
    sites: Sites,
    conditions: Mapping[str, Condition],
    evidence: Mapping[str, Evidence],
    imported: bool,
) -> Iterator[Finding]:
    """Every disagreement of a bundle and its study. Without the study, nobody can see that seeds were picked.

    Of what was all measured elsewhere no study can be known here, and no rule counts it that does not ask for it.
    """
    if plan is None and imported:
        return
    if plan is None:
        yield Finding("EV-ABSENT", STUDY, "$", "a bundle holds the study that asked for it", "add study.toml")
        return
    for path, rule in plan.mistakes:
        yield Finding("EV-PLAN", STUDY, path, rule, "a study names everything once")
    if plan.policy and f"policy/{PurePath(plan.policy).stem}.toml" not in paths:
        rule = f"the policy '{plan.policy}' was named before the run and is not in the bundle"
        yield Finding("EV-PLAN", STUDY, "$.policy", rule, "run the study again")
    yield from _check_sites(plan, sites)
    yield from _check_dictionaries(plan, conditions)
    yield from _check_controls(plan, conditions)
    yield from _check_evidence(plan, evidence, conditions)
    yield from _check_benchmarks(plan, paths, evidence)


def _check_sites(plan: Plan, sites: Sites) -> Iterator[Finding]:
    for name, site in sorted(sites.items()):
        path = f"sites/{name}.json"
        if name in plan.sites:
            yield from _differing("EV-PLAN", path, plan.sites[name].differences(site))
        else:
            yield _unplanned(path, "$.name", f"the site '{name}'")


def _check_dictionaries(plan: Plan, conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    present = {(c.control.of, c.control.name) for c in conditions.values() if c.control}
    for name, planned in sorted(plan.conditions.items()):
        condition = conditions.get(name)
        if condition is None:
            rule = f"'{name}' was planned and has no subjects"
            yield Finding("EV-SEEDS-MISSING", STUDY, "$.sae", rule, "train it")
            continue
        for subject in condition.subjects:
            yield from _differing("EV-SUBJECT", path_of(subject.name), planned.differences(subject))
        for control in sorted(plan.controls_of(name)):
            if (name, control) not in present:
                rule = f"the control '{control}' of '{name}' was planned and has no subjects"
                yield Finding("EV-ABSENT", STUDY, "$.control", rule, "make the control")
    for condition in conditions.values():
        yield from _check_seeds(plan, condition)
        if condition.control is None and condition.name not in plan.conditions:
            yield _unplanned(path_of(condition.subjects[0].name), "$.condition", f"the condition '{condition.name}'")


def _check_controls(plan: Plan, conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    for condition in conditions.values():
        control, path = condition.control, path_of(condition.subjects[0].name)
        if control is None:
            continue
        if control.name in plan.controls and plan.is_at("control", control.name, condition.site):
            pairs = in_settings("$.control.settings", plan.controls[control.name], control.made_by["settings"])
            yield from _differing("EV-PLAN", path, pairs)
        else:
            yield _unplanned(path, "$.control.name", f"the control '{control.name}' at the site '{condition.site}'")


def _check_evidence(
    plan: Plan, evidence: Mapping[str, Evidence], conditions: Mapping[str, Condition]
) -> Iterator[Finding]:
    controls = {s.name: c.control.name for c in conditions.values() if c.control for s in c.subjects}
    for path, document in sorted(evidence.items()):
        name = document.benchmark.name
        if name in plan.benchmarks and plan.is_at("benchmark", name, document.site):
            pairs = in_settings("$.settings", plan.benchmarks[name], document.settings)
            yield from _differing("EV-PLAN", path, pairs)
        else:
            yield _unplanned(path, "$.benchmark.name", f"the benchmark '{name}' at the site '{document.site}'")
            continue
        for control in sorted({controls[subject] for subject in document.subjects if subject in controls}):
            if not plan.measures(name, control):
                yield _unplanned(path, "$.subjects", f"the control '{control}' under the benchmark '{name}'")


def _check_benchmarks(plan: Plan, paths: Collection[str], evidence: Mapping[str, Evidence]) -> Iterator[Finding]:
    searched = {evidence_path(benchmark, search) for benchmark in plan.benchmarks for search in plan.searches}
    found = {(d.benchmark.name, d.site) for path, d in evidence.items() if path not in searched}
    for benchmark in plan.benchmarks:
        for site in plan.sites:
            if not plan.is_at("benchmark", benchmark, site):
                continue
            unread = evidence_path(benchmark, site)
            if (benchmark, site) not in found and (unread not in paths or unread in evidence):
                rule = f"the benchmark '{benchmark}' was planned and has no evidence at the site '{site}'"
                yield Finding("EV-ABSENT", STUDY, "$.benchmark", rule, "run the benchmark, or say why it was skipped")
    for path, document in sorted(evidence.items()):
        outcome = document.outcome
        if document.benchmark.name in plan.benchmarks and outcome.status != "completed":
            rule = f"the benchmark '{document.benchmark.name}' was planned and {_did(outcome.status)}: {outcome.reason}"
            failed = outcome.status == "failed"
            code = "EV-FAILED" if failed else "EV-SKIPPED"
            step = "repair the benchmark, and run it" if failed else "install what the benchmark needs, and run it"
            yield Finding(code, path, "$.outcome", rule, outcome.next_step or step)


def _did(status: str) -> str:
    return "failed" if status == "failed" else "was skipped"


def _check_seeds(plan: Plan, condition: Condition) -> Iterator[Finding]:
    planned = plan.seeds_of(condition.base)
    if missing := sorted(planned - condition.seeds):
        rule = f"seeds {', '.join(map(str, missing))} of '{condition.name}' were planned and are not there"
        yield Finding("EV-SEEDS-MISSING", STUDY, "$.training.seeds", rule, "train them")
    if more := sorted(condition.seeds - planned):
        rule = f"seeds {', '.join(map(str, more))} of '{condition.name}' are there and were not planned"
        yield Finding("EV-SEEDS-UNPLANNED", STUDY, "$.training.seeds", rule, "run the study as it was written")


def _differing(code: str, path: str, differences: Iterable[Difference]) -> Iterator[Finding]:
    for place, asked, shown in differences:
        if not same_value(asked, shown):
            yield Finding(code, path, place, f"{asked} was planned in {STUDY}, {shown} is shown")


def _unplanned(path: str, place: str, what: str) -> Finding:
    return Finding("EV-UNPLANNED", path, place, f"{what} is not in {STUDY}", "run the study as it was written")
