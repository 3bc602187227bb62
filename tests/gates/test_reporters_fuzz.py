"""Reporters under fire: decisions and audits with any text anywhere parse in every form, and say nothing but words."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any
from xml.etree import ElementTree

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_gates.audit import AuditReport, audit
from husai_gates.decision import STATUSES, Cell, Decision, PolicyName, Row
from husai_gates.finding import Finding
from husai_gates.reporters import REPORTERS
from husai_gates.reporters.findings import AUDIT_REPORTERS

FRAGMENTS = [
    "::error::owned", "\n::set-output name=a::b", "\r\n::add-mask::x", "##[error]", "%0A::error::", "%", "::",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</message>", "]]>", "<!--", "-->", "&#60;b&#62;",
    "&lt;", "<!ENTITY a SYSTEM 'file:///etc/passwd'>", "[a](javascript:alert(1))", "![x](https://evil.example/x)",
    "https://evil.example", "www.evil.example", "a@evil.example", "@everyone", "#1", "`a`", "```", "~~~", "**b**",
    "_i_", "|", "\\|", "\\", "\n\n# head", "\n- item", "{0}", "{{", "$(id)", "$x$", "\x00", "\x1b[31m", "\u202e",
    "\u2028", "\ufeff", "\uffff", "\ud800", "\U0001f600", "'", '"', "=cmd|'/C calc'!A1", "../../etc/passwd", "file:///etc",
]  # fmt: skip
SCRAPS = st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=12), st.characters())
WORDS = st.lists(SCRAPS, max_size=5).map("".join)
CELLS = st.builds(
    Cell, WORDS, st.none() | WORDS, st.sampled_from(STATUSES), WORDS, WORDS, WORDS, st.none() | WORDS, st.none(), WORDS
)
ROWS = st.builds(
    Row, WORDS, WORDS, WORDS, WORDS, WORDS, st.sampled_from(STATUSES), WORDS, WORDS, WORDS,
    st.lists(CELLS, max_size=2).map(tuple),
)  # fmt: skip
FINDINGS = st.builds(Finding, st.sampled_from(["EV-X", "EV-SKIPPED", "POL-X"]) | WORDS, WORDS, WORDS, WORDS, WORDS)
DECISIONS = st.builds(
    Decision,
    st.builds(PolicyName, WORDS, WORDS, WORDS, WORDS, st.just(0.95)),
    WORDS,
    st.just("recomputed"),
    st.lists(ROWS, max_size=4).map(tuple),
    st.lists(FINDINGS, max_size=4).map(tuple),
    WORDS,
    st.lists(WORDS, max_size=2).map(tuple),
)
# A decision of forty texts takes minutes to shrink; which form and which line broke is said without it.
quickly = settings(max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))

HARMLESS = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "softbreak"} | {
    f"{part}_{end}" for part in ("table", "thead", "tbody", "tr", "th", "td", "strong") for end in ("open", "close")
}


def _audited(findings: list[Finding], signers: list[str]) -> AuditReport:
    report = audit(Snapshot("bundle", {}))
    return dataclasses.replace(report, findings=tuple(findings), attested_by=tuple(signers))


AUDITS = st.builds(_audited, st.lists(FINDINGS, max_size=5), st.lists(WORDS, max_size=2))


def check_lines(name: str, text: str) -> None:
    """What a terminal and a CI runner see: printable lines, and no command in them."""
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        assert all(c.isprintable() for c in line), (name, line)
        assert name == "json" or "##[" not in line
        assert name == "github" or not line.lstrip().startswith("::"), (name, line)


def check_commands(text: str) -> None:
    for line in text[:-1].split("\n"):
        command = re.fullmatch(r"::(error|warning|notice) title=([^:,]*)::(.*)", line)
        assert command, line
        for part in command.groups()[1:]:
            assert re.fullmatch(r"(?:[^%]|%25|%0A|%3A|%2C)*", part), part


def check_markdown(text: str) -> None:
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = page.parse(text)
    everything = [*tokens, *(child for token in tokens for child in token.children or ())]
    for token in everything:
        assert token.type in HARMLESS or (token.type, token.content) == ("html_inline", "<!-- -->"), token
    shown = re.sub(r"<[^>]*>", "<>", page.render(text))
    assert not re.search(r"://|www\.|\w@\w|(^|\s)@\w", shown), shown
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def check_junit(text: str) -> Any:
    suites = ElementTree.fromstring(text.encode())
    cases = list(suites.iter("testcase"))
    assert len(cases) == int(suites.attrib["tests"])
    for kind, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(list(suites.iter(kind))) == int(suites.attrib[total])
    known = {"testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped"}
    assert {element.tag for element in suites.iter()} <= known
    assert cases[0].attrib["name"] == "verdict"
    return suites


def check_sarif(text: str) -> Any:
    log = strict_json.parse(text.encode(), "sarif")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        for words in (rule["shortDescription"], rule["fullDescription"], rule["help"]):
            assert 0 < len(words["text"]) <= 2 * 1024
            assert "](" not in words["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert "](" not in result["message"]["text"]
        assert not re.search(r"(?<!\{)\{(?:\{\{)*\d", result["message"]["text"])
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", uri), uri
        assert "/.." not in uri
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    return run


@quickly
@given(DECISIONS)
def test_a_decision_of_any_words_is_words_in_every_form(decision: Decision) -> None:
    released = decision.exit_code == 0
    views = {}
    for name, render in REPORTERS.items():
        if name == "json":
            continue  # `strict_json` refuses what no bundle can hold, such as half a surrogate pair
        views[name] = render(decision)
        check_lines(name, views[name])
    check_commands(views["github"])
    assert views["github"].startswith("::notice title=HUSAI::RELEASED" if released else "::error title=HUSAI::")
    check_markdown(views["markdown"])
    check_markdown(views["summary"])
    suites = check_junit(views["junit"])
    assert (suites.attrib["failures"] == suites.attrib["errors"] == "0") == released
    run = check_sarif(views["sarif"])
    assert run["invocations"][0]["exitCode"] == decision.exit_code
    assert any(result["level"] == "error" for result in run["results"]) != released
    badge = json.loads(views["badge"])
    assert (badge["message"], badge["isError"]) == (decision.verdict.replace("_", " "), not released)
    picture = ElementTree.fromstring(views["badge-svg"])
    assert {element.tag.partition("}")[2] for element in picture.iter()} == {"svg", "title", "rect", "g", "text"}
    assert not any(name.startswith("on") or "href" in name for e in picture.iter() for name in e.attrib)


@quickly
@given(AUDITS)
def test_an_audit_of_any_words_is_words_in_every_form(report: AuditReport) -> None:
    views = {name: render(report) for name, render in AUDIT_REPORTERS.items() if name != "json"}
    for name, text in views.items():
        check_lines(name, text)
    check_commands(views["github"])
    check_markdown(views["markdown"])
    suites = check_junit(views["junit"])
    assert (suites.attrib["failures"] == suites.attrib["errors"] == "0") == (report.exit_code == 0)
    assert len(check_sarif(views["sarif"])["results"]) == len(report.findings) + (report.exit_code != 0)
