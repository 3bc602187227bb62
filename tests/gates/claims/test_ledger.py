"""Mistakes in claims.toml: one line, exit code 64, the nearest name; and no traceback where files are missing."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core.errors import UsageError
from husai_gates import claims

ONE = """
[[claim]]
id = "one"
document = "paper.md"
phrase = "it explains {x}"
numbers.x = { bundle = "toy", benchmark = "reconstruction", metric = "explained_variance", condition = "addition.topk" }
"""
NUMBER = 'numbers.x = { bundle = "toy", benchmark = "reconstruction", metric = "explained_variance", '
LAST = 'condition = "addition.topk" }'
TWICE = 'condition = "a" }\n[[claim]]\nid = "one"\ndocument = "d"\nnumbers.x = { file = "speed", pointer = "/x" }\n'
FILE = 'numbers.x = { file = "speed", pointer = "/x" }\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("phrase =", "phrases =", "unknown key 'phrases'; did you mean 'phrase'?"),
        ("metric =", "metrics =", "did you mean 'metric'?"),
        ('bundle = "toy"', 'bundle = "tow"', "no bundle is called 'tow' (did you mean 'toy'?"),
        ("{x}", "{y}", "there is no number 'y'"),
        ("{x}", "{x.lows}", "there is no statistic 'lows' (did you mean 'low'?"),
        ("it explains {x}", "{x}.", "too few words"),
        ("it explains {x}", "it explains {*}", "neither prints nor compares"),
        (', condition = "addition.topk" }', " }", "a measurement needs 'condition'"),
        (LAST, 'condition = "a", policy = "toy" }', "a measurement has no 'policy'"),
        (LAST, 'condition = "a", minus = "b", over = "c" }', "exclude one another"),
        (LAST, 'condition = "a" }\nnumbers.y = { ratio = ["x", "x"] }', "neither printed nor"),
        (LAST, 'condition = "a" }\nnumbers.y = { ratio = ["y", "x"] }', "made of itself"),
        (LAST, TWICE, "stands twice"),
        (LAST, 'condition = "a", statistic = "median" }', "must be one of mean, low"),
        ("phrase =", "phrase = 3 #", "must be of type string"),
        ("[[claim]]", "[[claim", "not TOML"),
        ("[[claim]]", '[coverage]\nallow = [{ pattern = "(", reason = "x" }]\n[[claim]]', "no regular expression"),
        (NUMBER, 'numbers.x = { bundle = "toy", policy = "toy", rules = "pass", row = "a", unit = "x", #', "not TOML"),
        ("{x}", "{x} and {verdict, x}", "there is no number 'verdict'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(toy: Any, old: str, new: str, says: str) -> None:
    toy.write("it explains 0.95")
    toy.claim(ONE)
    assert toy.run("check")[0] == 0
    assert old in ONE
    toy.claim(ONE.replace(old, new, 1))
    for command in ("check", "render"):
        code, text = toy.run(command)
        assert code == 64, text
        assert says in text
        assert "claims.toml" in text
        assert text.count("\n") == 1


def test_better_of_a_number_without_a_card_needs_to_know_which_side(toy: Any) -> None:
    toy.write('{"x": 1, "y": 2}', "speed.json")
    toy.write("it takes 1, better than 2")
    head = 'schema = "husai:claims/v1"\n[files.speed]\npath = "speed.json"\n'
    claim = f"""
