"""A verdict: what the evidence says of one printed number or one comparison, with its place in the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from husai_core.errors import ExitCode
from husai_gates.cannot_judge import CannotJudge
from husai_gates.finding import gravest
from husai_gates.plain_text import plain

Status = Literal["error", "contradicted", "not_comparable", "unsupported", "stale", "supported"]
WORST_FIRST: tuple[Status, ...] = get_args(Status)

CODES: dict[Status, str] = {
    "error": "GATE-ERROR",
    "contradicted": "CLAIM-CONTRADICTED",
    "not_comparable": "CLAIM-INCOMPARABLE",
    "unsupported": "CLAIM-UNSUPPORTED",
    "stale": "CLAIM-STALE",
    "supported": "CLAIM-SUPPORTED",
}


@dataclass(frozen=True)
class Verdict:
    """One thing that a claim says, judged. `line` is where it is printed, or 0 where nothing is."""

    claim: str
    status: Status
    file: str
    line: int
    says: str
    next_step: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), str) and field.name != "status":
                object.__setattr__(self, field.name, plain(value))

    @property
    def code(self) -> str:
        return CODES[self.status]

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "code": self.code}


@dataclass(frozen=True)
class Judgement:
    """Every verdict on the claims of a ledger, and which sources cannot be believed."""

    verdicts: tuple[Verdict, ...]
    invalid: tuple[str, ...] = ()
    unclaimed: tuple[Verdict, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """The first that applies: 3 a source is invalid, 4 a check broke, 5 nothing is claimed, 2 a claim fails."""
        doubts: set[ExitCode] = set()
        if self.invalid:
            doubts.add(ExitCode.INVALID)
        for verdict in (*self.verdicts, *self.unclaimed):
            if verdict.status == "error":
                doubts.add(ExitCode.ERROR)
            elif verdict.status != "supported":
                doubts.add(ExitCode.NOT_RELEASED)
        if not self.verdicts and not self.unclaimed:
            doubts.add(ExitCode.NOTHING_EVALUATED)
        return gravest(doubts)

    def by_claim(self) -> dict[str, Status]:
        """The status of each claim: the worst of what it says."""
        found: dict[str, Status] = {}
        for verdict in self.verdicts:
            found[verdict.claim] = worst((found.get(verdict.claim, "supported"), verdict.status))
        return found

    def tally(self) -> dict[Status, int]:
        """How many claims have which status."""
        counts = Counter(self.by_claim().values())
        return {status: counts[status] for status in WORST_FIRST if counts[status]}

    def to_json(self) -> dict[str, Any]:
        return {
            "claims": dict(sorted(self.by_claim().items())),
            "exit_code": int(self.exit_code),
            "invalid": list(self.invalid),
            "unclaimed": [verdict.to_json() for verdict in self.unclaimed],
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }


def worst(statuses: Iterable[Status]) -> Status:
    """The gravest of several statuses."""
    return min(statuses, key=WORST_FIRST.index)


def status_of(stop: CannotJudge) -> Status:
    """What a claim is whose evidence cannot answer."""
    if stop.code == "CLAIM-COMPARATOR":
        return "contradicted"
    return "not_comparable" if stop.code.startswith(("CMP-", "POL-")) else "unsupported"
