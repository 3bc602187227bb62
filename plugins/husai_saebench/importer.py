"""The importer of SAEBench results, single ones and the run dictionaries that wrap several evals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from husai_core import hookimpl
from husai_core.evidence import Measurement, Observation, Outcome
from husai_core.importer import Imported, Importer, Note, Result, SourceFile
from husai_saebench.dictionaries import About, dictionaries
from husai_saebench.results import problems, readings
from husai_saebench.rows import EVALS, config_of
from husai_saebench.runs import SHARED_ID, Block, Run, is_run

TOOL = "sae-bench"
_MEASURE = "measure it, or do without the rules that need it"

_SHORTER = {"sparse_probing_sae_probes": "sae_probes"}  # as its benchmark is called where it runs here
_MISREAD = {
    "absorption": "absorption rates and fractions are better when lower",
    "core": "kl_div_score is better when higher, in spite of its name",
    "tpp": "the unintended differences are better when lower, the total when higher",
}
_OF_THE_MODEL = (
    *("saebench_llm_probe_accuracy", "saebench_llm_sparse_probing_accuracy", "saebench_absorption_words"),
    *("saebench_ce_loss_without_sae", "saebench_ce_loss_with_ablation", "saebench_l2_norm_in"),
    *(f"saebench_sae_probes_llm_{score}" for score in ("accuracy", "auc", "f1")),
)
"""What no dictionary has a part in: on the same rows it is the same for all of them."""


def benchmark_of(kind: str) -> str:
    """The name that the evidence of an eval bears."""
    return f"saebench_{_SHORTER.get(kind, kind)}"


class SaebenchImporter(Importer):
    name = "saebench"
    summary = "Results of SAEBench 0.2 to 0.6, single files and run dictionaries."
    samples = "samples"

    def recognises(self, document: Any) -> bool:
        return is_run(document)

    def read(self, files: Sequence[SourceFile]) -> Imported:
        runs = [Run.of(file) for file in files]
        found, notes = dictionaries(runs)
        for run in runs:
            notes += _of_run(run)
        notes += _shared_ids(runs)
        results = [result for about in found for result in _results(about, notes)]
        notes += _other_rows(results)
        results += _missing(found, runs)
        return Imported(tuple(results), tuple(notes))


def _results(about: About, notes: list[Note]) -> Iterator[Result]:
    """One result for every eval of a dictionary; what stands twice is read not at all."""
    kinds: dict[str, list[tuple[Run, Block]]] = {}
    for run, block in about.blocks:
        if block.kind is not None:
            kinds.setdefault(block.kind, []).append((run, block))
    for kind, blocks in kinds.items():
        (run, block), files = blocks[0], tuple(sorted({run.file.name for run, _ in blocks}))
        measurements: tuple[Measurement, ...] = ()
        if len(blocks) > 1:
            reason = f"{len(blocks)} results of {kind} for one SAE, and nobody can tell which one counts"
        else:
            measurements = tuple(_measurements(about, block))
            reason = "nothing in it is a number that can be read"
        outcome = Outcome("completed") if measurements else Outcome("failed", reason, "give one whole result")
        if measurements and kind in _MISREAD:
            notes.append(_note(run, block, "$.eval_result_metrics", _MISREAD[kind], "read the direction of the metric"))
        yield Result(
            benchmark=benchmark_of(kind),
            subjects=(about.spoken,),
            tool=TOOL,
            version=block.commit,
            files=files,
            settings=config_of(block.result),
            measurements=measurements,
            outcome=outcome,
        )


def _measurements(about: About, block: Block) -> Iterator[Measurement]:
    groups: dict[tuple[str, tuple[tuple[str, Any], ...]], list[Observation]] = {}
    for reading in readings(block.result):
        key = (reading.metric, tuple(reading.setting.items()))
        groups.setdefault(key, []).append(Observation((about.spoken.seed,), reading.value, reading.part))
    for (metric, setting), observations in groups.items():
        yield Measurement(metric, about.spoken.condition, tuple(observations), dict(setting))


def _note(run: Run, block: Block, place: str, rule: str, next_step: str) -> Note:
    about = benchmark_of(block.kind) if block.kind else ""
    return Note(run.file.name, block.place(place), rule, next_step, about)


def _of_run(run: Run) -> Iterator[Note]:
    """What is wrong with one file by itself."""
    for block in run.blocks:
        for problem in problems(block.result):
            yield _note(run, block, problem.place, problem.rule, problem.next_step)
        yield from _filing(run, block)
        yield from _model(run, block)
    commits = {block.commit for block in run.blocks if "sae_bench_commit_hash" in block.result}
    if len(commits) > 1:
        rule = f"{len(commits)} versions of SAEBench made one run: {', '.join(sorted(commits))}"
        yield Note(run.file.name, "$", rule, "compare nothing across them, or measure again with one version")
    for key in run.unknown:
        yield Note(run.file.name, f"$['{key}']", "is no result that is known here, and was not read", "none")
    for one, other, trained, final in run.training.contradictions() if run.training else ():
        rule = f"final_info.{other} is {final}, and config.{one} is {trained}"
        yield Note(run.file.name, f"$['{run.training.key}']", rule, "ask who trained it which is true")  # type: ignore[union-attr]


def _filing(run: Run, block: Block) -> Iterator[Note]:
    """A key that promises another eval than the block under it, or more than one."""
    promised = _promised(block.key)
    if block.kind is None or not promised or promised == {block.kind}:
        return
    others = " and ".join(sorted(promised - {block.kind}))
    rule = f"the key promises {' and '.join(sorted(promised))}, and the block is {block.kind}; read as what it is"
    yield Note(run.file.name, block.place(), rule, f"there is no evidence of {others}; {_MEASURE}")


def _promised(key: str) -> set[str]:
    """The evals that a key names."""
    words = re.sub(r"[^a-z0-9]+", " ", key.lower())
    names = {kind: kind.replace("_", " ") for kind in EVALS.values()}
    found = {kind for kind, name in names.items() if re.search(rf"\b{name}\b", words)}
    return found - ({"sparse_probing"} if "sparse_probing_sae_probes" in found else set())


def _model(run: Run, block: Block) -> Iterator[Note]:
    """An eval that ran another model than the SAE was made for."""
    config = block.config or {}
    one, other = config_of(block.result).get("model_name"), config.get("model_name")
    if isinstance(one, str) and isinstance(other, str) and one != other:
        rule = f"the eval ran {one}, and the SAE is one of {other}"
        step = "take it as what the SAE does to that model, and not to its own"
        yield _note(run, block, "$.eval_config.model_name", rule, step)


def _shared_ids(runs: Sequence[Run]) -> Iterator[Note]:
    said = [run for run in runs if any(SHARED_ID in _ids(block) for block in run.blocks)]
    for run in said if len(said) > 1 else ():
        rule = f"calls its SAE '{SHARED_ID}', as every file does whose SAE SAELens does not list: not joined by it"
        yield Note(run.file.name, "$", rule, "put all results of one SAE into one run dictionary")


def _ids(block: Block) -> tuple[Any, Any]:
    return block.result.get("sae_lens_id"), block.result.get("sae_id")


def _other_rows(results: Sequence[Result]) -> Iterator[Note]:
    """Numbers of the model alone that two files have differently: they were not scored on the same rows."""
    for one, other in combinations(results, 2):
        if one.benchmark != other.benchmark or one.subjects[0].explored or other.subjects[0].explored:
            continue
        differing, shared = _compared(one, other)
        if differing:
            largest = max(differing, key=lambda found: found[1])
            step = "take a difference of the two with that much noise, or measure both in one run"
            for mine, theirs in ((one, other), (other, one)):
                rule = (
                    f"{len(differing)} of {shared} numbers of the model alone differ from those in {theirs.files[0]}, "
                    f"{largest[0]} by {largest[1]:.4g}: not scored on the same rows, or not by the same probes"
                )
                yield Note(mine.files[0], "$", rule, step, one.benchmark)


def _compared(one: Result, other: Result) -> tuple[list[tuple[str, float]], int]:
    """The shared numbers of the model that differ, each by how much, and how many are shared."""
    mine, theirs = _of_model(one.measurements), _of_model(other.measurements)
    shared = sorted(mine.keys() & theirs.keys(), key=str)
    gaps = [(str(key[0]), abs(mine[key] - theirs[key])) for key in shared]
    return [(name, gap) for name, gap in gaps if gap > 1e-9], len(shared)


def _of_model(measurements: Iterable[Measurement]) -> Mapping[tuple[str, str, str], float]:
    return {
        (m.metric, str(sorted(m.setting.items())), o.part): o.value
        for m in measurements
        if m.metric in _OF_THE_MODEL
        for o in m.observations
    }


def _missing(found: Sequence[About], runs: Sequence[Run]) -> Iterator[Result]:
    """Evals that some file has or promises and a dictionary lacks: skipped, with the reason, never just not there."""
    wanted = {block.kind for run in runs for block in run.blocks if block.kind is not None}
    wanted |= {kind for run in runs for block in run.blocks for kind in _promised(block.key)}
    for about in found:
        own = {block.kind for _, block in about.blocks}
        if about.spoken.explored:
            continue
        files = tuple(sorted({run.file.name for run, _ in about.blocks}))
        for kind in sorted(wanted - own):
            reason = _why(kind, about, runs)
            outcome = Outcome("skipped", f"{', '.join(files)}: {reason}", _MEASURE)
            yield Result(benchmark_of(kind), (about.spoken,), TOOL, "unknown", files, outcome=outcome)


def _why(kind: str, about: About, runs: Sequence[Run]) -> str:
    """Why a dictionary has no result of an eval."""
    own = [block.key for _, block in about.blocks]
    for run in runs:
        if run.file.name not in {r.file.name for r, _ in about.blocks}:
            continue
        for block in run.blocks:
            if block.kind == kind and block.key not in own:
                return f"the {kind} result, under '{block.key}', is of another SAE"
            if kind in _promised(block.key) and block.kind is not None:
                return f"the key '{block.key}' promises {kind} and holds {block.kind} alone"
    return f"holds no result of {kind}: it was not run, or was left out"


@hookimpl
def husai_importers() -> Sequence[Importer]:
    return [SaebenchImporter()]
