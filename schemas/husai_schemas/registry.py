"""Find a schema by name and version, and say where a document breaks the one that it names."""

from __future__ import annotations

import difflib
import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping
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
NEWEST: Mapping[str, int] = {**dict.fromkeys(NAMES, 1), "subject": 2, "choice": 2}
"""The version of every schema that HUSAI writes; it reads this one and all before it."""

MOST_PROBLEMS = 100
_MOST_SHOWN = 40  # characters of what was written, in the rule that it breaks
_LATER = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class Problem:
    """One place where a document breaks its schema."""

    path: str
    rule: str


def newest(name: str) -> int:
    """The version of that schema which is written now."""
    if name not in NAMES:
        raise KeyError(f"no schema '{name}'; known: {', '.join(NAMES)}")
    return NEWEST[name]


def identifier(name: str, version: int) -> str:
    """What a document says under the key `schema`."""
    return f"husai:{name}/v{version}"


def versions(name: str) -> dict[str, int]:
    """The versions of a schema by what their documents say, oldest first. Any other way to write one is none."""
    return {identifier(name, version): version for version in range(1, newest(name) + 1)}


def version_of(name: str, document: Any) -> int | None:
    """The version of that schema which a document names, if it is known here."""
    stated = document.get("schema") if isinstance(document, dict) else None
    return versions(name).get(stated) if isinstance(stated, str) else None


def name_of(document: Any) -> str | None:
    """Which schema of HUSAI a document names, whatever the version."""
    stated = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(stated, str) or not stated.startswith("husai:"):
        return None
    name = stated.removeprefix("husai:").partition("/")[0]
    return name if name in NAMES else None


def from_a_newer_husai(name: str, document: Any) -> bool:
    """Whether a document names a version of that schema which comes after all that are known here."""
    stated = document.get("schema") if isinstance(document, dict) else None
    prefix = f"husai:{name}/v"
    if not isinstance(stated, str) or not stated.startswith(prefix):
        return False
    number = stated.removeprefix(prefix)
    return _LATER.fullmatch(number) is not None and int(number) > newest(name)


def load(name: str, version: int | None = None) -> dict[str, Any]:
    """A version of the schema of that name, the newest unless told, as a fresh dictionary."""
    version = newest(name) if version is None else version
    if version not in versions(name).values():
        raise KeyError(f"no version {version} of the schema '{name}'; known: {', '.join(versions(name))}")
    text = resources.files("husai_schemas").joinpath(name, f"v{version}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@functools.cache
def _validator(name: str, version: int) -> Any:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry

    def pattern(_: Any, regex: str, value: Any, __: Any) -> Iterator[ValidationError]:
        # Python's `$` also matches before a final line break, which JSON Schema's does not.
        if isinstance(value, str) and not re.search(re.sub(r"\$\Z", r"\\Z", regex), value):
            yield ValidationError(f"must match {regex}")

    def unique_items(_: Any, wanted: bool, value: Any, __: Any) -> Iterator[ValidationError]:
        # The library compares unsortable items pair by pair. Ours are scalars; other kinds break `type` anyway.
        if wanted and isinstance(value, list) and _twice(value) is not None:
            yield ValidationError("has an item twice")

    # An empty registry retrieves nothing: a `$ref` out of the schema raises instead of being fetched.
    return extend(Draft202012Validator, {"pattern": pattern, "uniqueItems": unique_items})(
        load(name, version), registry=Registry()
    )


@functools.cache
def _is_valid(name: str, version: int) -> Check:
    return Compiler(schema := load(name, version)).compile(schema)


def problems(name: str, document: Any) -> list[Problem]:
    """Where `document` breaks the version of the schema that it names, at most `MOST_PROBLEMS`, in document order.

    Empty when it is valid. One that names no version that is known here is held to the newest, which it breaks.
    """
    if from_a_newer_husai(name, document):
        return [Problem("$.schema", unknown_version(name))]
    version = version_of(name, document) or newest(name)
    if _is_valid(name, version)(document):
        return []
    found = sorted(itertools.islice(_validator(name, version).iter_errors(document), MOST_PROBLEMS), key=_order)
    return [Problem(_path(error.absolute_path), _rule(error)) for error in found]


def unknown_version(name: str) -> str:
    """The rule that a document of a later version breaks, and the way out."""
    return f"is of a newer version than this husai knows ({', '.join(versions(name))}): install a newer husai"


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
            return "must be one of " + ", ".join(str(v) for v in value) + f", not {_shown(error.instance)}"
        case "const":
            return f"must be '{value}'"
        case "pattern":
            return f"must match {value}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" | "minItems" | "minLength":
            return f"{keyword} is {value}"
        case "uniqueItems":
            return f"has an item twice: {_twice(error.instance)}"
        case "oneOf" | "anyOf":
            told = str(error.schema.get("description", ""))
            is_demand = told and not told.endswith(".")  # others are sentences that say what the key means
            return told if is_demand else "must have one of the allowed forms"
        case "not":
            return "has no place here"
        case _:
            return f"breaks '{keyword}': {str(error.message)[:120]}"


def _twice(items: list[Any]) -> str | None:
    """The first scalar of a list that stands there a second time, as it is shown."""
    seen: set[str] = set()
    for item in items:
        if isinstance(item, list | dict):
            continue
        if repr(item) in seen:
            return _shown(item)
        seen.add(repr(item))
    return None


def _shown(value: Any) -> str:
    """What was written, fit for one short line: JSON spells out whatever would break it."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    text = json.dumps(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
