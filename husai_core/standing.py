"""The place that a run would write to, and the bundle that stands there: whether the run can end there at all.

Everything here is known before any work is done. A run ends in the same bundle or in none, so what must differ is
refused, and what may differ is said.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import bundle, strict_json
from husai_core.errors import UsageError
from husai_core.provenance import installed_versions

if TYPE_CHECKING:
    from husai_core.engine.plan import Plan, PlannedCheckpoint, PlannedCondition
    from husai_core.plugins import Plugin

_STEP = "choose another --out, or move that bundle away"
_TOO_LATE = "this run ends in an error after its work; choose another --out to keep both"
_MADE_OF = ("distribution", "version", "source")


def refuse_unwritable(out: Path) -> None:
    """Try whether a bundle can be put at `out`, by a folder beside it. What stands there is for others to judge."""
    try:
        if out.is_dir() and not any(out.iterdir()):
            step = f"give a folder that does not exist yet, such as {out / 'bundle'}"
            raise UsageError(str(out), "is empty, and a bundle comes as a folder of its own", step)
        if out.exists():
            return
        if out.is_symlink():
            raise UsageError(str(out), "is a link to nothing", "remove the link, or choose another --out")
        out.parent.mkdir(parents=True, exist_ok=True)
        trial = out.parent / f".{out.name}.partial-{os.getpid()}"
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        step = "give an --out below a folder that can be written"
        raise UsageError(str(out), f"cannot be written: {error.strerror}", step) from None


def doubts(out: Path, plan: Plan, given: Mapping[str, bytes], threads: int) -> list[str]:
    """Why this run may not come out as the bundle at `out` did; an error where it cannot.

    `given` are the files beside the study that the bundle would hold as they are. A folder that holds something else
    than a bundle of this study is for the run to refuse.
    """
    if not (out / bundle.MANIFEST).is_file():
        return []
    held = _document(out, bundle.MANIFEST).get("files")
    digests = {path: about.get("sha256") for path, about in held.items()} if isinstance(held, Mapping) else {}
    if digests.get("study.toml") != strict_json.digest(plan.study.raw):
        return []
    _refuse_other_files(out, digests, given)
    documents = {p: _document(out, p) for p in sorted(digests) if p.startswith(("sites/", "subjects/", "evidence/"))}
    _refuse_other_makers(out, documents, _makers(plan))
    _refuse_other_checkpoints(out, documents, _checkpoints(plan))
    return [*_surroundings(out, digests, threads), *_unfinished(out, documents)]


def _document(out: Path, path: str) -> Mapping[str, Any]:
    try:
        raw = (out / path).read_bytes()
    except OSError as error:
        rule = f"belongs to the bundle that stands there, and cannot be read: {error.strerror}"
        raise UsageError(str(out / path), rule, _STEP) from None
    document = strict_json.parse(raw, str(out / path))
    if not isinstance(document, dict):
        raise UsageError(str(out / path), "belongs to the bundle that stands there, and is no JSON object", _STEP)
    return document


def _refuse_other_files(out: Path, digests: Mapping[str, str], given: Mapping[str, bytes]) -> None:
    """The policy and the choices go into the bundle byte for byte."""
    for path in sorted({*given, *(path for path in digests if path.startswith("policy/"))}):
        if digests.get(path) != (strict_json.digest(given[path]) if path in given else None):
            missing = "is not there" if path not in digests else "is there" if path not in given else "is another"
            raise UsageError(str(out / path), f"{missing}, so this run would make another bundle", _STEP)


def _makers(plan: Plan) -> dict[tuple[str, str], Plugin]:
    """Every plugin that the run records, by kind and name."""
    points = [point for search in plan.searches for point in search.points]
    conditions = [*plan.conditions, *points]
    searched = [chosen for search in plan.searches for chosen in (*search.controls, *search.benchmarks)]
    chosen = [site.model for site in plan.sites] + [condition.architecture for condition in conditions]
    plugins = [one.plugin for one in (*chosen, *plan.controls, *plan.benchmarks, *searched)] + list(plan.metrics)
    return {(plugin.kind.removesuffix("s"), plugin.name): plugin for plugin in plugins}


def _refuse_other_makers(
    out: Path, documents: Mapping[str, Mapping[str, Any]], makers: Mapping[tuple[str, str], Plugin]
) -> None:
    """Who made something is written into its document: another maker, another bundle."""
    for path, document in documents.items():
        for place, kind, recorded in _recorded(document):
            where, name = f"{out / path} {place}", recorded.get("name")
            here = makers.get((kind, str(name)))
            if here is None and kind == "metric":
                raise UsageError(where, f"no metric '{name}' can be used here, and that bundle has values of it", _STEP)
            if here is None:
                continue
            origin = here.origin().to_json()
            different = [key for key in _MADE_OF if recorded.get(key) != origin[key]]
            if different:
                rule = f"{_what(different[0], recorded, origin, f'the {kind} {name!r}')}, so the evidence would differ"
                raise UsageError(where, rule, _STEP)


def _recorded(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every maker that a document names, with its place and kind."""
    for kind in ("model", "architecture", "control", "benchmark"):
        if isinstance(document.get(kind), Mapping):
            yield f"$.{kind}", kind, document[kind]
    metrics = document.get("metrics", ())
    for index, metric in enumerate(metrics if isinstance(metrics, Sequence) else ()):
        if isinstance(metric, Mapping):
            yield f"$.metrics[{index}]", "metric", metric


