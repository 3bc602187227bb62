import pytest

from husai_core.strict_toml import TomlProblem, read_toml

REFUSED = {
    "not UTF-8": (b"a = '\xff'", "EV-TOML"),
    "not TOML": (b"a = ", "EV-TOML"),
    "NaN": (b"[a]\nb = [0, nan]", "EV-NONFINITE"),
    "infinity": (b"a = -inf", "EV-NONFINITE"),
    "2^53 + 1": (b"a = 9007199254740993", "EV-BIG-INT"),
    "5,000 digits": (b"a = " + b"9" * 5000, "EV-TOML"),
    "10^400": (b"a = 1" + b"0" * 400, "EV-BIG-INT"),
    "deep array": (b"a = " + b"[" * 50 + b"]" * 50, "EV-DEPTH"),
    "nesting bomb": (b"a = " + b"[" * 60_000, "EV-DEPTH"),
    "dotted key bomb": (b".".join([b"a"] * 50_000) + b" = 1", "EV-DEPTH"),
    "too large": (b"#" * 2**18, "EV-TOO-LARGE"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_has_its_code(case: str) -> None:
    raw, code = REFUSED[case]
    with pytest.raises(TomlProblem) as caught:
        read_toml(raw)
    assert caught.value.code == code


def test_the_place_of_a_number_is_named() -> None:
    with pytest.raises(TomlProblem, match=r"\$\.a\.b\[1\]: nan is not a finite number"):
        read_toml(b"[a]\nb = [0, nan]")
