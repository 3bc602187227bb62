"""Checkpoints: weights that a bundle holds are whole safetensors of the size that their subject and cfg.json say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from husai_core import strict_json
from husai_core.errors import InvalidEvidence
from husai_core.subject import Subject
from husai_gates.finding import Finding

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip
DECODER = "W_dec"  # as SAELens calls it; encoders differ between architectures, one of them reads a part of its input
_AGAIN = "write the weights again with 'husai run' or SAELens"

Problem = tuple[str, str]
"""A place in a file, and the rule that it breaks."""


def check_checkpoints(
    files: Mapping[str, bytes], documents: Mapping[str, Any], subjects: Mapping[str, Subject]
) -> Iterator[Finding]:
    """Weights without numbers, of another size than their subject, or beside a configuration of something else."""
    for name in sorted({path.split("/")[1] for path in files if path.startswith("weights/") and path.count("/") == 2}):
        weights, config = f"weights/{name}/{WEIGHTS}", f"weights/{name}/{CONFIG}"
        subject = subjects.get(name)
        for path in (weights, config):
            if path not in files:
                yield Finding("EV-WEIGHTS", path, "$", "weights and their cfg.json stand side by side", _AGAIN)
        if weights in files:
            for place, rule in _tensor_problems(files[weights], weights, subject):
                yield Finding("EV-WEIGHTS", weights, place, rule, _AGAIN)
        if config in documents and subject:
            for place, rule in _config_problems(documents[config], subject):
                yield Finding("EV-WEIGHTS", config, place, rule, _AGAIN)


def _tensor_problems(raw: bytes, path: str, subject: Subject | None) -> Iterator[Problem]:
    size = int.from_bytes(raw[:8], "little")
    if len(raw) < 9 or size > len(raw) - 8:
        yield "$", "is no safetensors file: its header does not fit"
        return
    try:
        header = strict_json.parse(raw[8 : 8 + size], path)
    except InvalidEvidence as error:
        yield "$", f"is no safetensors file: its header is {error.rule}"
        return
    if not isinstance(header, dict):
        yield "$", "is no safetensors file: its header is no table of tensors"
        return
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if not tensors:
        yield "$", "holds no tensor"
        return
    end = 0
    for name, (begin, stop, problem) in sorted(_extents(tensors).items(), key=lambda item: item[1][:2]):
        if problem or begin != end:
            yield f"$.{name}", problem or "the tensors do not follow one another without a gap"
            return
        end = stop
    if end != len(raw) - 8 - size:
        yield "$", f"its tensors take {end} bytes, and {len(raw) - 8 - size} follow the header"
    if subject:
        yield from _shape_problems(tensors, subject)


def _extents(tensors: Mapping[str, Any]) -> dict[str, tuple[int, int, str]]:
    """Where every tensor begins and ends, and what is wrong with it by itself."""
    found = {}
    for name, entry in tensors.items():
        stated = entry if isinstance(entry, dict) else {}
        shape: Any = stated.get("shape")
        offsets: Any = stated.get("data_offsets")
        known = isinstance(stated.get("dtype"), str) and stated["dtype"] in _BITS
        if not (known and _naturals(shape) and _naturals(offsets) and len(offsets) == 2):
            found[name] = (0, 0, "is no entry of a tensor of a known type")
            continue
        bytes_ = math.prod(shape) * _BITS[stated["dtype"]] // 8
        fits = offsets[1] - offsets[0] == bytes_
        found[name] = (*offsets, "" if fits and bytes_ else f"holds no number, or not the {bytes_} bytes of its shape")
    return found


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _shape_problems(tensors: Mapping[str, Any], subject: Subject) -> Iterator[Problem]:
    """A decoder of the size of the subject must be there, whatever it is called."""
    if not {"d_sae", "d_out"} <= subject.dims.keys():
        yield "$", f"weights of '{subject.name}', which says no width that they could be held to"
        return
    wanted = [subject.dims["d_sae"], subject.dims["d_out"]]
    numbers = sum(math.prod(entry["shape"]) for entry in tensors.values())
    if numbers < math.prod(wanted):
        yield "$", f"holds {numbers} numbers; a decoder of '{subject.name}' alone has {math.prod(wanted)}"
    if DECODER in tensors and tensors[DECODER]["shape"] != wanted:
        yield f"$.{DECODER}.shape", f"is {tensors[DECODER]['shape']}; '{subject.name}' has {wanted}"


def _config_problems(config: Any, subject: Subject) -> Iterator[Problem]:
    if not isinstance(config, dict):
        yield "$", "must be of type object"
        return
    for key in ("d_in", "d_sae"):
        if key in subject.dims and config.get(key) != subject.dims[key]:
            yield f"$.{key}", f"is {config.get(key)!r}; '{subject.name}' has {subject.dims[key]}"
