"""The official SAEBench, eval by eval: its own code, run on these subjects, each in a process forked from one state."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

from husai_core import Benchmark, Coder, EvaluationError, Measurement, Observation, Skipped, Task, hookimpl, strict_json
from husai_core.data_source import DataSource
from husai_core.external import External
from husai_core.interchange import saved_files
from husai_core.need import Need, require
from husai_saebench.obstacles import version_needs
from husai_saebench.profiles import (
    RAVEL_PROMPTS,
    SERVER,
    AbsorptionSettings,
    AutointerpSettings,
    CoreSettings,
    MetaStructureSettings,
    NotDrivenSettings,
    RavelSettings,
    SaeProbesSettings,
    ScrSettings,
    Settings,
    SparseProbingSettings,
    TppSettings,
)
from husai_saebench.results import problems, readings
from husai_saebench.sources import data_needs, mirror
from husai_saebench.space import space_needs
from husai_saebench.worker import KEY, Worker, installed, library_needs, without_key, working

TOOL = "sae-bench"
_BLOCK = re.compile(r"blocks\.(\d+)\.")


class OfficialEval(Benchmark):
    """Hands model, texts and dictionaries to the official code and turns its result files into observations."""

    requires = ()  # its libraries may be those of another interpreter, which is asked before it starts
    eval: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ("sae_bench",)
    residual_only: ClassVar[bool] = False
    reads_model: ClassVar[bool] = True
    length: ClassVar[int] = 1024  # of the longest prompt

    def reads(self, settings: Settings) -> Sequence[str]:
        return settings.text_sets()

    def needs(self, settings: Settings) -> Sequence[Need]:
        libraries = [*library_needs(self.modules), *version_needs(self.eval, installed().versions)]
        return [*libraries, *data_needs(settings.hub_sets()), *space_needs(settings.space())]

    def outside(self, settings: Settings) -> str:
        return "the official SAEBench, as a process of its own"

    def about(self, task: Task) -> dict[str, Any]:
        """What the official side must know beside its own settings."""
        return dict(task.settings.about())

    def measure(self, task: Task) -> Iterator[Measurement]:
        """One process for all subjects; each result is kept as soon as it is there, so a kill costs one of them."""
        place = f"benchmark {self.name}"
        self._refuse_site(task, place)
        subjects = list(_subjects(task, place))
        require(self.needs(task.settings), place)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="husai-saebench-")))
            official = _Asked(self, task, folder, subjects, stack, place)
            results = [official.result(number, subject) for number, subject in enumerate(subjects)]
            shared = official.shared()
        task.external.append(_external(shared, subjects, results))
        yield from _measurements(subjects, results, place)

    def _refuse_site(self, task: Task, place: str) -> None:
        hook_in, hook_out = task.site.hook_in, task.site.hook_out
        if hook_in != hook_out or not isinstance(hook_in, str):
            rule = "the official code reads and writes at one hook point; this site reads and writes elsewhere"
            raise Skipped(place, rule, "name the sites of autoencoders in the benchmark's 'sites'")
        if self.reads_model and not task.model.predicts_next:
            rule = f"the model '{task.site.model}' is no language model"
            raise Skipped(place, rule, "use a language model: smollm2, huggingface")
        if _BLOCK.match(hook_in) is None:
            raise Skipped(place, f"'{hook_in}' names no layer", "use a hook point of a block")
        if self.residual_only and not hook_in.endswith(".hook_resid_post"):
            rule = (
                f"the official code reads hook_resid_post whatever a dictionary is of, and this one is of '{hook_in}'"
            )
            raise Skipped(place, rule, "measure it at a hook_resid_post")


@dataclass(frozen=True)
class _Subject:
    """One dictionary, named by what it is and by the digest of its files."""

    condition: str
    coder: Coder
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        return f"{self.condition}.seed{self.coder.seed}-{self.digest[7:19]}"

    @property
    def digest(self) -> str:
        return strict_json.digest(b"".join(self.files[name] for name in sorted(self.files)))


def _subjects(task: Task, place: str) -> Iterator[_Subject]:
    """Those that SAELens can load; what it cannot must be left out by name, so that nobody is missing unnoticed."""
    left_out = set(task.settings.leave_out)
    hook = str(task.site.hook_in)
    for condition, coders in task.conditions.items():
        control = condition.rpartition(".")[2]
        if control in left_out:
            continue
        if condition in task.own_readers:
            rule = f"'{condition}' belongs to a network of its own, which the official code is not handed"
            raise EvaluationError(place, rule, f'leave_out = ["{control}"]')
        for coder in coders:
            files = saved_files(coder, task.site.model, hook)
            if json.loads(files["cfg.json"])["architecture"].startswith("husai_"):
                rule = f"SAELens has no such architecture: '{coder.architecture.name}' of '{condition}'"
                raise EvaluationError(place, rule, f'leave_out = ["{control}"], or measure it at sites of its own')
            yield _Subject(condition, coder, files)


class _Asked:
    """The worker, started when the first result is not at hand."""

    def __init__(
        self,
        benchmark: OfficialEval,
        task: Task,
        folder: Path,
        subjects: Sequence[_Subject],
        stack: ExitStack,
        place: str,
    ) -> None:
        self.benchmark, self.task, self.folder = benchmark, task, folder
        self.subjects, self.stack, self.place = subjects, stack, place
        self._worker: Worker | None = None
        self._ready: Mapping[str, Any] = {}

    def result(self, number: int, subject: _Subject) -> Mapping[str, Any]:
        """The official file of a subject as text, and what else is known of it."""

        def work() -> dict[str, Any]:
            self.task.progress(number / len(self.subjects), f"{self.benchmark.name}: {subject.name}")
            answer = self._started().ask(subject.name)
            text = Path(answer["file"]).read_text()
            if without_key(text) != text:
                raise EvaluationError(self.place, f"the result of {subject.name} repeats {KEY}; it is not kept")
            _refuse_nonfinite(answer.get("beside"), subject, self.place)
            return {"text": text, **{key: answer.get(key) for key in ("seconds", "data", "beside")}}

        return self.task.remember(subject.name, work)

    def shared(self) -> Mapping[str, Any]:
        """Versions of the libraries, and what the shared part read."""
        return self.task.remember("shared", self._of_shared)

    def _of_shared(self) -> dict[str, Any]:
        self._started()
        return {key: self._ready[key] for key in ("versions", "seconds", "data")}

    def _started(self) -> Worker:
        if self._worker is None:
            self._write_job()
            self.task.progress(0.0, f"{self.benchmark.name}: what all subjects share")
            threads = _threads()
            self._worker = self.stack.enter_context(working(self.folder, self.place, threads))
            self._ready = self._worker.ready()
            self.shared()
        return self._worker

    def _write_job(self) -> None:
        task, settings, site = self.task, self.task.settings, self.task.site
        match = _BLOCK.match(str(site.hook_in))
        assert match is not None
        if task.texts and settings.hands_over:
            by_class = {name: list(found.texts) for name, found in task.texts.items()}
            (self.folder / "texts.json").write_text(json.dumps(by_class))
        job = {
            "eval": self.benchmark.eval,
            "settings": settings.official(),
            "model": str(task.model.folder().absolute()) if self.benchmark.reads_model else None,
            "model_name": site.model,
            "hook_name": site.hook_in,
            "layer": int(match.group(1)),
            "length": self.benchmark.length,
            "d_in": self.subjects[0].coder.dims.d_in,
            "seed": settings.seed,
            "threads": _threads(),
            "mirror": str(folder) if (folder := mirror()) else None,
            "share": True,
            **self.benchmark.about(task),
        }
        (self.folder / "job.json").write_text(json.dumps(job))
        for subject in self.subjects:
            own = self.folder / "subjects" / subject.name / "sae"
            own.mkdir(parents=True)
            for name, raw in subject.files.items():
                (own / name).write_bytes(raw)


def _refuse_nonfinite(beside: Mapping[str, float] | None, subject: _Subject, place: str) -> None:
    """An official file is kept, whatever its numbers are, and says why one is missing; what HUSAI computes has none."""
    for metric, value in (beside or {}).items():
        if not isfinite(value):
            rule = f"{metric} of {subject.name}, computed beside the official code, is {value}"
            step = f'look for exploding weights, or leave_out = ["{subject.condition.rpartition(".")[2]}"]'
            raise EvaluationError(place, rule, step)


def _threads() -> int:
    import torch

    return int(torch.get_num_threads())


def _external(
    shared: Mapping[str, Any], subjects: Sequence[_Subject], results: Sequence[Mapping[str, Any]]
) -> External:
    files = {f"{s.name}.json": r["text"].encode() for s, r in zip(subjects, results, strict=True)}
    about = {"versions": shared["versions"], "seconds": {"shared": shared["seconds"]}, "data": shared["data"]}
    about["seconds"] |= {s.name: r["seconds"] for s, r in zip(subjects, results, strict=True)}
    read = {d["name"]: d for r in (shared, *results) for d in r["data"] if not d["name"].startswith("husai/")}
    texts = tuple(DataSource(d["name"], d["digest"], d["rows"]) for _, d in sorted(read.items()))
    version = shared["versions"][TOOL]
    return External("official", TOOL, version, {**files, "run.json": strict_json.encode(about)}, texts=texts)


def _measurements(
    subjects: Sequence[_Subject], results: Sequence[Mapping[str, Any]], place: str
) -> Iterator[Measurement]:
    """The observations of every condition, seed by seed and part by part; a result that is wrong is an error."""
    found: dict[tuple[str, str, str], list[Observation]] = {}
    settings: dict[str, Mapping[str, Any]] = {}
    for subject, result in zip(subjects, results, strict=True):
        document = json.loads(result["text"])
        for metric, setting, value, part in _observed(document, result, subject):
            key = json.dumps(setting, sort_keys=True)
            settings[key] = setting
            seed = (subject.coder.seed,)
            found.setdefault((subject.condition, metric, key), []).append(Observation(seed, value, part))
    if not found:
        said = "; ".join(f"{p.place}: {p.rule}" for r in results for p in problems(json.loads(r["text"])))
        raise EvaluationError(place, f"no number of its results can be used: {said[:500]}", "see the official files")
    for (condition, metric, key), observations in found.items():
        yield Measurement(metric, condition, tuple(observations), settings[key])


def _observed(
    document: Mapping[str, Any], result: Mapping[str, Any], subject: _Subject
) -> Iterator[tuple[str, Mapping[str, Any], float, str]]:
    for reading in readings(document):
        yield reading.metric, reading.setting, reading.value, reading.part
    for metric, value in (result.get("beside") or {}).items():
        yield metric, {}, value, ""


class Core(OfficialEval):
    name = "saebench_core"
    summary = "The official SAEBench core: loss and KL with the reconstruction spliced in, sparsity, norms."
    eval = "core"
    Settings = CoreSettings
    length = 1024


class SparseProbing(OfficialEval):
    name = "saebench_sparse_probing"
    summary = "The official SAEBench sparse probing: accuracy of probes on few latents, mean over tokens."
    eval = "sparse_probing"
    Settings = SparseProbingSettings


class SaeProbes(OfficialEval):
    name = "saebench_sae_probes"
    summary = "The official SAEBench sparse probing on the sets of sae-probes, at the last token."
    eval = "sparse_probing_sae_probes"
    modules = ("sae_bench", "sae_probes")
    Settings = SaeProbesSettings


class Absorption(OfficialEval):
    name = "saebench_absorption"
    summary = "The official SAEBench absorption: how often other latents take over a word's first letter."
    eval = "absorption"
    residual_only = True
    Settings = AbsorptionSettings


class Scr(OfficialEval):
    name = "saebench_scr"
    summary = "The official SAEBench spurious correlation removal: latents taken out to unlearn a bias."
    eval = "scr"
    Settings = ScrSettings


class Tpp(OfficialEval):
    name = "saebench_tpp"
    summary = "The official SAEBench targeted probe perturbation: latents taken out that serve one class alone."
    eval = "tpp"
    Settings = TppSettings


class Autointerp(OfficialEval):
    name = "saebench_autointerp"
    summary = "The official SAEBench autointerp: a language model on a server explains latents and sorts texts by that."
    eval = "autointerp"
    modules = ("sae_bench", "openai")
    Settings = AutointerpSettings

    def needs(self, settings: Settings) -> Sequence[Need]:
        found = bool(os.environ.get(KEY))
        rule = "" if found else f"there is no key for {settings.server}: {KEY} is not set"
        step = f"export {KEY}=... (any word for a server that asks for none), and {SERVER} for another server"
        return [*super().needs(settings), Need("key", KEY, found, rule, "" if found else step)]

    def outside(self, settings: Settings) -> str:
        return f"{super().outside(settings)}, which asks the server {settings.server}"


class MetaStructure(OfficialEval):
    name = "saebench_meta_structure"
    summary = "The official SAEBench meta-structure: how much of the decoder a small dictionary of its rows explains."
    eval = "meta_structure"
    reads_model = False
    Settings = MetaStructureSettings


class Ravel(OfficialEval):
    name = "saebench_ravel"
    summary = "The official SAEBench RAVEL: one attribute of an entity changed by patching latents, the others kept."
    eval = "ravel"
    reads_model = False
    Settings = RavelSettings
    models: ClassVar[Mapping[str, str]] = {
        "gemma-2-2b": "google/gemma-2-2b",
        "pythia-160m-deduped": "EleutherAI/pythia-160m-deduped",
    }

    def about(self, task: Task) -> dict[str, Any]:
        folder = mirror()
        prompts = folder / RAVEL_PROMPTS if folder else None
        return {
            "published_name": self._published(task),
            "prompts": str(prompts) if prompts and prompts.is_dir() else None,
        }

    def _refuse_site(self, task: Task, place: str) -> None:
        super()._refuse_site(task, place)
        if self._published(task) is None:
            known = " and ".join(self.models.values())
            rule = f"the official code knows two models, {known}, and fetches them by itself"
            raise Skipped(place, rule, "use the model huggingface with one of these names")

    def _published(self, task: Task) -> str | None:
        """The short name of the model under the site, where it is one of the two."""
        named = str(task.site.settings.get("model", ""))
        return next((short for short, full in self.models.items() if named in (short, full)), None)


class NotDriven(OfficialEval):
    """An official eval that cannot be run from here; a study may name it, and evidence then says why it is absent."""

    Settings = NotDrivenSettings

    def needs(self, settings: Settings) -> Sequence[Need]:
        return version_needs(self.eval, installed().versions)

    def measure(self, task: Task) -> Iterator[Measurement]:
        place = f"benchmark {self.name}"
        require(self.needs(task.settings), place)
        raise EvaluationError(place, "nothing is known to keep it from running, and HUSAI has no way to run it")


class Unlearning(NotDriven):
    name = "saebench_unlearning"
    summary = "The official SAEBench unlearning: latents clamped until a model forgets biology. Not driven by HUSAI."
    eval = "unlearning"


class Mdl(NotDriven):
    name = "saebench_mdl"
    summary = "The official SAEBench description length of latents. Broken as published, and not driven by HUSAI."
    eval = "mdl"


@hookimpl
def husai_benchmarks() -> Sequence[Benchmark]:
    driven = [Core(), SparseProbing(), SaeProbes(), Absorption(), Scr(), Tpp(), Autointerp(), MetaStructure(), Ravel()]
    return [*driven, Unlearning(), Mdl()]
