"""Cases of files: swapped, added, removed, named unsafely, linked, or other than their name says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from husai_core.bundle import MANIFEST
from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import PROVENANCE, NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case

Files = dict[str, bytes]


def _first(files: Mapping[str, bytes], folder: str) -> str:
    found = sorted(path for path in files if path.startswith(folder))
    if not found:
        raise NotApplicable(f"the bundle has nothing below {folder}")
    return found[0]


# --- edited after the bundle was sealed


@case(2, "EV-DIGEST", stage="sealed")
def observation_edited(files: Files) -> None:
    """One digit of an observation is edited, and the manifest left."""
    path = _first(files, "evidence/")
    at = files[path].index(b".", files[path].index(b'"value"')) + 1
    other = b"1" if files[path][at : at + 1] != b"1" else b"2"
    files[path] = files[path][:at] + other + files[path][at + 1 :]


@case(2, "EV-DIGEST", stage="sealed")
def blank_added(files: Files) -> None:
    """A blank at the end of a document, which changes no value."""
    files[_first(files, "evidence/")] += b" "


@case(4, "EV-DIGEST", stage="sealed")
def two_files_swapped(files: Files) -> None:
    """Two subjects exchanged, both valid."""
    one, other = sorted(path for path in files if path.startswith("subjects/"))[:2]
    files[one], files[other] = files[other], files[one]


@case(5, "EV-UNLISTED", stage="sealed")
def file_added(files: Files) -> None:
    """Evidence that the manifest does not list."""
    files["evidence/more.json"] = files[_first(files, "evidence/")]


@case(6, "EV-FILE-MISSING", stage="sealed")
def file_removed(files: Files) -> None:
    """Evidence removed, and the manifest left."""
    del files[_first(files, "evidence/")]


@case(6, "EV-FILE-MISSING", stage="sealed")
def provenance_removed(files: Files) -> None:
    """Provenance removed, and the manifest left."""
    del files[PROVENANCE]


@case(6, "EV-FILE-MISSING", stage="sealed")
def manifest_removed(files: Files) -> None:
    """A bundle without a manifest."""
    del files[MANIFEST]


@case(2, "EV-DIGEST", stage="sealed")
def manifest_in_another_form(files: Files) -> None:
    """A manifest that says the same in other bytes."""
    files[MANIFEST] = files[MANIFEST].replace(b"\n", b" ", 1)


@case(2, "EV-DIGEST", stage="sealed")
def content_digest_edited(files: Files) -> None:
    """A manifest that gives the bundle another identity."""
    manifest = json.loads(files[MANIFEST])
    manifest["content_digest"] = "sha256:" + "0" * 64
    files[MANIFEST] = json.dumps(manifest, sort_keys=True, indent=1).encode() + b"\n"


@case(7, "GATE-VACUOUS", 5, stage="sealed")
def bundle_emptied(files: Files) -> None:
    """A bundle without a file."""
    files.clear()


# --- names


def _listed(name: str, path: str, code: str) -> None:
    def spoil(files: Files) -> None:
        manifest = json.loads(files[MANIFEST])
        manifest["files"][path] = {"sha256": "sha256:" + "0" * 64, "size": 0}
        files[MANIFEST] = json.dumps(manifest).encode()

    threat = 26 if code == "EV-IDENT" else 18
    FAMILY.add(f"listed_{name}", threat, f"The manifest lists {path!a}.", code, 3, "sealed", spoil)


def _there(name: str, path: str, threat: int, code: str) -> None:
    def spoil(files: Files) -> None:
        files[path] = b"{}"

    FAMILY.add(f"file_{name}", threat, f"The bundle holds {path!a}.", code, 3, "sealed", spoil)


_listed("parent", "../../etc/passwd", "EV-PATH")
_listed("parent_inside", "evidence/../../x.json", "EV-PATH")
_listed("absolute", "/etc/passwd", "EV-PATH")
_listed("drive_letter", "C:\\windows", "EV-PATH")
_listed("backslash", "evidence\\x.json", "EV-PATH")
_listed("nul", "a\x00b", "EV-PATH")
_listed("itself", MANIFEST, "EV-PATH")
_listed("device", "evidence//x.json", "EV-PATH")
_listed("bidi", "subjects/\u202ea.json", "EV-IDENT")
_there("backslash", "a\\b", 18, "EV-PATH")
_there("hidden", ".husai", 18, "EV-PATH")
_there("bidi", "subjects/\u202ea.json", 26, "EV-IDENT")
_there("not_text", "subjects/\udcff.json", 26, "EV-IDENT")
_there("decomposed", "evidence/e\u0301.json", 26, "EV-IDENT")


@case(51, "EV-NAME-COLLISION")
def names_that_differ_by_case(b: Specimen) -> None:
    """Two evidence files that are one on some file systems."""
    path = b.path(b.evidence[0])
    b.finally_(lambda files: files.update({path.replace("evidence/", "evidence/X").lower(): files[path]}))
    b.finally_(lambda files: files.update({path.replace("evidence/", "evidence/X"): files[path]}))


@case(51, "EV-NAME-COLLISION", stage="sealed")
def names_that_differ_by_form(files: Files) -> None:
    """Two names that are one after Unicode normalisation."""
    files["plots/\ufb01.png"] = files["plots/fi.png"] = b"\x89PNG\r\n\x1a\n"


# --- what a file is


def _extra(name: str, threat: int, says: str, code: str, path: str, raw: bytes) -> None:
    def spoil(b: Specimen) -> None:
        b.raw[path.replace("SUBJECT", b.of(b.condition())[0]["name"])] = raw

    FAMILY.add(name, threat, says, code, 3, "made", spoil)


_PICKLE = b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x08"
_WEIGHTS = "weights/SUBJECT/sae_weights.safetensors"
_extra("pickle_by_suffix", 25, "Weights in a .pt file.", "EV-PICKLE", "weights/SUBJECT/sae.pt", b"")
_extra("numpy_by_suffix", 25, "Rows in a .npy file.", "EV-PICKLE", "evidence/rows.npy", b"")
_extra("pickle_by_content", 25, "A pickle that is called safetensors.", "EV-PICKLE", _WEIGHTS, _PICKLE)
_extra("old_pickle", 25, "A pickle in text form that is called safetensors.", "EV-WEIGHTS", _WEIGHTS, b"csys\nexit\n.")
_extra(
    "zip_called_weights",
    25,
    "A torch file that is called safetensors.",
    "EV-PICKLE",
    _WEIGHTS,
    b"PK\x03\x04" + bytes(40),
)
_extra("numpy_by_content", 25, "A numpy file that is called a plot.", "EV-PICKLE", "plots/a.png", b"\x93NUMPY\x01\x00")
_extra("file_of_no_kind", 5, "A file that no bundle has, listed.", "EV-UNKNOWN-FILE", "notes.txt", b"hello")
_extra(
    "picture_with_a_script", 46, "A plot that runs a script.", "EV-UNKNOWN-FILE", "plots/a.svg", b"<svg><script/></svg>"
)
_extra(
    "text_called_picture", 46, "A plot that is no picture.", "EV-PICTURE", "plots/a.png", b"<script>alert(1)</script>"
)


# --- on the disk


def _target(bundle: Path) -> Path:
    return min((bundle / "evidence").iterdir())


@case(19, "EV-SYMLINK", stage="folder")
def symbolic_link(bundle: Path) -> None:
    """Evidence that is a link to a file elsewhere."""
    path, elsewhere = _target(bundle), bundle.parent / "elsewhere.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@case(19, "EV-SYMLINK", stage="folder")
def folder_that_is_a_link(bundle: Path) -> None:
    """A folder that is a link to one elsewhere."""
    (bundle / "evidence").rename(bundle.parent / "elsewhere")
    (bundle / "evidence").symlink_to(bundle.parent / "elsewhere")


@case(19, "EV-SYMLINK", stage="folder")
def dangling_link(bundle: Path) -> None:
    """A link to nothing."""
    (bundle / "evidence" / "more.json").symlink_to("nowhere")


@case(19, "EV-SYMLINK", stage="folder")
def hard_link(bundle: Path) -> None:
    """Evidence that shares its bytes with a file elsewhere."""
    os.link(_target(bundle), bundle.parent / "elsewhere.json")


@case(19, "EV-NOT-REGULAR", stage="folder")
def pipe(bundle: Path) -> None:
    """A pipe, which would be waited for."""
    os.mkfifo(bundle / "evidence" / "more.json")


@case(5, "EV-UNLISTED", stage="folder")
def empty_folder(bundle: Path) -> None:
    """A folder that the manifest cannot list."""
    (bundle / "more").mkdir()


@case(21, "EV-PATH", stage="folder")
def folders_too_deep(bundle: Path) -> None:
    """Folders nested to tire out a reader."""
    (bundle / "/".join("abcdefgh")).mkdir(parents=True)


@case(21, "EV-TOO-LARGE", stage="folder")
def huge_file(bundle: Path) -> None:
    """A file of eight gibibytes, which takes no room on the disk."""
    with (bundle / "evidence" / "more.json").open("wb") as handle:
        handle.truncate(8 * 2**30)


# --- weights


def _safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _weights(name: str, threat: int, says: str, code: str, make: Callable[[dict[str, int]], bytes]) -> None:
    """Weights of a trained subject whose digest fits, and which are spoilt."""

    def spoil(b: Specimen) -> None:
        from husai_core import strict_json

        subject = b.of(b.condition())[0]
        raw = make(subject["dims"])
        subject["weights"] = strict_json.digest(raw)
        b.raw[f"weights/{subject['name']}/sae_weights.safetensors"] = raw
        b.raw.setdefault(f"weights/{subject['name']}/cfg.json", _config(subject["dims"]))

    FAMILY.add(name, threat, says, code, 3, "made", spoil)


def _config(dims: dict[str, int], **other: object) -> bytes:
    return json.dumps({"architecture": "topk", "d_in": dims["d_in"], "d_sae": dims["d_sae"], **other}).encode()


def _tensor(*shape: int, start: int = 0) -> tuple[dict[str, object], int]:
    size = 4
    for side in shape:
        size *= side
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [start, start + size]}, start + size


def _decoder(d_sae: int, d_out: int, **other: object) -> bytes:
    entry, size = _tensor(d_sae, d_out)
    return _safetensors({"W_dec": {**entry, **other}}, bytes(size))


_weights("weights_without_tensors", 27, "Weights that hold no tensor.", "EV-WEIGHTS", lambda dims: _safetensors({}))
_weights(
    "weights_with_metadata_alone", 27, "Weights that hold words alone.", "EV-WEIGHTS",
    lambda dims: _safetensors({"__metadata__": {"format": "pt"}}),
)  # fmt: skip
_weights(
    "weights_of_no_numbers", 27, "A decoder of no rows.", "EV-WEIGHTS", lambda dims: _decoder(0, dims["d_out"])
)  # fmt: skip
_weights(
    "weights_of_other_dimensions", 27, "A decoder of another width.", "EV-WEIGHTS",
    lambda dims: _decoder(dims["d_sae"] + 1, dims["d_out"]),
)  # fmt: skip
_weights(
    "weights_cut_short", 27, "A decoder whose numbers are missing.", "EV-WEIGHTS",
    lambda dims: _decoder(dims["d_sae"], dims["d_out"])[:-4],
)  # fmt: skip
_weights(
    "weights_with_room_behind", 27, "Bytes that belong to no tensor.", "EV-WEIGHTS",
    lambda dims: _decoder(dims["d_sae"], dims["d_out"]) + b"spare",
)  # fmt: skip
_weights(
    "weights_with_a_broken_header", 8, "A header that is no JSON.", "EV-WEIGHTS", lambda dims: _safetensors(b"{" * 40)
)
_weights(
    "weights_of_an_unknown_type", 27, "Numbers of no known type.", "EV-WEIGHTS",
    lambda dims: _decoder(dims["d_sae"], dims["d_out"], dtype="OBJECT"),
)  # fmt: skip


_weights(
    "weights_of_one_number",
    27,
    "A tensor of one number.",
    "EV-WEIGHTS",
    lambda dims: _safetensors({"x": _tensor(1)[0]}, bytes(4)),
)


def _foreign_config(name: str, says: str, make: Callable[[dict[str, int]], bytes]) -> None:
    def spoil(b: Specimen) -> None:
        from husai_core import strict_json

        subject = b.of(b.condition())[0]
        dims, folder = subject["dims"], f"weights/{subject['name']}"
        raw = _decoder(dims["d_sae"], dims["d_out"])
        subject["weights"] = strict_json.digest(raw)
        b.raw |= {f"{folder}/sae_weights.safetensors": raw, f"{folder}/cfg.json": make(dims)}

    FAMILY.add(name, 27, says, "EV-WEIGHTS", 3, "made", spoil)


_foreign_config(
    "config_of_another_width", "A cfg.json of another width.", lambda dims: _config(dims, d_sae=dims["d_sae"] * 2)
)
_foreign_config(
    "config_of_another_input", "A cfg.json of another model.", lambda dims: _config(dims, d_in=dims["d_in"] + 1)
)
_foreign_config("config_of_nothing", "A cfg.json that says nothing.", lambda dims: b"{}")
_foreign_config("config_as_a_list", "A cfg.json that is a list.", lambda dims: b"[]")


@case(27, "EV-SUBJECT")
def foreign_weights(b: Specimen) -> None:
    """Weights of another dictionary than the subject's digest says."""
    subject = b.of(b.condition())[0]
    dims, folder = subject["dims"], f"weights/{subject['name']}"
    b.raw[f"{folder}/sae_weights.safetensors"] = _decoder(dims["d_sae"], dims["d_out"])
    b.raw[f"{folder}/cfg.json"] = _config(dims)


