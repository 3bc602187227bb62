"""`husai plugins check`: the contract on the command line, without pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_core.plugins import EntryPoint, installed_entry_points
from husai_core.testing.architectures import CHECKS
from husai_core.testing.importers import CHECKS as RULES_OF_IMPORTERS

PLUGIN = """
from husai_architectures.topk import TopK
from husai_core import MetricCard, PairMetric, hookimpl
from husai_importers.lm_eval import LmEvalImporter

class Lopsided(PairMetric):
    card = MetricCard("lopsided", "1", "share", "neither", "how much longer the first is", 0.0, 1.0)

    def compare(self, first, second):
        one, other = float(first.double().norm()), float(second.double().norm())
        return 0.5 if one + other == 0 else one / (one + other)

@hookimpl
def husai_metrics():
    return [Lopsided()]

class Mine(TopK):
    name = "mine"
    summary = "For tests."
    sae_lens_names = ()

    def to_sae_lens(self, params, settings):
        return {}, params

class Broken(Mine):
    name = "broken"

    def encode(self, params, x, settings):
        return -super().encode(params, x, settings)

class Bare(LmEvalImporter):
    name = "bare"
    samples = ""

class Packed(Bare):
    name = "packed"
    samples = "packed"

class Lost(Bare):
    name = "lost"
    samples = "gone"

@hookimpl
def husai_importers():
    return [Bare(), Packed(), Lost()]

@hookimpl
def husai_architectures():
    return [Mine(), Broken()]
"""

SAMPLE = Path(__file__).parents[2] / "plugins" / "husai_importers" / "samples" / "lm_eval" / "tasks.json"
RESULT = '{"results": {"a": {"acc,none": 0.5}}, "versions": {"a": 1}, "lm_eval_version": "0.4.5", "config": {}}'


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine_for_check.py").write_text(PLUGIN)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "result.json").write_text(RESULT)
    monkeypatch.syspath_prepend(tmp_path)
    points = [*installed_entry_points(), EntryPoint("mine", "mine_for_check", "acme 1.0")]
    monkeypatch.setattr("husai_core.plugins.installed_entry_points", lambda: points)
    yield
    sys.modules.pop("mine_for_check", None)


def test_a_good_one_exits_zero_with_a_line_per_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", "mine"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [check.name for check in CHECKS]
    assert {line.split()[0] for line in lines} == {"pass", "skipped"}
    assert last == f"architecture 'mine': {len(CHECKS) - 2} hold, 0 do not, 2 not run"


def test_a_bad_one_exits_two_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", "broken"]) == 2
    out = capsys.readouterr().out
    assert "fail     nonnegative" in out
    assert "traits = Traits(nonnegative=False)" in out
    assert out.splitlines()[-1].endswith("hold, 2 do not, 2 not run")  # and so it does not train
    assert "Traceback" not in out


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", "broken", "--format", "json"]) == 2
    rows = json.loads(capsys.readouterr().out)
    assert [row["check"] for row in rows] == [check.name for check in CHECKS]
    assert {row["check"] for row in rows if row["status"] == "fail"} == {"nonnegative", "trains"}


def test_settings_and_widths_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--set", "k=2", "--set", "apply_b_dec_to_input=false", "--dims", "10,30,8"]
    assert invoke(["plugins", "check", "mine", *arguments]) == 0
    assert invoke(["plugins", "check", "mine", "--dims", "10,30,8"]) == 2
    assert "set it to false for a transcoder" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mime"], "did you mean 'mine'?"),
        (
            ["wiki"],
            "one of texts (contracts exist for: architectures, benchmarks, controls, importers, metrics, models)",
        ),
        (["wiki", "--kind", "text"], "no contract for 'text'"),
        (["pwmcc", "--dims", "1,2,3"], "only architectures have widths"),
        (["pwmcc", "--set", "k=1"], "metrics have no settings"),
        (["pwmcc", "--kind", "control"], "no control 'pwmcc' is installed"),
        (["topk.", "--kind", "architecture"], "did you mean 'topk'?"),
        (["mine", "--set", "kk=1"], "did you mean 'k'?"),
        (["mine", "--set", "k=0"], "k must be at least 1"),
        (["mine", "--set", "k"], "write a TOML pair"),
        (["mine", "--set", "k=1", "--set", "k=2"], "'k' is set twice"),
        (["mine", "--dims", "1,2"], "three positive widths"),
        (["mine", "--sample", str(SAMPLE)], "leave it out: only importers read files"),
        (["lm_eval", "--sample", "a.json"], "a.json: cannot be read"),
        (["lm_eval", "--set", "k=1"], "importers have no settings"),
        (["bare"], "'bare' brings no samples along, so nothing can be proven (give files as its program wrote them:"),
        (["lost"], "names 'gone', and beside its module is no such folder"),
        ([], "Missing argument 'NAME'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_64(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", *arguments]) == 64
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("name", ["saebench", "sae_lens_training", "lm_eval", "earlier_scripts", "packed"])
def test_an_importer_is_held_to_the_files_that_it_brings_along(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", name]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [check.name for check in RULES_OF_IMPORTERS]
    assert " 0 do not, " in last


def test_files_of_ones_own_take_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, other = tmp_path / "good.json", tmp_path / "other.json"
    good.write_text(RESULT)
    other.write_text('{"results": []}')
    assert invoke(["plugins", "check", "bare", "--sample", str(good)]) == 0
    assert "there is one sample only" in capsys.readouterr().out
    assert invoke(["plugins", "check", "bare", "--sample", str(good), "--sample", str(other)]) == 2
    assert "it does not recognise other" in capsys.readouterr().out


def test_it_needs_no_pytest_and_says_what_it_could_not_compare() -> None:
    call = (
        "import sys; sys.modules['pytest'] = sys.modules['sae_lens'] = None\n"
        "from husai_core.cli import invoke; sys.exit(invoke(['plugins', 'check', 'relu']))"
    )
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs 'sae_lens', which is not installed: pip install 'husai[bench]'" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        (["pwmcc"], "metric 'pwmcc'"),
        (["reconstruction"], "benchmark 'reconstruction'"),
        (["degraded", "--set", "fraction=0.5"], "control 'degraded'"),
        (["l0", "--kind", "metric"], "metric 'l0'"),
        (["l0", "--kind", "metrics"], "metric 'l0'"),
    ],
)
def test_every_kind_has_a_contract(arguments: list[str], subject: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{subject}: ")


def test_what_could_not_be_run_is_not_proven(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", "splice"]) == 2
    out = capsys.readouterr().out
    assert "give `stage=` where it does" in out
    assert invoke(["plugins", "check", "saebench_core"]) == 2
    assert "it reaches outside this process" in (out := capsys.readouterr().out)
    assert out.splitlines()[-1].endswith("it was not run, so nothing is proven")


def test_json_has_a_short_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", "pwmcc", "--json"]) == 0
    assert {row["status"] for row in json.loads(capsys.readouterr().out)} == {"pass"}


def test_a_metric_of_somebody_else_is_held_to_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plugins", "check", "lopsided"]) == 2
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("fail")] == ["symmetric"]
    assert "rule: Which of the two comes first does not matter." in out
    assert "either fix it, or declare it: known_failures={'symmetric': 'the reason'}" in out
