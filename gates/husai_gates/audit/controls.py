"""Controls: each is held to the condition that it controls, so that a difference can have one cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from husai_core.subject import ControlOf, Subject
from husai_gates.audit.paths import path_of
from husai_gates.condition import Condition
from husai_gates.finding import Finding

UNTRAINED = frozenset({"untrained", "identity", "pca", "oracle"})  # of the shipped controls, those that took no step
BY_RECIPE = frozenset({"permuted_dimensions", "gaussian_matched", "random_model"})  # of their base
TRAINED = frozenset({"random_decoder", "permuted_decoder", "degraded"}) | BY_RECIPE
OF_A_PAST = frozenset({"untrained"}) | BY_RECIPE  # which nobody knows of what was trained elsewhere
ONE_FOR_ALL = frozenset({"identity", "pca", "oracle"})  # the same for every seed
OF_ANOTHER_MODEL = frozenset({"random_model"})  # trained and measured on activations of their own


def check_controls(conditions: Mapping[str, Condition]) -> Iterator[Finding]:
    """Controls of nothing, or that differ from their base in more than what they control for."""
    for condition in conditions.values():
        if condition.control is None:
            continue
        path = path_of(condition.subjects[0].name)
        base = conditions.get(condition.control.of)
        if base is None or base.control is not None:
            rule = f"a control of '{condition.control.of}', which is no trained condition of this bundle"
            yield Finding("EV-SUBJECT", path, "$.control.of", rule)
            continue
        named = f"{base.name}.{condition.control.name}"
        if condition.name != named:
            rule = f"the control '{condition.control.name}' of '{base.name}' is the condition '{named}'"
            yield Finding("EV-SUBJECT", path, "$.condition", rule)
        models = {subject.seed: subject for subject in base.subjects}
        for subject in condition.subjects:
            yield from _check_base(subject, models.get(subject.seed, base.subjects[0]))


def check_activations(conditions: Mapping[str, Condition], sites: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Activations of another model: of the same tokens at the same hooks as the site's, and not the site's own."""
    for condition in conditions.values():
        control, site = condition.control, sites.get(condition.site)
        if control is None or site is None:  # what names no site of the bundle was reported by then
            continue
        for rule in _problems(control, condition.site, site["data"]):
            yield Finding("EV-SUBJECT", path_of(condition.subjects[0].name), "$.control.activations", rule)


def _problems(control: ControlOf, site: str, data: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with the activations that a control states as its own, or does not."""
    if control.name in UNTRAINED | TRAINED and bool(control.activations) != (control.name in OF_ANOTHER_MODEL):
        has = "has activations of its own" if control.name in OF_ANOTHER_MODEL else "is measured on the site's"
        yield f"the control '{control.name}' {has}"
    if not control.activations:
        return
    theirs = {source["name"].removeprefix(f"{site}."): source["rows"] for source in data}
    prefix = f"{site}.{control.name}."
    if {source.name.removeprefix(prefix): source.rows for source in control.activations} != theirs:
        yield "they are not of as many rows under the same names as the site's, so not of the same tokens"
    digests = {source["digest"] for source in data}
    if any(not source.name.startswith(prefix) or source.digest in digests for source in control.activations):
        yield "they are the site's own activations, or are called so"


def _check_base(subject: Subject, model: Subject) -> Iterator[Finding]:
    """What a control shares with the subject of its base that has its seed."""
    path, name = path_of(subject.name), subject.control.name if subject.control else ""
    if subject.control and name in UNTRAINED | TRAINED and subject.control.deterministic != (name in ONE_FOR_ALL):
        rule = f"the control '{name}' is {'the same' if name in ONE_FOR_ALL else 'another one'} for every seed"
        yield Finding("EV-SUBJECT", path, "$.control.deterministic", rule)
    for key in ("site", "site_digest", "dims", "architecture"):
        if getattr(subject, key) != getattr(model, key):
            yield Finding("EV-SUBJECT", path, f"$.{key}", f"a control that differs in {key} from '{model.name}'")
    if subject.pretrained or model.pretrained:
        if dict(subject.budget) != dict(model.budget):
            yield Finding("EV-SUBJECT", path, "$.budget", f"a control whose budget is not that of '{model.name}'")
        if name in OF_A_PAST:
            rule = f"how the pretrained '{model.name}' was trained, and from where, is unknown: it has no such control"
            yield Finding("EV-SUBJECT", path, "$.control.name", rule)
        return
    trained = ("agreement", "decay_share") if subject.budget["steps"] else ()
    for key in ("batch_size", "learning_rate", "data_order_seed", *trained):
        if subject.budget[key] != model.budget[key]:
            rule = f"a control with {subject.budget[key]}, '{model.name}' has {model.budget[key]}"
            yield Finding("EV-SUBJECT", path, f"$.budget.{key}", rule)
    allowed = {0, model.budget["steps"]}
    if name in UNTRAINED | TRAINED:
        allowed = {0} if name in UNTRAINED else {model.budget["steps"]}
    if subject.budget["steps"] not in allowed:
        rule = f"{subject.budget['steps']} steps; a control has {' or '.join(map(str, sorted(allowed)))} here"
        yield Finding("EV-SUBJECT", path, "$.budget.steps", rule)
