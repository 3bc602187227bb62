"""The rule about settings that plugins of several kinds are held to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from husai_core.settings import parse_settings, settings_table
from husai_core.strict_toml import read_toml
from husai_core.testing.contract import Broken


def must_be_settings(kind: type, chosen: Any) -> None:
    """Refuse what is no frozen dataclass, or what comes back from a study file as something else."""
    must_be_frozen(kind)
    table = {name: value for name, value in settings_table(chosen).items() if value is not None}
    if parse_settings(kind, read_toml(_toml(table)), "settings") != chosen:
        raise Broken(f"read back from a study file, {table} are other settings")


def must_be_frozen(kind: type) -> None:
    if not dataclasses.is_dataclass(kind):
        raise Broken(f"{kind.__name__} is not a dataclass")
    if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise Broken(f"{kind.__name__} is not frozen: write @dataclass(frozen=True)")


def _toml(table: Mapping[str, Any]) -> bytes:
    """TOML is spelt as JSON is for names, numbers, texts, truths and lists of them; it has no null."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items()).encode()
