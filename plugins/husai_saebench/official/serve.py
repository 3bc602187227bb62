"""The door: a job is read, the model loaded and what all subjects share is made; then each subject, one per line.

Requests and answers are JSON, a line each. Every subject is done in a child process, which starts from the very same
state as every other: what the official code switches, seeds or keeps ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

LIBRARIES = (
    "sae-bench",
    "sae-lens",
    "transformer-lens",
    "transformers",
    "torch",
    "numpy",
    "scikit-learn",
    "sae-probes",
)
LOG_TAIL = 2000


def main() -> None:
    folder = Path(sys.argv[-1])
    job = json.loads((folder / "job.json").read_bytes())
    answers = _take_over_output(folder / "log.txt")
    _end_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: _leave_nothing(folder))
    os.chdir(folder)
    with _reported(answers, "ready"):
        official = _Official(job, folder)
        _say(answers, "ready", versions=_versions(), seconds=official.seconds, data=official.data())
    for line in sys.stdin:
        name = json.loads(line)["subject"]
        with _reported(answers, name):
            _say(answers, name, **official.measured(name))


class _Official:
    """The model and the shared part of an eval, ready to be forked from."""

    def __init__(self, job: dict[str, Any], folder: Path) -> None:
        import torch

        from .evals import EVALS
        from .handed import Texts, hand_over_model, load_model, mirror

        self.job, self.folder = job, folder
        torch.set_num_threads(1)  # a process that has forked its threads hangs; children may have more
        texts = folder / "texts.json"
        self.texts = Texts(texts if texts.exists() else None)
        if job["mirror"]:
            mirror(Path(job["mirror"]))
        kind = EVALS[job["eval"]]
        begun = time.monotonic()
        layers = job["layer"] + 1 if kind.cut else None
        self.model = None
        if kind.reads_model:
            self.model = load_model(Path(job["model"]), job["model_name"], layers, job["length"])
            hand_over_model(self.model)
        self.eval = kind(job, self.texts)
        loaded = time.monotonic()
        if job["share"]:  # else each subject is run as the official command would run it
            self.eval.share(self.model)
        self.seconds = {"model": loaded - begun, "shared": time.monotonic() - loaded}
        self.stamps = self._stamps()

    def data(self) -> list[dict[str, Any]]:
        return [{"name": name, "digest": d, "rows": n} for name, (d, n) in sorted(self.texts.taken.items())]

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file that all subjects share."""
        from .evals import SHARED

        files = [path for path in sorted((self.folder / SHARED).rglob("*")) if path.is_file()]
        return {str(path): ((found := path.stat()).st_size, found.st_mtime_ns) for path in files}

    def measured(self, name: str) -> dict[str, Any]:
        """The path of the official result, how long it took, and what was read, from a child of this process."""
        own, note = self.folder / "subjects" / name, self.folder / "subjects" / name / "outcome.json"
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            self._be_child(own, note, name)
        status = os.waitpid(child, 0)[1]
        if not note.exists():
            raise RuntimeError(f"its process ended with status {status} and without a word")
        outcome: dict[str, Any] = json.loads(note.read_bytes())
        if "error" in outcome:
            raise RuntimeError(outcome["error"])
        if self._stamps() != self.stamps:  # its copies are links, so what it writes into is everybody's
            raise RuntimeError("it changed what all subjects share, so nobody after it starts where it did")
        return {**outcome, "seconds": time.monotonic() - begun}

    def _be_child(self, own: Path, note: Path, name: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end_with_parent()
        try:
            outcome = self._run(own, name)
        except BaseException as error:
            traceback.print_exc()
            outcome = {"error": f"{type(error).__name__}: {error}"}
        note.write_text(json.dumps(outcome))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _run(self, own: Path, name: str) -> dict[str, Any]:
        import torch

        from .evals import SHARED
        from .handed import load_subject

        if (self.folder / SHARED).exists():
            shutil.copytree(self.folder / SHARED, own / SHARED, copy_function=os.link)
        os.chdir(own)
        torch.set_num_threads(self.job["threads"])
        torch.set_grad_enabled(True)
        sae = load_subject(own / "sae")
        self.eval.seed()
        result = self.eval.run(name, sae, self.model)
        return {"file": str(result.absolute()), "data": self.data(), "beside": self.eval.beside}


def _take_over_output(log: Path) -> TextIO:
    """The official code prints; its words go into a log, and the old output is for answers alone."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with log.open("ab") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    return answers


@contextlib.contextmanager
def _reported(answers: TextIO, about: str) -> Any:
    try:
        yield
    except BaseException as error:
        traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        _say(answers, about, error=f"{type(error).__name__}: {error}")
        if about == "ready" or not isinstance(error, Exception):
            raise SystemExit(1) from None


def _say(answers: TextIO, about: str, **what: Any) -> None:
    answers.write(json.dumps({"about": about, **what}) + "\n")
    answers.flush()


def _end_with_parent() -> None:
    """Nobody would stop a child whose parent was killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _leave_nothing(folder: Path) -> None:
    """End at once; where the parent was killed, nobody else would remove what was written."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(128 + signal.SIGTERM)


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return {"python": sys.version.split()[0], **found}
