"""The reference is what the code says: generated pages are fresh, and leave nothing out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import husai_schemas
from husai_core.errors import ExitCode
from husai_gates.rules import RULES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("husai_docs_generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(ROOT / "docs"))
    return module


GENERATE = generator()


@pytest.mark.parametrize("name", GENERATE.PAGES)
def test_a_page_is_what_the_code_gives(name: str) -> None:
    assert (REFERENCE / f"{name}.md").read_text() == GENERATE.render(name), f"run: {GENERATE.COMMAND}"


def test_every_page_of_the_reference_is_generated() -> None:
    assert {path.stem for path in REFERENCE.glob("*.md")} == set(GENERATE.PAGES)


@pytest.mark.parametrize("name", husai_schemas.NAMES)
def test_every_key_of_a_schema_has_a_meaning(name: str) -> None:
    from generator.forms import rows

    schema = husai_schemas.load(name)
    assert [key for key, _, _, meaning in rows(schema, schema) if not meaning] == []


@pytest.mark.parametrize("kind", RULES)
def test_every_key_of_a_rule_has_a_meaning(kind: str) -> None:
    from generator.forms import resolved

    schema = husai_schemas.load("policy")
    keys = resolved({"$ref": f"#/$defs/{kind}"}, schema)["properties"]
    assert [key for key, value in keys.items() if not resolved(value, schema).get("description")] == []


def test_the_readme_says_of_exit_codes_what_the_code_says() -> None:
    readme = (ROOT / "README.md").read_text()
    for code in set(ExitCode) - {ExitCode.RELEASED, ExitCode.INTERRUPTED}:
        assert f"| {int(code)} | {code.meaning} |" in readme
