"""Transcripts: what was asked stands beside the evidence, and what was answered once is recalled by every run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from husai_core import bundle, strict_json
from husai_core.plugins import EntryPoint
from husai_gates.audit import audit
from husai_tests.studies import run_study, sae, small_study

# Asks once for every seed; the answers take long, so each is written to a log. `l0` lends its name to their length.
ASKING = """
from dataclasses import dataclass
from husai_core import Benchmark, Measurement, Observation, hookimpl
from husai_core.transcript import Exchange

@dataclass(frozen=True)
class Settings:
    silent: bool = False
    round: int = 1

class Asking(Benchmark):
    name = "asking"
    summary = "Asks, for tests."
    Settings = Settings

    def measure(self, task):
        for name, coders in task.conditions.items():
            found = []
            for coder in coders:
                prompt = f"Who is {coder.seed}?"
                answer = task.recall({"prompt": prompt}, lambda: self.answer(prompt))
                found.append(Observation((coder.seed,), float(len(answer))))
                if not task.settings.silent:
                    task.transcript.append(Exchange({"seed": coder.seed}, prompt, answer))
            yield Measurement("l0", name, tuple(found))

    def answer(self, prompt):
        with open("log", "a") as log:
            log.write(prompt + "\\n")
        return prompt[::-1]

@hookimpl
def husai_benchmarks():
    return [Asking()]
"""

STUDY = small_study(
    "asking", sae("relu", 16), '[[benchmark]]\nname = "asking"\nsettings = { SETTINGS }\n', seeds=(1, 2), steps=2
)
PATH, TRANSCRIPT = "evidence/asking.site.json", "transcripts/asking.site.json"


@pytest.fixture(autouse=True)
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "husai_asking.py").write_text(ASKING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def run(tmp_path: Path, settings: str = "", out: str = "out") -> tuple[Mapping[str, bytes], list[str]]:
    asking = [EntryPoint("asking", "husai_asking", "tests 1.0")]
    log = run_study(STUDY.replace("SETTINGS", settings), tmp_path, out, also=asking)
    found = bundle.read(tmp_path / out)
    assert audit(found).findings == ()
    return found.files, log.warnings


def test_the_transcript_is_in_the_bundle_and_the_evidence_names_its_digest(tmp_path: Path) -> None:
    files, _ = run(tmp_path)
    stated = json.loads(files[PATH])["transcript"]
    assert stated == {"digest": strict_json.digest(files[TRANSCRIPT]), "exchanges": 2}
    assert json.loads(files[TRANSCRIPT]) == {
        "schema": "husai:transcript/v1",
        "benchmark": "asking",
        "site": "site",
        "exchanges": [
            {"about": {"seed": 1}, "prompt": "Who is 1?", "answer": "?1 si ohW"},
            {"about": {"seed": 2}, "prompt": "Who is 2?", "answer": "?2 si ohW"},
        ],
    }
    again, _ = run(tmp_path, out="again")
    assert again[TRANSCRIPT] == files[TRANSCRIPT]


def test_a_benchmark_that_asks_nothing_has_none(tmp_path: Path) -> None:
    files, _ = run(tmp_path, "silent = true")
    assert TRANSCRIPT not in files
    assert "transcript" not in json.loads(files[PATH])


def test_what_is_recalled_outlives_a_change_of_settings_and_not_a_change_on_disk(tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, "round = 2", "second")
    assert (tmp_path / "log").read_text().splitlines() == ["Who is 1?", "Who is 2?"]
    (spoilt,) = (p for p in (tmp_path / "cache").glob("*/*/result.json") if "1" in p.read_text())
    spoilt.write_text('"forged"\n')
    files, warnings = run(tmp_path, "round = 3", "third")
    assert json.loads(files[TRANSCRIPT])["exchanges"][0]["answer"] == "?1 si ohW"
    assert (tmp_path / "log").read_text().splitlines() == ["Who is 1?", "Who is 2?", "Who is 1?"]
    assert any("had changed on disk" in text for text in warnings)
