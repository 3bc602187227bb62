"""Differential interpretation: descriptions are tested on passages that nobody described, and every word is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from husai_benchmarks.contexts import Context, Contrast, contrast
from husai_benchmarks.differential_interpretation import DifferentialInterpretationSettings
from husai_benchmarks.providers.chat_endpoint import ChatEndpoint
from husai_benchmarks.providers.provider import Answer
from husai_benchmarks.questions import describe, description_in, judge, verdict_in
from husai_core.benchmark import Read
from husai_tests.studies import sae, small_study

KEY = "sk-very-secret"


def words(tokens: Sequence[Sequence[int]]) -> list[str]:
    return ["".join(f" w{token}" for token in run) for run in tokens]


def shown(values: Sequence[Sequence[float]]) -> tuple[torch.Tensor, Read]:
    """Documents whose tokens count up, and a latent's value at each of them."""
    ends = torch.tensor([len(one) for one in values]).cumsum(0).tolist()
    spans = [(end - len(one), end) for one, end in zip(values, ends, strict=True)]
    rows = torch.tensor([value for one in values for value in one])
    return rows, Read(rows, rows, spans, [tuple(range(100 * n, 100 * n + len(one))) for n, one in enumerate(values)])


def test_the_strongest_documents_are_shown_around_their_peak_and_silent_ones_beside_them() -> None:
    found = contrast(*shown([[0, 0, 1, 0], [0, 0, 0], [0, 5, 0, 0, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]]), 3, 2, 0)
    assert found is not None
    assert found.high == (Context(2, (200, 201, 202), 1), Context(4, (400, 401, 402), 0))
    assert {context.document for context in found.silent} == {1, 3}
    assert all(len(context.tokens) == 3 and context.peak is None for context in found.silent)


def test_silent_runs_come_from_active_documents_where_no_other_are_left() -> None:
    found = contrast(*shown([[9, 9, 9], [0, 0, 1], [1, 0, 0]]), 2, 1, 0)
    assert found is not None
    assert found.silent[0].tokens in {(100, 101), (201, 202)}
    assert contrast(*shown([[9, 9, 9], [0, 1, 0]]), 2, 1, 0) is None
    assert contrast(*shown([[0, 0], [0, 0]]), 2, 1, 0) is None


DOCUMENTS = st.lists(st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0]), min_size=1, max_size=8), min_size=2, max_size=8)


@given(DOCUMENTS, st.integers(1, 4), st.integers(1, 3), st.integers(0, 5))
def test_high_passages_hold_the_peak_and_silent_ones_no_activity(
    values: list[list[float]], width: int, count: int, seed: int
) -> None:
    rows, read = shown(values)
    found = contrast(rows, read, width, count, seed)
    if found is None:
        return
    for context in found.high:
        assert values[context.document][context.tokens[context.peak or 0] % 100] == max(values[context.document]) > 0
    for context in found.silent:
        assert {values[context.document][token % 100] for token in context.tokens} == {0.0}
    assert len({c.document for c in (*found.high, *found.silent)}) == 2 * count
    for context in (*found.high, *found.silent):
        assert len(context.tokens) == min(width, len(values[context.document]))


def test_only_the_question_for_a_description_marks_the_token() -> None:
    contexts = Contrast((Context(0, (1, 2, 3), 1),), (Context(1, (4, 5)),))
    asked = describe(contexts, words)
    assert "1. w1 <<w2>> w3" in asked
    assert "1. w4 w5" in asked
    assert "Passage: w1 w2 w3\n" in judge("a word", contexts.high[0], words)


def test_answers_are_read_strictly() -> None:
    said = ["Yes.", "yes, it does", "NO", "'no'", "Yesterday", "", "It fires: yes", "**No**"]
    assert [verdict_in(answer) for answer in said] == [True, True, False, False, None, None, None, False]
    assert description_in("\n  months   of the year \nor so") == "months of the year"
    assert (description_in(" \n"), len(description_in("x" * 999))) == ("", 400)


