"""Cases of waivers: exceptions that are not granted, no longer hold, or are made from what cannot be excused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from husai_core.bundle import Snapshot
from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.judging import Outcome, judge_beside
from husai_core.testing.corpus.specimen import Document, Good, NotApplicable, Specimen
from husai_core.testing.corpus.toml import write_toml

_NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
_RULE = "acme-out-of-reach"


class Waived:
    """A bundle judged by one rule more that it cannot meet, and a waiver that excuses it."""

    def __init__(self, good: Good) -> None:
        self.bundle = Specimen(good)
        self.bundle.views = True
        wanted = (j for j in self.bundle.all_judged() if j.measurement["metric"]["direction"] in ("higher", "lower"))
        judged = next(wanted, None)
        if judged is None:
            raise NotApplicable("no rule is about a metric of the candidate with a better side")
        self.measurement, self.document = judged.measurement, judged.document
        higher = self.measurement["metric"]["direction"] == "higher"
        most = 10.0 * max(abs(float(o["value"])) for o in self.measurement["observations"]) + 1.0
        self.out_of_reach = most if higher else -most
        self.rule: Document = {
            "id": _RULE,
            "question": "Is it out of reach?",
            "reason": "It must be waived.",
            "kind": "threshold",
            **{key: judged.rule[key] for key in ("benchmark", "metric", "setting", "site") if key in judged.rule},
            "subject": {"condition": self.measurement["condition"]},
            "at_least" if higher else "at_most": self.out_of_reach,
            "waivable": True,
        }
        self.bundle.policy["rule"].append(self.rule)
        self.bundle.policy["waiver_days"] = 10
        self.given: Document = {
            "rule": _RULE,
            "condition": self.measurement["condition"],
            "subject": self._weights(),
            "owner": "ada@example.org",
            "approver": "grace@example.org",
            "reason": "The next training repairs it.",
            "granted": _text(_NOW - timedelta(days=1)),
            "expires": _text(_NOW + timedelta(days=1)),
            "floor": -self.out_of_reach,
        }
        self.twice = False
        self.edited_afterwards = False

    def _weights(self) -> str:
        from husai_gates.audit import audit
        from husai_gates.waivers import digest_of

        conditions = audit(Snapshot("bundle", self.bundle.seal())).conditions
        return digest_of(conditions[self.measurement["condition"]])

    def ask(self) -> Outcome:
        files = self.bundle.seal()
        if self.edited_afterwards:
            path = self.bundle.path(self.document)
            files[path] += b" "
        given = [self.given, self.given] if self.twice else [self.given]
        raw = write_toml({"schema": "husai:waivers/v1", "waiver": given})
        return judge_beside(Snapshot("bundle", files), self.bundle.judged_by, waivers=(raw, _NOW))


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


FAMILY = Family(Waived)
case = FAMILY.case


def _given(name: str, says: str, code: str, exit_code: int = 2, **changes: Any) -> None:
    """A waiver that says something else; a key of None is not there."""

    def spoil(w: Waived) -> None:
        w.given = {key: value for key, value in (w.given | changes).items() if value is not None}

    FAMILY.add(name, 43, says, code, exit_code, "asked", spoil)


_given("waiver expired", "A waiver at the instant at which it expires.", "WAIVER-EXPIRED", expires=_text(_NOW))
_given(
    "waiver not yet granted", "A waiver from tomorrow on.", "WAIVER-NOT-YET", granted=_text(_NOW + timedelta(hours=1))
)
_given("waiver of other weights", "A waiver of other weights.", "WAIVER-SUBJECT", subject="sha256:" + "0" * 64)
_given("waiver without a floor", "A waiver of whatever was measured.", "WAIVER-FLOOR", floor=None)
_given(
    "waiver longer than allowed", "A waiver of a second more than the policy allows.", "WAIVER-LIFETIME", 64,
    granted=_text(_NOW - timedelta(days=5)), expires=_text(_NOW + timedelta(days=5, seconds=1)),
)  # fmt: skip
_given("waiver of no rule", "A waiver of a rule that is not there.", "WAIVER-UNMATCHED", 64, rule="acme")
_given("waiver of nothing", "A waiver for what the rule is not about.", "WAIVER-UNMATCHED", 64, condition="acme")
_given("waiver without owner", "A waiver that nobody owns.", "", 64, owner=None)
_given("waiver of an empty owner", "A waiver whose owner has no name.", "", 64, owner="")
_given("waiver without approver", "A waiver that nobody approved.", "", 64, approver=None)
_given("waiver approved by its owner", "An owner who approves, in capitals.", "", 64, approver="ADA@example.org")
_given("waiver without reason", "A waiver without a reason.", "", 64, reason=None)
_given("waiver without expiry", "A waiver for ever.", "", 64, expires=None)
_given("waiver expires on no day", "A waiver until a day of no calendar.", "", 64, expires="2026-06-31T00:00:00Z")
_given(
    "waiver over before it began", "A waiver that ends before it is granted.", "", 64, granted="2027-01-01T00:00:00Z"
)
_given("waiver with a key of its own", "A waiver with a key that nobody knows.", "", 64, force=True)


@case(43, "WAIVER-FLOOR", 2)
def waiver_below_its_floor(w: Waived) -> None:
    """A waiver whose floor was not met either."""
    w.given["floor"] = w.out_of_reach


@case(43, "WAIVER-FORBIDDEN", 64)
def waiver_of_what_may_not_be_waived(w: Waived) -> None:
    """A waiver of a rule that the policy does not call waivable."""
    del w.rule["waivable"]


@case(43, "WAIVER-INTEGRITY", 3)
def waiver_of_tampering(w: Waived) -> None:
    """A waiver of a rule whose evidence was edited."""
    w.edited_afterwards = True


@case(43, "WAIVER-INTEGRITY", 4)
def waiver_of_a_broken_benchmark(w: Waived) -> None:
    """A waiver of a rule whose benchmark broke."""
    if "search" in w.bundle.study:
        raise NotApplicable("a search whose benchmark broke chooses nothing")
    w.document |= {"measurements": [], "metrics": []}
    w.document["outcome"] = {"status": "failed", "reason": "It broke.", "next_step": ""}
    w.document.pop("transcript", None)
    w.bundle.documents.pop("transcripts/" + w.bundle.path(w.document).partition("/")[2], None)


@case(43, "", 64)
def waiver_twice(w: Waived) -> None:
    """Two waivers of the same, of which one may be picked."""
    w.twice = True
