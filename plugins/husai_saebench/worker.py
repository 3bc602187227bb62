"""The official code as a process: started with a job, asked for one subject after another, ended with its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core.errors import EvaluationError
from husai_core.need import Need

if TYPE_CHECKING:  # never imported here: so that its text is part of what evidence names as the source
    from husai_saebench.official import serve as _serve  # noqa: F401

PYTHON = "HUSAI_SAEBENCH_PYTHON"
INSTALL = (
    "pip install torch==2.13.0 'sae-bench>=0.6,<0.7' 'sae-lens>=6.54' && pip uninstall -y torchvision, here or in an "
    f"environment of its own whose python {PYTHON} names"
)
CODE = Path(__file__).parent / "official"
_LOG_LINES = 3
KEY = "OPENAI_API_KEY"
_SECRET = 8  # characters; a shorter key is a word for a server that asks for none
MODULES = ("sae_bench", "sae_probes", "openai", "loguru")
LIBRARIES = ("sae-bench", "sae-lens", "transformer-lens", "transformers", "huggingface_hub", "torch")
_ASK = """
import importlib.util as u, importlib.metadata as m, json, sys
cut = sys.argv.index("--")
versions = {"python": sys.version.split()[0]}
for name in sys.argv[cut + 1:]:
    try:
        versions[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps({"modules": [n for n in sys.argv[1:cut] if u.find_spec(n)], "versions": versions}))
"""

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


@dataclass(frozen=True)
class Installed:
    """What that Python has of what the official code may need; `problem` where it cannot be asked."""

    modules: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def installed() -> Installed:
    """Asked once of each interpreter; nothing is imported there."""
    return _asked(interpreter())


@cache
def _asked(python: str) -> Installed:
    command = [python, "-c", _ASK, *MODULES, "--", *LIBRARIES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=_environment(1))
        found = json.loads(done.stdout)
        return Installed(frozenset(found["modules"]), found["versions"])
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError) as error:
        said = error.strerror if isinstance(error, OSError) else type(error).__name__
        return Installed(problem=f"'{python}' cannot be asked what it has: {said}")


def library_needs(modules: Iterable[str]) -> list[Need]:
    """Whether the interpreter runs and has these modules."""
    found, named = installed(), bool(os.environ.get(PYTHON))
    whose = f"the python of {PYTHON}" if named else "HUSAI"
    if found.problem:
        return [Need("interpreter", whose, False, found.problem, INSTALL)]
    needs = [Need("interpreter", whose, True, f"python {found.versions.get('python', '')}")] if named else []
    for module in modules:
        there = module in found.modules
        rule = "" if there else f"'{module}' is not installed for {whose}"
        needs.append(Need("package", module, there, rule, "" if there else INSTALL))
    return needs


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
        answer = _object(without_key(line))
        if answer is None:
            rule = f"the official code said something that is no answer: {without_key(line).strip()[:200]!r}"
            raise EvaluationError(self.place, rule)
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
        return without_key(" | ".join(telling[-_LOG_LINES:]))[-600:] or "it printed nothing"

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


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def without_key(text: str) -> str:
    """What was said, without the key of the server, which a server may repeat in what it answers."""
    key = os.environ.get(KEY, "")
    return text.replace(key, f"[{KEY}]") if len(key) >= _SECRET else text


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
