"""Forms: what a JSON Schema says of a value, in a few words, and the rows of a table of its keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
_DEEPEST = 5  # nothing that HUSAI reads is nested further; a schema that refers to itself would not end


def resolved(schema: Schema, root: Schema) -> dict[str, Any]:
    """The schema with its `$ref` followed; what stands beside the reference has the last word."""
    if "$ref" not in schema:
        return dict(schema)
    target: Any = root
    for key in schema["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return {**resolved(target, root), **{key: value for key, value in schema.items() if key != "$ref"}}


def rows(schema: Schema, root: Schema, above: str = "", depth: int = 0) -> Iterator[tuple[str, str, str, str]]:
    """For each key below: its path, its form, whether it is needed, and what it means."""
    whole = resolved(schema, root)
    for part in _parts(whole, root):
        needed = part.get("required", ())
        for key, value in part.get("properties", {}).items():
            own = resolved(value, root)
            path = f"{above}.{key}" if above else key
            yield f"`{path}`", form(own, root), "yes" if key in needed else "", own.get("description", "")
            if depth < _DEEPEST:
                inner, suffix = _inner(own, root)
                yield from rows(inner, root, path + suffix, depth + 1)


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
