"""Forms: what a JSON Schema says of a value, in a few words, and the rows of a table of its keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
Case = tuple[str, Schema]  # a condition in words, and what holds under it
_DEEPEST = 5  # nothing that HUSAI reads is nested further; a schema that refers to itself would not end


def resolved(schema: Schema, root: Schema) -> dict[str, Any]:
    """The schema with its `$ref` followed; what stands beside the reference has the last word."""
    if "$ref" not in schema:
        return dict(schema)
    target: Any = root
    for key in schema["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return {**resolved(target, root), **{key: value for key, value in schema.items() if key != "$ref"}}


def rows(
    schema: Schema, root: Schema, above: str = "", depth: int = 0, cases: Sequence[Case] = ()
) -> Iterator[tuple[str, str, str, str]]:
    """For each key below: its path, its form, whether it is needed, and what it means.

    `cases` are what a schema further out asks of this one under a condition.
    """
    whole = resolved(schema, root)
    for part in _parts(whole, root):
        told = [*cases, *_cases(part, root)]
        for key, value in part.get("properties", {}).items():
            own = resolved(value, root)
            path = f"{above}.{key}" if above else key
            yield f"`{path}`", form(own, root), _needed(key, part, told), own.get("description", "")
            if depth < _DEEPEST:
                inner, suffix = _inner(own, root)
                below = [(words, case["properties"][key]) for words, case in told if key in case.get("properties", {})]
                if suffix == "[]":
                    below = [(words, case["items"]) for words, case in below if "items" in case]
                yield from rows(inner, root, path + suffix, depth + 1, below if suffix != ".*" else ())


def _needed(key: str, schema: Schema, cases: Sequence[Case]) -> str:
    """Whether a key must be there, always or in which cases; and in which it must not."""
    if key in schema.get("required", ()):
        return "yes"
    needed = [words for words, case in cases if key in case.get("required", ())]
    barred = [words for words, case in cases if case.get("properties", {}).get(key) == {"not": {}}]
    if {_otherwise(words) for words in needed} == set(barred) != set():
        return f"yes, {' or '.join(needed)}, and only then"
    return "; ".join([*(f"yes, {words}" for words in needed), *(f"not {words}" for words in barred)])


def _otherwise(words: str) -> str:
    """The condition of the other branch."""
    return words.replace("if ", "unless ", 1) if words.startswith("if ") else words.replace("unless ", "if ", 1)


def _cases(schema: Schema, root: Schema) -> Iterator[Case]:
    """The branches of a schema, each with its condition in words. One that is a whole form has a table of its own."""
    for branch in (schema, *schema.get("allOf", ())):
        if "if" in branch:
            words = _condition(branch["if"], root)
            for head, key in (("if", "then"), ("unless", "else")):
                if key in branch:
                    yield f"{head} {words}", branch[key]


def _condition(test: Schema, root: Schema) -> str:
    """What a schema asks of a document, as a condition."""
    said = []
    asked = {key: resolved(value, root) for key, value in test.get("properties", {}).items()}
    for key, value in asked.items():
        inside = value.get("contains", {}).get("not", {}).get("required", ())
        if "const" in value:
            said.append(f"`{key}` is `{json.dumps(value['const'])}`")
        elif inside:
            said.append(f"a `{key}` has no {' or '.join(f'`{name}`' for name in inside)}")
        else:
            said.append(" and ".join([f"`{key}` is {words}" for words in _bounds(value)]) or f"of the form of `{key}`")
    said += [f"`{key}` is given" for key in test.get("required", ()) if key not in asked]
    return " and ".join(said)


def _parts(whole: Schema, root: Schema) -> Iterator[Schema]:
    """Where keys are stated: in the schema itself, or in each of its alternatives."""
    if "properties" in whole:
        yield whole
    else:
        for alternative in (*whole.get("oneOf", ()), *whole.get("anyOf", ())):
            yield from _parts(resolved(alternative, root), root)


def _inner(schema: Schema, root: Schema) -> tuple[Schema, str]:
    """What lies inside a value, and how a path into it is written."""
    if isinstance(schema.get("items"), Mapping):
        return resolved(schema["items"], root), "[]"
    if isinstance(schema.get("additionalProperties"), Mapping) and "properties" not in schema:
        return resolved(schema["additionalProperties"], root), ".*"
    return schema, ""


def form(schema: Schema, root: Schema) -> str:
    """What a value may be."""
    schema = resolved(schema, root)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    for key in ("oneOf", "anyOf"):
        if key in schema and "properties" not in schema:
            return " or ".join(dict.fromkeys(form(option, root) for option in schema[key]))
    types = schema.get("type", "any value")
    words = " or ".join(_typed(kind, schema, root) for kind in ([types] if isinstance(types, str) else types))
    return ", ".join([words, *_bounds(schema)])


def _typed(kind: str, schema: Schema, root: Schema) -> str:
    if kind == "array":
        item = form(schema["items"], root) if "items" in schema else ""
        return f"list of ({item})" if "," in item else f"list of {item}" if item else "list"
    if kind == "object":
        return "table"
    return {"string": "text", "boolean": "true or false"}.get(kind, kind)


def _bounds(schema: Schema) -> Iterator[str]:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
        "minItems": "{} or more",
        "maxItems": "at most {} of them",
        "pattern": "matching `{}`",
    }
    for key, words_of in words.items():
        if key in schema:
            yield words_of.format(schema[key])
    if schema.get("uniqueItems"):
        yield "each once"
