"""The plan: seeds, conditions, controls and benchmarks that the study file asked for before the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates.condition import Condition
from husai_gates.finding import Finding

STUDY = "study.toml"


@dataclass(frozen=True)
class PlannedDictionary:
    """What a study says of one dictionary; settings it leaves out are the architecture's defaults."""

    role: str
    architecture: str
    d_sae: int
    steps: int
    batch_size: int
    learning_rate: float
    settings: Mapping[str, Any]

    @classmethod
    def from_tables(cls, sae: Mapping[str, Any], training: Mapping[str, Any]) -> PlannedDictionary:
        return cls(
            role=sae["role"],
            architecture=sae["architecture"],
            d_sae=sae["d_sae"],
            steps=sae.get("steps", training["steps"]),
            batch_size=training["batch_size"],
            learning_rate=sae.get("learning_rate", training["learning_rate"]),
            settings=sae.get("settings", {}),
        )

    def differences(self, subject: Subject) -> Iterator[tuple[str, Any, Any]]:
        """Path in the subject's document, what was planned, what is there."""
        yield "$.role", self.role, subject.role
        yield "$.architecture.name", self.architecture, subject.architecture["name"]
        yield "$.dims.d_sae", self.d_sae, subject.dims["d_sae"]
        for key in ("steps", "batch_size", "learning_rate"):
            yield f"$.budget.{key}", getattr(self, key), subject.budget[key]
        for key, value in sorted(self.settings.items()):
            yield f"$.architecture.settings.{key}", value, subject.architecture["settings"].get(key)


@dataclass(frozen=True)
class Plan:
    """What was asked. `conditions` has the dictionaries by `site.dictionary`."""

    seeds: frozenset[int]
    conditions: Mapping[str, PlannedDictionary]
    controls: tuple[str, ...]
    benchmarks: tuple[str, ...]
    sites: tuple[str, ...]

    @classmethod
    def from_study(cls, study: Mapping[str, Any]) -> Plan:
        sites = tuple(site["name"] for site in study["site"])
        return cls(
            seeds=frozenset(study["training"]["seeds"]),
            conditions={
                f"{site}.{sae['name']}": PlannedDictionary.from_tables(sae, study["training"])
                for sae in study["sae"]
                for site in sae.get("sites", sites)
            },
            controls=tuple(control["name"] for control in study.get("control", ())),
            benchmarks=tuple(benchmark["name"] for benchmark in study["benchmark"]),
            sites=sites,
        )


def check_plan(
    plan: Plan | None, conditions: Mapping[str, Condition], evidence: Mapping[str, Evidence]
) -> Iterator[Finding]:
    """What was planned and is not there. Without the plan, nobody can see that seeds were picked."""
    if plan is None:
        yield Finding("EV-ABSENT", STUDY, "$", "a bundle holds the study that asked for it", "add study.toml")
        return
    yield from _check_conditions(plan, conditions)
    measured = {(document.benchmark.name, document.site) for document in evidence.values()}
    for benchmark in plan.benchmarks:
        for site in plan.sites:
            if (benchmark, site) not in measured:
                rule = f"the benchmark '{benchmark}' was planned and has no evidence at the site '{site}'"
                yield Finding("EV-ABSENT", STUDY, "$.benchmark", rule, "run the benchmark, or say why it was skipped")


def _check_conditions(plan: Plan, conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    for name, planned in sorted(plan.conditions.items()):
        condition = conditions.get(name)
        if condition is None:
            rule = f"'{name}' was planned and has no subjects"
            yield Finding("EV-SEEDS-MISSING", STUDY, "$.sae", rule, "train it")
            continue
        for subject in condition.subjects:
            for path, asked, shown in planned.differences(subject):
                if asked != shown:
                    rule = f"{asked} was planned in {STUDY}, {shown} is shown"
                    yield Finding("EV-SUBJECT", f"subjects/{subject.name}.json", path, rule)
        yield from _check_seeds(plan, condition)
        present = {c.control.name: c for c in conditions.values() if c.control and c.control.of == name}
        for control in plan.controls:
            if control in present:
                yield from _check_seeds(plan, present[control])
            elif planned.role == "candidate":
                rule = f"the control '{control}' of '{name}' was planned and has no subjects"
                yield Finding("EV-ABSENT", STUDY, "$.control", rule, "make the control")


def _check_seeds(plan: Plan, condition: Condition) -> Iterator[Finding]:
    if missing := sorted(plan.seeds - condition.seeds):
        rule = f"seeds {', '.join(map(str, missing))} of '{condition.name}' were planned and are not there"
        yield Finding("EV-SEEDS-MISSING", STUDY, "$.training.seeds", rule, "train them")
