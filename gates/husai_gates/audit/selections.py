"""Selections: every search has the document that its evidence gives, and no seed both chose and confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from husai_core import strict_json
from husai_gates.audit.choice import Choice
from husai_gates.audit.layout import kind_of
from husai_gates.audit.plan import STUDY
from husai_gates.finding import Finding

_AGAIN = "make the bundle again with 'husai run'"


def selection_path(name: str) -> str:
    """Where the selection document of a confirmed condition stands."""
    return f"selections/{name}.json"


def check_selections(
    choices: Mapping[str, Choice], files: Mapping[str, bytes], documents: Mapping[str, Any]
) -> Iterator[Finding]:
    """Choices that nobody declared, that the evidence does not give, or that were confirmed on their own seeds."""
    for name, choice in sorted(choices.items()):
        search, path = choice.planned.search, selection_path(name)
        if shared := search.shared_seeds(choice.planned.seeds):
            rule = f"seeds {', '.join(map(str, shared))} chose '{name}' and also confirm it"
            step = "train the chosen point on seeds that took no part in the choice"
            yield Finding("EV-SELECTION-SEEDS", STUDY, f"$.search[{search.index}].seeds", rule, step)
        if path not in files:
            rule = f"'{name}' was chosen by a search, and nothing says from what"
            yield Finding("EV-SELECTION-ABSENT", path, "$", rule, _AGAIN)
        elif path in documents:
            yield from _check_document(path, files, documents[path], choice)
        if choice.chosen is None:
            rule = f"no point of '{search.name}' could be chosen: {_reasons(choice)}"
            yield Finding("EV-SELECTION-NONE", STUDY, f"$.search[{search.index}]", rule, "loosen it, or search wider")
    for path in sorted(files):
        if kind_of(path) == "selection" and path not in map(selection_path, choices):
            rule = "no search of the study makes this selection"
            yield Finding("EV-UNPLANNED", path, "$", rule, "run the study as it was written")


def _check_document(
    path: str, files: Mapping[str, bytes], document: Mapping[str, Any], choice: Choice
) -> Iterator[Finding]:
    expected = choice.to_json(files)
    if document["chosen"] != choice.chosen:
        rule = f"'{document['chosen']}' is said to be chosen, the evidence gives '{choice.chosen}'"
        yield Finding("EV-SELECTION", path, "$.chosen", rule, _AGAIN)
    for key, value in expected.items():
        if strict_json.encode({key: document[key]}) != strict_json.encode({key: value}) and key != "chosen":
            rule = "is not what the study and the evidence of the search give"
            yield Finding("EV-SELECTION", path, f"$.{key}", rule, _AGAIN)


def _reasons(choice: Choice) -> str:
    """The codes that keep the points from being chosen, each with how often."""
    codes = [
        code
        for point in choice.points
        for code in dict.fromkeys([point.code, *(met.code for met in point.constraints)])
        if code != "RULE-HOLDS"
    ]
    return ", ".join(f"{code} at {codes.count(code)} of {len(choice.points)}" for code in dict.fromkeys(codes))
