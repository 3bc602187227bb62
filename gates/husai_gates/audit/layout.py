"""Where things stand in a bundle: the kind of every file, by its path. What has no kind does not belong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from husai_core.bundle import path_problem
from husai_gates.finding import Finding

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_KINDS = {
    "manifest": r"manifest\.json",
    "provenance": r"provenance\.json",
    "decision": r"decision\.json",
    "subject": rf"subjects/{_NAME}\.json",
    "site": rf"sites/{_NAME}\.json",
    "evidence": rf"evidence/{_NAME}\.json",
    "transcript": rf"transcripts/{_NAME}\.json",
    "external": rf"external/{_NAME}/{_NAME}\.json",
    "selection": rf"selections/{_NAME}\.json",
    "choice": rf"choices/{_NAME}\.json",
    "study": r"study\.toml",
    "policy": rf"policy/{_NAME}\.toml",
    "weights_config": rf"weights/{_NAME}/cfg\.json",
    "weights": rf"weights/{_NAME}/sae_weights\.safetensors",
    "picture": rf"plots/{_NAME}\.png",
    "report": r"report\.md",
    "page": rf"report/{_NAME}\.md",
    "junit": r"junit\.xml",
    "sarif": r"results\.sarif",
}
VIEWS = ("decision", "report", "page", "picture", "junit", "sarif")
"""The kinds that are made from the rest of a bundle."""

_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}

PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".npy", ".npz", ".joblib")


def kind_of(path: str) -> str | None:
    """What a file at this path is, or None where nothing may stand."""
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(path)), None)


def stem(path: str) -> str:
    """The file name without folders and without its last suffix."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def check_layout(paths: Iterable[str]) -> Iterator[Finding]:
    """Names that are unsafe, that collide on another file system, or that stand where nothing may stand."""
    seen: dict[str, str] = {}
    for path in sorted(paths):
        if problem := path_problem(path):
            yield Finding(problem[0], path, "$", problem[1], "rename the file and seal the bundle again")
        folded = unicodedata.normalize("NFKC", path).casefold()
        if folded in seen:
            yield Finding("EV-NAME-COLLISION", path, "$", f"the same name as '{seen[folded]}' on some file systems")
        seen.setdefault(folded, path)
        if path.lower().endswith(PICKLE_SUFFIXES):
            yield Finding("EV-PICKLE", path, "$", "may hold a pickle, which runs code when read", "use safetensors")
        elif kind_of(path) is None:
            yield Finding("EV-UNKNOWN-FILE", path, "$", "no file of a bundle stands here", "remove it")
