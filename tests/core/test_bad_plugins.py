"""Every kind of bad plugin at once, on the command line: each is named, the rest works, and asking is an error."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_core.plugins import EntryPoint, installed_entry_points

TAKES_A_NAME = """
from husai_core import CoderMetric, MetricCard, hookimpl

class L0(CoderMetric):
    card = MetricCard("l0", "1", "none", "neither", "Not the one that is shipped.")
    def of(self, coder):
        return 0.0

@hookimpl
def husai_metrics():
    return [L0()]
"""
BAD = {
    "bad_raises": ("raise RuntimeError('boom')", "failed", "RuntimeError at bad_raises.py:1: boom", "fix or uninstall"),
    "bad_hook": (
        "from husai_core import hookimpl\n@hookimpl\ndef husai_architecture():\n    return []\n",
        "failed",
        "did you mean 'husai_architectures'?",
        "fix or uninstall bad 1.0",
    ),
    "bad_library": ("import nobody_has_this", "unavailable", "needs 'nobody_has_this'", "pip install nobody_has_this"),
    "bad_version": ("raise RuntimeError('imported')", "refused", "PLUGIN-VERSION", "pip install 'husai>=2'"),
    "bad_name": (TAKES_A_NAME, "refused", "PLUGIN-DUP", "rename one, or uninstall its distribution"),
}
STUDY = """
schema = "husai:study/v1"
name = "s"
question = "q?"
[[site]]
name = "sums"
model = "sparse_sums"
[training]
seeds = [1]
steps = 1
batch_size = 8
learning_rate = 1e-3
dead_after_steps = 1
[[sae]]
name = "a"
architecture = "ARCHITECTURE"
role = "candidate"
d_sae = 8
[[benchmark]]
name = "reconstruction"
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    points = installed_entry_points()
    for name, (text, *_) in BAD.items():
        (tmp_path / f"{name}.py").write_text(text)
        point = EntryPoint(name, name, "bad 1.0")
        points.append(replace(point, built_for=">=2") if name == "bad_version" else point)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("husai_core.plugins.installed_entry_points", lambda: points)
    yield
    for name in BAD:
        sys.modules.pop(name, None)


def test_each_is_named_with_its_reason_and_the_way_out_and_the_rest_is_ready(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["plugins", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    for name, (_, status, problem, way_out) in BAD.items():
        (plugin,) = (p for p in listed if p["module"] == name)
        assert plugin["status"] == status
        assert problem in plugin["problem"]
        assert way_out in plugin["next_step"]
    ours = [p for p in listed if p["distribution"].startswith("husai ") and p["kind"] != "texts"]
    assert [(p["kind"], p["name"]) for p in ours if p["status"] != "ready"] == [("metrics", "l0")]


@pytest.mark.parametrize("name", [name for name in BAD if name != "bad_name"])
def test_a_study_that_asks_for_one_is_told_why_and_what_to_do(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace("ARCHITECTURE", name))
    assert invoke(["run", str(tmp_path / "study.toml"), "--plan"]) == 64
    (line,) = capsys.readouterr().err.splitlines()
    assert "$.sae[0]" in line
    assert BAD[name][2] in line
    assert BAD[name][3] in line


def test_a_study_that_asks_for_none_of_them_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace("ARCHITECTURE", "relu"))
    assert invoke(["run", str(tmp_path / "study.toml"), "--plan"]) == 0
    assert "candidate sums.a: relu" in capsys.readouterr().out


def test_the_broken_ones_come_last_and_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins"]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in table if line.split() and line.split()[0] in ("metric", "module", "architecture")]
    broken = [row[:2] for row in rows if {"refused", "failed"} & set(row)]
    assert [row[:2] for row in rows][-len(broken) :] == broken
    assert ["module", "bad_raises"] in broken
    assert invoke(["plugins", "--format", "json"]) == 0
    count = Counter(p["status"] for p in json.loads(capsys.readouterr().out))
    said = ", ".join(f"{count[status]} {status}" for status in ("ready", "unavailable", "refused", "failed"))
    assert last == f"{said}; 'husai plugins --broken' lists those that are not ready"


def test_broken_lists_only_what_is_not_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "--broken", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {p["module"] for p in listed} > set(BAD)
    assert "ready" not in {p["status"] for p in listed}
    assert invoke(["plugins", "--broken"]) == 0
    out = capsys.readouterr().out
    assert "topk" not in out
    assert "RuntimeError at bad_raises.py:1: boom" in " ".join(out.split())


@pytest.mark.parametrize("kind", ["architecture", "architectures"])
def test_every_kind_mentions_the_modules_that_could_not_be_used(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "--kind", kind]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("topk", "bad_raises", "bad_hook", "bad_library", "bad_version"))
    assert "consistency" not in out
    assert invoke(["plugins", "--kind", kind, "--format", "json"]) == 0
    assert {p["kind"] for p in json.loads(capsys.readouterr().out)} == {"architectures", "module"}


@pytest.mark.parametrize("name", BAD)
def test_a_check_of_one_exits_two_with_the_reason_and_the_way_out(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, status, problem, way_out = BAD[name]
    called = "l0" if name == "bad_name" else name
    assert invoke(["plugins", "check", called]) == 2
    line, last = capsys.readouterr().out.splitlines()
    assert line.startswith("blocked  usable" if status == "unavailable" else "fail     usable")
    assert problem in line
    assert way_out in line
    assert last.startswith(f"plugin '{called}': 0 hold, ")
    assert last.endswith("it was not run, so nothing is proven")
    assert invoke(["plugins", "check", called, "--json"]) == 2
    assert [row["check"] for row in json.loads(capsys.readouterr().out)] == ["usable"]


def test_a_check_of_a_name_that_nobody_has_is_a_mistake_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", "bad_raise"]) == 64
    error = capsys.readouterr().err
    assert "no plugin 'bad_raise' is installed" in error
    assert "or it is in bad_raises of bad 1.0, which cannot be used" in error
