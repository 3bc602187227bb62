"""Documents: every JSON and TOML file of a bundle, parsed strictly and held to the schema of its location.

Each is held to the version that it names and only then lifted to the newest, the one that everything after this knows.
Its bytes, and so what others call it by, stay as they lie in the bundle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import husai_schemas
from husai_core import strict_json
from husai_core.errors import InvalidEvidence
from husai_core.strict_toml import TomlProblem, read_toml
from husai_gates.audit.layout import kind_of
from husai_gates.finding import Finding

# Anchored here, in code: in a schema, Python's `$` also stands before a final line break.
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,119}")
_TEXT_SET = re.compile(r"\$\.texts\[\d+\]")  # named `source:part`, which may be a path; its schema holds it
_NOT_OURS = ("policy", "external")  # an external result is kept as another program wrote it, NaN and all
_NAMES = ("name", "condition", "of")
_MOST_PROBLEMS = 5


def read_documents(files: Mapping[str, bytes]) -> tuple[dict[str, Any], list[Finding]]:
    """The documents that are sound, by path, and what is wrong with the others."""
    documents: dict[str, Any] = {}
    findings: list[Finding] = []
    for path, raw in sorted(files.items()):
        kind = kind_of(path)
        if path.endswith((".json", ".toml")) and kind is not None and kind not in _NOT_OURS:
            document, problems = _read(kind, path, raw)
            findings += problems
            if not problems:
                documents[path] = document
    return documents, findings


def _read(kind: str, path: str, raw: bytes) -> tuple[Any, list[Finding]]:
    try:
        document = read_toml(raw) if kind == "study" else strict_json.parse(raw, path)
    except InvalidEvidence as error:
        return None, [Finding.of_error(error, path)]
    except TomlProblem as error:
        return None, [Finding(error.code, path, error.path, error.rule)]
    except RecursionError:
        return None, [Finding("EV-DEPTH", path, "$", "nested too deep")]
    if kind == "weights_config":
        return document, []
    problems = list(_check_schema(kind, path, document))
    return (None if problems else husai_schemas.lift(kind, document)), problems


def _check_schema(kind: str, path: str, document: Any) -> Iterator[Finding]:
    if not isinstance(document, dict):
        yield Finding("EV-TYPE", path, "$", "must be of type object")
        return
    if husai_schemas.version_of(kind, document) is None:
        known = " or ".join(f"'{stated}'" for stated in husai_schemas.versions(kind))
        newer = husai_schemas.from_a_newer_husai(kind, document)
        step = "install a newer husai" if newer else "make the bundle again with this version of husai"
        yield Finding(
            "EV-SCHEMA", path, "$.schema", f"the schema here is {known}, not {document.get('schema')!r}", step
        )
        return
    problems = husai_schemas.problems(kind, document)
    for problem in problems[:_MOST_PROBLEMS]:
        code = "EV-IDENT" if problem.rule.startswith("must match ^[a-z0-9]") else "EV-TYPE"
        if problem.path == "$.measurements" and kind == "evidence" and "Items" in problem.rule:
            code = "EV-OUTCOME"
        yield Finding(code, path, problem.path, problem.rule, f"see 'husai schema show {kind}'")
    if not problems:
        yield from _check_identifiers(path, document, ())


def _check_identifiers(path: str, value: Any, at: tuple[str | int, ...]) -> Iterator[Finding]:
    """What is called `name`, `condition` or `of`, wherever it stands, is plain lower-case ASCII."""
    pairs = enumerate(value) if isinstance(value, list) else value.items()
    for key, item in pairs:
        if key == "observations":  # so many, and their schema lets nothing be called anything
            continue
        if isinstance(item, (list, dict)):
            yield from _check_identifiers(path, item, (*at, key))
        elif key in _NAMES and isinstance(item, str) and not _IDENTIFIER.fullmatch(item):
            place = "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at)
            if not (place.endswith(("settings", "setting", "policy")) or _TEXT_SET.fullmatch(place)):
                yield Finding("EV-IDENT", path, f"{place}.{key}", f"{item!r} is not a plain identifier")
