"""Compiled schemas: whether a document is valid, answered by plain functions; what is wrong with it is not said here.

The keywords that our schemas use, as Draft 2020-12 has them. A keyword that is not known here refuses to compile, so
that none is ever passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]

_SILENT = frozenset({"$schema", "$id", "$defs", "title", "description", "then", "else", "examples"})


class Compiler:
    """Turns a schema and its definitions into functions; every definition is compiled once."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[str, Check] = {}

    def compile(self, schema: Any) -> Check:
        """The function that says whether a value satisfies this schema."""
        if isinstance(schema, bool):
            return lambda _: schema
        if _closed_object(schema):
            return _members_only(schema, self._properties(schema))
        return _all([self._keyword(key, value, schema) for key, value in schema.items() if key not in _SILENT])

    def _properties(self, schema: Mapping[str, Any]) -> dict[str, Check]:
        return {key: self.compile(part) for key, part in schema.get("properties", {}).items()}

    def _reference(self, pointer: str) -> Check:
        if pointer not in self._known:
            head, *parts = pointer.split("/")
            if head != "#" or any("~" in part or "%" in part for part in parts):
                raise NotImplementedError(f"a reference out of the schema: {pointer}")
            target: Any = self._root
            for part in parts:
                target = target[part]
            # Through the table, so that a definition may refer to itself.
            self._known[pointer] = lambda value: self._known[pointer](value)
            self._known[pointer] = self.compile(target)
        return self._known[pointer]

    def _keyword(self, keyword: str, wanted: Any, schema: Mapping[str, Any]) -> Check:
        if keyword == "$ref":
            return self._reference(wanted)
        if keyword in _OF_SCHEMAS:
            return _OF_SCHEMAS[keyword]([self.compile(part) for part in wanted])
        if keyword in _OF_SCHEMA:
            return _OF_SCHEMA[keyword](self.compile(wanted))
        if keyword in ("properties", "patternProperties"):
            return _of_members(self._properties(schema), self._patterns(schema), None)
        if keyword == "additionalProperties":
            return _of_members({}, (), (schema, self.compile(wanted)))
        if keyword == "if":
            test, then, other = (self.compile(schema.get(key, True)) for key in ("if", "then", "else"))
            return lambda value: then(value) if test(value) else other(value)
        if keyword in _OF_VALUE:
            return _OF_VALUE[keyword](wanted)
        raise NotImplementedError(f"the keyword '{keyword}' is not compiled")

    def _patterns(self, schema: Mapping[str, Any]) -> tuple[tuple[re.Pattern[str], Check], ...]:
        parts = schema.get("patternProperties", {})
        return tuple((_regex(pattern), self.compile(part)) for pattern, part in parts.items())


def _regex(pattern: str) -> re.Pattern[str]:
    """Python's `$` also matches before a final line break, which JSON Schema's does not."""
    return re.compile(re.sub(r"\$\Z", r"\\Z", pattern))


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]

    def check(value: Any) -> bool:
        for each in checks:  # noqa: SIM110, a generator would cost more than most checks
            if not each(value):
                return False
        return True

    return check


def _closed_object(schema: Mapping[str, Any]) -> bool:
    return (
        schema.get("type") == "object"
        and schema.get("additionalProperties") is False
        and "patternProperties" not in schema
        and set(schema) - _SILENT <= {"type", "properties", "required", "additionalProperties"}
    )


def _members_only(schema: Mapping[str, Any], properties: Mapping[str, Check]) -> Check:
    """The commonest form, an object of known members, in one pass over them."""
    required = frozenset(schema.get("required", ()))
    get = properties.get

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not required <= value.keys():
            return False
        for key, item in value.items():
            part = get(key)
            if part is None or not part(item):
                return False
        return True

    return check


