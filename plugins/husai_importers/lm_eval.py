"""The importer of lm-evaluation-harness results: one observation for every task, never for a group of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from husai_core import hookimpl
from husai_core.evidence import Outcome
from husai_core.importer import Imported, Importer, Note, Result, SourceFile, SpokenOf, digest_of, identifier
from husai_importers.metrics import CARDS
from husai_importers.reader import Reader, table, text

TOOL = "lm-evaluation-harness"
BENCHMARK = "lm_eval"
_NOTHING = Outcome("failed", "no task has a number that can be read", "run the tasks again")


class LmEvalImporter(Importer):
    name = "lm_eval"
    summary = "Results of lm-evaluation-harness, task by task."
    samples = "samples/lm_eval"

    def recognises(self, document: Any) -> bool:
        if not isinstance(document, Mapping):
            return False
        return isinstance(document.get("results"), Mapping) and isinstance(document.get("versions"), Mapping)

    def read(self, files: Sequence[SourceFile]) -> Imported:
        results: list[Result] = []
        notes: list[Note] = []
        for file in files:
            reader = Reader(file)
            results.append(_result(reader))
            notes += reader.notes
        return Imported(tuple(results), tuple(notes))


def _result(reader: Reader) -> Result:
    document = reader.file.document
    config = table(document.get("config"))
    condition = identifier(reader.file.name)
    groups = set(table(document.get("groups"))) | {k for k, v in table(document.get("group_subtasks")).items() if v}
    for task, scores in document["results"].items():
        if task in groups:
            continue  # it is the mean of tasks that stand there by themselves
        for field, value in table(scores).items():
            _observe(reader, condition, task, field, value)
    model = text(document.get("model_name"), text(config.get("model_args"), text(config.get("model"))))
    own = SpokenOf(
        condition=condition,
        seed=0,
        model=model,
        hook="the output of the model",
        architecture="language model",
        source=digest_of([config, document["results"]]),
        settings={key: config[key] for key in ("model", "model_args") if key in config},
        unverified=("what was done to the model while it was scored: the file names no dictionary",),
    )
    settings = {
        **{key: config[key] for key in ("num_fewshot", "limit", "random_seed") if key in config},
        "versions": dict(document["versions"]),
        "shots": dict(table(document.get("n-shot"))),
    }
    found = reader.measurements(condition)
    version = text(document.get("lm_eval_version"), text(document.get("git_hash")))
    outcome = Outcome("completed") if found else _NOTHING
    return Result(BENCHMARK, (own,), TOOL, version, (reader.file.name,), settings, found, outcome)


def _observe(reader: Reader, condition: str, task: str, field: str, value: Any) -> None:
    """One score; its name is followed by the filter that the answers went through."""
    name, _, chosen = field.partition(",")
    if name in ("alias", "name", "sample_len", "sample_count") or name.endswith("_stderr"):
        return
    place, metric = f"$.results['{task}']['{field}']", f"lm_eval_{name}"
    if metric not in CARDS:
        reader.note(place, f"'{name}' is no metric that is known here, and was not read", "none")
        return
    better = table(table(reader.file.document.get("higher_is_better")).get(task)).get(name)
    if isinstance(better, bool) and better != (CARDS[metric].direction == "higher"):
        rule = f"the file says that {'higher' if better else 'lower'} is better, and of {metric} it is not"
        reader.note(place, rule, "find out what the task means by this name")
        return
    reader.observe(metric, condition, (0,), value, place, {"filter": chosen or "none"}, task)


@hookimpl
def husai_importers() -> Sequence[Importer]:
    return [LmEvalImporter()]
