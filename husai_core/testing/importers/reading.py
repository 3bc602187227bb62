"""Reading: nothing is made up, nothing is hidden, and what cannot be read is said."""

from __future__ import annotations

import copy
import math
import re
from typing import Any

from husai_core.errors import HusaiError
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.importers.trial import Trial

FOREIGN: tuple[Any, ...] = (None, True, 7, "text", [], {}, [1, 2], {"a": 1}, [{}], {"results": []}, {"": None})
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@check()
def recognises(trial: Trial) -> None:
    """It recognises every sample, by its content alone."""
    if not trial.samples:
        step = "name a folder of them in `samples`, or give `files={name: bytes}`"
        raise Broken(f"there is no sample, a file as the program wrote it ({step})")
    for file in trial.files:
        if not trial.importer.recognises(file.document):
            raise Broken(f"it does not recognise {file.name}")


@check()
def recognises_nothing_else(trial: Trial) -> None:
    """Of a document that is not of its program it says so, whatever its shape, and raises nothing."""
    for document in FOREIGN:
        try:
            claimed = trial.importer.recognises(copy.deepcopy(document))
        except Exception as error:
            raise Broken(f"of {document!r} it raises {type(error).__name__}: {error}") from error
        if claimed:
            raise Broken(f"it claims {document!r}")


@check(after=("recognises",))
def reads(trial: Trial) -> None:
    """From the samples comes at least one result, with its program, its version, its files and its subjects."""
    try:
        found = trial.found
    except HusaiError as error:
        raise Broken(f"{error} (give samples that it can read)") from error
    if not found.results:
        raise Broken("it reads no result")
    for result in found.results:
        for what in ("benchmark", "tool", "version", "files", "subjects"):
            if not getattr(result, what):
                raise Broken(f"a result of '{result.benchmark}' has no {what}")
        if strange := set(result.files) - trial.samples.keys():
            raise Broken(f"a result of '{result.benchmark}' is from {min(strange)}, which was not given")
        if len({subject.condition for subject in result.subjects}) != 1:
            raise Broken(f"a result of '{result.benchmark}' is of several conditions: give one for each")


@check(after=("reads",))
def sources_are_digests(trial: Trial) -> None:
    """Each subject names the digest of what speaks of it, and of its weights only a digest or nothing."""
    for result in trial.found.results:
        for subject in result.subjects:
            digests = [subject.source, *([] if subject.weights is None else [subject.weights])]
            if wrong := [digest for digest in digests if not DIGEST.fullmatch(str(digest))]:
                raise Broken(f"{subject.condition}, seed {subject.seed}: {wrong[0]!r:.60} is no sha256 digest")


@check(after=("reads",))
def sound_measurements(trial: Trial) -> None:
    """Measurements are of installed metrics and of subjects of their result, finite and within the metrics' bounds."""
    _must_be_sound(trial, trial.found, "the samples")


@check(after=("reads",))
def outcomes_are_honest(trial: Trial) -> None:
    """A result is completed if and only if it has measurements; what is not says why, and the next step."""
    for result in trial.found.results:
        completed = result.outcome.status == "completed"
        if completed != bool(result.measurements):
            count = len(result.measurements)
            raise Broken(f"a result of '{result.benchmark}' is {result.outcome.status} with {count} measurements")
        if not completed and not (result.outcome.reason.strip() and result.outcome.next_step.strip()):
            raise Broken(f"a result of '{result.benchmark}' is {result.outcome.status} without reason and next step")


@check(after=("reads",))
def notes_are_whole(trial: Trial) -> None:
    """A note names a file that was given, the place in it, the rule and the next step."""
    for note in trial.found.notes:
        if note.file not in trial.samples:
            raise Broken(f"a note is about {note.file!r}, which was not given")
        for part in ("place", "rule", "next_step"):
            if not getattr(note, part).strip():
                raise Broken(f"a note about {note.file} has no {part}: {note}")


@check(after=("reads",))
def files_unchanged(trial: Trial) -> None:
    """It leaves the documents that it is given as they were: they are kept beside the evidence."""
    files = trial.files
    before = [copy.deepcopy(file.document) for file in files]
    trial.read(files)
    for file, document in zip(files, before, strict=True):
        if repr(file.document) != repr(document):
            raise Broken(f"it changes {file.name}")


@check(after=("reads",))
def deterministic(trial: Trial) -> None:
    """The same files give the same results and notes."""
    found = trial.found
    if trial.read(trial.files) != found:
        raise Broken("read twice, the files say something else")


@check(after=("reads", "deterministic"))
def order_of_files(trial: Trial) -> None:
    """In which order the files come decides nothing but the order of what is read."""
    if len(trial.samples) < 2:
        raise Skipped("there is one sample only")
    turned = trial.read(trial.files[::-1])
    for what in ("results", "notes"):
        one, other = (sorted(map(repr, getattr(found, what))) for found in (trial.found, turned))
        if one != other:
            raise Broken(f"with the files in another order the {what} are others")


@check(after=("sound_measurements",))
def what_is_no_number_is_noted(trial: Trial) -> None:
    """A number that is NaN or infinite becomes no observation: it is noted, or the file is refused by name."""
    for value in (math.nan, math.inf):
        for place, files in trial.spoilt(value):
            _must_cope(trial, files, f"{value} at {place}")


@check(after=("sound_measurements",))
def what_is_missing_is_noted(trial: Trial) -> None:
    """A file with a part missing is not recognised, refused by name, or read as far as it goes; nothing crashes."""
    for place, files in trial.spoilt(...):
        _must_cope(trial, files, f"without {place}")


def _must_cope(trial: Trial, files: list[Any], what: str) -> None:
    try:
        if not all(trial.importer.recognises(file.document) for file in files):
            return
        found = trial.read(files)
    except HusaiError as error:
        if not error.rule.strip():
            raise Broken(f"{what} it is refused without a rule") from error
        return
    except Exception as error:
        raise Broken(f"{what} it raises {type(error).__name__}: {error}") from error
    _must_be_sound(trial, found, what)


def _must_be_sound(trial: Trial, found: Any, what: str) -> None:
    for result in found.results:
        conditions = {subject.condition for subject in result.subjects}
        seeds = {subject.seed for subject in result.subjects}
        for m in result.measurements:
            place = f"{what}: {m.metric} of {m.condition}"
            if m.metric not in trial.cards:
                raise Broken(f"{place}: no metric of that name is installed")
            if m.condition not in conditions:
                raise Broken(f"{place}: its result is of {', '.join(sorted(conditions))}")
            if not m.observations:
                raise Broken(f"{place} has no observations")
            for o in m.observations:
                if not set(o.seeds) <= seeds:
                    raise Broken(f"{place} has a value of seeds {o.seeds}, its subjects have {sorted(seeds)}")
                if not math.isfinite(o.value) or not trial.cards[m.metric].allows(o.value):
                    raise Broken(f"{place} is {o.value!r}, which evidence may not hold")


CHECKS = (
    recognises,
    recognises_nothing_else,
    reads,
    sources_are_digests,
    sound_measurements,
    outcomes_are_honest,
    notes_are_whole,
    files_unchanged,
    deterministic,
    order_of_files,
    what_is_no_number_is_noted,
    what_is_missing_is_noted,
)
