"""Migrations: how a document of one version becomes one of the next, without a word that it did not say.

A step gets a document that is valid in its own version and leaves it as it was. What a version meant by leaving
something out is written here as a number of its own: a default that moves later moves no past document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from husai_schemas.registry import identifier, newest, version_of

Document = Mapping[str, Any]
Step = Callable[[Document], dict[str, Any]]

_NO_AGREEMENT, _LAST_FIFTH = 0.0, 0.2


def _whole_budget(budget: Document) -> dict[str, Any]:
    """A budget that says what version 1 of subject and choice meant where it said nothing."""
    if budget.get("pretrained") is True:
        return dict(budget)
    return {"agreement": _NO_AGREEMENT, "decay_share": _LAST_FIFTH, **budget}


def _subject_1(document: Document) -> dict[str, Any]:
    return {**document, "budget": _whole_budget(document["budget"])}


def _choice_1(document: Document) -> dict[str, Any]:
    compared = [{**entry, "budget": _whole_budget(entry["budget"])} for entry in document["compared"]]
    return {**document, "compared": compared}


STEPS: Mapping[tuple[str, int], Step] = {("subject", 1): _subject_1, ("choice", 1): _choice_1}
"""By schema and the version that a step begins at; every version but the newest has one."""


def lift(name: str, document: Document) -> Document:
    """A valid document in the newest version of its schema: itself, where it already is of that version."""
    version = version_of(name, document)
    if version is None:
        raise ValueError(f"names no version of '{name}' that is known here, so it was never valid")
    while version < newest(name):
        document = {**STEPS[name, version](document), "schema": identifier(name, version + 1)}
        version += 1
    return document