def _of_members(
    properties: Mapping[str, Check],
    patterns: tuple[tuple[re.Pattern[str], Check], ...],
    rest: tuple[Mapping[str, Any], Check] | None,
) -> Check:
    known = frozenset(rest[0].get("properties", ())) if rest else frozenset()
    matched = [_regex(pattern) for pattern in rest[0].get("patternProperties", ())] if rest else []

    def check(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for key, item in value.items():
            if key in properties and not properties[key](item):
                return False
            if any(pattern.search(key) and not part(item) for pattern, part in patterns):
                return False
            if rest and key not in known and not any(p.search(key) for p in matched) and not rest[1](item):
                return False
        return True

    return check


_NUMBERS = frozenset({int, float})
_TYPES: Mapping[str, Check] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    # By exact type: `True` is an int to Python, and what is read holds no other subclasses.
    "number": lambda value: type(value) in _NUMBERS,
    "integer": lambda value: type(value) is int or (type(value) is float and value.is_integer()),
}


def _type(wanted: str | list[str]) -> Check:
    if isinstance(wanted, str):
        return _TYPES[wanted]
    kinds = [_TYPES[name] for name in wanted]
    return lambda value: any(kind(value) for kind in kinds)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _const(wanted: Any) -> Check:
    if isinstance(wanted, list | dict):
        raise NotImplementedError("a constant that is no scalar is not compiled")
    return lambda value: _same(value, wanted)


def _enum(wanted: list[Any]) -> Check:
    members = [_const(item) for item in wanted]
    return lambda value: any(member(value) for member in members)


def _unique(wanted: bool) -> Check:
    def check(value: Any) -> bool:
        if not isinstance(value, list) or len(value) < 2:
            return True
        scalars = [repr(item) for item in value if not isinstance(item, list | dict)]
        return len(set(scalars)) == len(scalars)

    return check if wanted else lambda _: True


def _items(part: Check) -> Check:
    def check(value: Any) -> bool:
        if isinstance(value, list):
            for item in value:
                if not part(item):
                    return False
        return True

    return check


def _number(relation: Callable[[Any, Any], bool]) -> Callable[[Any], Check]:
    return lambda bound: lambda value: not _TYPES["number"](value) or relation(value, bound)


def _size(kind: type[str | list[Any] | dict[Any, Any]], relation: Callable[[int, int], bool]) -> Callable[[Any], Check]:
    return lambda bound: lambda value: not isinstance(value, kind) or relation(len(value), bound)


def _pattern(wanted: str) -> Check:
    search = _regex(wanted).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _dependent(wanted: Mapping[str, list[str]]) -> Check:
    def check(value: Any) -> bool:
        return not isinstance(value, dict) or all(
            key not in value or all(other in value for other in others) for key, others in wanted.items()
        )

    return check


def _required(wanted: list[str]) -> Check:
    return lambda value: not isinstance(value, dict) or all(key in value for key in wanted)


_OF_SCHEMAS: Mapping[str, Callable[[list[Check]], Check]] = {
    "allOf": _all,
    "anyOf": lambda parts: lambda value: any(part(value) for part in parts),
    "oneOf": lambda parts: lambda value: sum(part(value) for part in parts) == 1,
}
_OF_SCHEMA: Mapping[str, Callable[[Check], Check]] = {
    "items": _items,
    "contains": lambda part: lambda value: not isinstance(value, list) or any(part(item) for item in value),
    "not": lambda part: lambda value: not part(value),
    "propertyNames": lambda part: lambda value: not isinstance(value, dict) or all(part(key) for key in value),
}
_OF_VALUE: Mapping[str, Callable[[Any], Check]] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "required": _required,
    "dependentRequired": _dependent,
    "uniqueItems": _unique,
    "minimum": _number(lambda value, bound: value >= bound),
    "maximum": _number(lambda value, bound: value <= bound),
    "exclusiveMinimum": _number(lambda value, bound: value > bound),
    "exclusiveMaximum": _number(lambda value, bound: value < bound),
    "minLength": _size(str, lambda size, bound: size >= bound),
    "maxLength": _size(str, lambda size, bound: size <= bound),
    "minItems": _size(list, lambda size, bound: size >= bound),
    "maxItems": _size(list, lambda size, bound: size <= bound),
    "minProperties": _size(dict, lambda size, bound: size >= bound),
    "maxProperties": _size(dict, lambda size, bound: size <= bound),
}
