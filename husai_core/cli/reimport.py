"""The part of `husai audit` that reads imported files again: what a bundle quotes must stand in the files it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from husai_core import strict_json
from husai_core.errors import HusaiError
from husai_core.external import IMPORTED_FOLDER

if TYPE_CHECKING:
    from husai_core.subject import Subject
    from husai_gates.audit import AuditReport
    from husai_gates.finding import Finding
    from husai_gates.pipeline import Audited

CODE = "EV-REIMPORT"
_KINDS = ("evidence/", "subjects/", "sites/")
_MAKERS = ("benchmark", "metrics")  # which version of an importer read a file is no part of what the file says
_WORDS = {"external": ("unverified",), "outcome": ("reason", "next_step")}  # which are of that version, too
_STEP = "import the files again with 'husai import'"


def with_reimport(found: Audited) -> AuditReport:
    """The report of the same audit after the kept files were read again; a bundle that imported none stays as it is."""
    report, files = found.report, found.snapshot.files
    if not report.intact or not any(path.startswith(IMPORTED_FOLDER) for path in files):
        return report
    from husai_gates.finding import guarded

    return report.with_findings(guarded(lambda: _differences(files, report.subjects)))


def _differences(files: Mapping[str, bytes], subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    from husai_core.importer import source_file
    from husai_core.importing import GIVEN_ROLES, import_files
    from husai_core.plugins import PluginTable
    from husai_gates.finding import Finding
    from husai_gates.migration import migrate

    files = {**files, **migrate(files).files}  # what is imported now is of the newest versions
    kept = [path for path in sorted(files) if path.startswith(IMPORTED_FOLDER)]
    roles = {s.condition: s.role for s in subjects.values() if s.role in GIVEN_ROLES}
    try:
        given = [
            source_file(path.removeprefix(IMPORTED_FOLDER).removesuffix(".json"), files[path], path) for path in kept
        ]
        again, _ = import_files(given, PluginTable(), roles)
    except HusaiError as error:
        yield Finding(CODE, kept[0], "$", f"cannot be imported again: {error}", error.next_step or _STEP)
        return
    shown = {path for path in files if path.startswith(_KINDS)}
    for path in sorted(shown | again.keys()):
        if path not in files:
            yield Finding(CODE, path, "$", "the imported files give this document, and the bundle has it not", _STEP)
        elif path not in again:
            yield Finding(CODE, path, "$", "no imported file gives this document", _STEP)
        elif path.startswith(_KINDS):
            one, other = (strict_json.parse(raw, path) for raw in (files[path], again[path]))
            worded = _maker(one) == _maker(other)
            for place, mine, theirs in _unlike(_said(one, worded), _said(other, worded), "$"):
                rule = f"is {_words(mine)}, and the imported files give {_words(theirs)}"
                yield Finding(CODE, path, place, rule, _STEP)
                break  # one edit moves everything that follows


def _maker(document: Mapping[str, Any]) -> Any:
    """The source text of the importer; of subjects and sites none is known."""
    return document.get("benchmark", {}).get("source")


def _said(document: Mapping[str, Any], worded: bool) -> dict[str, Any]:
    """Without its makers; and, where those are others than here, without their words."""
    found = {key: value for key, value in document.items() if key not in _MAKERS}
    for key, names in _WORDS.items() if not worded else ():
        if isinstance(found.get(key), dict):
            found[key] = {name: value for name, value in found[key].items() if name not in names}
    return found


def _unlike(one: Any, other: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Where two documents differ, in the order of their keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _unlike(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from _unlike(mine, theirs, f"{place}[{index}]")
    elif one != other or isinstance(one, bool) != isinstance(other, bool):
        yield place, one, other


def _words(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{len(value)} entries" if isinstance(value, list | dict) else str(value)[:200]
