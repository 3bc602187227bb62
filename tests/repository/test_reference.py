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


def test_every_member_of_a_class_of_plugins_has_a_meaning() -> None:
    rows = [line for line in (REFERENCE / "hooks.md").read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


def _of_the_study() -> dict[str, tuple[str, str]]:
    from generator.forms import rows
    from generator.studies import completed

    schema = husai_schemas.load("study")
    return {key.strip("`"): (form, needed) for key, form, needed, _ in completed(rows(schema, schema))}


@pytest.mark.parametrize(
    ("key", "needed"),
    [
        ("training.seeds", "yes"),
        ("training.steps", "yes, if a `sae` has no `pretrained`"),
        ("training.batch_size", "yes, if a `sae` has no `pretrained`"),
        ("training.learning_rate", "yes, if a `sae` has no `pretrained`"),
        ("training.dead_after_steps", ""),
        ("sae[].architecture", "yes, unless `pretrained` is given"),
        ("sae[].d_sae", "yes, unless `pretrained` is given or `sweep` holds it"),
        ("sae[].settings", "not if `pretrained` is given"),
    ],
)
def test_a_key_that_is_needed_in_some_cases_says_in_which(key: str, needed: str) -> None:
    assert _of_the_study()[key][1] == needed


@pytest.mark.parametrize(
    ("key", "default"),
    [("training.dead_after_steps", "200"), ("site[].model_seed", "0"), ("training.match_every", "50")],
)
def test_a_key_that_may_be_left_out_says_what_it_then_is(key: str, default: str) -> None:
    assert _of_the_study()[key][0].endswith(f"; default `{default}`")


def test_conditions_of_other_schemas_are_said_in_words() -> None:
    from generator.forms import rows

    schema = husai_schemas.load("subject")
    needed = {key.strip("`"): words for key, _, words, _ in rows(schema, schema)}
    assert needed["control"] == 'yes, if `role` is `"control"`, and only then'
    assert needed["weights"] == "yes, unless `unverified` is given"


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
