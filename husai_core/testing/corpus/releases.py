"""Cases of the last release: none is given, or one that nothing can be compared with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from husai_core.bundle import Snapshot
from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.judging import Outcome, judge_beside
from husai_core.testing.corpus.specimen import PROVENANCE, Document, Good, NotApplicable, Specimen

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_AGE = timedelta(days=30)


class Regressed:
    """A bundle judged by a rule against the last release, and a last release that it stands up to."""

    def __init__(self, good: Good) -> None:
        self.bundle, self.older = Specimen(good), Specimen(good)
        judged = next(
            (j for j in self.bundle.all_judged() if j.measurement["metric"]["direction"] in ("higher", "lower")), None
        )
        if judged is None:
            raise NotApplicable("no rule is about a metric of the candidate with a better side")
        self.metric, self.condition = judged.rule["metric"], judged.measurement["condition"]
        values = [float(o["value"]) for o in judged.measurement["observations"]]
        self.rule: Document = {
            "id": "acme-no-regression",
            "question": "Did it get worse?",
            "reason": "It must not.",
            "kind": "regression",
            **{key: judged.rule[key] for key in ("benchmark", "metric", "setting", "site") if key in judged.rule},
            "subject": {"condition": self.condition},
            "to": {"condition": self.condition},
            "margin": 10.0 * max(map(abs, values)) + 1.0,
            "max_age_days": 90,
        }
        self.bundle.policy["rule"].append(self.rule)
        self.bundle.views = self.older.views = True
        for subject in self.older.subjects:
            subject["weights"] = other_digest(subject["weights"])
        self.older.raw = {p: raw for p, raw in self.older.raw.items() if not p.startswith("weights/")}
        self.shift(-_AGE)
        self.spoil: Callable[[dict[str, bytes]], dict[str, bytes] | None] = dict

    def shift(self, by: timedelta) -> None:
        """Move the older run to another time."""
        for key in ("started", "finished"):
            time = datetime.strptime(self.older.provenance[key], _FORM) + by
            self.older.provenance[key] = time.strftime(_FORM)

    def measured(self) -> Document:
        """What the older bundle has to compare with."""
        return self.older.measured(self.metric, condition=self.condition)

    def ask(self) -> Outcome:
        older = self.spoil(self.older.seal())
        baseline = None if older is None else Snapshot("older", older)
        return judge_beside(Snapshot("bundle", self.bundle.seal()), self.bundle.judged_by, baseline=baseline)


FAMILY = Family(Regressed)
case = FAMILY.case


def other_digest(digest: str) -> str:
    """A digest of something else, and of the first again where it is asked for twice."""
    kind, _, digits = str(digest).partition(":")
    return f"{kind}:{digits[::-1]}"


@case(37, "BASE-ABSENT", 2)
def no_last_release_given(r: Regressed) -> None:
    """A rule against the last release, and none is given."""
    r.spoil = lambda files: None


@case(37, "BASE-ABSENT", 2)
def last_release_of_other_dictionaries(r: Regressed) -> None:
    """A last release that has nothing of that name."""
    r.rule["to"] = {"condition": "acme"}


@case(37, "BASE-ABSENT", 2)
def last_release_without_the_metric(r: Regressed) -> None:
    """A last release that did not measure it."""
    document = r.older.document_of(r.measured())
    document["measurements"] = [m for m in document["measurements"] if m["metric"]["name"] != r.metric]
    r.older.policy["rule"] = [rule for rule in r.older.policy["rule"] if rule.get("metric") != r.metric]
    if not document["measurements"] or not r.older.policy["rule"]:
        raise NotApplicable("the bundle has nothing but this metric")


@case(37, "BASE-STALE", 2)
def last_release_is_the_bundle_itself(r: Regressed) -> None:
    """A bundle that is compared with itself."""
    r.older = r.bundle


@case(37, "BASE-STALE", 2)
def last_release_of_the_same_weights(r: Regressed) -> None:
    """A last release one of whose dictionaries is this one."""
    for subject in r.older.of(r.condition)[:1]:
        subject["weights"] = other_digest(subject["weights"])


@case(37, "BASE-STALE", 2)
def last_release_newer_than_the_run(r: Regressed) -> None:
    """A last release that was made after this run."""
    r.shift(_AGE + timedelta(hours=1))


@case(37, "BASE-STALE", 2)
def last_release_too_old(r: Regressed) -> None:
    """A last release that is older than the policy lets it be."""
    r.shift(-3 * _AGE)


@case(37, "BASE-INVALID", 2)
def last_release_never_released(r: Regressed) -> None:
    """An older bundle that its own decision did not release."""
    r.older.policy["rule"].append({**r.rule, "kind": "present", "id": "acme-never", "benchmark": "acme"})
    for key in ("metric", "setting", "to", "margin", "max_age_days"):
        r.older.policy["rule"][-1].pop(key, None)
    if not r.older.policy.get("preregistered"):
        raise NotApplicable("the decision in the bundle is by another policy")


@case(37, "BASE-INVALID", 2)
def last_release_without_a_decision(r: Regressed) -> None:
    """An older bundle that nobody judged."""
    r.older.views = False


def _older(name: str, says: str, change: Callable[[Regressed, dict[str, bytes]], object]) -> None:
    """A last release that cannot be believed."""

    def spoil(r: Regressed) -> None:
        def changed(files: dict[str, bytes]) -> dict[str, bytes]:
            change(r, files)
            return files

        r.spoil = changed

    FAMILY.add(name, 37, says, "BASE-INVALID", 3, "asked", spoil)


def _with_value(word: str) -> Callable[[Regressed], None]:
    """A value that is no number, where JSON readers would let it in; all digests fit."""

    def spoil(r: Regressed) -> None:
        r.measured()["observations"][0]["value"] = -987654321.0
        r.older.views = False
        r.older.edit(r.older.path(r.older.document_of(r.measured())), b"-987654321.0", word.encode())

    return spoil


for _word, _says in (("NaN", "no number"), ("-Infinity", "no finite number"), ("-1e999", "no number that is held")):
    FAMILY.add(
        f"last_release_of_{_word}", 37, f"A last release of {_says}, beside which everything is an improvement.",
        "BASE-INVALID", 3, "asked", _with_value(_word),
    )  # fmt: skip


def _edited(r: Regressed, files: dict[str, bytes]) -> None:
    path = r.older.path(r.older.document_of(r.measured()))
    files[path] = files[path].replace(b"0.", b"0.0", 1)


def _decision_edited(r: Regressed, files: dict[str, bytes]) -> None:
    from husai_core.testing.corpus.specimen import seal

    decision: Any = json.loads(files["decision.json"])
    decision["rows"][0]["says"] = "It holds."
    files["decision.json"] = json.dumps(decision).encode()
    files |= seal(files)


_older("last_release_edited", "A value of the last release edited after it was sealed.", _edited)
_older("decision_of_the_last_release_edited", "The decision of the last release edited.", _decision_edited)
_older("last_release_with_a_file_less", "A file of the last release is gone.", lambda r, files: files.pop(PROVENANCE))


@case(35, "CMP-DATA", 2)
def last_release_on_other_rows(r: Regressed) -> None:
    """A last release that was measured on other rows."""
    document = r.older.document_of(r.measured())
    other = {**document["data"][0], "name": "acme.test", "digest": "sha256:" + "7" * 64}
    for b in (r.bundle, r.older):
        b.site(document["site"]["name"])["data"].append(dict(other))
    document["data"] = [other]


@case(38, "CMP-BENCHMARK", 2)
def last_release_by_another_version(r: Regressed) -> None:
    """A last release that another version of the benchmark measured."""
    name = r.older.document_of(r.measured())["benchmark"]["name"]
    for document in r.older.evidence:
        if document["benchmark"]["name"] == name:
            document["benchmark"]["version"] += "9"
