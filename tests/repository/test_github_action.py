"""The GitHub Action, run as a runner would: what it prints, what it leaves behind, and that nothing makes it pass."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "gates" / "github_action.py"
EVIDENCE = ROOT / "evidence"
HOSTILE = (
    "a`b\n::error::forged\n##[error]forged\n::set-output name=decision::released\n"
    "<script>x</script> | @everyone\ndecision=released\ndecision<<EOF\nreleased\nEOF\r\n%0A::error::forged"
)


@dataclass
class Step:
    """What a finished step left behind."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str


def parsed(text: str) -> dict[str, str]:
    """Outputs as the runner reads them: the form with a delimiter, the later value holds."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, fence = line.partition("<<")
        assert fence, f"no output begins with {line!r}"
        value = []
        for inner in lines:
            if inner == fence:
                break
            value.append(inner)
        else:
            raise AssertionError("an output has no end")
        found[name] = "\n".join(value)
    return found


def obeyed(log: str) -> list[str]:
    """The workflow commands that a runner would carry out."""
    found, stopped = [], ""
    for line in log.splitlines():
        text = line.lstrip()
        if stopped:
            stopped = "" if text == f"::{stopped}::" else stopped
        elif text.startswith("::stop-commands::"):
            stopped = text.removeprefix("::stop-commands::")
        elif text.startswith("::") or "##[" in line:
            found.append(text)
    assert not stopped, "the log ends with commands stopped, for the steps after it too"
    return found


@pytest.fixture
def step(tmp_path: Path) -> Callable[..., Step]:
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"

    def run(bundle: object = EVIDENCE / "toy", policy: str = "toy", **environment: str) -> Step:
        for file in (outputs, summary):
            file.write_text("")
        base = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GATE_", "HUSAI_"))}
        runner = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary), "RUNNER_TEMP": str(tmp_path)}
        given = {"GATE_BUNDLE": str(bundle), "GATE_POLICY": policy, "GATE_PYTHON": sys.executable}
        done = subprocess.run(
            [sys.executable, "-I", str(SCRIPT)],
            env=base | runner | given | environment,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return Step(done.returncode, done.stdout + done.stderr, parsed(outputs.read_text()), summary.read_text())

    return run


@pytest.fixture
def stub(tmp_path: Path) -> Callable[..., str]:
    """An interpreter that says, writes and exits as it is told, in the place of HUSAI."""

    def make(code: int, stdout: str = "", stderr: str = "", reports: bool = False, verdict: str = "released") -> str:
        program = tmp_path / "stub"
        document = json.dumps({"exit_code": code if reports else 0, "verdict": verdict})
        program.write_text(
            f"#!{sys.executable}\nimport sys, pathlib, os, signal\n"
            f"sys.stdout.write({stdout!r}); sys.stderr.write({stderr!r})\n"
            f"for a in sys.argv:\n    if a.startswith('--report=') and {reports}:\n"
            f"        pathlib.Path(a.split('=', 2)[2]).write_text({document!r})\n"
            f"sys.stdout.flush()\nif {code} < 0: os.kill(os.getpid(), {-code})\nsys.exit({code})\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return str(program)

    return make


def test_a_released_bundle_passes_and_everything_is_written(step: Callable[..., Step]) -> None:
    done = step()
    assert (done.code, done.outputs["exit-code"], done.outputs["decision"]) == (0, "0", "released")
    assert "RELEASED" in done.summary
    assert "| explains-variance |" in done.summary
    assert [line for line in obeyed(done.log) if line.startswith("::notice title=HUSAI::RELEASED")]
    assert ElementTree.parse(done.outputs["junit"]).getroot().tag == "testsuites"
    assert json.loads(Path(done.outputs["sarif"]).read_text())["version"] == "2.1.0"
    assert json.loads(Path(done.outputs["json"]).read_text())["verdict"] == "released"
    assert "RELEASED" in Path(done.outputs["markdown"]).read_text()


def test_what_is_not_released_fails_and_has_its_reports(step: Callable[..., Step]) -> None:
    done = step(EVIDENCE / "untrained-candidate")
    assert (done.code, done.outputs["exit-code"], done.outputs["decision"]) == (2, "2", "not_released")
    assert any(line.startswith("::error title=HUSAI::NOT RELEASED") for line in obeyed(done.log))
    assert int(ElementTree.parse(done.outputs["junit"]).getroot().attrib["failures"]) > 0


def test_a_tampered_bundle_is_invalid(step: Callable[..., Step], tmp_path: Path) -> None:
    shutil.copytree(EVIDENCE / "toy", tmp_path / "toy")
    document = tmp_path / "toy" / "evidence" / "reconstruction.addition.json"
    document.write_bytes(document.read_bytes().replace(b"9", b"8", 1))
    done = step(tmp_path / "toy")
    assert (done.code, done.outputs["decision"]) == (3, "invalid")
    assert "EV-DIGEST" in done.summary


def test_an_empty_bundle_is_no_release(step: Callable[..., Step], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = step(tmp_path / "empty")
    assert done.code == int(done.outputs["exit-code"]) in (3, 5)
    assert done.outputs["decision"] in ("invalid", "nothing_evaluated")


@pytest.mark.parametrize(("code", "decision"), [(4, "error"), (5, "nothing_evaluated"), (64, "policy_error")])
def test_every_verdict_has_its_word(code: int, decision: str, step: Callable[..., Step], stub) -> None:  # type: ignore[no-untyped-def]
    done = step(GATE_PYTHON=stub(code, reports=True, verdict=decision))
    assert (done.code, done.outputs["exit-code"], done.outputs["decision"]) == (code, str(code), decision)


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"GATE_BUNDLE": "nowhere"}, 4, "there is no bundle at nowhere; did the step that makes it fail?"),
        ({"GATE_BUNDLE": ""}, 64, "the input 'bundle' is empty"),
        ({"GATE_POLICY": " "}, 64, "the input 'policy' is empty"),
        ({"GATE_POLICY": "toi"}, 64, "did you mean 'toy'?"),
        ({"GATE_POLICY": "--help"}, 64, "there is no shipped policy of this name"),
        ({"GATE_BASELINE": "nowhere"}, None, "nowhere"),
        ({"GATE_WAIVERS": "nowhere.toml"}, 64, "nowhere.toml"),
        ({"GATE_TRUST": "a.pub\n b.pub \n"}, 64, "a.pub"),
        ({"GATE_PYTHON": "/nowhere/python"}, 4, "HUSAI is not installed"),
        ({"GATE_PYTHON": "/etc/hostname"}, 4, "HUSAI could not be started"),
    ],
)
def test_what_cannot_be_judged_fails_and_says_why(
    given: dict[str, str], code: int | None, says: str, step: Callable[..., Step]
) -> None:
    done = step(**given)
    assert done.code != 0
    assert done.code == (code or done.code) == int(done.outputs["exit-code"])
    assert says in done.log
    assert done.outputs["decision"] != "released"
    assert done.summary


@pytest.mark.parametrize("code", [1, 7, 127, -9, -15])
def test_a_crash_is_an_error(code: int, step: Callable[..., Step], stub) -> None:  # type: ignore[no-untyped-def]
    done = step(GATE_PYTHON=stub(code, stderr="Killed\n"))
    assert (done.code, done.outputs["decision"]) == (4, "error")
    assert "crashed" in done.log
    assert "no decision, and so no release" in done.summary


def test_success_without_reports_is_no_release(step: Callable[..., Step], stub) -> None:  # type: ignore[no-untyped-def]
    done = step(GATE_PYTHON=stub(0, stdout="RELEASED\n"))
    assert (done.code, done.outputs["decision"]) == (4, "error")
    assert "wrote no junit.xml" in done.log


def test_success_that_the_decision_does_not_confirm_is_no_release(step: Callable[..., Step], stub) -> None:  # type: ignore[no-untyped-def]
    done = step(GATE_PYTHON=stub(0, reports=True, verdict="not_released"))
    assert (done.code, done.outputs["decision"]) == (4, "error")


def test_outputs_that_cannot_be_written_are_no_release(step: Callable[..., Step], tmp_path: Path) -> None:
    for where in ("", str(tmp_path)):
        done = step(GITHUB_OUTPUT=where)
        assert (done.code, done.outputs) == (4, {})
    assert step(RUNNER_TEMP="/nowhere").outputs["decision"] == "error"


def test_a_summary_that_cannot_be_written_is_no_release(step: Callable[..., Step], tmp_path: Path) -> None:
    done = step(GITHUB_STEP_SUMMARY=str(tmp_path))
    assert (done.code, done.outputs["decision"]) == (4, "error")


@pytest.mark.parametrize("place", ["GATE_BUNDLE", "GATE_POLICY", "GATE_BASELINE", "GATE_WAIVERS"])
def test_hostile_inputs_are_words(place: str, step: Callable[..., Step]) -> None:
    done = step(**{place: HOSTILE})
    assert done.code != 0
    assert done.outputs["decision"] != "released"
    forged = [line for line in obeyed(done.log) if not line.startswith(("::error title=", "::warning title="))]
    assert forged == []
    assert "<script>" not in done.summary
    assert "\n::" not in done.summary


def test_hostile_words_of_husai_are_words(step: Callable[..., Step], stub) -> None:  # type: ignore[no-untyped-def]
    for code, reports in ((64, False), (1, False), (2, True)):
        done = step(GATE_PYTHON=stub(code, stderr=HOSTILE, reports=reports, verdict="not_released"))
        assert [line for line in obeyed(done.log) if "title=HUSAI" not in line] == []
        assert done.outputs["decision"] != "released"
        assert "<script>" not in done.summary


def test_nothing_in_the_checkout_is_run(step: Callable[..., Step], tmp_path: Path) -> None:
    (tmp_path / "husai_core").mkdir()
    for file in ("husai_core/__init__.py", "click.py", "json.py", "sitecustomize.py"):
        (tmp_path / file).write_text("raise SystemExit(0)")
    assert step(EVIDENCE / "untrained-candidate", PYTHONPATH=str(tmp_path)).code == 2


def test_a_second_gate_of_the_same_job_has_reports_of_its_own(step: Callable[..., Step]) -> None:
    assert step().outputs["junit"] != step().outputs["junit"]


def test_the_words_of_the_action_are_those_of_a_decision() -> None:
    from husai_gates.decision import VERDICTS

    (line,) = re.findall(r"^DECISIONS = (.*)$", SCRIPT.read_text(), re.MULTILINE)
    assert ast.literal_eval(line) == {int(code): word for code, word in VERDICTS.items()}


def test_the_action_hands_over_every_input_and_output() -> None:
    """Read without a YAML library: the file keeps to a form that this can hold."""
    text = (ROOT / "action.yml").read_text()
    head, _, tail = text.partition("\nruns:\n")
    inputs, outputs = (re.findall(r"^  ([a-z-]+):$", part, re.MULTILINE) for part in head.split("\noutputs:\n"))
    assert set(inputs[inputs.index("bundle") :]) == {
        *("bundle", "policy", "trust", "threshold", "baseline", "waivers", "version")
    }
    for name in inputs[inputs.index("bundle") :]:
        assert f"GATE_{name.upper()}: ${{{{ inputs.{name} }}}}" in tail
    for name in outputs:
        assert f"${{{{ steps.gate.outputs.{name} }}}}" in head
        assert f'"{name}"' in SCRIPT.read_text() or f'"{name}":' in SCRIPT.read_text()
    scripts = re.findall(r"run: (.*(?:\n {8}.*)*)", tail)
    assert len(scripts) == 2
    assert not any("${{" in script for script in scripts), "an expression in a script is code that an input could write"
