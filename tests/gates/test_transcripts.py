"""Transcripts: evidence of answers without the answers, or with others, is not believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from husai_core import strict_json

WHERE = "transcripts/reconstruction.addition.json"


@pytest.fixture
def asked(draft: Any) -> Any:
    """The good bundle, whose reconstruction asked a language model twice."""
    exchange = {"about": {"purpose": "judge"}, "prompt": "Is it?", "answer": "yes"}
    set_transcript(
        draft,
        {
            "schema": "husai:transcript/v1",
            "benchmark": "reconstruction",
            "site": "addition",
            "exchanges": [exchange, {**exchange, "answer": "no"}],
        },
    )
    return draft


def set_transcript(draft: Any, document: dict[str, Any]) -> None:
    raw = strict_json.encode(document)
    draft.extra[WHERE] = raw
    draft.reconstruction["transcript"] = {"digest": strict_json.digest(raw), "exchanges": len(document["exchanges"])}


def kept(draft: Any) -> dict[str, Any]:
    found: dict[str, Any] = strict_json.parse(draft.extra[WHERE], WHERE)
    return found


def answer_edited(draft: Any) -> None:
    draft.extra[WHERE] = draft.extra[WHERE].replace(b'"no"', b'"yes"')


def removed(draft: Any) -> None:
    del draft.extra[WHERE]


def not_mentioned(draft: Any) -> None:
    del draft.reconstruction["transcript"]


def of_another_name(draft: Any) -> None:
    draft.extra["transcripts/other.json"] = draft.extra[WHERE]


def fewer_claimed(draft: Any) -> None:
    draft.reconstruction["transcript"]["exchanges"] = 1


def of_another_site(draft: Any) -> None:
    set_transcript(draft, {**kept(draft), "site": "elsewhere"})


def of_a_failed_benchmark(draft: Any) -> None:
    draft.reconstruction["measurements"] = []
    draft.reconstruction["outcome"] = {"status": "failed", "reason": "out of memory", "next_step": "buy some"}


def test_a_bundle_with_its_transcript_is_released(asked: Any, decide: Any) -> None:
    decision = decide(asked.files())
    assert (decision.exit_code, decision.findings) == (0, ())


@pytest.mark.parametrize(
    "mutate",
    [
        answer_edited,
        removed,
        not_mentioned,
        of_another_name,
        fewer_claimed,
        of_another_site,
        of_a_failed_benchmark,
    ],
)
def test_a_transcript_that_does_not_belong_is_found(asked: Any, decide: Any, mutate: Callable[[Any], None]) -> None:
    mutate(asked)
    decision = decide(asked.files())
    assert "EV-TRANSCRIPT" in {finding.code for finding in decision.findings}
    assert decision.exit_code == 3


def test_a_transcript_of_another_form_is_found(asked: Any, decide: Any) -> None:
    set_transcript(asked, {**kept(asked), "key": "secret"})
    decision = decide(asked.files())
    assert ("EV-TYPE", WHERE) in {(finding.code, finding.file) for finding in decision.findings}


def test_a_transcript_edited_after_sealing_is_found(asked: Any, decide: Any) -> None:
    files = asked.files()
    files[WHERE] = files[WHERE].replace(b'"no"', b'"yes"')
    assert "EV-DIGEST" in {finding.code for finding in decide(files).findings}