[[claim]]
id = "one"
document = "paper.md"
phrase = "it takes {{x}}, better than {{y}}"
{FILE}
numbers.y = {{ file = "speed", pointer = "/y" }}
compare = [{{ number = "x", is = "better than", than = "y", nominal = true }}]
"""
    toy.claim(claim, head)
    code, text = toy.run("check")
    assert (code, "nothing says which side is better" in text) == (64, True)
    toy.claim(claim.replace('pointer = "/x"', 'pointer = "/x", better = "lower"'), head)
    assert toy.run("check")[0] == 0


@pytest.mark.parametrize("gone", ["claims.toml", "paper.md", "bundle", "speed.json"])
def test_a_file_that_is_missing_is_named(toy: Any, gone: str) -> None:
    import shutil

    toy.write('{"x": 1}', "speed.json")
    toy.write("it explains 0.95 in 1 s")
    head = 'schema = "husai:claims/v1"\n[bundles.toy]\npath = "bundle"\n[files.speed]\npath = "speed.json"\n'
    toy.claim(ONE + ONE.replace('"one"', '"two"').replace("{x}", "{*} in {x} s").partition("numbers")[0] + FILE, head)
    assert toy.run("check")[0] == 0
    path = toy.folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    code, text = toy.run("check")
    assert code == 64
    assert gone.removesuffix(".json") in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "raw", "code"),
    [
        ("speed.json", b'{"x": NaN}', 3),
        ("speed.json", b'{"x": 1, "x": 2}', 3),
        ("speed.json", b"{", 3),
        ("speed.json", b'{"x": true}', 2),
        ("speed.json", b'{"y": 1}', 2),
        ("speed.json", b'{"x": "1"}', 2),
        ("paper.md", b"it takes \xff 1 s", 64),
        ("claims.toml", b"\xff", 64),
    ],
)
def test_files_that_cannot_be_believed(desk: Any, name: str, raw: bytes, code: int) -> None:
    desk.write('{"x": 1}', "speed.json")
    desk.write("it takes 1 s")
    claim = f'[[claim]]\nid = "one"\ndocument = "paper.md"\nphrase = "it takes {{x}} s"\n{FILE}'
    desk.claim(claim, 'schema = "husai:claims/v1"\n[files.speed]\npath = "speed.json"\n')
    assert desk.run("check")[0] == 0
    (desk.folder / name).write_bytes(raw)
    assert desk.run("check")[0] == code


def test_a_folder_in_place_of_a_file_is_no_crash(desk: Any) -> None:
    (desk.folder / "paper.md").mkdir()
    desk.claim(ONE)
    assert desk.run("check")[0] == 64


@pytest.mark.parametrize("pointer", ["/a/-1", "/a/01", "/a/9", "/a/x", "/b", "/a/0/0", "/~1", "/a/" + "9" * 30])
def test_a_pointer_to_nothing_is_unsupported(desk: Any, pointer: str) -> None:
    desk.write('{"a": [1]}', "speed.json")
    desk.write("it takes 1 s")
    claim = f'[[claim]]\nid = "one"\ndocument = "paper.md"\nphrase = "it takes {{x}} s"\n{FILE}'.replace("/x", pointer)
    desk.claim(claim, 'schema = "husai:claims/v1"\n[files.speed]\npath = "speed.json"\n')
    assert desk.statuses() == ["unsupported"]


def _example() -> list[str]:
    import husai_schemas

    folder = Path(husai_schemas.__file__).parent / "claims" / "examples" / "valid"
    return (folder / "every-kind.toml").read_text().splitlines()


@pytest.mark.parametrize("index", range(len(_example())))
def test_a_ledger_that_lost_a_line_is_read_or_refused(index: int) -> None:
    lines = _example()
    for changed in ([*lines[:index], *lines[index + 1 :]], [*lines[: index + 1], lines[index], *lines[index + 1 :]]):
        with contextlib.suppress(UsageError):
            claims.parse("\n".join(changed).encode(), "claims.toml", Path("."))


@given(st.binary(max_size=80), st.integers(0, 2000))
def test_no_bytes_break_the_reader(junk: bytes, at: int) -> None:
    raw = "\n".join(_example()).encode()
    with contextlib.suppress(UsageError):
        claims.parse(raw[:at] + junk + raw[at:], "claims.toml", Path("."))


def test_the_check_needs_neither_torch_nor_numpy(toy: Any) -> None:
    toy.write("it explains 0.95")
    toy.claim(ONE)
    heavy = ("torch", "numpy", "scipy", "pandas", "rich", "matplotlib")
    program = (
        "import sys\n"
        f"for name in {heavy}: sys.modules[name] = None\n"
        "from husai_core.cli import invoke\n"
        f"sys.exit(invoke(['claims', 'check', {str(toy.folder / 'claims.toml')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