@case(27, "EV-SUBJECT")
def weights_of_nobody(b: Specimen) -> None:
    """The configuration of a subject that is not in the bundle."""
    b.raw[f"weights/{b.condition()}.s999999/cfg.json"] = b"{}"


@case(27, "EV-WEIGHTS")
def config_without_weights(b: Specimen) -> None:
    """A cfg.json whose weights are not there."""
    subject = b.of(b.condition())[0]
    for path in [p for p in b.raw if p.startswith(f"weights/{subject['name']}/")]:
        del b.raw[path]
    b.raw[f"weights/{subject['name']}/cfg.json"] = _config(subject["dims"])


# --- the names of evidence


@case(4, "EV-NAME")
def evidence_names_exchanged(b: Specimen) -> None:
    """Two pieces of evidence under each other's file name, sealed again."""
    documents = [path for path in b.documents if path.startswith("evidence/")]
    kinds = {b.documents[path]["benchmark"]["name"]: path for path in documents}
    if len(kinds) < 2:
        raise NotApplicable("the bundle has evidence of one benchmark only")
    one, other = sorted(kinds.values())[:2]
    b.documents[one], b.documents[other] = b.documents[other], b.documents[one]


@case(4, "EV-NAME")
def evidence_named_for_another_benchmark(b: Specimen) -> None:
    """Evidence under the name of a benchmark that it is not of."""
    path = b.path(b.evidence[0])
    document = b.documents.pop(path)
    b.documents[f"evidence/another.{document['site']['name']}.json"] = document


@case(4, "EV-NAME")
def evidence_named_for_another_site(b: Specimen) -> None:
    """Evidence under the name of a site that it is not at."""
    path = b.path(b.evidence[0])
    document = b.documents.pop(path)
    b.documents[f"evidence/{document['benchmark']['name']}.elsewhere.json"] = document