@pytest.mark.parametrize(
    "wrong", [{"latents": 1}, {"width": 0}, {"judged": 0}, {"provider": "oracle"}, {"threshold": 2.0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DifferentialInterpretationSettings(**{"texts": ("t:t",), **wrong})


STUDY = small_study(
    "interpretation",
    sae("topk", 24, 2),
    """
[[benchmark]]
name = "differential_interpretation"
[benchmark.settings]
texts = ["file:home.jsonl"]
active_in = 3
threshold = 0.0
latents = 3
width = 3
shown = 3
judged = 2
""",
    seeds=(1, 2),
    site='hook_in = "blocks.0.hook_resid_pre"',
)
PATH = "differential_interpretation.site.json"
CALLS = 2 * 3 * (1 + 4 * 2)


@pytest.fixture
def study(tmp_path: Path, server: Any) -> str:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for number in range(60):
        drawn = torch.randint(6, (5,), generator=generator) + 6 * (number % 2)
        rows.append({"text": " ".join(map(str, drawn.tolist())), "label": number % 2})
    (tmp_path / "home.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    server.reply = honest
    return f'{STUDY}provider = "chat"\nbase_url = "{server.url}"\nmodel = "parrot"\nkey_variable = "PARROT_KEY"\n' + (
        "requests_per_minute = 0\nattempts = 1\n"
    )


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARROT_KEY", KEY)


def honest(prompt: str) -> str:
    """Describes a latent by its strongest tokens, and finds them again."""
    if marked := re.findall(r"<<(\w+)>>", prompt):
        return " or ".join(sorted(set(marked)))
    described, passage = re.findall(r"fires on: (.*)\n\nPassage: (.*)\n", prompt)[0]
    return "Yes." if set(described.split(" or ")) & set(passage.split()) else "No."


Run = Callable[..., Mapping[str, bytes]]


def observed(files: Mapping[str, bytes]) -> dict[tuple[str, str], list[tuple[list[int], str, float]]]:
    evidence = json.loads(files[f"evidence/{PATH}"])
    assert evidence["outcome"] == {"status": "completed"}
    return {
        (m["metric"]["name"], m["setting"]["descriptions"]): [
            (o["seeds"], o["part"], o["value"]) for o in m["observations"]
        ]
        for m in evidence["measurements"]
    }


def test_descriptions_that_fit_are_right_and_those_of_other_latents_are_less_so(
    study: str, run_study: Run, server: Any, tmp_path: Path
) -> None:
    files = run_study(study)
    found = observed(files)
    own, shuffled = (found["description_accuracy", whose] for whose in ("own", "shuffled"))
    assert [(seeds, part) for seeds, part, _ in own] == [([s], f"rank {r}") for s in (1, 2) for r in (1, 2, 3)]
    assert sum(value for *_, value in own) > sum(value for *_, value in shuffled)
    assert {value for *_, value in found["description_unclear", "own"]} == {0.0}

    transcript = json.loads(files[f"transcripts/{PATH}"])
    assert len(transcript["exchanges"]) == CALLS
    first = transcript["exchanges"][0]
    assert first["about"]["purpose"] == "describe"
    assert first["about"]["model"] == "parrot-1"
    assert first["answer"] == honest(first["prompt"])
    judged = [e for e in transcript["exchanges"] if e["about"]["purpose"] == "judge"]
    assert {e["about"]["described"] - e["about"]["rank"] for e in judged} == {0, 1, -2}

    kept = [path for folder in ("out", "cache") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_what_was_answered_once_is_not_asked_again_whatever_else_changes(
    study: str, run_study: Run, server: Any
) -> None:
    first = run_study(study)
    asked = len(server.seen)
    assert 0 < asked <= CALLS  # two latents may be shown the same passage under one description
    second = run_study(study + "timeout = 9.0\n", "second")
    assert len(server.seen) == asked
    assert observed(first) == observed(second)
    assert first[f"transcripts/{PATH}"] == second[f"transcripts/{PATH}"]
    run_study(study + 'revision = "2"\n', "third")
    assert len(server.seen) == 2 * asked


def test_a_run_that_broke_goes_on_where_it_was(study: str, run_study: Run, server: Any) -> None:
    calls = []

    def breaks(prompt: str) -> str | None:
        calls.append(prompt)
        return honest(prompt) if len(calls) != 8 else None  # no text: an error

    server.reply = breaks
    broken = json.loads(run_study(study, "first")[f"evidence/{PATH}"])
    assert broken["outcome"]["status"] == "failed"
    assert "no chat completion" in broken["outcome"]["reason"]
    assert "transcript" not in broken
    files = run_study(study, "second")
    assert len(json.loads(files[f"transcripts/{PATH}"])["exchanges"]) == CALLS
    assert len(calls) == len(set(calls)) + 1  # the one that was not answered


def test_a_run_that_was_killed_pays_for_no_answer_twice(
    study: str, run_study: Run, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks, answered = ChatEndpoint.ask, []

    def killed(self: ChatEndpoint, prompt: str, most_tokens: int) -> Answer:
        if len(answered) == 7:
            raise KeyboardInterrupt
        answered.append(prompt)
        return asks(self, prompt, most_tokens)

    monkeypatch.setattr(ChatEndpoint, "ask", killed)
    with pytest.raises(KeyboardInterrupt):
        run_study(study)
    monkeypatch.setattr(ChatEndpoint, "ask", asks)
    assert len(json.loads(run_study(study)[f"transcripts/{PATH}"])["exchanges"]) == CALLS
    asked = [one["messages"][0]["content"] for one in server.seen]
    assert asked[:7] == answered
    assert len(asked) == len(set(asked))


def test_a_model_that_says_neither_yes_nor_no_is_wrong_and_seen_to_be_unclear(
    study: str, run_study: Run, server: Any
) -> None:
    server.reply = lambda prompt: "As a parrot I cannot say."
    found = observed(run_study(study))
    assert {value for *_, value in found["description_accuracy", "own"]} == {0.0}
    assert {value for *_, value in found["description_unclear", "shuffled"]} == {1.0}


def test_a_model_that_always_agrees_is_at_chance(study: str, run_study: Run, server: Any) -> None:
    server.reply = lambda prompt: "yes"
    found = observed(run_study(study))
    assert {value for *_, value in found["description_accuracy", "own"]} == {0.5}


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ("most_calls = 53", "failed", "54 calls, most_calls is 53"),
        ("active_in = 1000", "skipped", "two selective latents"),
    ],
)
def test_nothing_is_asked_where_it_would_be_too_much_or_for_nothing(
    study: str, run_study: Run, server: Any, more: str, status: str, says: str
) -> None:
    text = study.replace("active_in = 3\n", "" if "active_in" in more else "active_in = 3\n")
    outcome = json.loads(run_study(f"{text}{more}\n")[f"evidence/{PATH}"])["outcome"]
    assert outcome["status"] == status
    assert says in outcome["reason"]
    assert server.seen == []


def test_without_a_provider_it_is_skipped_and_says_how_to_set_one(study: str, run_study: Run) -> None:
    outcome = json.loads(run_study(study[: study.index("provider")])[f"evidence/{PATH}"])["outcome"]
    assert outcome["status"] == "skipped"
    assert outcome["next_step"] == "set `provider`: chat, command, smollm2"
