"""The public names are frozen: what third parties import stays where it is, or says where it went."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import husai_core
from husai_core.public import MODULES, MOVED

ROOT = Path(__file__).parents[2]
MOST = 25

FROZEN = json.loads(Path(__file__).with_name("public_names.json").read_bytes())

PROMISE = """the public names of {} changed.
A new name: add it to public_names.json and a line to CHANGELOG.md. A name that goes or moves: keep it at its old place
for one minor version, with a warning that says where it is now (husai_core/public.py, docs/stability.md)."""


def test_husai_core_itself_has_few_names() -> None:
    assert len(husai_core.__all__) <= MOST


@pytest.mark.parametrize("module", MODULES)
def test_public_names_are_frozen(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == FROZEN[module], PROMISE.format(module)
    assert [name for name in found.__all__ if not hasattr(found, name)] == []


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything that a file takes from HUSAI's core."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "husai_core":
            yield from ((node.module, alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "husai_core")


def plugin_files() -> list[Path]:
    folders = ("plugins", "tests/third_party", "husai_core/templates")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_plugins_come_in_by_the_front_door() -> None:
    """Ours, a stranger's and those that `husai new` writes import public names alone."""
    allowed = {(module, name) for module, names in FROZEN.items() for name in names}
    allowed |= {("husai_core", module.partition(".")[2]) for module in MODULES} | {(module, "") for module in MODULES}
    found = {(str(path.relative_to(ROOT)), *name) for path in plugin_files() for name in imported(path)}
    assert [use for use in sorted(found) if use[1:] not in allowed] == []


@pytest.mark.parametrize("name", MOVED)
def test_a_name_that_moved_answers_at_its_old_place_and_says_where_it_is(name: str) -> None:
    assert name in FROZEN[MOVED[name]]
    with pytest.warns(DeprecationWarning, match=rf"is {MOVED[name]}\.{name} now; .* husai 0\.2") as caught:
        found = getattr(husai_core, name)
    assert found is getattr(importlib.import_module(MOVED[name]), name)
    assert caught[0].filename == __file__


def test_a_name_that_never_was_is_missing_as_of_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'husai_core' has no attribute 'Moon'"):
        _ = husai_core.Moon
