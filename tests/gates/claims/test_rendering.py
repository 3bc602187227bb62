"""Numbers filled in between markers: from evidence, idempotent, and every other byte left as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

CLAIM = """
[[claim]]
id = "ev"
document = "paper.md"
numbers.x = { bundle = "toy", benchmark = "reconstruction", metric = "explained_variance", condition = "addition.topk" }
"""
TEXT = "\ufeff# T\u00eftle\r\n\r\nIt is <!-- claim:ev -->{}<!-- /claim --> of it, \t\r\nno 0.123 more.\n\n\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.9", "1.0"),
        ("0.123", "0.950"),
        ("0.95", "0.95"),
        ("0.9504", "0.9504"),
        ("9,999.00", "0.95"),
        ("+0.1", "+1.0"),
        ("2e-1", "1.0"),
    ],
)
def test_only_the_number_changes_and_keeps_its_manner(toy: Any, before: str, after: str) -> None:
    toy.write(TEXT.format(before))
    toy.claim(CLAIM)
    wrong = before != after
    assert toy.run("render", "--check")[0] == (2 if wrong else 0)
    assert toy.text() == TEXT.format(before)
    assert toy.run("render")[0] == 0
    assert toy.text() == TEXT.format(after)
    assert toy.run("render", "--check")[0] == 0
    assert toy.run("check")[0] == 0


def test_an_empty_place_needs_to_know_how_many_decimals(toy: Any) -> None:
    toy.write(TEXT.format(""))
    toy.claim(CLAIM)
    code, text = toy.run("render")
    assert (code, "'decimals'" in text) == (64, True)
    assert toy.text() == TEXT.format("")
    toy.claim(CLAIM.replace('"addition.topk"', '"addition.topk", decimals = 3'))
    assert toy.run("check")[0] == 2
    assert toy.run("render")[0] == 0
    assert toy.text() == TEXT.format("0.950")
    toy.write(TEXT.format("0.95"))
    assert toy.run("render", "--check")[0] == 2, "supported, but printed with fewer decimals than the claim wants"


def test_statistics_percent_words_and_counts(toy: Any) -> None:
    text = (
        "<!-- claim:ev:x -->0<!-- /claim --> % [<!-- claim:ev:x.low -->0.0<!-- /claim --> %, "
        "<!-- claim:ev:x.high -->0.0<!-- /claim --> %] of <!-- claim:ev:x.n -->9<!-- /claim --> seeds, "
        "<!-- claim:ev:v -->Nothing<!-- /claim -->"
    )
    toy.write(text)
    (toy.folder / "p.toml").write_bytes((toy.folder / "bundle" / "policy" / "test.toml").read_bytes())
    toy.claim(CLAIM + 'numbers.v = { bundle = "toy", policy = "p.toml", verdict = true }\n')
    assert toy.run("render")[0] == 0
    assert toy.text().replace("<!-- /claim -->", "").split("-->")[1:] == [
        "95 % [<!-- claim:ev:x.low ",
        "94.7 %, <!-- claim:ev:x.high ",
        "95.4 %] of <!-- claim:ev:x.n ",
        "5 seeds, <!-- claim:ev:v ",
        "Released",
    ]
    assert toy.run("check")[0] == 0


def test_other_evidence_changes_the_text(toy: Any, make_draft: Any, level: Callable[..., None]) -> None:
    toy.write(TEXT.format("0.950"))
    toy.claim(CLAIM)
    assert toy.run("render", "--check")[0] == 0
    draft = make_draft()
    level(draft, "explained_variance", "addition.topk", 0.961)
    shutil.rmtree(toy.folder / "bundle")
    toy.put(draft.files())
    assert toy.run("check")[0] == 2
    assert toy.run("render")[0] == 0
    assert toy.text() == TEXT.format("0.961")


def test_nothing_is_written_where_one_number_cannot_be_filled_in(toy: Any) -> None:
    text = TEXT.format("0.1") + "<!-- claim:gone -->0.1<!-- /claim -->"
    toy.write(text)
    toy.claim(CLAIM + CLAIM.replace('"ev"', '"gone"').replace("addition.topk", "addition.gone"))
    code, out = toy.run("render")
    assert code == 2
    assert "no condition 'addition.gone'" in out
    assert toy.text() == text


def test_a_bundle_that_fails_its_audit_is_not_rendered(toy: Any) -> None:
    toy.write(TEXT.format("0.1"))
    toy.claim(CLAIM)
    (toy.folder / "bundle" / "study.toml").write_bytes(b"")
    assert toy.run("render")[0] == 3
    assert toy.text() == TEXT.format("0.1")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("no marker", "stale"),
        ("<!-- claim:ev -->0.95", "stale"),
        ("<!-- claim:ev -->0.95\n<!-- /claim -->", "stale"),
        ("`<!-- claim:ev -->0.95<!-- /claim -->`", "stale"),
        ("<!-- claim:ev -->0.95<!-- /claim --> <!-- claim:other -->1<!-- /claim -->", "unsupported"),
        ("<!-- claim:ev -->words<!-- /claim -->", "contradicted"),
        ("<!-- claim:ev -->0.94<!-- /claim -->", "contradicted"),
        ("<!-- claim:ev -->0.95<!-- /claim --> <!-- claim:ev -->0.94<!-- /claim -->", "contradicted"),
    ],
)
def test_a_marker_that_is_wrong_is_found(toy: Any, text: str, status: str) -> None:
    toy.write(text)
    toy.claim(CLAIM)
    assert status in toy.statuses()
    assert toy.run("check")[0] == 2


def test_a_marker_that_one_number_lost_is_found(toy: Any) -> None:
    toy.claim(CLAIM + CLAIM.partition("numbers.x")[2].replace(" =", "numbers.y =", 1).replace("topk", "relu"))
    toy.write("<!-- claim:ev:x -->0.95<!-- /claim --> and <!-- claim:ev:y -->0.94<!-- /claim -->")
    assert toy.statuses() == ["supported", "supported"]
    toy.write("<!-- claim:ev:x -->0.95<!-- /claim --> and 0.94")
    assert toy.statuses() == ["stale", "supported"]


@pytest.mark.parametrize("hole", ["y", "x.lows", "lows"])
def test_a_marker_that_names_nothing_is_a_mistake(toy: Any, hole: str) -> None:
    toy.write(f"<!-- claim:ev:{hole} -->0.95<!-- /claim -->")
    toy.claim(CLAIM)
    assert toy.run("check")[0] == 64


def test_a_link_is_kept_a_link(toy: Any) -> None:
    toy.write(TEXT.format("0.1"), "real.md")
    (toy.folder / "paper.md").symlink_to("real.md")
    toy.claim(CLAIM)
    assert toy.run("render")[0] == 0
    assert (toy.folder / "paper.md").is_symlink()
    assert toy.text("real.md") == TEXT.format("1.0")
