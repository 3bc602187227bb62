"""The importer of SAELens configurations: what a dictionary is said to have been trained on, and how wide it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from husai_core import hookimpl
from husai_core.evidence import Outcome
from husai_core.importer import Imported, Importer, Note, Result, SourceFile, SpokenOf, digest_of, identifier
from husai_importers.reader import Reader, table, text, whole

TOOL = "sae-lens"
BENCHMARK = "sae_lens_training"
_NESTED = ("sae", "metadata")
_SILENT = Outcome(
    "skipped", "does not say how many tokens it was trained on", "give the runner_cfg.json of the training"
)


class SaeLensTrainingImporter(Importer):
    name = "sae_lens_training"
    summary = "Configurations that SAELens keeps beside a trained dictionary (cfg.json, runner_cfg.json)."
    samples = "samples/sae_lens_training"

    def recognises(self, document: Any) -> bool:
        if not isinstance(document, Mapping):
            return False
        said = _flat(document)
        hook = said.get("hook_name", said.get("hook_point"))
        return isinstance(hook, str) and whole(said.get("d_in")) is not None and "d_sae" in said

    def read(self, files: Sequence[SourceFile]) -> Imported:
        results: list[Result] = []
        notes: list[Note] = []
        for file in files:
            reader = Reader(file)
            results.append(_result(reader))
            notes += reader.notes
        return Imported(tuple(results), tuple(notes))


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """One level: newer versions keep the site under `metadata` and the dictionary under `sae`."""
    found = {key: value for key, value in document.items() if key not in _NESTED}
    for key in _NESTED:
        for name, value in table(document.get(key)).items():
            found.setdefault(name, value)
    return found


def _result(reader: Reader) -> Result:
    said = _flat(reader.file.document)
    condition = identifier(reader.file.name)
    place = "$.metadata.training_tokens" if "training_tokens" in table(reader.file.document.get("metadata")) else "$"
    place = "$.training_tokens" if "training_tokens" in reader.file.document else place
    if said.get("training_tokens") is not None:
        seed = whole(said.get("seed")) or 0
        reader.observe("sae_lens_training_tokens", condition, (seed,), said["training_tokens"], place)
    found = reader.measurements(condition)
    dims = {key: number for key in ("d_in", "d_sae") if (number := whole(said.get(key)))}
    seed_known = whole(said.get("seed"))
    own = SpokenOf(
        condition=condition,
        seed=seed_known or 0,
        model=text(said.get("model_name")),
        hook=text(said.get("hook_name"), text(said.get("hook_point"))),
        architecture=text(said.get("architecture")),
        source=digest_of(reader.file.document),
        settings=said,
        dims={**dims, "d_out": dims["d_in"]} if "d_in" in dims else dims,
        unverified=() if seed_known is not None else ("its seed: the file does not say it, and it stands here as 0",),
    )
    version = text(said.get("sae_lens_version"), text(said.get("sae_lens_training_version")))
    outcome = Outcome("completed") if found else _SILENT
    return Result(BENCHMARK, (own,), TOOL, version, (reader.file.name,), {}, found, outcome)


@hookimpl
def husai_importers() -> Sequence[Importer]:
    return [SaeLensTrainingImporter()]
