"""Judging: what the gate says of a bundle, with whatever whoever judges brings along."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from husai_core.bundle import Snapshot
from husai_core.errors import HusaiError

if TYPE_CHECKING:
    from datetime import datetime

    from husai_gates.attest.keys import Trust
    from husai_gates.last_release import LastRelease


@dataclass(frozen=True)
class Outcome:
    """What the gate said of a spoilt bundle."""

    exit_code: int
    codes: frozenset[str]
    text: str

    @classmethod
    def of(cls, decision: Any) -> Outcome:
        """The outcome of a decision; every reporter must be able to say it."""
        from husai_gates.reporters import REPORTERS

        decision.to_bytes()
        codes = {finding.code for finding in decision.findings} | {row.code for row in decision.rows}
        codes |= {cell.code for row in decision.rows for cell in row.cells}
        texts = [report(decision) for report in REPORTERS.values()]
        return cls(int(decision.exit_code), frozenset(codes), texts[0])

    @classmethod
    def refused(cls, error: HusaiError) -> Outcome:
        """The outcome of a file that is no input at all; such a mistake has an exit code, and no finding."""
        return cls(int(error.exit_code), frozenset(), str(error))


class Question(Protocol):
    """A bundle with what whoever judges brings along, ready to be asked about: good until it is spoilt."""

    def ask(self) -> Outcome: ...


def judge(snapshot: Snapshot, policy: bytes) -> Outcome:
    """What `husai gate` says of files in memory."""
    from husai_gates import pipeline
    from husai_gates.policy import load

    return Outcome.of(pipeline.decide(snapshot, load(policy, "policy")))


def judge_beside(
    snapshot: Snapshot,
    policy: bytes,
    *,
    trust: Trust | None = None,
    latest: datetime | None = None,
    baseline: Snapshot | None = None,
    waivers: tuple[bytes, datetime] | None = None,
) -> Outcome:
    """The same beside a key, the bundle of the last release, or a file of waivers and when it is looked at."""
    from husai_gates import judge as judges
    from husai_gates import waivers as waiver_files
    from husai_gates.last_release import LastRelease
    from husai_gates.pipeline import inspected
    from husai_gates.policy import load

    try:
        given = waiver_files.load(waivers[0], "waivers", waivers[1]) if waivers else None
    except HusaiError as error:
        return Outcome.refused(error)
    older = inspected(baseline) if baseline else None
    last: LastRelease | None = LastRelease.of(older.snapshot, older.report) if older else None
    found = inspected(snapshot, trust, policy, latest, last)
    return Outcome.of(judges.judge(found.report, load(policy, "policy"), found.snapshot, last, given))


def judge_path(path: Path, policy: bytes) -> Outcome:
    """What `husai gate` says of a folder or a zip."""
    from husai_gates import pipeline

    place = path.parent / "policy.toml"
    place.write_bytes(policy)
    return Outcome.of(pipeline.gate(path, str(place)))
