"""The official code as a process: started with a job, asked for one subject after another, ended with its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.errors import EvaluationError, Skipped

if TYPE_CHECKING:  # never imported here: so that its text is part of what evidence names as the source
    from husai_saebench.official import serve as _serve  # noqa: F401

PYTHON = "HUSAI_SAEBENCH_PYTHON"
INSTALL = (
    "pip install torch==2.13.0 'sae-bench>=0.6,<0.7' 'sae-lens>=6.54' && pip uninstall torchvision, here or in an "
    f"environment of its own whose python {PYTHON} names"
)
CODE = Path(__file__).parent / "official"
_LOG_LINES = 3

# Loads the package beside this file under a name of its own: the other interpreter need not have HUSAI.
_START = """
import importlib.util as u, sys
spec = u.spec_from_file_location("husai_official", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]])
sys.modules["husai_official"] = module = u.module_from_spec(spec)
spec.loader.exec_module(module)
from husai_official.serve import main
main()
"""  # noqa: E501, one string for another interpreter


def interpreter() -> str:
    """The Python that has the official code: the one that is named, or this one."""
    return os.environ.get(PYTHON) or sys.executable


def require_installed(place: str, modules: tuple[str, ...] = ("sae_bench",)) -> None:
    """Skip where the official code is not there to be run."""
    if missing := missing_modules(modules):
        says = f"'{missing[0]}' is not installed for {'the python of ' + PYTHON if os.environ.get(PYTHON) else 'HUSAI'}"
        raise Skipped(place, says, INSTALL)


def missing_modules(modules: tuple[str, ...]) -> list[str]:
    """Those of these modules that the interpreter does not have; none is imported."""
    code = "import importlib.util, sys; print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m) is None])"
    try:
        found = subprocess.run(
            [interpreter(), "-c", code, *modules], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ["python"] if os.environ.get(PYTHON) else list(modules)
    return found.stdout.split()


class Worker:
    """One eval on one model. `ask` gives what the official code found of one subject."""

    def __init__(self, folder: Path, place: str, threads: int) -> None:
        self.folder, self.place = folder, place
        self._process = subprocess.Popen(
            [interpreter(), "-c", _START, str(CODE), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(threads),
            start_new_session=True,
        )

    def ready(self) -> Mapping[str, Any]:
        """Versions, seconds and data of what all subjects share; waits until that is done."""
        return self._answer("ready")

    def ask(self, subject: str) -> Mapping[str, Any]:
        """Where the result file of a subject lies, how long it took, and what was read; waits until it is done."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"subject": subject}) + "\n")
            self._process.stdin.flush()
        return self._answer(subject)

    def _answer(self, about: str) -> Mapping[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EvaluationError(self.place, f"the official code ended without an answer: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            whom = "what all subjects share" if about == "ready" else f"subject {about}"
            said = answer["error"].removeprefix("RuntimeError: ")[:400]
            said = said.removeprefix("RuntimeError: ")
            words = f"; its last words: {self._last_words()}" if "without a result" in said else ""
            raise EvaluationError(self.place, f"{whom}: {said}{words}", "the next run tries again")
        return answer

    def _last_words(self) -> str:
        """The end of what it printed, where a person finds the cause."""
        log = self.folder / "log.txt"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        telling = [
            line.strip() for line in lines if line.strip() and not line.startswith((" ", "Traceback", "Running"))
        ]
        return " | ".join(telling[-_LOG_LINES:])[-600:] or "it printed nothing"

    def stop(self) -> None:
        """End it, and whatever it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGTERM)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def working(folder: Path, place: str, threads: int) -> Iterator[Worker]:
    """A worker that does not outlive what it is needed for."""
    worker = Worker(folder, place, threads)
    try:
        yield worker
    finally:
        worker.stop()


def _environment(threads: int) -> dict[str, str]:
    """That of this process, with what the official code needs to run at all, and without HUSAI's own paths."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {
        **kept,
        "JAXTYPING_DISABLE": "1",  # its own annotations refuse its own probes
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
