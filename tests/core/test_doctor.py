"""`husai doctor`: what can run here, said by whoever needs it, with the command that brings what is missing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from husai_core import Skipped, UsageError
from husai_core.cli import invoke
from husai_core.need import Need, require
from husai_core.plugins import EntryPoint, PluginTable
from husai_core.readiness import OFFLINE, Doctor, Readiness, offline
from husai_core.study import parse_study

PLUGINS = """
import os
from dataclasses import dataclass
from pathlib import Path
from husai_core import Benchmark, Model, TextSet, TextSource, UsageError, hookimpl
from husai_core.need import Need

@dataclass(frozen=True)
class Nothing:
    pass

@dataclass(frozen=True)
class Keyed:
    key: str = ""
    texts: tuple[str, ...] = ("shelf:a",)

class Bench(Benchmark):
    summary, requires, Settings = "For tests.", (), Nothing
    def measure(self, task):
        raise NotImplementedError

class Plain(Bench):
    name = "plain"

class Asks(Bench):
    name, Settings = "asks", Keyed
    def reads(self, settings):
        return settings.texts
    def needs(self, settings):
        found = bool(settings.key)
        return [Need("key", "A_KEY", found, "" if found else "there is no key", "" if found else "export A_KEY=...")]

@dataclass(frozen=True)
class Needed:
    size: int

@dataclass(frozen=True)
class OfTheEnvironment:
    def __post_init__(self):
        if os.environ.get("A_SERVER"):
            raise ValueError("A_SERVER is no address")

class Sized(Bench):
    name, Settings = "sized", Needed

class Served(Bench):
    name, Settings = "served", OfTheEnvironment

class Heavy(Bench):
    name, requires = "heavy", ("a_library_nobody_has", "sae_bench_of_the_future")

class Shelf(TextSource):
    name, summary, licence = "shelf", "For tests.", "none"
    def needs(self, part, folder):
        found = (folder / "shelf").is_dir()
        return [Need("data", "shelf", found, "" if found else "there is no shelf", "" if found else "build a shelf")]
    def read(self, part, folder):
        return TextSet(f"shelf:{part}", (part,))

class Filed(Model):
    name, summary, requires, Settings, default_hook = "filed", "For tests.", (), Nothing, "hook"
    folder = Path()
    def beside(self, folder):
        found = Filed()
        found.folder = folder
        return found
    def inputs(self, settings):
        if not (self.folder / "weights").exists():
            raise UsageError("model filed", "there are no weights", "get them")
        return {"weights": "sha256:0"}
    prepare = load = tokenise = examine = None

@hookimpl
def husai_benchmarks():
    return [Plain(), Asks(), Heavy(), Sized(), Served()]

@hookimpl
def husai_texts():
    return [Shelf()]

@hookimpl
def husai_models():
    return [Filed()]
"""
STUDY = """
schema = "husai:study/v1"
name = "small"
question = "What is missing?"

[[site]]
name = "site"
model = "filed"

[training]
seeds = [1]
steps = 1
batch_size = 1
learning_rate = 1e-2
dead_after_steps = 10

[[sae]]
name = "elsewhere"
role = "candidate"
pretrained = ["no/such/folder"]

[[benchmark]]
name = "plain"

[[benchmark]]
name = "asks"
settings = { key = "x", texts = ["shelf:b", "attic:c"] }

