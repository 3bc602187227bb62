"""Subjects: each is who its file says, at a site that is in the bundle, and no seed counts twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from husai_core import strict_json
from husai_core.subject import Subject
from husai_gates.audit.paths import path_of
from husai_gates.condition import Condition
from husai_gates.finding import Finding

_AGAIN = "make the bundle again with 'husai run'"


def check_sites(sites: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Site documents that do not bear the name of their file, or whose model failed a check of its own."""
    for name, site in sorted(sites.items()):
        path = f"sites/{name}.json"
        if site["name"] != name:
            yield Finding("EV-SUBJECT", path, "$.name", f"the file is named for another site than '{site['name']}'")
        for index, check in enumerate(site["model"].get("checks", ())):
            value, least, most = check["value"], check.get("at_least"), check.get("at_most")
            if problem := _accuracy_problem(check):
                yield Finding(problem[0], path, f"$.model.checks[{index}]", problem[1], _AGAIN)
            if (least is not None and not value >= least) or (most is not None and not value <= most):
                rule = f"the model under the dictionary fails its own check '{check['name']}' with {value}"
                yield Finding("EV-MODEL-CHECK", path, f"$.model.checks[{index}]", rule, "train the model further")


def _accuracy_problem(check: Mapping[str, Any]) -> tuple[str, str] | None:
    """Of what other checks measure, nothing is known here; an accuracy is a share, and a bound on it can be missed."""
    if "accuracy" not in check["name"]:
        return None
    if not 0 <= check["value"] <= 1:
        return "EV-RANGE", f"the accuracy '{check['name']}' is {check['value']}"
    if check.get("at_least", 1) <= 0 or check.get("at_most", 0) >= 1:
        return "EV-MODEL-CHECK", f"every accuracy passes the check '{check['name']}'"
    return None


def check_subjects(files: Mapping[str, bytes], subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    """Subject documents that do not fit their file, their site or their weights."""
    for name, subject in sorted(subjects.items()):
        path = path_of(name)
        if subject.name != name:
            yield Finding("EV-SUBJECT", path, "$.name", f"the file is named for another subject than '{subject.name}'")
        yield from _check_self(path, subject)
        site = files.get(f"sites/{subject.site}.json")
        if site is None or strict_json.digest(site) != subject.site_digest:
            rule = f"the bundle has no site '{subject.site}' with this digest"
            yield Finding("EV-SUBJECT", path, "$.site", rule, _AGAIN)
        weights = files.get(f"weights/{name}/sae_weights.safetensors")
        if weights is not None and strict_json.digest(weights) != subject.weights:
            yield Finding("EV-SUBJECT", path, "$.weights", "the weights in the bundle are others", _AGAIN)
    for path in sorted(p for p in files if p.startswith("weights/")):
        if path.split("/")[1] not in subjects:
            yield Finding("EV-SUBJECT", path, "$", "weights of a subject that is not in the bundle", "remove them")


def _check_self(path: str, subject: Subject) -> Iterator[Finding]:
    """A name and a budget that follow from the rest of the document."""
    named = f"{subject.condition}.s{subject.seed}"
    if subject.name != named:
        yield Finding("EV-SUBJECT", path, "$.name", f"seed {subject.seed} of this condition is '{named}'", _AGAIN)
    if subject.pretrained:
        return
    rows = subject.budget["steps"] * subject.budget["batch_size"]
    if subject.budget["rows_seen"] != rows:
        rule = f"{subject.budget['rows_seen']} rows seen; its steps and batch size give {rows}"
        yield Finding("EV-SUBJECT", path, "$.budget.rows_seen", rule, _AGAIN)


def check_conditions(conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    """Conditions that mix different things or count a seed twice."""
    for condition in conditions.values():
        first = condition.subjects[0]
        for subject in condition.subjects[1:]:
            for key in ("role", "site", "site_digest", "dims", "architecture", "control"):
                if getattr(subject, key) != getattr(first, key):
                    rule = f"condition '{condition.name}' mixes subjects that differ in {key}"
                    yield Finding("EV-SUBJECT", path_of(subject.name), f"$.{key}", rule)
        yield from _check_repeats(condition)


def _check_repeats(condition: Condition) -> Iterator[Finding]:
    seeds: dict[int, str] = {}
    weights: dict[str, str] = {}
    sources: dict[str, str] = {}
    for subject in condition.subjects:
        if subject.seed in seeds:
            rule = f"seed {subject.seed} of '{condition.name}' is also '{seeds[subject.seed]}'"
            yield Finding("EV-DUP-UNIT", path_of(subject.name), "$.seed", rule)
        elif subject.weights is None:
            pass  # nobody can tell; what speaks of it must still be something else
        elif condition.one_unit and weights and subject.weights not in weights:
            rule = (
                f"other weights than '{next(iter(weights.values()))}', and the control is said to be one for all seeds"
            )
            yield Finding("EV-SUBJECT", path_of(subject.name), "$.weights", rule)
        elif not condition.one_unit and subject.weights in weights:
            rule = f"the same weights as '{weights[subject.weights]}', counted as another seed"
            yield Finding("EV-DUP-UNIT", path_of(subject.name), "$.weights", rule)
        source = subject.budget.get("source", "")
        if source and source in sources:
            rule = f"read from the same files as '{sources[source]}', counted as another seed"
            yield Finding("EV-DUP-UNIT", path_of(subject.name), "$.budget.source", rule)
        sources.setdefault(source, subject.name)
        seeds.setdefault(subject.seed, subject.name)
        if subject.weights is not None:
            weights.setdefault(subject.weights, subject.name)
