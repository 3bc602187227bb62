"""The zoo of importers: each is wrong in exactly one way, caught by the check made for it and by no other."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from husai_core import Measurement, Metric, MetricCard, Observation, UsageError, strict_json
from husai_core.evidence import Outcome
from husai_core.importer import Imported, Importer, Note, Result, SpokenOf
from husai_core.testing.importers import CHECKS, importer_contracts
from husai_tests import zoo
from husai_tests.zoo import Zoo

ZOO = Zoo()
caught_by = ZOO.caught_by


class Share(Metric):
    card = MetricCard("zoo_share", "1", "share", "higher", "a share", low=0.0, high=1.0)


FILES = {
    name: json.dumps({"zoo": 1, "dictionary": name, "share": share, "more": share / 2}).encode()
    for name, share in (("one", 0.5), ("two", 0.75))
}


class Right(Importer):
    """A right one."""

    name = "zoo"
    summary = "For tests."

    def recognises(self, document):
        return isinstance(document, dict) and "zoo" in document

    def read(self, files):
        found = [self.read_one(file) for file in files]
        return Imported(tuple(result for result, _ in found), tuple(note for _, notes in found for note in notes))

    def read_one(self, file):
        name = file.document.get("dictionary")
        if not isinstance(name, str):
            raise UsageError(file.name, "it names no dictionary", "give the file as the program wrote it")
        condition, notes, seen = name, [], []
        for key in ("share", "more"):
            value = file.document.get(key)
            if self.counts(value):
                setting = {"of": key}
                seen.append(Measurement(self.metric, condition, (Observation((0,), value),), setting))
            else:
                notes.append(Note(file.name, f"$.{key}", f"is {value!r}", "ask who wrote it"))
        source = strict_json.digest(file.raw)
        subject = SpokenOf(condition, 0, "model", "hook", "topk", source)
        outcome = Outcome("completed") if seen else Outcome("failed", "nothing in it is a number", "ask who wrote it")
        result = Result("zoo", (subject,), "zoo", "1", (file.name,), {}, tuple(seen), outcome)
        return result, notes

    metric = "zoo_share"

    def counts(self, value):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@caught_by("recognises")
class KnowsOneVersion(Right):
    def recognises(self, document):
        return super().recognises(document) and document["zoo"] == 2


@caught_by("recognises_nothing_else")
class ClaimsEveryObject(Right):
    def recognises(self, document):
        return isinstance(document, dict)


@caught_by("recognises_nothing_else")
class CrashesOnLists(Right):
    def recognises(self, document):
        return "zoo" in document


@caught_by("reads")
class ReadsNothing(Right):
    def read(self, files):
        return Imported((), ())


@caught_by("reads")
class ForgetsTheVersion(Right):
    def read_one(self, file):
        result, notes = super().read_one(file)
        return dataclasses.replace(result, version=""), notes


@caught_by("sources_are_digests")
class NamesThePath(Right):
    def read_one(self, file):
        result, notes = super().read_one(file)
        return dataclasses.replace(result, subjects=(dataclasses.replace(result.subjects[0], source=file.name),)), notes


@caught_by("sound_measurements")
class MakesUpAMetric(Right):
    metric = "zoo_shape"


@caught_by("outcomes_are_honest")
class CompletedWithNothing(Right):
    def read_one(self, file):
        result, notes = super().read_one(file)
        return dataclasses.replace(result, measurements=()), notes


@caught_by("notes_are_whole")
class NotesWithoutAStep(Right):
    def read_one(self, file):
        result, notes = super().read_one(file)
        return result, [*notes, Note(file.name, "$", "an old version", "")]


@caught_by("files_unchanged")
class TakesKeysOut(Right):
    def read_one(self, file):
        found = super().read_one(file)
        file.document.pop("more", None)
        return found


@caught_by("deterministic")
class CountsCalls(Right):
    calls = 0

    def read_one(self, file):
        self.calls += 1
        result, notes = super().read_one(file)
        return dataclasses.replace(result, settings={"call": self.calls}), notes


@caught_by("order_of_files")
class TheFirstFileDecides(Right):
    def read(self, files):
        found = super().read(files)
        first, *rest = found.results
        return Imported((dataclasses.replace(first, settings={"first": True}), *rest), found.notes)


@caught_by("what_is_no_number_is_noted")
class LetsNaNThrough(Right):
    def counts(self, value):
        return isinstance(value, int | float) and not isinstance(value, bool)


@caught_by("what_is_missing_is_noted")
class CountsOnEveryKey(Right):
    def read_one(self, file):
        assert file.document["more"] is not ...
        return super().read_one(file)


def failing(importer: Any) -> dict[str, str]:
    (contract,) = importer_contracts(importer, FILES, (Share(),))
    return zoo.failing(contract)


def test_a_right_one_breaks_nothing():
    assert failing(Right()) == {}


@ZOO.each()
def test_each_wrong_one_is_caught_by_its_check_and_by_no_other(check, kind):
    zoo.assert_caught(failing(kind()), check)


def test_without_samples_nothing_is_proven():
    (contract,) = importer_contracts(Right(), metrics=(Share(),))
    assert contract.outcome("recognises").status == "fail"
    assert "there is no sample" in contract.outcome("recognises").text
    assert contract.outcome("reads").status == "blocked"


def test_every_check_can_fail():
    ZOO.assert_complete(CHECKS)
