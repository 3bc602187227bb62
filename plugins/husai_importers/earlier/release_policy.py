"""Release policies of the earlier scripts: conclusions without what they were drawn from, so nothing of them counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from husai_core.evidence import Outcome
from husai_core.importer import Result, SpokenOf, digest_of, identifier
from husai_importers.earlier.dictionary import TOOL
from husai_importers.reader import Reader, finite, table

BENCHMARK = "earlier_release_policy"
_AT_LEAST = {
    "random_model": (
        ("trained_random_delta", "min_trained_random_delta"),
        ("trained_random_delta_lcb", "min_trained_random_lcb"),
    ),
    "transcoder": (("transcoder_delta", "min_transcoder_delta"),),
}
_AT_MOST = {"ood": (("ood_drop", "max_ood_drop"),)}
_STEP = "import the files that it was drawn from"


def recognises(document: Mapping[str, Any]) -> bool:
    return all(isinstance(document.get(key), Mapping) for key in ("gates", "metrics", "thresholds"))


def read(reader: Reader) -> list[Result]:
    document = reader.file.document
    name = identifier(reader.file.name)
    stated = {key: value for key, value in document["metrics"].items() if finite(value)}
    for key, value in document["metrics"].items():
        if value is None:
            rule = "is null: the gate that needs it saw nothing"
            reader.note(f"$.metrics.{key}", rule, "measure it")
        elif key not in stated:
            reader.number(value, f"$.metrics.{key}")
    for key, value in table(document.get("inputs")).items():
        if value is not None:
            reader.note(f"$.inputs.{key}", "is named by a path alone, without a digest", _STEP)
    _recompute(reader, document)
    listed = ", ".join(f"{key} {value:.6g}" for key, value in sorted(stated.items()))
    reason = f"holds conclusions and no observations, of dictionaries that it does not name: {listed or 'none'}"
    own = SpokenOf(name, 0, "unknown", "unknown", "unknown", digest_of(document), unverified=("what it is about",))
    return [Result(BENCHMARK, (own,), TOOL, "unknown", (reader.file.name,), outcome=Outcome("skipped", reason, _STEP))]


def _recompute(reader: Reader, document: Mapping[str, Any]) -> None:
    """Gates that do not follow from the metrics and thresholds beside them."""
    metrics, thresholds, gates = document["metrics"], document["thresholds"], document["gates"]
    for gate, pairs in {**_AT_LEAST, **_AT_MOST}.items():
        values = [(metrics.get(one), thresholds.get(other)) for one, other in pairs]
        if gate not in gates or not all(finite(threshold) for _, threshold in values):
            continue
        known = all(finite(value) for value, _ in values)
        sign = -1 if gate in _AT_MOST else 1
        holds = known and all(sign * (value - threshold) >= 0 for value, threshold in values)
        if bool(gates[gate]) != holds:
            why = "its metrics and thresholds" if known else "a metric that is not there"
            reader.note(
                f"$.gates.{gate}", f"is {gates[gate]}, and {why} give {holds}", "believe neither; see the inputs"
            )
    parts = [value for key, value in gates.items() if isinstance(value, bool) and key != "pass_all"]
    if "pass_all" in gates and parts and bool(gates["pass_all"]) and not all(parts):
        reader.note("$.gates.pass_all", "is true, and not all gates hold", "believe neither; see the inputs")
