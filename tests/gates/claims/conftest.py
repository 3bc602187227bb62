"""A desk: a folder with a bundle, a text and a claims.toml, and what the command says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from husai_core.cli import invoke
from husai_gates import claims
from husai_gates.claims import Judgement

HEAD = """
schema = "husai:claims/v1"

[bundles.toy]
path = "bundle"
"""
SPREAD = {1: 0.0, 2: 0.004, 3: -0.003, 4: 0.002, 5: -0.003}  # sums to nothing


@dataclass
class Desk:
    """Writes what a test wants on the desk, and checks it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def put(self, files: Mapping[str, bytes], name: str = "bundle") -> None:
        for path, raw in files.items():
            full = self.folder / name / path
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(raw)

    def write(self, text: str, name: str = "paper.md") -> None:
        (self.folder / name).write_bytes(text.encode())

    def claim(self, toml: str, head: str = HEAD) -> None:
        (self.folder / "claims.toml").write_text(head + toml)

    def check(self) -> Judgement:
        return claims.check(claims.load(self.folder / "claims.toml"))

    def run(self, *arguments: str) -> tuple[int, str]:
        code = invoke(["claims", arguments[0], str(self.folder / "claims.toml"), *arguments[1:]])
        captured = self.capsys.readouterr()
        return code, captured.out + captured.err

    def statuses(self) -> list[str]:
        return [verdict.status for verdict in self.check().verdicts]

    def text(self, name: str = "paper.md") -> str:
        return (self.folder / name).read_bytes().decode()


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture
def toy(desk: Desk, good: dict[str, bytes]) -> Desk:
    """A desk with the bundle that is released."""
    desk.put(good)
    return desk


def _level(draft: Any, metric: str, condition: str, mean: float, noise: float = 1.0) -> None:
    """Give a metric of a condition this mean over its seeds, and a spread of its own."""
    for observation in draft.measurement(metric, condition)["observations"]:
        observation["value"] = round(mean + noise * sum(SPREAD[seed] for seed in observation["seeds"]), 9)


@pytest.fixture(scope="session", name="level")
def level_fixture() -> Callable[..., None]:
    return _level


PRINTS = """
[[claim]]
id = "ev"
document = "paper.md"
phrase = "{phrase}"
from = {{ bundle = "toy", benchmark = "reconstruction", metric = "explained_variance" }}
numbers.x = {{ condition = "addition.topk"{more} }}
"""


@pytest.fixture(scope="session")
def prints() -> str:
    """A claim that prints one number of the candidate, to be filled in."""
    return PRINTS
