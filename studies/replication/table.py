"""The numbers of docs/replication.md, from the committed bundles: `python studies/replication/table.py`.

Intervals are the gate's own: 95 %, t over seeds, for pairs of seeds by mean squares of both. Differences are paired, by
seed or by pair of seeds. Where seeds were drawn together there is one run, so there is no interval.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from husai_core import bundle
from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates.interval import Unit, interval, mean, mean_interval
from husai_schemas import lift

EVIDENCE = Path(__file__).resolve().parents[2] / "evidence" / "replication"
CONFIDENCE = 0.95
EQUIVALENCE = 0.9  # two one-sided tests at 5 %
MARGIN = 0.01  # the toy policy's: below it a difference in PWMCC is held to be none
REFERENCE_SEED = 42  # to which the earlier objective drew the others

Values = Mapping[Unit, float]
ENDS = ("", ".gaussian_matched", ".untrained")


@dataclass(frozen=True)
class Bundle:
    """One committed bundle and what was measured in it."""

    name: str

    @cached_property
    def _snapshot(self) -> bundle.Snapshot:
        return bundle.read(EVIDENCE / self.name)

    def _documents(self, folder: str) -> list[dict[str, object]]:
        return [self._snapshot.json(path) for path in sorted(self._snapshot.files) if path.startswith(folder + "/")]

    @cached_property
    def subjects(self) -> list[Subject]:
        return [Subject.from_json(lift("subject", document)) for document in self._documents("subjects")]

    @cached_property
    def measured(self) -> Mapping[tuple[str, str], Values]:
        """Values by unit of every condition and metric."""
        evidence = [Evidence.from_json(document) for document in self._documents("evidence")]
        return {(m.condition, m.card.name): m.by_unit() for e in evidence for m in e.measurements}

    def conditions(self) -> list[str]:
        return list(dict.fromkeys(subject.condition for subject in self.subjects if subject.control is None))

    def joint(self, condition: str) -> bool:
        return any(s.joint for s in self.subjects if s.condition == condition)

    def values(self, condition: str, metric: str) -> Values:
        return self.measured[condition, metric]


def minus(one: Values, other: Values) -> Values:
    """Differences, unit by unit."""
    assert one.keys() == other.keys(), "differences are paired"
    return {unit: value - other[unit] for unit, value in one.items()}


def shown(values: Values, *, joint: bool = False, digits: int = 4, confidence: float = CONFIDENCE) -> str:
    """An estimate with its interval."""
    if joint:
        return f"{mean(list(values.values())):.{digits}f} (one run)"
    found = interval(values, confidence)
    return f"{found.estimate:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


CONDITIONS = (
    "bundle: condition",
    "PWMCC",
    "minus random",
    "minus untrained",
    "minus noise",
    "EV",
    "cosine to start",
    "dead",
)


def conditions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Every condition with its controls."""
    for one in map(Bundle, names):
        for condition in one.conditions():
            joint, pwmcc = one.joint(condition), one.values(condition, "pwmcc")
            gains = (
                minus(pwmcc, one.values(f"{condition}.{control}", "pwmcc"))
                for control in ("random_decoder", "untrained", "gaussian_matched")
            )
            yield (
                f"{one.name}: {condition}",
                *(shown(values, joint=joint) for values in (pwmcc, *gains)),
                *(
                    shown(one.values(condition, m), joint=joint, digits=3)
                    for m in ("explained_variance", "cosine_to_initial", "dead_fraction")
                ),
            )


