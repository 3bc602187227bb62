"""Cases of claims: a text that says what the evidence does not."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.judging import Outcome
from husai_core.testing.corpus.specimen import Document, Good, NotApplicable, Specimen
from husai_core.testing.corpus.toml import write_toml

_TEXT, _BUNDLE = "paper.md", "bundle"


class Claimed:
    """A text with the mean of a candidate beside that of its control, and the claim that holds it."""

    def __init__(self, good: Good) -> None:
        self.files = dict(good.files)
        b = Specimen(good)
        self.ours, self.theirs = _sides(b)
        document = b.document_of(self.ours)
        self.where: Document = {
            "bundle": _BUNDLE,
            "benchmark": document["benchmark"]["name"],
            "metric": self.ours["metric"]["name"],
            "setting": self.ours["setting"],
            "site": document["site"]["name"],
        }
        self.printed = _mean(self.ours)
        self.relation = "higher than" if self.printed > _mean(self.theirs) else "lower than"
        self.sentence = "It measures {ours}, and the other {theirs}."
        self.values = [f"{self.printed:.6f}", f"{_mean(self.theirs):.6f}"]
        self.claim: Document = {
            "id": "it",
            "document": _TEXT,
            "phrase": self.sentence,
            "from": self.where,
            "numbers": {
                "ours": {"condition": self.ours["condition"]},
                "theirs": {"condition": self.theirs["condition"]},
            },
            "compare": [{"number": "ours", "is": self.relation, "than": "theirs", "nominal": True}],
        }

    @property
    def opposite(self) -> str:
        """The comparison that the evidence shows to be wrong."""
        return "lower than" if self.relation == "higher than" else "higher than"

    def ask(self) -> Outcome:
        from husai_gates import claims

        ledger = {"schema": "husai:claims/v1", "bundles": {_BUNDLE: {"path": _BUNDLE}}, "claim": [self.claim]}
        text = self.sentence.replace("{ours}", self.values[0]).replace("{theirs}", self.values[1])
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for path, raw in self.files.items():
                (folder / _BUNDLE / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / _BUNDLE / path).write_bytes(raw)
            (folder / _TEXT).write_text(f"# A paper\n\n{text}\n", encoding="utf-8")
            (folder / "claims.toml").write_bytes(write_toml(ledger))
            found = claims.check(claims.load(folder / "claims.toml"))
        texts = [report(found) for report in claims.REPORTERS.values()]
        codes = frozenset(verdict.code for verdict in found.verdicts)
        return Outcome(int(found.exit_code), codes, texts[0])


def _sides(b: Specimen) -> tuple[Document, Document]:
    """A metric by seed of the candidate and of its control, far enough apart to be printed."""
    ours, theirs = b.condition(), b.control()[0]["condition"]
    for document, measurement in b.measurements(ours):
        for other in (m for m in document["measurements"] if m["condition"] == theirs):
            alike = all(other[key] == measurement[key] for key in ("metric", "setting"))
            if alike and _by_seed(measurement) and _by_seed(other) and _printable(_mean(measurement), _mean(other)):
                return measurement, other
    raise NotApplicable("no metric by seed tells the candidate from its control")


def _printable(one: float, other: float) -> bool:
    """Whether six decimals show the difference."""
    return abs(one - other) > 1e-3 and max(abs(one), abs(other)) < 1e3


def _by_seed(measurement: Document) -> bool:
    seeds = [observation["seeds"] for observation in measurement["observations"]]
    return len(seeds) > 1 and all(len(one) == 1 for one in seeds) and len({one[0] for one in seeds}) == len(seeds)


def _mean(measurement: Document) -> float:
    return statistics.fmean(float(observation["value"]) for observation in measurement["observations"])


FAMILY = Family(Claimed)
case = FAMILY.case


def _reword(c: Claimed, sentence: str) -> None:
    c.sentence = c.claim["phrase"] = sentence


@case(49, "CLAIM-CONTRADICTED", 2)
def number_that_the_evidence_does_not_give(c: Claimed) -> None:
    """A number that is off by one in its last digit."""
    c.values[0] = f"{c.printed + 1e-6:.6f}"


@case(49, "CLAIM-CONTRADICTED", 2)
def number_without_its_sign(c: Claimed) -> None:
    """A number of the other sign."""
    c.values[0] = f"{-c.printed:.6f}"


@case(49, "CLAIM-CONTRADICTED", 2)
def number_of_another_subject(c: Claimed) -> None:
    """The numbers of the two sides exchanged."""
    c.values.reverse()


@case(49, "CLAIM-CONTRADICTED", 2)
def comparison_the_wrong_way_round(c: Claimed) -> None:
    """Right numbers, and a comparison that they refute."""
    c.claim["compare"][0]["is"] = c.opposite


@case(49, "CLAIM-CONTRADICTED", 2)
def control_called_a_baseline(c: Claimed) -> None:
    """A right number of a control, called that of the baseline."""
    _reword(c, "It measures {ours}, and the baseline {theirs}.")


@case(49, "CLAIM-UNSUPPORTED", 2)
def comparison_that_no_claim_states(c: Claimed) -> None:
    """Right numbers, and words that compare them on nobody's word."""
    _reword(c, "It measures {ours}, better than {theirs}.")
    del c.claim["compare"]


@case(49, "CLAIM-UNSUPPORTED", 2)
def number_of_what_was_not_measured(c: Claimed) -> None:
    """A number of a metric that is not in the evidence."""
    c.claim["from"] = {**c.where, "metric": "acme"}


@case(49, "CLAIM-UNSUPPORTED", 2)
def number_at_a_setting_that_was_not_measured(c: Claimed) -> None:
    """A number at a setting that is not in the evidence."""
    c.claim["from"] = {**c.where, "setting": {"acme": 1}}


@case(49, "CLAIM-STALE", 2)
def sentence_reworded_away_from_its_claim(c: Claimed) -> None:
    """A sentence that the claim no longer finds."""
    c.sentence = "It measures some {ours}, and the other {theirs}."


@case(49, "CLAIM-UNSUPPORTED")
def claim_on_a_bundle_that_was_edited(c: Claimed) -> None:
    """Right numbers of evidence that was edited after sealing."""
    path = next(path for path in c.files if path.startswith("evidence/"))
    c.files[path] += b" "
