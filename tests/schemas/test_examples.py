"""Every schema lives with examples that must validate and examples that must not; adding a case is adding a file."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import husai_schemas

FOLDER = Path(husai_schemas.__file__).parent


VERSIONS = [(name, version) for name in husai_schemas.NAMES for version in husai_schemas.versions(name).values()]


def _cases(kind: str) -> list[Any]:
    return [
        pytest.param(name, path, id=f"{name}/{path.stem}")
        for name in husai_schemas.NAMES
        for path in sorted((FOLDER / name / "examples" / kind).iterdir())
    ]


def _read(path: Path) -> Any:
    return tomllib.loads(path.read_text()) if path.suffix == ".toml" else json.loads(path.read_text())


@pytest.mark.parametrize(("name", "path"), _cases("valid"))
def test_a_valid_example_validates(name: str, path: Path) -> None:
    assert husai_schemas.problems(name, _read(path)) == []


@pytest.mark.parametrize(("name", "path"), _cases("invalid"))
def test_an_invalid_example_does_not(name: str, path: Path) -> None:
    found = husai_schemas.problems(name, _read(path))
    assert found
    for problem in found:
        assert problem.path.startswith("$")
        assert len(problem.rule) < 400


def _subject(role: Any) -> list[str]:
    document = _read(FOLDER / "subject" / "examples" / "valid" / "v2-candidate.json")
    return [problem.rule for problem in husai_schemas.problems("subject", {**document, "role": role})]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("candidat", '"candidat"'),
        ("a\nb\u202e", '"a\\nb\\u202e"'),
        ("x" * 90, '"' + "x" * 38 + "…"),
        (["candidate"], "a list"),
        ({"candidate": 1}, "a table"),
        (True, "true"),
    ],
)
def test_what_is_none_of_the_allowed_words_is_shown_short_and_safe(written: Any, shown: str) -> None:
    (rule,) = [rule for rule in _subject(written) if rule.startswith("must be one of")]
    assert rule.endswith(f", not {shown}")
    assert rule.isprintable()


def test_the_item_that_stands_twice_is_named() -> None:
    study = _read(FOLDER / "study" / "examples" / "invalid" / "one-seed-twice.json")
    (found,) = husai_schemas.problems("study", study)
    twice = next(seed for seed in study["training"]["seeds"] if study["training"]["seeds"].count(seed) > 1)
    assert (found.path, found.rule) == ("$.training.seeds", f"has an item twice: {twice}")


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_every_version_is_sound_closed_and_has_both_kinds_of_example(name: str, version: int) -> None:
    from jsonschema import Draft202012Validator

    schema = husai_schemas.load(name, version)
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["schema"]["const"] == schema["$id"] == f"husai:{name}/v{version}"
    good, bad = (
        [_read(path) for path in (FOLDER / name / "examples" / kind).iterdir()] for kind in ("valid", "invalid")
    )
    assert [document for document in good if husai_schemas.version_of(name, document) == version]
    assert len([document for document in bad if husai_schemas.version_of(name, document) == version]) >= 3


@pytest.mark.parametrize("name", husai_schemas.NAMES)
def test_the_versions_of_a_schema_are_its_files(name: str) -> None:
    files = {path.name for path in (FOLDER / name).glob("*.schema.json")}
    assert files == {f"v{version}.schema.json" for version in husai_schemas.versions(name).values()}
    assert husai_schemas.load(name) == husai_schemas.load(name, husai_schemas.newest(name))


def test_the_metric_cards_are_those_of_the_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    from husai_core.cli import invoke

    assert invoke(["schema", "metric-cards"]) == 0
    kept = (FOLDER / "metric_cards.json").read_text()
    assert capsys.readouterr().out == kept, "run: husai schema metric-cards > schemas/husai_schemas/metric_cards.json"


def test_no_reference_leaves_its_own_document() -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [r for item in value.values() for r in references(item)]
        return [r for item in value for r in references(item)] if isinstance(value, list) else []

    for name, version in VERSIONS:
        assert all(r.startswith("#/$defs/") for r in references(husai_schemas.load(name, version)))


def test_a_foreign_reference_is_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    from husai_schemas import registry

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr(registry, "load", lambda *_: {"$ref": "https://example.org/schema.json"})
    registry._validator.cache_clear()
    with pytest.raises(Exception, match=r"example\.org"):
        husai_schemas.problems("study", {})
    monkeypatch.undo()
    registry._validator.cache_clear()


def test_a_pattern_does_not_forgive_a_final_line_break() -> None:
    document = json.loads((FOLDER / "subject" / "examples" / "valid" / "candidate.json").read_text())
    assert husai_schemas.problems("subject", {**document, "name": document["name"] + "\n"})


def test_every_missing_key_is_named_once() -> None:
    rules = [problem.rule for problem in husai_schemas.problems("policy", {"schema": "husai:policy/v1"})]
    wanted = [key for key in husai_schemas.load("policy")["required"] if key != "schema"]
    assert sorted(rules) == sorted(f"the key '{key}' is missing" for key in wanted)
