"""Settings tables become the frozen dataclass beside the code that uses them; a key that does not exist is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from husai_core.errors import UsageError, did_you_mean


def parse_settings(kind: type, table: Mapping[str, Any], place: str) -> Any:
    """An instance of the dataclass `kind` from a table of a study file."""
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{place}.{key}", "unknown setting", did_you_mean(key, known))
        if not _fits(value, hints[key]):
            raise UsageError(f"{place}.{key}", f"{value!r} is not of type {_type_name(hints[key])}")
    required = {f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING}
    if missing := sorted(required - table.keys()):
        raise UsageError(place, f"the setting '{missing[0]}' is missing")
    values = {key: _coerce(value, hints[key]) for key, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(place, str(error)) from None


def settings_table(settings: Any) -> dict[str, Any]:
    """Every setting with its value, defaults included: what evidence records."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(settings).items()}


def _members(hint: Any) -> tuple[Any, ...]:
    return (
        typing.get_args(hint)
        if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
        else (hint,)
    )


def _fits(value: Any, hint: Any) -> bool:
    for member in _members(hint):
        if typing.get_origin(member) is tuple:
            inner = typing.get_args(member)[0]
            if isinstance(value, list | tuple) and all(_fits(item, inner) for item in value):
                return True
        elif member is float:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return True
        elif member is int:
            if isinstance(value, int) and not isinstance(value, bool):
                return True
        elif isinstance(value, member):
            return True
    return False


def _coerce(value: Any, hint: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, int) and not isinstance(value, bool) and int not in _members(hint):
        return float(value)
    return value


def _type_name(hint: Any) -> str:
    return " or ".join("none" if m is type(None) else getattr(m, "__name__", str(m)) for m in _members(hint))
