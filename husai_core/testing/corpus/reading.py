"""Cases of documents that a lax reader would take: broken JSON, numbers that are none, names that look like others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import PROVENANCE, STUDY, Specimen

FAMILY = Family()
case = FAMILY.case

_NUMBER = rb'("value": )(-?[0-9][-+0-9.eE]*)'


def _evidence(b: Specimen) -> str:
    return b.path(b.document_of(b.measured(several=False)))


def _with_value(b: Specimen, text: bytes) -> None:
    path = _evidence(b)
    b.finally_(lambda files: files.update({path: re.sub(_NUMBER, rb"\g<1>" + text, files[path], count=1)}))


def _number(name: str, text: str, threat: int, code: str) -> None:
    FAMILY.add(
        name, threat, f"An observation is {text[:24]}.", code, 3, "made", lambda b: _with_value(b, text.encode())
    )


for _name, _text in (("NaN", "NaN"), ("Infinity", "Infinity"), ("minus_Infinity", "-Infinity"), ("overflow", "1e400")):
    _number(f"value_{_name}", _text, 9, "EV-NONFINITE")
_number("value_of_5000_digits", "1" * 5000, 11, "EV-BIG-INT")
_number("value_beyond_2_53", "9007199254740993", 11, "EV-BIG-INT")
_number("value_as_text", '"0.95"', 13, "EV-TYPE")
_number("value_true", "true", 13, "EV-TYPE")
_number("value_null", "null", 13, "EV-TYPE")
_number("value_list", "[0.95]", 13, "EV-TYPE")


def _rewritten(name: str, threat: int, says: str, code: str, change: Callable[[bytes], bytes]) -> None:
    def spoil(b: Specimen) -> None:
        path = _evidence(b)
        b.finally_(lambda files: files.update({path: change(files[path])}))

    FAMILY.add(name, threat, says, code, 3, "made", spoil)


_rewritten("truncated", 8, "Evidence that ends in the middle.", "EV-JSON", lambda raw: raw[: len(raw) // 2])
_rewritten("trailing_garbage", 8, "Evidence with more text behind it.", "EV-JSON", lambda raw: raw + b"x")
_rewritten("two_documents", 8, "Two documents in one file.", "EV-JSON", lambda raw: raw + raw)
_rewritten("byte_order_mark", 8, "Evidence behind a byte order mark.", "EV-JSON", lambda raw: b"\xef\xbb\xbf" + raw)
_rewritten("utf_16", 8, "Evidence in UTF-16.", "EV-JSON", lambda raw: raw.decode().encode("utf-16"))
_rewritten("not_utf_8", 8, "A byte that is no UTF-8.", "EV-JSON", lambda raw: raw.replace(b'"version"', b'"\xff"', 1))
_rewritten("emptied", 8, "Evidence of no bytes.", "EV-JSON", lambda raw: b"")
_rewritten("comment", 8, "A comment in JSON.", "EV-JSON", lambda raw: b"// fine\n" + raw)
_rewritten("nesting_bomb", 12, "A hundred thousand brackets.", "EV-DEPTH", lambda raw: b"[" * 100_000)
_rewritten(
    "deep_setting", 12, "A setting forty levels deep.", "EV-DEPTH",
    lambda raw: raw.replace(b'"settings": {', b'"settings": {"a": ' + b"[" * 40 + b"]" * 40 + b', "b": {}, "c": {', 1),
)  # fmt: skip
_rewritten("array_for_an_object", 13, "Evidence that is a list.", "EV-TYPE", lambda raw: b"[" + raw + b"]")
_rewritten(
    "duplicate_key", 10, "The outcome stands twice, and the last would count.", "EV-DUP-KEY",
    lambda raw: raw.replace(b'"outcome": {', b'"outcome": {"status": "failed"},\n "outcome": {', 1),
)  # fmt: skip
_rewritten(
    "duplicate_value", 10, "An observation has two values.", "EV-DUP-KEY",
    lambda raw: re.sub(_NUMBER, rb"\g<1>0.0, \g<1>\g<2>", raw, count=1),
)  # fmt: skip
_rewritten(
    "duplicate_key_by_escape", 10, "Two keys that differ only in how they are written.", "EV-DUP-KEY",
    lambda raw: raw.replace(b'"outcome": {', b'"outcom\\u0065": {"status": "failed"},\n "outcome": {', 1),
)  # fmt: skip
_rewritten(
    "lone_surrogate", 8, "A text that no UTF-8 can hold.", "EV-JSON",
    lambda raw: raw.replace(b'"version": "', b'"version": "\\ud800', 1),
)  # fmt: skip


@case(8, "EV-TOML")
def study_not_toml(b: Specimen) -> None:
    """A study that breaks off."""
    b.replace(STUDY, b"seeds = [")


@case(9, "EV-NONFINITE")
def study_with_nan(b: Specimen) -> None:
    """A learning rate of nan."""
    b.study["training"]["learning_rate"] = float("nan")


@case(13, "EV-TYPE")
def study_of_another_form(b: Specimen) -> None:
    """Steps in words."""
    b.study["training"]["steps"] = "many"


@case(13, "EV-TYPE")
def seed_as_text(b: Specimen) -> None:
    """A seed in quotes."""
    observation = b.measured(several=False)["observations"][0]
    observation["seeds"] = [str(seed) for seed in observation["seeds"]]


@case(22, "EV-SCHEMA")
def older_schema(b: Specimen) -> None:
    """Evidence by an older version of the schema."""
    b.evidence[0]["schema"] = "husai:evidence/v0"


@case(22, "EV-SCHEMA")
def schema_of_another_kind(b: Specimen) -> None:
    """Evidence that says it is a subject."""
    b.evidence[0]["schema"] = "husai:subject/v1"


@case(22, "EV-SCHEMA")
def schema_left_out(b: Specimen) -> None:
    """Evidence that does not say what it is."""
    del b.evidence[0]["schema"]


def _versions(name: str, says: str, stated: object) -> None:
    def spoil(b: Specimen) -> None:
        for subject in b.subjects:
            subject["schema"] = stated

    FAMILY.add(name, 22, says, "EV-SCHEMA", 3, "made", spoil)


_versions("version_of_a_newer_husai", "Subjects of a version that nobody here knows.", "husai:subject/v3")
_versions("version_with_a_leading_zero", "Version 1, written otherwise.", "husai:subject/v01")
_versions("version_with_a_blank", "Version 2, and a blank.", "husai:subject/v2 ")
_versions("version_as_a_number", "A version that is a number.", 2)


@case(22, "EV-TYPE")
def older_version_with_words_of_the_newer(b: Specimen) -> None:
    """Subjects of version 1 with an agreement of 0, for which version 1 has no words."""
    for subject in b.of(b.trained()[0]["condition"]):
        subject["schema"] = "husai:subject/v1"
        subject["budget"] |= {"agreement": 0.0, "decay_share": 0.2}


@case(22, "EV-TYPE")
def newest_version_that_leaves_out_what_it_must_say(b: Specimen) -> None:
    """Subjects of version 2 that are silent as version 1 was allowed to be."""
    for subject in b.of(b.trained()[0]["condition"]):
        subject["schema"] = "husai:subject/v2"
        subject["budget"].pop("decay_share", None)


@case(23, "EV-TYPE")
def reference_to_the_network(b: Specimen) -> None:
    """A `$ref` to a laxer schema; the address answers nobody."""
    b.evidence[0]["$ref"] = "http://192.0.2.1/laxer.json"


@case(23, "EV-SCHEMA")
def schema_by_file(b: Specimen) -> None:
    """A schema that would be read from the disk."""
    b.evidence[0]["schema"] = "file:///etc/passwd"


@case(23, "EV-TYPE")
def schema_keyword(b: Specimen) -> None:
    """A `$schema` beside the schema."""
    b.evidence[0]["$schema"] = "http://192.0.2.1/schema.json"


@case(24, "EV-IDENT")
def name_with_a_line_break(b: Specimen) -> None:
    """A condition that ends in a line break, which `$` would pass."""
    b.measured(several=False)["condition"] += "\n"


@case(24, "EV-TYPE")
def digest_with_a_line_break(b: Specimen) -> None:
    """A digest that ends in a line break."""
    b.subjects[0]["weights"] += "\n"


@case(24, "EV-IDENT")
def regex_bomb(b: Specimen) -> None:
    """A name made to keep a backtracking pattern busy."""
    b.measured(several=False)["condition"] = "a" * 100_000 + "!"


@case(26, "EV-IDENT")
def confusable_condition(b: Specimen) -> None:
    """A condition with a Cyrillic letter in its name."""
    measurement = b.measured(several=False)
    measurement["condition"] = measurement["condition"].replace("o", "\u043e") + "\u043e"


@case(26, "EV-IDENT")
def condition_in_another_normal_form(b: Specimen) -> None:
    """A condition whose name is not in normal form C."""
    b.measured(several=False)["condition"] += "e\u0301"


@case(26, "EV-IDENT")
def condition_with_a_bidi_override(b: Specimen) -> None:
    """A condition that reads backwards."""
    b.measured(several=False)["condition"] += "\u202e"


@case(26, "EV-IDENT")
def confusable_metric(b: Specimen) -> None:
    """A metric whose name looks like another."""
    b.measured(several=False)["metric"]["name"] = "explained_v\u0430riance"


def _provenance(name: str, threat: int, says: str, raw: bytes, code: str) -> None:
    FAMILY.add(name, threat, says, code, 3, "made", lambda b: b.replace(PROVENANCE, raw))


_provenance("provenance_of_trailing_garbage", 8, "Provenance with more behind it.", b"{} x", "EV-JSON")
_provenance("provenance_with_a_key_twice", 10, "Provenance with a key twice.", b'{"a": 1, "a": 2}', "EV-DUP-KEY")
_provenance("provenance_with_a_big_integer", 11, "Provenance with 2^53 + 1.", b'{"a": 9007199254740993}', "EV-BIG-INT")
_provenance("provenance_as_a_list", 13, "Provenance that is a list.", json.dumps([]).encode(), "EV-TYPE")


@case(8, "EV-JSON", stage="sealed")
def manifest_emptied(files: dict[str, Any]) -> None:
    """A manifest of no bytes."""
    files["manifest.json"] = b""
