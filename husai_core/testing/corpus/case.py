"""A case: one named way to spoil a good bundle, with the finding code and the exit code that must come of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from husai_core.bundle import Snapshot
from husai_core.testing.corpus.specimen import Good, Specimen

Stage = Literal["made", "sealed", "folder", "archive"]
"""When the bundle is spoilt: before it is sealed, afterwards, on the disk, or as a zip."""

Spoil = Callable[[Any], Any]


@dataclass(frozen=True)
class Outcome:
    """What the gate said of a spoilt bundle."""

    exit_code: int
    codes: frozenset[str]
    text: str


@dataclass(frozen=True)
class Case:
    """A named mutation. `threat` is its row in docs/threats.md."""

    id: str
    threat: int
    description: str
    code: str
    exit_code: int
    stage: Stage
    spoil: Spoil

    def run(self, good: Good) -> Outcome:
        """Spoil a copy of the bundle and judge it; NotApplicable where the bundle has nothing to be spoilt so."""
        if self.stage == "made":
            specimen = Specimen(good)
            self.spoil(specimen)
            files = specimen.seal()
            return judge(Snapshot("bundle", files), specimen.judged_by)
        files = dict(good.files)
        if self.stage == "sealed":
            self.spoil(files)
            return judge(Snapshot("bundle", files), good.policy)
        with tempfile.TemporaryDirectory() as folder:
            return _on_disk(self, files, Path(folder), good.policy)

    def check(self, good: Good) -> None:
        """Fail unless the gate stops the spoilt bundle with this code and exit code."""
        found = self.run(good)
        said = f"{self.id}: {self.description}\nexpected {self.code}, exit {self.exit_code}; {sorted(found.codes)}, "
        assert found.exit_code == self.exit_code, f"{said}exit {found.exit_code}\n{found.text}"
        assert self.code in found.codes, f"{said}exit {found.exit_code}\n{found.text}"
        assert "GATE-ERROR" not in found.codes - {self.code}, f"{said}a check of the gate broke\n{found.text}"


def judge(snapshot: Snapshot, policy: bytes) -> Outcome:
    """What `husai gate` says of files in memory; every reporter must be able to say it."""
    from husai_gates import pipeline
    from husai_gates.policy import load

    return _outcome(pipeline.decide(snapshot, load(policy, "policy")))


def judge_path(path: Path, policy: bytes) -> Outcome:
    """What `husai gate` says of a folder or a zip."""
    from husai_gates import pipeline

    place = path.parent / "policy.toml"
    place.write_bytes(policy)
    return _outcome(pipeline.gate(path, str(place)))


def _outcome(decision: Any) -> Outcome:
    from husai_gates.reporters import REPORTERS

    decision.to_bytes()
    codes = {finding.code for finding in decision.findings} | {row.code for row in decision.rows}
    codes |= {cell.code for row in decision.rows for cell in row.cells}
    texts = [report(decision) for report in REPORTERS.values()]
    return Outcome(int(decision.exit_code), frozenset(codes), texts[0])


def _on_disk(case: Case, files: Mapping[str, bytes], folder: Path, policy: bytes) -> Outcome:
    bundle = folder / ("bundle.zip" if case.stage == "archive" else "bundle")
    if case.stage == "archive":
        bundle.write_bytes(case.spoil(files))
        return judge_path(bundle, policy)
    for path, raw in files.items():
        (bundle / path).parent.mkdir(parents=True, exist_ok=True)
        (bundle / path).write_bytes(raw)
    case.spoil(bundle)
    return judge_path(bundle, policy)


class Family:
    """The cases of one module, in the order in which they are written."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def case(self, threat: int, code: str, exit_code: int = 3, stage: Stage = "made") -> Callable[[Spoil], Spoil]:
        """A decorator: the function's name is the case's id, its first line the description."""

        def keep(spoil: Spoil) -> Spoil:
            self.add(spoil.__name__, threat, (spoil.__doc__ or "").split("\n")[0], code, exit_code, stage, spoil)
            return spoil

        return keep

    def add(
        self, name: str, threat: int, description: str, code: str, exit_code: int, stage: Stage, spoil: Spoil
    ) -> None:
        """One case, where a decorator would say the same thing many times."""
        identifier = name.strip("_").replace("_", "-").replace(" ", "-")
        self.cases.append(Case(identifier, threat, description, code, exit_code, stage, spoil))
