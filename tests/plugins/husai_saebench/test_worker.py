"""The process of the official code, played by a script: whatever it does, the answer is a result or an error."""

from __future__ import annotations

import os
import stat
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from husai_core import EvaluationError
from husai_saebench import worker

PLACE = "benchmark saebench_core"
SCRIPT = """#!{python}
import json, os, signal, subprocess, sys, time
folder = sys.argv[-1]
def say(**what):
    print(json.dumps(what), flush=True)
{body}
"""
ANSWERS = """
say(about="ready", versions={"sae-bench": "0.6.0"}, seconds={}, data=[])
for line in sys.stdin:
    name = json.loads(line)["subject"]
    told = {"error": "RuntimeError: RuntimeError: no"} if name == "bad" else {"file": folder, "seconds": 1}
    say(about=name, **told)
"""


@pytest.fixture
def playing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """An interpreter that does `body`; gives the folder of the job."""

    def play(body: str) -> Path:
        script = tmp_path / "python"
        script.write_text(SCRIPT.format(python=sys.executable, body=textwrap.dedent(body)))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv(worker.PYTHON, str(script))
        folder = tmp_path / "job"
        folder.mkdir()
        return folder

    return play


def test_it_answers_and_goes_on_after_a_subject_that_failed(playing):
    folder = playing(ANSWERS)
    with worker.working(folder, PLACE, 1) as official:
        assert official.ready()["versions"] == {"sae-bench": "0.6.0"}
        assert official.ask("one") == {"about": "one", "file": str(folder), "seconds": 1}
        with pytest.raises(EvaluationError, match=r"^benchmark saebench_core: subject bad: no \(the next run tries"):
            official.ask("bad")
        assert official.ask("two")["about"] == "two"


def test_a_failure_of_what_all_share_says_so(playing):
    folder = playing("""say(about="ready", error="ValueError: 'a' has 3 documents, 4 are needed")""")
    with (
        worker.working(folder, PLACE, 1) as official,
        pytest.raises(EvaluationError, match="what all subjects share: ValueError: 'a' has 3 documents"),
    ):
        official.ready()


def test_one_that_dies_without_a_word_is_quoted_with_its_last_words(playing):
    folder = playing("""
        log = ["Running it", "Traceback (most recent call last):", "  in", "OutOfMemory: 3 GB"]
        open(folder + "/log.txt", "w").write(chr(10).join(log))
        sys.exit(1)
    """)
    with (
        worker.working(folder, PLACE, 1) as official,
        pytest.raises(EvaluationError, match="ended without an answer: OutOfMemory: 3 GB"),
    ):
        official.ready()


def test_one_that_dies_after_it_was_ready_is_no_broken_pipe(playing):
    folder = playing("""say(about="ready")""")
    with worker.working(folder, PLACE, 1) as official:
        official.ready()
        for _ in range(2):
            with pytest.raises(EvaluationError, match="ended without an answer: it printed nothing"):
                official.ask("one")


@pytest.mark.parametrize("said", ["Downloading...", "[1, 2]", "3", '{"about": "re'])
def test_garbage_is_no_answer(said, playing):
    folder = playing(f"print({said!r}, flush=True)")
    with (
        worker.working(folder, PLACE, 1) as official,
        pytest.raises(EvaluationError, match="said something that is no answer"),
    ):
        official.ready()


def test_one_that_hangs_is_stopped_with_whatever_it_started(playing):
    folder = playing("""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        say(about="ready", child=child.pid)
        time.sleep(60)
    """)
    with worker.working(folder, PLACE, 1) as official:
        child = official.ready()["child"]
        assert _alive(child)
    assert official._process.poll() is not None
    for _ in range(100):
        if not _alive(child):
            break
        time.sleep(0.02)
    assert not _alive(child)


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_it_gets_what_the_official_code_needs_and_not_the_paths_of_husai(playing, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    folder = playing("""say(about="ready", **{k: os.environ.get(k) for k in ("PYTHONPATH", "JAXTYPING_DISABLE")})""")
    with worker.working(folder, PLACE, 1) as official:
        assert official.ready() == {"about": "ready", "PYTHONPATH": None, "JAXTYPING_DISABLE": "1"}


def test_a_key_that_is_repeated_is_left_out_of_what_is_said(playing, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-mine")
    folder = playing(
        """say(about="ready", error="AuthenticationError: no such key: " + os.environ["OPENAI_API_KEY"])"""
    )
    with worker.working(folder, PLACE, 1) as official, pytest.raises(EvaluationError) as caught:
        official.ready()
    assert "no such key: [OPENAI_API_KEY]" in str(caught.value)
    assert "secret-of-mine" not in str(caught.value)


def test_what_an_interpreter_has_is_asked_once_and_without_an_import(playing, tmp_path):
    playing(f"""
        open({str(tmp_path / "asked")!r}, "a").write("x")
        cut = sys.argv.index("--")
        say(modules=["sae_bench"], versions={{"python": "3.12.1", "sae-bench": "0.6.0"}})
    """)
    for _ in range(2):
        there, package = worker.library_needs(["sae_bench"])
        absent = worker.library_needs(["sae_probes"])[1]
        assert there.present
        assert package.present
        assert "3.12.1" in there.detail
        assert absent.detail == "'sae_probes' is not installed for the python of HUSAI_SAEBENCH_PYTHON"
        assert absent.fix == worker.INSTALL
    assert (tmp_path / "asked").read_text() == "x"


def test_this_interpreter_is_asked_the_same_way(monkeypatch):
    monkeypatch.delenv(worker.PYTHON, raising=False)
    found = worker.installed()
    assert found.versions["python"] == sys.version.split()[0]
    assert found.versions["torch"].startswith(__import__("torch").__version__.partition("+")[0])


@pytest.mark.parametrize("body", ["sys.exit(3)", "print('hello')", "print('[]')", "print('{}')"])
def test_an_interpreter_that_cannot_be_asked_is_what_is_missing(body, playing):
    playing(body)
    (need,) = worker.library_needs(["sae_bench"])
    assert need.kind == "interpreter"
    assert "cannot be asked what it has" in need.detail


def test_an_interpreter_that_is_not_there_is_what_is_missing(monkeypatch):
    monkeypatch.setenv(worker.PYTHON, os.devnull + "/python")
    (need,) = worker.library_needs(["sae_bench"])
    assert not need.present
