"""A case: one named way to spoil a good bundle, with the finding code and the exit code that must come of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from husai_core.bundle import Snapshot
from husai_core.testing.corpus.judging import Outcome, Question, judge, judge_path
from husai_core.testing.corpus.specimen import Good, Specimen

Stage = Literal["made", "sealed", "folder", "archive", "asked"]
"""When the bundle is spoilt: before it is sealed, afterwards, on the disk, as a zip, or with what is brought along."""

Spoil = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """A named mutation. `threat` is its row in docs/threats.md.

    Without a code it is one that is refused before anything is judged. `question` makes of a bundle what a case that
    is `asked` spoils.
    """

    id: str
    threat: int
    description: str
    code: str
    exit_code: int
    stage: Stage
    spoil: Spoil
    question: Callable[[Good], Question] | None = None

    def run(self, good: Good) -> Outcome:
        """Spoil a copy of the bundle and judge it; NotApplicable where the bundle has nothing to be spoilt so."""
        if self.stage == "made":
            specimen = Specimen(good)
            self.spoil(specimen)
            files = specimen.seal()
            return judge(Snapshot("bundle", files), specimen.judged_by)
        if self.question:
            question = self.question(good)
            self.spoil(question)
            return question.ask()
        files = dict(good.files)
        if self.stage == "sealed":
            self.spoil(files)
            return judge(Snapshot("bundle", files), good.policy)
        with tempfile.TemporaryDirectory() as folder:
            return _on_disk(self, files, Path(folder), good.policy)

    def check(self, good: Good) -> None:
        """Fail unless the gate stops the spoilt bundle with this code and exit code."""
        found = self.run(good)
        wanted = f"{self.code or 'no finding'}, exit {self.exit_code}"
        said = f"{self.id}: {self.description}\nexpected {wanted}; {sorted(found.codes)}, "
        assert found.exit_code == self.exit_code, f"{said}exit {found.exit_code}\n{found.text}"
        assert self.code in found.codes or not self.code, f"{said}exit {found.exit_code}\n{found.text}"
        assert "GATE-ERROR" not in found.codes - {self.code}, f"{said}a check of the gate broke\n{found.text}"


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
    """The cases of one module, in the order in which they are written; those of a question are all about that."""

    def __init__(self, question: Callable[[Good], Question] | None = None) -> None:
        self.cases: list[Case] = []
        self.question = question
        self._stage: Stage = "asked" if question else "made"

    def case(self, threat: int, code: str, exit_code: int = 3, stage: Stage | None = None) -> Callable[[Spoil], Spoil]:
        """A decorator: the function's name is the case's id, its first line the description."""

        def keep(spoil: Spoil) -> Spoil:
            says, when = (spoil.__doc__ or "").split("\n")[0], stage or self._stage
            self.add(spoil.__name__, threat, says, code, exit_code, when, spoil)
            return spoil

        return keep

    def add(
        self, name: str, threat: int, description: str, code: str, exit_code: int, stage: Stage, spoil: Spoil
    ) -> None:
        """One case, where a decorator would say the same thing many times."""
        identifier = name.strip("_").replace("_", "-").replace(" ", "-")
        self.cases.append(Case(identifier, threat, description, code, exit_code, stage, spoil, self.question))
