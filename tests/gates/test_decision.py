"""A decision as data: its words are plain, its numbers are there, and two of them agree in what counts."""

from __future__ import annotations

import dataclasses
from typing import Any

from husai_gates.decision import Cell, Decision, InFamily, PolicyName, Row
from husai_gates.interval import Interval, Spread

DIGEST = "sha256:" + "0" * 64
CELL = Cell("c", None, "pass", "RULE-HOLDS", "holds")


def made(cell: Cell = CELL, by: str = "1", **row: Any) -> Decision:
    words = {"asks": "it", "says": "yes", **row}
    judged = Row("r", "q", "because", "present", status="pass", code="RULE-HOLDS", cells=(cell,), **words)
    return Decision(PolicyName("p", "1", DIGEST, "", 0.95), DIGEST, "recomputed", (judged,), (), made_by=by)


def test_words_of_cells_and_rows_are_one_printable_line() -> None:
    for words in ({"says": "a\nb", "next_step": "c\x1b[31m\nd"}, {"says": "\x00", "next_step": "\r\n::error"}):
        for said in (dataclasses.replace(CELL, **words), made(**words).rows[0]):
            assert said.says.isprintable()
            assert said.next_step.isprintable()


def test_one_version_agrees_with_itself_to_the_byte() -> None:
    assert made().agrees_with(made())
    assert not made().agrees_with(made(says="no"))
    assert not made().agrees_with(made(dataclasses.replace(CELL, says="otherwise")))


def test_two_versions_agree_whatever_their_words() -> None:
    for other in (
        made(by="2"),
        made(by="2", asks="that", says="no", next_step="go"),
        made(dataclasses.replace(CELL, says="otherwise", next_step="go"), by="2"),
    ):
        assert made().agrees_with(other)
        assert other.agrees_with(made())


def test_two_versions_do_not_agree_on_other_numbers() -> None:
    for cell in ({"p": 0.01}, {"detectable": 0.1}, {"evidence": "e"}, {"condition": "d"}, {"worst": ((1,), 0.5)}):
        assert not made().agrees_with(made(dataclasses.replace(CELL, **cell), by="2"))
    assert not made().agrees_with(dataclasses.replace(made(by="2"), attested_by=("k",)))


def test_the_smallest_effect_of_a_row_is_unknown_where_that_of_a_cell_is() -> None:
    known = dataclasses.replace(CELL, detectable=0.2)
    row = made().rows[0]
    assert dataclasses.replace(row, cells=(known, dataclasses.replace(CELL, detectable=0.1))).detectable == 0.2
    assert dataclasses.replace(row, cells=(known, CELL)).detectable is None
    assert dataclasses.replace(row, cells=()).detectable is None


def test_a_place_in_a_family_is_written_in_whole() -> None:
    place = InFamily("f", 0.01, 1 / 3, 0.05, 3)
    assert place.to_json() == {"name": "f", "p": 0.01, "adjusted": 0.3333333333, "error": 0.05, "rules": 3}
    decision = Decision.from_json(made(family=place).to_json())
    assert decision.rows[0].family == dataclasses.replace(place, adjusted=0.3333333333)


def test_what_was_compared_with_is_written_and_read_back() -> None:
    decision = dataclasses.replace(made(), baseline=DIGEST, attested_by=("k",))
    data = decision.to_json()
    assert data["baseline"] == {"content_digest": DIGEST}
    assert data["attested_by"] == ["k"]
    assert Decision.from_json(data) == decision
    assert made().to_json()["baseline"] is None
    assert "attested_by" not in made().to_json()


def test_an_interval_is_written_with_its_spread_or_without_where_it_has_none() -> None:
    share = Interval(0.5, 0.25, 0.75, 4, "Wilson over seeds", 0.95)
    for spreads in ((), (Spread(0.125, 3.0),)):
        interval = dataclasses.replace(share, spreads=spreads)
        cell = dataclasses.replace(CELL, interval=interval, worst=((1, 2), 0.5), p=0.25, exact_p=0.5, detectable=2.0)
        data = cell.to_json()
        error, freedom = (spreads[0].error, spreads[0].freedom) if spreads else (None, None)
        assert (data["interval"]["standard_error"], data["interval"]["degrees_of_freedom"]) == (error, freedom)
        assert Cell.from_json(data) == cell
