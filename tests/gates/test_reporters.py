"""Reporters: the same decision in every form, and hostile words harmless in each."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from husai_gates.decision import Decision
from husai_gates.explain import explain
from husai_gates.reporters import REPORTERS

HOSTILE = [
    "::error::owned",
    "x\n::set-output name=a::b",
    "x\r::stop-commands::t",
    "a ##[error]b",
    "| a | b |",
    "<script>alert(1)</script>",
    "`code`",
    "[click](https://evil.example)",
    "@everyone",
    "\x1b[31mred\x07",
    "\u202egnp.exe",
    "%0A::error::owned",
    "a\u2028b",
    "![x](https://evil.example/x.png)",
]


def spoilt(draft: Any, text: str) -> None:
    draft.reconstruction["measurements"] = []
    draft.reconstruction["outcome"] = {"status": "skipped", "reason": text, "next_step": text}
    foreign = copy.deepcopy(draft.measurement("pwmcc"))
    foreign["metric"] |= {"name": "acme_metric", "unit": text, "definition": text}
    draft.consistency["measurements"].append(foreign)
    draft.consistency["metrics"].append({**draft.consistency["metrics"][0], "name": "acme_metric"})
    draft.consistency["benchmark"]["version"] = text


def every_view(draft: Any, decide: Any) -> dict[str, str]:
    draft.views = True
    decision = decide(draft.files())
    assert decision.exit_code == 2
    views = {name: render(decision) for name, render in REPORTERS.items()}
    return {**views, "explain": explain(decision), "report": draft.report()}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_do_nothing(draft: Any, decide: Any, text: str) -> None:
    spoilt(draft, text)
    for name, view in every_view(draft, decide).items():
        lines = view.split("\n")
        assert all(c.isprintable() for line in lines for c in line), name
        assert "##[" not in view or name == "json"
        if name != "github":
            assert not any(line.lstrip().startswith("::") for line in lines), name


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_no_markup(draft: Any, decide: Any, text: str) -> None:
    spoilt(draft, text)
    views = every_view(draft, decide)
    own = re.compile(r"\[[^\[\]]*\]\((report/[a-z.]+\.md|\.\./report\.md)\)")
    for view in (views["markdown"], own.sub("", views["report"])):
        assert "<script" not in view
        assert "`" not in view
        assert "](" not in view
        assert "://evil" not in view
        assert "@everyone" not in view
        for table in re.findall(r"(?:^\|.*\n?)+", view, re.MULTILINE):
            assert len({line.count("|") for line in table.splitlines()}) == 1, table


@pytest.mark.parametrize("text", HOSTILE)
def test_every_line_for_github_is_one_command_of_ours(draft: Any, decide: Any, text: str) -> None:
    spoilt(draft, text)
    github = every_view(draft, decide)["github"]
    for line in github.rstrip("\n").split("\n"):
        level, _, rest = line.removeprefix("::").partition(" title=")
        assert line.startswith("::")
        assert level in ("error", "notice")
        title, _, message = rest.partition("::")
        assert ":" not in title
        assert "\r" not in message
    if text.startswith("%0A"):
        assert "%250A::error" in github


def test_every_view_says_the_same(good: Any, decide: Any) -> None:
    decision = decide(good)
    for name, render in REPORTERS.items():
        text = render(decision)
        assert "released" in text.lower(), name
        assert text.endswith("\n")
        if name not in ("github", "sarif", "badge", "badge-svg"):  # they show what does not hold, or the verdict alone
            assert all(row.rule in text for row in decision.rows)


def test_the_json_view_is_the_decision_and_reads_back(good: Any, decide: Any) -> None:
    decision = decide(good)
    text = REPORTERS["json"](decision)
    assert text.encode() == good["decision.json"] == decision.to_bytes()
    assert Decision.from_json(json.loads(text)).to_bytes() == decision.to_bytes()


def test_decisions_of_every_outcome_fit_their_schema(make_draft: Any, decide: Any) -> None:
    import husai_schemas

    broken = make_draft()
    broken.measurement("explained_variance")["observations"][0]["value"] = 3.0
    absent = make_draft()
    absent.evidence.clear()
    failing = make_draft()
    failing.drop([s["name"] for s in failing.of("addition.topk.random_decoder")])
    for document in failing.evidence.values():
        document["measurements"] = [m for m in document["measurements"] if "topk.random" not in m["condition"]]
    for files in (make_draft().files(), broken.files(), absent.files(), failing.files(), {}):
        assert husai_schemas.problems("decision", decide(files).to_json()) == []


def test_a_failing_row_is_an_annotation(draft: Any, decide: Any) -> None:
    draft.measurement("explained_variance")["observations"][2]["value"] = 0.84
    text = REPORTERS["github"](decide(draft.files()))
    assert "::error title=explains%3A fail::RULE-FAILED" in text
    assert "NOT RELEASED" in text