def comparisons() -> Iterator[Sequence[str]]:
    """What the claims rest on beside the controls."""
    earlier, corrected = Bundle("earlier"), Bundle("corrected")
    yield from _axis(earlier, "leaky.narrow")
    yield from _axis(corrected, "addition.narrow")
    yield (
        "earlier: leaky.wide, explained variance as the earlier program pooled it",
        shown(earlier.values("leaky.wide", "explained_variance_pooled"), digits=3),
    )
    yield from _model_seeds(earlier)
    for arm, site in (("earlier", "leaky"), ("corrected", "addition")):
        adaptive = Bundle(f"{arm}-adaptive")
        k4, k32 = (adaptive.values(f"{site}.{k}", "pwmcc") for k in ("k4", "k32"))
        yield f"{adaptive.name}: PWMCC of k 4 minus k 32", shown(minus(k4, k32))
        noise = (adaptive.values(f"{site}.{k}.gaussian_matched", "pwmcc") for k in ("k4", "k32"))
        yield f"{adaptive.name}: the same of their Gaussian-matched controls", shown(minus(*noise))
        of = [mean(list(adaptive.values(f"{site}.k4{end}", "pwmcc").values())) for end in ENDS]
        share = f"{100 * (of[1] - of[2]) / (of[0] - of[2]):.0f} %"
        yield f"{adaptive.name}: share of the gain of k 4 over its start that noise reaches", share
    for arm, site in (("earlier", "leaky"), ("corrected", "addition")):
        yield from _agreement(Bundle(f"{arm}-agreement"), site)
    for arm, site in (("earlier", "leaky"), ("corrected", "addition")):
        addition = Bundle(arm).values(f"{site}.wide", "pwmcc")
        difference = minus(Bundle(f"{arm}-copy").values("copy.wide", "pwmcc"), addition)
        found = interval(difference, EQUIVALENCE)
        same = "within" if found.low > -MARGIN and found.high < MARGIN else "not within"
        what = f"{arm}: PWMCC of copy minus addition, 90 % interval, {same} ±{MARGIN}"
        yield what, shown(difference, confidence=EQUIVALENCE)


def _axis(one: Bundle, condition: str) -> Iterator[Sequence[str]]:
    """The earlier difference: the decoder by its longer side, minus random directions by the right one."""
    wrong, random = one.values(condition, "pwmcc_longer_side"), one.values(f"{condition}.random_decoder", "pwmcc")
    start = one.values(f"{condition}.untrained", "pwmcc_longer_side")
    place = f"{one.name}: {condition}, "
    yield place + "PWMCC by the longer side minus random by the right one", shown(minus(wrong, random))
    yield place + "the same of the untrained start", shown(minus(start, random))
    yield place + "by the longer side, trained minus untrained", shown(minus(wrong, start))


def _model_seeds(one: Bundle) -> Iterator[Sequence[str]]:
    """The gain of k 8 over its start with the model's seed as the unit."""
    sites = ("leaky", "leaky-1", "leaky-2")
    gains = [
        mean(list(minus(one.values(f"{s}.k8", "pwmcc"), one.values(f"{s}.k8.untrained", "pwmcc")).values()))
        for s in sites
    ]
    found = mean_interval(gains, CONFIDENCE)
    yield (
        "earlier: k8, PWMCC minus untrained, t over three seeds of the model",
        f"{found.estimate:.4f} [{found.low:.4f}, {found.high:.4f}]",
    )


def _agreement(one: Bundle, site: str) -> Iterator[Sequence[str]]:
    alone, drawn = sorted(one.conditions(), key=one.joint)
    gain = minus(one.values(drawn, "pwmcc"), one.values(alone, "pwmcc"))
    yield f"{one.name}: PWMCC, drawn together minus not", shown(gain, joint=True)
    with_reference = {unit: value for unit, value in gain.items() if REFERENCE_SEED in unit}
    share = sum(with_reference.values()) / sum(gain.values())
    among = f"{len(with_reference)} of {len(gain)} pairs"
    yield f"{one.name}: share of that gain in the {among} with seed {REFERENCE_SEED}", f"{100 * share:.0f} %"
    drop = minus(one.values(alone, "explained_variance"), one.values(drawn, "explained_variance"))
    yield f"{one.name}: explained variance lost by it", shown(drop, joint=True)


def lines() -> list[str]:
    """The whole text between the marks of docs/replication.md."""
    arms = ["", "-adaptive", "-copy", "-agreement"]
    return [
        *table(CONDITIONS, conditions([f"earlier{arm}" for arm in arms] + [f"corrected{arm}" for arm in arms])),
        "",
        *table(("comparison", "value"), comparisons()),
    ]


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
