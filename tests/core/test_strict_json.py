import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core import strict_json
from husai_core.errors import InvalidEvidence

REFUSED = {
    "truncated": (b'{"a": [1, 2', "EV-JSON", "at byte"),
    "trailing garbage": (b"{} x", "EV-JSON", "at byte 3"),
    "zero bytes": (b"", "EV-JSON", "at byte 0"),
    "byte order mark": (b"\xef\xbb\xbf{}", "EV-JSON", "at byte 0"),
    "not UTF-8": (b'{"a": "\xff"}', "EV-JSON", "not UTF-8 at byte 7"),
    "byte offset, not character offset": ('{"é": x}'.encode(), "EV-JSON", "at byte 7"),
    "NaN": (b'{"a": {"b": [0, NaN]}}', "EV-NONFINITE", "$.a.b[1]"),
    "Infinity": (b'{"a": -Infinity}', "EV-NONFINITE", "$.a"),
    "overflowing number": (b'{"a": 1e400}', "EV-NONFINITE", "$.a"),
    "duplicate key": (b'{"a": {"k": 1, "k": 2}}', "EV-DUP-KEY", "$.a"),
    "duplicate key at the top": (b'{"k": 1, "k": 1}', "EV-DUP-KEY", "'k'"),
    "2^53 + 1": (b'{"a": 9007199254740993}', "EV-BIG-INT", "$.a"),
    "5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "EV-BIG-INT", "$.a"),
    "nesting bomb": (b"[" * 100_000, "EV-DEPTH", "at byte 32"),
    "nesting bomb after a string of brackets": (b'["]]]]\\"", ' + b"[" * 50 + b"]" * 51, "EV-DEPTH", "at byte"),
    "lone surrogate": (b'{"a": "\\ud800"}', "EV-JSON", "$.a"),
    "lone surrogate in a key": (b'{"\\ud800": 1}', "EV-JSON", "surrogate"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_code_and_place(case: str) -> None:
    raw, code, hint = REFUSED[case]
    with pytest.raises(InvalidEvidence) as caught:
        strict_json.parse(raw, "evidence/x.json")
    assert caught.value.code == code
    assert hint in str(caught.value)
    assert "evidence/x.json" in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"' + b'\\"' * 1_000_000,
        b'{"a": "' + b"x" * 5_000_000 + b'"}',
        b'{"' + b"k" * 500_000 + b'": [' + b"1," * 200_000 + b"1]}",
    ],
    ids=["unfinished string of escapes", "long string", "long key of many items"],
)
def test_no_document_of_a_few_megabytes_takes_more_than_linear_time(raw: bytes) -> None:
    """Each of these took from many seconds to minutes in a reader that tries again or spells out every path."""
    with contextlib.suppress(InvalidEvidence):
        strict_json.parse(raw, "x")


def test_a_file_over_the_limit_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_BYTES", 3)
    with pytest.raises(InvalidEvidence, match="the limit is 3"):
        strict_json.parse(b"[1,2]", "x")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_is_written_reads_back_and_is_canonical(value: object) -> None:
    raw = strict_json.encode(value)
    assert strict_json.parse(raw, "x") == value
    assert strict_json.encode(strict_json.parse(raw, "x")) == raw


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(raw: bytes) -> None:
    with contextlib.suppress(InvalidEvidence):
        strict_json.parse(raw, "x")


@given(json_values)
def test_the_strict_reader_agrees_with_json_where_it_accepts(value: object) -> None:
    raw = json.dumps(value).encode()
    assert strict_json.parse(raw, "x") == json.loads(raw)


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}, 2**53 + 1, {1: 2}, b"x", {"a": object()}])
def test_what_has_no_exact_form_is_never_written(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        strict_json.encode(value)


WORDS = (
    ["{", "}", "[", "]", "[[", "]]", ",", ":", " ", "true", "null", "NaN", "1", "1.5", "1e999", "1" * 5000],
    ["9007199254740992", "9007199254740993", "-9007199254740993"],
    ['"a"', '"b"', '"\u00e9"', '"\\ud800"', '"\\ud83d\\ude00"'],
)
JSON_WORDS = st.lists(st.sampled_from([word for words in WORDS for word in words]), max_size=14).map("".join)


@given(text=JSON_WORDS | st.text(max_size=20))
def test_the_fast_reading_and_the_exact_one_agree(text: str) -> None:
    def outcome(read: Callable[[bytes, str], object]) -> tuple[str, str]:
        try:
            return "value", repr(read(raw, "x"))
        except InvalidEvidence as error:
            return error.code, error.place

    raw = text.encode("utf-8", "surrogatepass")
    assert outcome(strict_json.parse) == outcome(strict_json._parse_slowly)


@pytest.mark.parametrize(("depth", "sound"), [(strict_json.MAX_DEPTH, True), (strict_json.MAX_DEPTH + 1, False)])
@pytest.mark.parametrize(("opening", "inner", "closing"), [("[", "", "]"), ("[", "1", "]"), ('{"a":', "{}", "}")])
def test_the_limit_of_depth_is_the_same_for_both(
    depth: int, sound: bool, opening: str, inner: str, closing: str
) -> None:
    levels = depth - (inner == "{}")
    raw = (opening * levels + inner + closing * levels).encode()
    if sound:
        assert strict_json.parse(raw, "x") == strict_json._parse_slowly(raw, "x")
    else:
        with pytest.raises(InvalidEvidence) as stop:
            strict_json.parse(raw, "x")
        assert stop.value.code == "EV-DEPTH"