[[benchmark]]
name = "heavy"
"""


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    (tmp_path / "husai_patients.py").write_text(PLUGINS)
    (tmp_path / "husai_broken.py").write_text("raise RuntimeError('boom')")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, f"husai_{name}", "tests 1.0") for name in ("patients", "broken")]
    yield Doctor(PluginTable(points), tmp_path)
    sys.modules.pop("husai_patients")


def missing(found: list[Readiness]) -> dict[str, list[str]]:
    return {one.name: [need.detail for need in one.needs if not need.present] for one in found}


def test_everything_that_is_installed_is_looked_at(doctor: Doctor) -> None:
    assert missing(doctor.everything()) == {
        "plain": [],
        "asks": ["there is no key", "there is no shelf"],
        "heavy": [
            "needs 'a_library_nobody_has', which is not installed",
            "needs 'sae_bench_of_the_future', which is not installed",
        ],
        "sized": [],
        "served": [],
        "filed": ["there are no weights"],
        "shelf": ["there is no shelf"],
        "broken": ["RuntimeError at husai_broken.py:1: boom"],
    }


def test_what_is_missing_comes_with_the_command(doctor: Doctor) -> None:
    (heavy,) = doctor.benchmarks(["heavy"])
    assert [need.fix for need in heavy.needs] == [
        "pip install a_library_nobody_has",
        "pip install sae_bench_of_the_future",
    ]
    (asks,) = doctor.benchmarks(["asks"])
    assert [(need.what, need.fix) for need in asks.needs] == [
        ("A_KEY", "export A_KEY=..."),
        ("shelf:a", "build a shelf"),
    ]


def test_what_is_brought_is_no_longer_missing(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "weights").touch()
    found = missing(doctor.everything())
    assert found["shelf"] == found["filed"] == []
    assert found["asks"] == ["there is no key"]


def test_settings_that_only_a_study_gives_or_that_the_environment_spoils_are_said(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sized,) = doctor.benchmarks(["sized"])
    assert sized.ready
    assert sized.needs[-1].detail == "some must be given; ask with --study"
    assert doctor.benchmarks(["served"])[0].ready
    monkeypatch.setenv("A_SERVER", "nonsense")
    assert missing(doctor.benchmarks(["served"])) == {"served": ["A_SERVER is no address"]}


def test_a_study_is_asked_with_its_settings_and_its_checkpoints(doctor: Doctor, tmp_path: Path) -> None:
    study = parse_study(STUDY.encode(), str(tmp_path / "study.toml"))
    found = missing(doctor.study(study, (), tmp_path / "cache"))
    assert found["asks"] == ["there is no shelf", "no text 'attic' is installed"]
    assert found["small"] == ["there is no such folder"]
    assert "shelf" not in found, "what a study does not name is not its need"
    assert list(missing(doctor.study(study, ("plain",), tmp_path))) == ["plain"]


def test_a_cache_that_cannot_be_written_is_missing(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    study = parse_study(STUDY.encode(), str(tmp_path / "study.toml"))
    whole = doctor.study(study, (), tmp_path / "file" / "cache")[-1]
    assert whole.needs[-1].detail == "it cannot be written"
    assert whole.needs[-1].fix == "give --cache DIR, or set HUSAI_CACHE"


def test_who_is_not_there_is_a_mistake_with_the_near_miss(doctor: Doctor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no benchmark 'plane' is installed .did you mean 'plain'"):
        doctor.benchmarks(["plane"])
    study = parse_study(STUDY.encode(), str(tmp_path / "study.toml"))
    with pytest.raises(UsageError, match="it has no benchmark 'ood'"):
        doctor.study(study, ("ood",), tmp_path)


def test_what_is_required_and_missing_skips_and_an_estimate_does_not() -> None:
    require(
        [Need("package", "a", True), Need("memory", "memory", False, "too little", "buy some", estimate=True)], "here"
    )
    with pytest.raises(Skipped, match=r"^here: there is no b .get b.$"):
        require([Need("package", "a", True), Need("data", "b", False, "there is no b", "get b")], "here")


@pytest.mark.parametrize("before", [None, "0"])
def test_offline_ends_when_it_ends(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OFFLINE, raising=False)
    if before is not None:
        monkeypatch.setenv(OFFLINE, before)
    with offline():
        assert os.environ[OFFLINE] == "1"
    assert os.environ.get(OFFLINE) == before


def test_an_overview_exits_with_0_and_a_benchmark_that_is_not_ready_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUSAI_SAEBENCH_PYTHON", str(tmp_path / "python"))
    monkeypatch.setenv("HUSAI_DATA", str(tmp_path))
    assert invoke(["doctor", "--offline"]) == 0
    assert "not ready  benchmark    saebench_core" in capsys.readouterr().out
    assert invoke(["doctor", "reconstruction", "saebench_core", "--offline"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert any("lacks    interpreter" in line and "No such file or directory" in line for line in lines)
    assert any("pip install" in line for line in lines)
    assert invoke(["doctor", "saebench_mdl", "--offline"]) == 2
    assert "sae-bench none" not in capsys.readouterr().out
    assert lines[-1] == "1 of 2 ready; below each of the others is the way out"


def test_as_json_it_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["doctor", "reconstruction", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["name"], found["ready"]) == ("benchmark", "reconstruction", True)
    assert found["needs"][0] == {
        "kind": "package", "what": "torch", "present": True, "detail": "", "fix": "", "estimate": False
    }  # fmt: skip


def test_a_study_that_is_shipped_can_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = Path(__file__).parents[2] / "studies" / "toy.toml"
    assert invoke(["doctor", "--study", str(toy), "--cache", str(tmp_path)]) == 0
    assert "ready      study        toy" in capsys.readouterr().out


def test_a_mistake_in_a_setting_of_the_study_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = (Path(__file__).parents[2] / "studies" / "toy.toml").read_text()
    wrong = '[[benchmark]]\nname = "ood"\nsettings = { tokns = 3 }\n'
    (tmp_path / "study.toml").write_text(f"{toy}\n{wrong}")
    assert invoke(["doctor", "--study", str(tmp_path / "study.toml")]) == 64
    assert "settings.tokns: unknown setting" in capsys.readouterr().err
