"""An exception that nobody foresaw is said to be the plugin's that it came through, and HUSAI's only if it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_core.plugins import EntryPoint, installed_entry_points
from husai_core.testing import tiny

PLUGIN = """
from husai_architectures.relu import Relu
from husai_core import hookimpl

class Typo(Relu):
    name = "typo"
    sae_lens_names = ()

    def loss(self, params, batch, settings):
        return batch.z

@hookimpl
def husai_architectures():
    return [Typo()]
"""
BENCHMARK = """
from dataclasses import dataclass
from husai_core import Benchmark, hookimpl

@dataclass(frozen=True)
class Nothing:
    pass

class Lost(Benchmark):
    name = "lost"
    summary = "For tests."
    Settings = Nothing

    def measure(self, task):
        yield {}["no such latent"]

@hookimpl
def husai_benchmarks():
    return [Lost()]
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    points = [*installed_entry_points(), tiny.ENTRY_POINT]
    for name, text in (("acme_typo", PLUGIN), ("acme_lost", BENCHMARK)):
        (tmp_path / f"{name}.py").write_text(text)
        points.append(EntryPoint(name, name, "acme 1.0"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("husai_core.plugins.installed_entry_points", lambda: points)
    monkeypatch.delenv("HUSAI_TRACEBACK", raising=False)
    yield
    for name in ("acme_typo", "acme_lost"):
        sys.modules.pop(name, None)


def _run(folder: Path, text: str) -> int:
    (folder / "study.toml").write_text(text)
    return invoke(["run", str(folder / "study.toml"), "--out", str(folder / "out"), "--cache", str(folder / "cache")])


def test_a_mistake_in_a_plugin_is_not_called_an_error_of_husai(
    tmp_path: Path, tiny_study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tiny_study.replace('"topk"\nrole', '"typo"\nrole').replace("settings = { k = 4 }\n", "")
    assert _run(tmp_path, text) == 4
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "husai: the plugin module acme_typo of acme 1.0 broke at acme_typo.py:10: AttributeError: 'Batch' object has "
        "no attribute 'z' (husai plugins check typo, or set HUSAI_TRACEBACK=1 to see the way there)"
    )


def test_the_traceback_is_there_for_who_asks(tmp_path: Path, tiny_study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSAI_TRACEBACK", "1")
    text = tiny_study.replace('"topk"\nrole', '"typo"\nrole').replace("settings = { k = 4 }\n", "")
    with pytest.raises(AttributeError, match="'z'"):
        _run(tmp_path, text)


def test_a_benchmark_that_raises_is_recorded_with_its_file_and_line_and_no_path(
    tmp_path: Path, tiny_study: str
) -> None:
    assert _run(tmp_path, tiny_study.replace('name = "consistency"', 'name = "lost"')) == 4
    outcome = json.loads((tmp_path / "out" / "evidence" / "lost.site.json").read_bytes())["outcome"]
    assert outcome["reason"] == "KeyError: 'no such latent', at acme_lost.py:15"
