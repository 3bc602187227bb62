"""The numbers of a document that no claim holds."""

from __future__ import annotations

from typing import Any

import pytest

HEAD = 'schema = "husai:claims/v1"\n[files.speed]\npath = "speed.json"\n[coverage]\ndocuments = ["paper.md"]\n'
CLAIM = """
[[claim]]
id = "speed"
document = "paper.md"
phrase = "it takes {x} s"
numbers.x = { file = "speed", pointer = "/x" }
"""


def _unclaimed(desk: Any, text: str, more: str = "", claim: str = CLAIM) -> list[str]:
    desk.write('{"x": 2.5}', "speed.json")
    desk.write(text)
    desk.claim(claim, HEAD + more)
    from husai_gates import claims

    return [v.says.split("'")[1] for v in claims.unclaimed(claims.load(desk.folder / "claims.toml"))]


def test_a_number_that_is_claimed_is_covered_and_another_is_not(desk: Any) -> None:
    assert _unclaimed(desk, "it takes 2.5 s") == []
    assert _unclaimed(desk, "it takes 2.5 s, or 2.5 s, or 17 %") == ["2.5", "17"]
    code, text = desk.run("check", "--unclaimed")
    assert code == 2
    assert "2 numbers that no claim holds" in text
    assert "paper.md:1" in text
    assert desk.run("check")[0] == 0


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("L0 and SmolLM2-135M, top-5, k32 and v1.2", []),
        ("see [there](a/2024/07.md) and https://a.b/17", []),
        ("# 1. One\n\n2. two\n3) three 4", ["4"]),
        ("`17` and ```18``` and 19", ["19"]),
        ("```\n17\n```\n18", ["18"]),
        ("<!-- 17 --> 18", ["18"]),
        ("`<!--` 18 `-->`", ["18"]),
        ("<!-- ` --> 18 <!-- ` -->", ["18"]),
        ("<!-- ```\n--> 18\n<!--\n``` -->", ["18"]),
        ("``` <!--\n17\n```\n18 -->", ["18"]),
        ("18 <!-- 19", ["18"]),
        ("five of twenty", []),
        ("12ms or 3x", ["12", "3"]),
        ("1,2", []),
    ],
)
def test_what_counts_as_a_number(desk: Any, text: str, left: list[str]) -> None:
    assert _unclaimed(desk, f"it takes 2.5 s\n\n{text}") == left


def test_code_is_looked_at_where_the_ledger_says_so(desk: Any) -> None:
    assert _unclaimed(desk, "it takes 2.5 s `17`", "code = true\n") == ["17"]


def test_patterns_allow_what_needs_no_claim(desk: Any) -> None:
    allow = 'allow = [{ pattern = "Python [0-9.]+", reason = "a version" }]\n'
    assert _unclaimed(desk, "it takes 2.5 s on Python 3.11 and\nPython\n3.12, 3.13", allow) == ["3.13"]
    elsewhere = allow.replace("reason", 'document = "other.md", reason')
    assert _unclaimed(desk, "it takes 2.5 s on Python 3.11", elsewhere) == ["3.11"]


def test_a_hole_for_any_number_covers_nothing(desk: Any) -> None:
    claim = CLAIM.replace("it takes {x} s", "it takes {x} s, not {*}")
    assert _unclaimed(desk, "it takes 2.5 s, not 3", claim=claim) == ["3"]


def test_a_listed_document_that_is_missing_is_a_mistake(desk: Any) -> None:
    _unclaimed(desk, "it takes 2.5 s")
    (desk.folder / "claims.toml").write_text(HEAD.replace("paper.md", "other.md") + CLAIM)
    assert desk.run("check", "--unclaimed")[0] == 64
