"""The import: files of other programs become the documents of a bundle, and the same files always the same ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import husai_schemas
from husai_core import strict_json
from husai_core.errors import EvaluationError, UsageError, did_you_mean
from husai_core.evidence import EVIDENCE_SCHEMA, Measurement
from husai_core.external import IMPORTED_FOLDER, External
from husai_core.importer import Importer, Note, Result, SourceFile, SpokenOf, identifier, listing, plain_settings
from husai_core.metric import MetricCard
from husai_core.plugins import Plugin, PluginTable
from husai_core.site import hooks_of
from husai_core.subject import Role, Subject

Files = dict[str, bytes]

DEFAULT_ROLE: Role = "candidate"
GIVEN_ROLES: tuple[Role, ...] = ("candidate", "baseline")
SITE_SCHEMA = "husai:site/v1"

_SCHEMAS = {"subjects": "subject", "sites": "site", "evidence": "evidence"}
_NO_MODEL = "the weights of the model: the files name no digest of them"
_NO_WEIGHTS = "its weights: the files name no digest of them"
_NO_DATA = "what it was measured on: the files name no digest of it"


def import_files(
    given: Sequence[SourceFile], table: PluginTable, roles: Mapping[str, Role]
) -> tuple[Files, tuple[Note, ...]]:
    """The documents that these files become, and what a reader must know of them."""
    documents: Files = {}
    notes: list[Note] = []
    results: list[tuple[Plugin, Result]] = []
    for plugin, files in _by_importer(given, table):
        found = plugin.item.read(files)
        notes += found.notes
        results += [(plugin, result) for result in found.results]
    if not results:
        raise UsageError(
            given[0].name, "nothing in these files is a result", "give the results as the program wrote them"
        )
    _refuse_unknown_roles(roles, {s.condition for _, result in results for s in result.subjects})
    for file in given:
        documents[f"{IMPORTED_FOLDER}{file.name}.json"] = file.raw
    for path, raw in _described(results, roles):
        if documents.setdefault(path, raw) != raw:
            rule = "two files speak of it differently, so nobody can tell that they mean the same"
            raise UsageError(path, rule, "import them into bundles of their own")
    for plugin, result in results:
        path, raw = _evidence(plugin, result, table, notes, documents)
        if path in documents:
            rule = f"two results of {result.benchmark} for '{result.subjects[0].condition}'"
            raise UsageError(path, rule, "give the one that counts")
        documents[path] = raw
    _refuse_what_no_bundle_holds(documents)
    return documents, tuple(dict.fromkeys(notes))


def conditions(documents: Mapping[str, bytes]) -> dict[str, str]:
    """The role of every condition that documents speak of."""
    subjects = [strict_json.parse(raw, path) for path, raw in documents.items() if path.startswith("subjects/")]
    return {subject["condition"]: subject["role"] for subject in subjects}


def _refuse_what_no_bundle_holds(documents: Mapping[str, bytes]) -> None:
    """A name or a version of any length may stand in a file of another program, and not in a bundle."""
    for path, raw in sorted(documents.items()):
        folder = path.partition("/")[0]
        if folder in _SCHEMAS and (found := husai_schemas.problems(_SCHEMAS[folder], strict_json.parse(raw, path))):
            place = f"{path[:200]} {found[0].path}"
            raise UsageError(place, found[0].rule, "no bundle holds what the file says there; import its other parts")


def _by_importer(given: Sequence[SourceFile], table: PluginTable) -> list[tuple[Plugin, list[SourceFile]]]:
    """The files of each importer; one that none knows, or that several claim, is a mistake of the caller."""
    found: dict[str, tuple[Plugin, list[SourceFile]]] = {}
    importers = table.usable("importers", "husai import")
    for file in given:
        claims = [plugin for plugin in importers if _importer(plugin).recognises(file.document)]
        if len(claims) != 1:
            names = ", ".join(plugin.name for plugin in claims or importers)
            rule = f"{names} all claim it" if claims else "is of no program whose results can be imported"
            raise UsageError(file.name, rule, f"known: {names}")
        found.setdefault(claims[0].name, (claims[0], []))[1].append(file)
    return list(found.values())


def _importer(plugin: Plugin) -> Importer:
    assert isinstance(plugin.item, Importer)
    return plugin.item


def _refuse_unknown_roles(roles: Mapping[str, Role], known: set[str]) -> None:
    for name in roles:
        if name not in known:
            raise UsageError(f"--as {name}", "the files speak of nothing by that name", did_you_mean(name, known))


def _described(results: Sequence[tuple[Plugin, Result]], roles: Mapping[str, Role]) -> Iterator[tuple[str, bytes]]:
    """Sites and subjects, as often as results speak of them."""
    for _, result in results:
        for spoken in result.subjects:
            site = site_of(spoken)
            raw = strict_json.encode(site)
            yield f"sites/{site['name']}.json", raw
            subject = _subject(spoken, site["name"], strict_json.digest(raw), roles)
            yield f"subjects/{subject.name}.json", strict_json.encode(subject.to_json())


def site_of(spoken: SpokenOf) -> dict[str, Any]:
    """The site that a dictionary is said to be at."""
    hook_in, hook_out = spoken.hook, spoken.hook_out or spoken.hook
    hooks = dict.fromkeys((*hooks_of(hook_in), *hooks_of(hook_out)))
    return {
        "schema": SITE_SCHEMA,
        "name": identifier(".".join((spoken.model, *hooks))),
        "model": {"name": identifier(spoken.model), "settings": {"called": spoken.model}},
        "hook_in": hook_in if isinstance(hook_in, str) else list(hook_in),
        "hook_out": hook_out if isinstance(hook_out, str) else list(hook_out),
        "data": [],
        "unverified": [_NO_MODEL],
    }


def _subject(spoken: SpokenOf, site: str, site_digest: str, roles: Mapping[str, Role]) -> Subject:
    role: Role = "explored" if spoken.explored else roles.get(spoken.condition, DEFAULT_ROLE)
    if spoken.explored and spoken.condition in roles:
        rule = "a file mixed it with another dictionary, so it stands for nothing"
        raise UsageError(f"--as {spoken.condition}", rule, "import a file that is about it alone")
    unverified = spoken.unverified if spoken.weights else (_NO_WEIGHTS, *spoken.unverified)
    return Subject(
        name=f"{spoken.condition}.s{spoken.seed}",
        condition=spoken.condition,
        role=role,
        site=site,
        site_digest=site_digest,
        architecture={"name": identifier(spoken.architecture), "settings": plain_settings(spoken.settings)},
        dims=dict(spoken.dims),
        seed=spoken.seed,
        budget={"pretrained": True, "format": "imported", "source": spoken.source, "changes": []},
        weights=spoken.weights,
        control=None,
        unverified=unverified or ("that this is the dictionary with these weights",),
    )


def _evidence(
    plugin: Plugin, result: Result, table: PluginTable, notes: Sequence[Note], documents: Mapping[str, bytes]
) -> tuple[str, bytes]:
    site = site_of(result.subjects[0])["name"]
    path = f"evidence/{result.benchmark}.{site}.{result.subjects[0].condition}.json"
    makers: dict[str, Plugin] = {}
    measurements = []
    for measurement in result.measurements:
        maker = makers.setdefault(measurement.metric, table.get("metrics", measurement.metric, path))
        _refuse_impossible(path, measurement, maker.item.card)
        measurements.append(measurement.to_json(maker.item.card))
    said = [note for note in notes if note.file in result.files and note.about in ("", result.benchmark)]
    external = External("imported", result.tool, result.version, {}, (_NO_DATA, *result.unverified, *listing(said)))
    kept = [f"{IMPORTED_FOLDER}{name}.json" for name in result.files]
    block = external.to_json(result.benchmark, site)
    block["files"] = [{"path": file, "digest": strict_json.digest(documents[file])} for file in sorted(kept)]
    document = {
        "schema": EVIDENCE_SCHEMA,
        "benchmark": dataclasses.replace(plugin.origin(), name=result.benchmark).to_json(),
        "settings": plain_settings(result.settings),
        "metrics": [makers[name].origin().to_json() for name in sorted(makers)],
        "site": _named(documents, f"sites/{site}.json", site),
        "data": [],
        "subjects": [_named(documents, f"subjects/{name}.json", name) for name in map(_name, result.subjects)],
        "outcome": result.outcome.to_json(),
        "external": block,
        "measurements": measurements,
    }
    return path, strict_json.encode(document)


def _name(spoken: SpokenOf) -> str:
    return f"{spoken.condition}.s{spoken.seed}"


def _named(documents: Mapping[str, bytes], path: str, name: str) -> dict[str, str]:
    return {"name": name, "digest": strict_json.digest(documents[path])}


def _refuse_impossible(path: str, measurement: Measurement, card: MetricCard) -> None:
    """An importer that lets an impossible number through is broken; nothing of it may be believed."""
    for observation in measurement.observations:
        if not isfinite(observation.value) or not card.allows(observation.value):
            rule = f"the importer read {observation.value} as '{card.name}', which cannot be"
            raise EvaluationError(path, rule, "report it to who wrote the importer")
