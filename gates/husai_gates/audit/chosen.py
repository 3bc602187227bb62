"""Chosen conditions: the document that says what each was chosen from is its own, adds up, and was not its own judge.

Bundles that were compared are elsewhere: a document is held to itself, and a condition to the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from husai_core import strict_json
from husai_core.subject import Subject
from husai_gates.audit.layout import kind_of
from husai_gates.audit.paths import path_of
from husai_gates.audit.plan import STUDY, Difference, Plan, PlannedDictionary, PlannedPretrained
from husai_gates.condition import Condition
from husai_gates.finding import Finding

Document = Mapping[str, Any]

_AGAIN = "choose again with 'husai select'"
_FRESH = "train what was chosen on seeds that took no part in the choice"


def entry_of(document: Document) -> Document | None:
    """What a document says of the condition that it chose."""
    label = document["result"]["chosen"]
    return next((entry for entry in document["compared"] if entry["label"] == label), None)


def choice_path(sae: str) -> str:
    """Where the document stands by which a dictionary of the study was chosen."""
    return f"choices/{sae}.json"


@dataclass(frozen=True)
class Chosen:
    """A condition of this bundle, and the document by which it was chosen in others."""

    document: Document
    seeds: frozenset[int]
    site: str

    @property
    def entry(self) -> Document | None:
        return entry_of(self.document)

    @property
    def compared(self) -> int:
        """How many were compared, with the points of every search and choice that brought one of them here."""
        return sum(entry["chosen_from"] for entry in self.document["compared"])

    @property
    def seeds_before(self) -> list[int]:
        """The seeds that it was chosen on."""
        return looked_at(self.document)

    def declaration(self) -> str:
        """One line for whoever reads a number of this condition."""
        compared = self.document["compared"]
        more = f" ({self.compared} with what these were chosen from)" if self.compared > len(compared) else ""
        site = self.entry["site"]["name"] if self.entry else self.site
        where = "" if site == self.site else f" at the site '{site}'"
        return (
            f"chosen as {self.document['result']['chosen']} from {_conditions(len(compared))}{more}{where} on seeds "
            f"{_listed(looked_at(self.document))}, confirmed on the fresh seeds {_listed(sorted(self.seeds))}"
        )


def chosen_of(plan: Plan, documents: Mapping[str, Any]) -> dict[str, Chosen]:
    """The conditions that were chosen, where their documents could be read."""
    return {
        condition: Chosen(documents[choice_path(sae)], plan.seeds_of(condition), plan.conditions[condition].site)
        for condition, sae in plan.chosen_by.items()
        if choice_path(sae) in documents
    }


def check_chosen(
    plan: Plan, conditions: Mapping[str, Condition], files: Mapping[str, bytes], documents: Mapping[str, Any]
) -> Iterator[Finding]:
    """Documents that are not there, contradict themselves, or are about something else than what is shown."""
    wanted = {choice_path(sae): sae for sae in plan.chosen_by.values()}
    for path, sae in sorted(wanted.items()):
        if path not in files:
            rule = f"'{sae}' was chosen, and nothing says from what"
            yield Finding("EV-SELECTION-ABSENT", path, "$", rule, "run the study again, beside its choice document")
        elif path in documents:
            for place, rule in contradictions(documents[path]):
                yield Finding("EV-SELECTION", path, place, rule, _AGAIN)
    for condition, chosen in chosen_of(plan, documents).items():
        path = choice_path(plan.chosen_by[condition])
        if chosen.entry is None:
            rule = f"nothing was chosen, and '{condition}' is shown as chosen"
            yield Finding("EV-SELECTION", path, "$.result.chosen", rule, _AGAIN)
            continue
        subjects = conditions[condition].subjects if condition in conditions else ()
        yield from _check_subjects(subjects, chosen.entry)
        yield from _check_fresh(condition, chosen.document, subjects, chosen.seeds)
    for path in sorted(files):
        if kind_of(path) == "choice" and path not in wanted:
            rule = "no dictionary of the study was chosen by this document"
            yield Finding("EV-UNPLANNED", path, "$", rule, "run the study as it was written")


def contradictions(document: Document) -> Iterator[tuple[str, str]]:
    """Where a document does not follow from what it states, and how."""
    from husai_gates.contest import Contest  # only for the few bundles that hold such a document

    problems = [*_misfits(document)]
    yield from problems
    if problems:
        return
    contest = Contest.from_json(document)
    for key, value in {"result": contest.result(), "sensitivity": contest.sensitivity()}.items():
        if strict_json.encode({key: document[key]}) != strict_json.encode({key: value}):
            yield f"$.{key}", "is not what the bounds, weights and rules in the document give"


def _misfits(document: Document) -> Iterator[tuple[str, str]]:
    """What has to hold before anything can be computed from it."""
    objectives, compared = document["objectives"], document["compared"]
    if not any(objective["weight"] for objective in objectives):
        yield "$.objectives", "every weight is 0"
    labels: dict[str, str] = {}
    weights: dict[str, str] = {}
    for index, entry in enumerate(compared):
        here, label = f"$.compared[{index}]", entry["label"]
        if label in labels:
            yield f"{here}.label", f"'{label}' stands twice"
        labels.setdefault(label, here)
        if entry["bundle"] not in document["bundles"]:
            yield f"{here}.bundle", "is none of the bundles that were given"
        for digest in entry["weights"]:
            if digest in weights:
                yield f"{here}.weights", f"weights of '{weights[digest]}', counted again"
            weights.setdefault(digest, label)
        if len(entry["intervals"]) != len(objectives):
            yield f"{here}.intervals", f"{len(entry['intervals'])} intervals for {len(objectives)} objectives"
        for number, found in enumerate(entry["intervals"]):
            if not found["low"] <= found["estimate"] <= found["high"]:
                yield f"{here}.intervals[{number}]", "the estimate is not between the bounds"
            if found["n"] > len(entry["seeds"]):
                yield f"{here}.intervals[{number}].n", f"{found['n']} seeds, and {len(entry['seeds'])} are listed"
    if compared and any(objective["direction"] is None for objective in objectives):
        yield "$.objectives", "a metric of what was compared has no better side"


def differences(planned: PlannedDictionary | PlannedPretrained, entry: Document) -> Iterator[Difference]:
    """What a study plans otherwise than the chosen condition was made."""
    pattern = Subject(
        name=entry["label"],
        condition=entry["condition"],
        role=planned.role,  # type: ignore[arg-type]
        site=planned.site,  # another site may confirm it
        site_digest=entry["site"]["digest"],
        architecture=entry["architecture"],
        dims=entry["dims"],
        seed=0,
        budget=entry["budget"],
        weights="",
        control=None,
    )
    return ((place, asked, shown) for place, asked, shown in planned.differences(pattern) if asked != shown)


def looked_at(document: Document) -> list[int]:
    """The seeds of all that was compared, and of what brought any of it there."""
    return sorted({seed for entry in document["compared"] for seed in (*entry["seeds"], *entry["earlier_seeds"])})


def shared(document: Document, seeds: frozenset[int]) -> list[int]:
    """The seeds that took part in the choice and would also confirm it."""
    return sorted(seeds & set(looked_at(document)))


def _check_subjects(subjects: Sequence[Subject], entry: Document) -> Iterator[Finding]:
    """What is shown as chosen is what was chosen, in everything but its seed."""
    for subject in subjects:
        shown = {
            "architecture": {key: subject.architecture[key] for key in ("name", "settings")},
            "dims": {"d_sae": subject.dims["d_sae"]},
            "budget": {key: value for key, value in subject.budget.items() if key != "source"},
        }
        for key, value in shown.items():
            if strict_json.encode(value) != strict_json.encode(entry[key]):
                rule = f"differs in {key} from '{entry['label']}', which was chosen"
                yield Finding("EV-SELECTION", path_of(subject.name), f"$.{key}", rule, "train what was chosen")


def _check_fresh(
    condition: str, document: Document, subjects: Sequence[Subject], planned: frozenset[int]
) -> Iterator[Finding]:
    """The best of many is the luckiest of many, too: only fresh seeds say how good it is."""
    if seeds := shared(document, planned | {subject.seed for subject in subjects}):
        rule = f"seeds {_listed(seeds)} took part in the choice of '{condition}' and also confirm it"
        yield Finding("EV-SELECTION-SEEDS", STUDY, "$.training.seeds", rule, _FRESH)
    compared = {digest: entry["label"] for entry in document["compared"] for digest in entry["weights"]}
    for subject in subjects:
        if subject.weights in compared:
            rule = f"the weights of '{compared[subject.weights]}', which took part in the choice"
            yield Finding("EV-SELECTION-SEEDS", path_of(subject.name), "$.weights", rule, _FRESH)


def _conditions(many: int) -> str:
    return f"{many} condition{'s' if many != 1 else ''}"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