def _what(key: str, recorded: Mapping[str, Any], here: Mapping[str, str], who: str) -> str:
    if key == "source":
        return f"{who} has another source text here than when that bundle was made"
    of = "of" if key == "distribution" else "of version"
    return f"{who} is {of} {here[key]} here, and was {of} {recorded.get(key)} when that bundle was made"


def _checkpoints(plan: Plan) -> set[str]:
    points: list[PlannedCondition] = [point for search in plan.searches for point in search.points]
    found: list[PlannedCheckpoint] = [c for one in (*plan.conditions, *points) for c in one.checkpoints]
    return {checkpoint.source for checkpoint in found}


def _refuse_other_checkpoints(out: Path, documents: Mapping[str, Mapping[str, Any]], sources: set[str]) -> None:
    """A pretrained dictionary is named by the digest of its files."""
    for path, document in documents.items():
        budget = document.get("budget")
        source = budget.get("source") if isinstance(budget, Mapping) else None
        if source is not None and source not in sources:
            rule = "is of a checkpoint whose files are others now, so the evidence would differ"
            raise UsageError(f"{out / path} $.budget.source", rule, _STEP)


def _surroundings(out: Path, digests: Mapping[str, str], threads: int) -> Iterator[str]:
    """Versions and machine, by which numbers may come out otherwise, or the same."""
    if bundle.PROVENANCE not in digests:
        return
    made = _document(out, bundle.PROVENANCE)
    packages, machine = (v if isinstance(v := made.get(key), Mapping) else {} for key in ("packages", "machine"))
    then = {**packages, "python": made.get("python")}
    now: dict[str, Any] = {**installed_versions(), "python": platform.python_version()}
    then |= {key: machine.get(key) for key in ("processor", "threads")}
    now |= {"processor": platform.machine(), "threads": threads}
    others = [
        f"{key} {then.get(key)} (here {now.get(key)})" for key in sorted({*then, *now}) if then.get(key) != now.get(key)
    ]
    if others:
        with_what = ", ".join(others)
        yield f"{out}: holds a bundle made with {with_what}: should the evidence come out otherwise, {_TOO_LATE}"


def _unfinished(out: Path, documents: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Benchmarks that did not complete there are tried again, and may complete now."""
    for path, document in documents.items():
        outcome = document.get("outcome")
        status = outcome.get("status") if isinstance(outcome, Mapping) else None
        if status in ("failed", "skipped"):
            did = "failed" if status == "failed" else "was skipped"
            yield f"{out / path}: the benchmark {did} there and is tried again: should it complete now, {_TOO_LATE}"
