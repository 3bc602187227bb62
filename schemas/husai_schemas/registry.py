"""Find a schema by name, and say where a document breaks it."""

from __future__ import annotations

import difflib
import functools
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from husai_schemas.compiled import Check, Compiler

NAMES = (
    "study",
    "evidence",
    "transcript",
    "subject",
    "site",
    "selection",
    "choice",
    "provenance",
    "manifest",
    "policy",
    "waivers",
    "decision",
    "claims",
)
VERSION = 1
MOST_PROBLEMS = 100


@dataclass(frozen=True)
class Problem:
    """One place where a document breaks its schema."""

    path: str
    rule: str


def load(name: str) -> dict[str, Any]:
    """The schema of that name, as a fresh dictionary."""
    if name not in NAMES:
        raise KeyError(f"no schema '{name}'; known: {', '.join(NAMES)}")
    text = resources.files("husai_schemas").joinpath(name, f"v{VERSION}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@functools.cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry

    def pattern(_: Any, regex: str, value: Any, __: Any) -> Iterator[ValidationError]:
        # Python's `$` also matches before a final line break, which JSON Schema's does not.
        if isinstance(value, str) and not re.search(re.sub(r"\$\Z", r"\\Z", regex), value):
            yield ValidationError(f"must match {regex}")

    def unique_items(_: Any, wanted: bool, value: Any, __: Any) -> Iterator[ValidationError]:
        # The library compares unsortable items pair by pair. Ours are scalars; other kinds break `type` anyway.
        if wanted and isinstance(value, list):
            scalars = [item for item in value if not isinstance(item, list | dict)]
            if len(set(map(repr, scalars))) < len(scalars):
                yield ValidationError("has an item twice")

    # An empty registry retrieves nothing: a `$ref` out of the schema raises instead of being fetched.
    return extend(Draft202012Validator, {"pattern": pattern, "uniqueItems": unique_items})(
        load(name), registry=Registry()
    )


@functools.cache
def _is_valid(name: str) -> Check:
    return Compiler(schema := load(name)).compile(schema)


def problems(name: str, document: Any) -> list[Problem]:
    """Where `document` breaks the schema, at most `MOST_PROBLEMS`, in document order; empty when it is valid."""
    if _is_valid(name)(document):
        return []
    found = sorted(itertools.islice(_validator(name).iter_errors(document), MOST_PROBLEMS), key=_order)
    return [Problem(_path(error.absolute_path), _rule(error)) for error in found]


def _order(error: Any) -> tuple[list[str], bool]:
    """By place; a misspelt key before the missing one that it was meant to be."""
    return [str(part) for part in error.absolute_path], error.validator != "additionalProperties"


def _path(parts: Any) -> str:
    return "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)


def _rule(error: Any) -> str:
    """What the schema demands, in words and short: a message that repeats the whole document helps nobody."""
    keyword, value = error.validator, error.validator_value
    match keyword:
        case "required":
            missing = [key for key in value if key not in error.instance]  # and one error for each of them
            named = next((key for key in missing if str(error.message).startswith(repr(key))), missing[0])
            return f"the key '{named}' is missing"
        case "additionalProperties":
            known = set(error.schema.get("properties", ()))
            patterns = error.schema.get("patternProperties", ())
            unknown = [k for k in error.instance if k not in known and not any(re.search(p, k) for p in patterns)]
            near = difflib.get_close_matches(unknown[0], sorted(known), n=1, cutoff=0.5)
            listing = ", ".join([*sorted(known), *(f"what matches {p}" for p in patterns)])
            hint = f"; did you mean '{near[0]}'?" if near else ";"
            return f"unknown key '{unknown[0]}'{hint} known: {listing or 'none'}"
        case "type":
            return f"must be of type {value if isinstance(value, str) else ' or '.join(value)}"
        case "enum":
            return "must be one of " + ", ".join(str(v) for v in value)
        case "const":
            return f"must be '{value}'"
        case "pattern":
            return f"must match {value}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" | "minItems" | "minLength":
            return f"{keyword} is {value}"
        case "uniqueItems":
            return "has an item twice"
        case "oneOf" | "anyOf":
            told = str(error.schema.get("description", ""))
            is_demand = told and not told.endswith(".")  # others are sentences that say what the key means
            return told if is_demand else "must have one of the allowed forms"
        case "not":
            return "has no place here"
        case _:
            return f"breaks '{keyword}': {str(error.message)[:120]}"
