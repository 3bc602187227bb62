"""Chat endpoints are asked patiently, at a bounded rate, and never told or made to repeat a secret."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Callable
from typing import Any

import pytest

from husai_benchmarks.providers.chat_endpoint import ChatEndpoint
from husai_core import EvaluationError, Skipped

KEY = "sk-very-secret"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def endpoint(server: Any, waits: list[float]) -> Callable[..., ChatEndpoint]:
    def make(**changes: Any) -> ChatEndpoint:
        chosen: dict[str, Any] = {
            "base_url": server.url,
            "model": "parrot",
            "key_variable": "",
            "timeout": 5.0,
            "attempts": 3,
            "per_minute": 0.0,
            "sleep": waits.append,
        }
        return ChatEndpoint(**{**chosen, **changes})

    return make


def test_a_prompt_is_answered(server: Any, endpoint: Any, waits: list[float]) -> None:
    server.reply = lambda prompt: f" {prompt}? "
    found = endpoint().ask("hello", 7)
    assert (found.text, found.model) == (" hello? ", "parrot-1")
    (asked,) = server.seen
    assert asked == {
        "model": "parrot",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "seed": 0,
        "max_tokens": 7,
    }
    assert "Authorization" not in server.headers[0]
    assert waits == []


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    server: Any, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARROT_KEY", KEY)
    asked = endpoint(key_variable="PARROT_KEY")
    asked.ask("hello", 7)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(asked)
    assert KEY not in json.dumps(dict(asked.about()))
    server.reply = lambda prompt: f"your key is {KEY}"
    with pytest.raises(EvaluationError, match="holds the key") as caught:
        asked.ask("hello", 7)
    assert KEY not in str(caught.value)
    monkeypatch.delenv("PARROT_KEY")
    with pytest.raises(Skipped, match="PARROT_KEY holds no key"):
        asked.ask("hello", 7)


def test_too_many_requests_are_waited_out(server: Any, endpoint: Any, waits: list[float]) -> None:
    server.script = [(429, {"Retry-After": "7"}, b"slow down"), (429, {"Retry-After": "0"}, b"")]
    assert endpoint().ask("hello", 7).text == "yes"
    assert waits == [7.0, 2.0]  # what the server says, and never less than our own patience
    assert len(server.seen) == 3


def test_a_date_is_waited_for(server: Any, endpoint: Any, waits: list[float]) -> None:
    until = email.utils.formatdate(1000, usegmt=True)
    server.script = [(503, {"Retry-After": until}, b""), (503, {"Retry-After": "soon"}, b"")]
    endpoint(wall_clock=lambda: 958.0).ask("hello", 7)
    assert waits == [42.0, 2.0]


def test_a_server_that_wants_to_be_left_alone_for_long_is(server: Any, endpoint: Any, waits: list[float]) -> None:
    server.script = [(429, {"Retry-After": "86400"}, b"")]
    with pytest.raises(EvaluationError, match=r"HTTP 429 .* 86400 s .*run again later"):
        endpoint().ask("hello", 7)
    assert waits == []


def test_a_broken_server_is_given_up_with_the_reason(server: Any, endpoint: Any, waits: list[float]) -> None:
    server.script = [(500, {}, b"oops")] * 3
    with pytest.raises(EvaluationError, match="HTTP 500 Internal Server Error, 3 times in a row"):
        endpoint().ask("hello", 7)
    assert waits == [1.0, 2.0]
    assert len(server.seen) == 3


@pytest.mark.parametrize(("code", "says"), [(400, "base_url and model"), (401, "check the key"), (404, "base_url")])
def test_what_will_not_change_is_not_tried_again(server: Any, endpoint: Any, code: int, says: str) -> None:
    server.script = [(code, {}, f"bad key {KEY}".encode())]
    with pytest.raises(EvaluationError, match=f"HTTP {code} .*{says}") as caught:
        endpoint().ask("hello", 7)
    assert len(server.seen) == 1
    assert KEY not in str(caught.value)  # what a server says in its errors is not repeated


def test_redirects_are_not_followed(server: Any, endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARROT_KEY", KEY)
    for code in (301, 302, 307, 308):
        server.script = [(code, {"Location": server.url + "/chat/completions"}, b"")]
        with pytest.raises(EvaluationError, match=f"HTTP {code} .*redirects are not followed"):
            endpoint(key_variable="PARROT_KEY").ask("hello", 7)
    assert len(server.seen) == 4


def test_a_silent_server_times_out(server: Any, endpoint: Any) -> None:
    server.script = [(200, {}, 0.3)]
    with pytest.raises(EvaluationError, match=r"no answer within 0\.05 s, 1 times in a row"):
        endpoint(timeout=0.05, attempts=1).ask("hello", 7)


def test_a_time_out_is_tried_again(server: Any, endpoint: Any, waits: list[float]) -> None:
    server.script = [(200, {}, 0.6)]
    assert endpoint(timeout=0.3).ask("hello", 7).text == "yes"
    assert waits == [1.0]


def test_nobody_at_home(endpoint: Any, waits: list[float]) -> None:
    with pytest.raises(EvaluationError, match="ConnectionRefusedError, 2 times in a row"):
        endpoint(base_url="http://127.0.0.1:1/v1", attempts=2).ask("hello", 7)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": "x"}}], "model": 3}',
        b'{"choices": ' + b"[" * 100_000,
        b"\xff",
    ],
    ids=lambda content: content[:30],
)
def test_what_is_no_completion_is_an_error(server: Any, endpoint: Any, content: bytes) -> None:
    server.script = [(200, {}, content)]
    with pytest.raises(EvaluationError, match="no chat completion"):
        endpoint().ask("hello", 7)


def test_an_endless_answer_is_cut_off(server: Any, endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("husai_benchmarks.providers.chat_endpoint.MOST_BYTES", 100)
    server.script = [(200, {}, b" " * 101)]
    with pytest.raises(EvaluationError, match="more than 100 bytes"):
        endpoint().ask("hello", 7)


def test_half_a_character_becomes_a_question_mark(server: Any, endpoint: Any) -> None:
    server.reply = lambda prompt: "a\ud800b"
    assert endpoint().ask("hello", 7).text == "a?b"


def test_requests_keep_their_distance(server: Any, endpoint: Any) -> None:
    now, begun = [100.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    asked = endpoint(per_minute=30.0, sleep=sleep, clock=lambda: now[0])
    server.reply = lambda prompt: begun.append(now[0]) or "yes"
    for pause in (0.5, 0.5, 5.0, 0.0):
        asked.ask("hello", 7)
        now[0] += pause
    assert begun == [100.0, 102.0, 104.0, 109.0]
