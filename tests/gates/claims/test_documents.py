"""Documents of every kind, and texts that were written to deceive or to break."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from husai_gates.claims.document import Document
from husai_gates.claims.phrase import Phrase


def _found(text: str, phrase: str, path: str = "paper.md") -> list[list[tuple[str, int]]]:
    document = Document(path, text)
    return [
        [(hit.text, document.line(hit.span[0])) for hit in hits]
        for _, hits in Phrase(phrase).find(document, frozenset())
    ]


def test_a_phrase_is_found_over_line_breaks_and_odd_blanks() -> None:
    text = "Agreement\r\n  is\u00a00.62\n[0.60,\n0.64]."
    assert _found(text, "Agreement is {x} [{x.low}, {x.high}]") == [[("0.62", 2), ("0.60", 3), ("0.64", 4)]]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("paper.md", "It is <!-- It is 0.62 of it --> 0.7 of it."),
        ("paper.tex", "% It is 0.62 of it\nIt is 0.7 of it."),
        ("paper.tex", "\\begin{verbatim} % \\end{verbatim} It is 0.7 of it."),
        ("paper.tex", "It is\n0.7 of it. 5 \\% % It is 0.62 of it"),
    ],
)
def test_a_decoy_in_a_comment_is_no_place(path: str, text: str) -> None:
    assert [[hit for hit, _ in hits] for hits in _found(text, "It is {x} of it", path)] == [["0.7"]]


def test_a_number_cut_by_a_comment_is_what_the_reader_sees() -> None:
    assert _found("It is 0.6<!-- -->2 of it", "It is {x} of it") == [[("0.62", 1)]]


def test_latex() -> None:
    text = "Agreement is $0.62 \\pm 0.02$, \\textbf{12\\%} of $3{,}001$ pairs at $1.2\\times10^{-3}$."
    phrase = "Agreement is ${x} \\pm {h}$, \\textbf{{y}\\%} of ${n}$ pairs at ${lr}$"
    assert [[hit for hit, _ in hits] for hits in _found(text, phrase, "a.tex")] == [
        ["0.62", "0.02", "12", "3{,}001", "1.2\\times10^{-3}"]
    ]


@pytest.mark.parametrize(
    "text", ["is 0.625", "is 10.62", "is 0.62.5", "is 0.62e5", "is -0.62", "is \u22120.62", "is 1,0.62"]
)
def test_a_hole_holds_a_whole_number_and_its_sign(text: str) -> None:
    assert [hits[0][0] for hits in _found(text, "is {x}")] != ["0.62"]


def test_a_tilde_of_latex_is_a_blank_and_no_about() -> None:
    document = Document("a.tex", "a gain\nof~3,000 pairs")
    for phrase in ("gain of~{x} pairs", "gain of {x} pairs"):
        ((_, (hit,)),) = Phrase(phrase).find(document, frozenset())
        assert (hit.text, hit.before) == ("3,000", "a gain of ")


def test_a_sign_is_not_left_outside_of_the_hole() -> None:
    assert _found("it is -0.62", "it is -{x}") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_the_check(desk: Any, before: str, after: str) -> None:
    desk.write('{"x": 0.95}', "speed.json")
    desk.write(f"{before} It explains 0.95 of it {after}".encode("utf-8", "ignore").decode())
    desk.claim(
        '[coverage]\ndocuments = ["paper.md"]\n[[claim]]\nid = "x"\ndocument = "paper.md"\n'
        'phrase = "It explains {x} of it"\nnumbers.x = { file = "speed", pointer = "/x" }\n',
        'schema = "husai:claims/v1"\n[files.speed]\npath = "speed.json"\n',
    )
    for form in ("text", "json", "github"):
        code, out = desk.run("check", "--unclaimed", "--format", form)
        assert code in (0, 2)
        assert "Traceback" not in out
        if form == "github":
            assert all(line.startswith("::") for line in out.rstrip("\n").split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "1" * 50_000,
        "1," * 30_000,
        "1,111" * 10_000,
        "It explains " * 5_000,
        "<!--" * 20_000,
        "`" * 50_000,
        "- " * 30_000,
    ],
)
def test_long_texts_do_not_hang_it(text: str) -> None:
    document = Document("a.md", text)
    assert document.markers == []
    assert list(Phrase("It explains {x} of it").find(document, frozenset())) == []
    list(Phrase("{x} explains").find(document, frozenset()))


def test_words_of_a_document_cannot_forge_lines_of_the_report(toy: Any, prints: str) -> None:
    toy.write("It explains 0.99\u2028of the::error::\x1b[31m variance 7")
    toy.claim(prints.format(phrase="It explains {x}", more="") + '[coverage]\ndocuments = ["paper.md"]\n')
    for form in ("text", "github"):
        code, out = toy.run("check", "--unclaimed", "--format", form)
        assert code == 2
        assert "\x1b" not in out
        assert "\u2028" not in out
        assert not any(line.startswith("::error::") for line in out.split("\n"))
