"""Sites made real: a self-checked model, its activations, and the document that describes both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import strict_json
from husai_core.data_source import DataSource
from husai_core.engine import activations
from husai_core.engine.plan import PlannedSite
from husai_core.engine.reading import Alter, Fill, SiteReader
from husai_core.engine.store import Hooks, Pass, Stored, file_digest
from husai_core.errors import EvaluationError
from husai_core.model import Check, Corpus, Known, Progress
from husai_core.site import hooks_of

if TYPE_CHECKING:
    from torch import Tensor

SITE_SCHEMA = "husai:site/v1"
CHECKS_FILE = "checks.json"
CORPUS_FILE = "corpus.safetensors"

Work = Callable[[Path, Progress], None]
Perform = Callable[[str, Any, Work], Path]
"""Do a piece of work unless the cache has it: label, what it depends on, and how to fill its folder."""

Capture = Callable[[str, Mapping[Hooks, Any], Callable[[], Pass]], Mapping[Hooks, Mapping[str, Stored]]]
"""Arrays of activations, made where missing: label, what each depends on, and how to begin a pass."""


Arrays = tuple[Mapping[str, Stored], ...]
"""What is read, by split; then what is to be written, where that differs."""


@dataclass(frozen=True)
class OtherModel:
    """What a site would show with another network: the same tokens, at the same hooks."""

    arrays: Arrays
    reader: SiteReader

    def rows(self, split: str, *, target: bool = False) -> Tensor:
        return activations.rows_of(self.arrays, split, target=target)


MakeOther = Callable[[str, Any, Alter], OtherModel]
"""The site with another network: what that is called, what it depends on, and how it is made of the site's own."""


@dataclass(frozen=True)
class ReadySite:
    """A site whose activations can be read."""

    planned: PlannedSite
    document: bytes
    digest: str
    key: Mapping[str, Any]
    test_sources: tuple[DataSource, ...]
    arrays: Arrays
    known: Callable[[], Known]  # what the model knows of the test rows and of itself
    reader: SiteReader
    other: MakeOther

    def rows(self, split: str, *, target: bool = False) -> Tensor:
        return activations.rows_of(self.arrays, split, target=target)


@dataclass(frozen=True)
class _ReadyModel:
    """A model that holds its checks, with its corpus, as two folders of the cache."""

    site: PlannedSite  # any of those that share it
    trained: Path
    examined: Path
    depends_on: Mapping[str, Any]

    def begin(self, hooks: Sequence[str], place: str, alter: Alter | None = None) -> Pass:
        """A pass for these hook points, with no layer above the highest."""
        layers = activations.layers_needed(hooks)
        network = _load(self.site, self.trained, layers)
        if alter:
            network = alter(network)
        activations.refuse_unknown_hooks(network, hooks, place)
        return activations.NetworkPass(network, _read_corpus(self.examined / CORPUS_FILE), hooks)

    def reader(self, site: PlannedSite, fill: Fill) -> SiteReader:
        """What benchmarks at one of the sites may ask of it."""
        depends_on = {name: value for name, value in self.depends_on.items() if name != "corpus"}
        return SiteReader(site, self.trained, depends_on, lambda: _read_corpus(self.examined / CORPUS_FILE), fill)

    def known(self) -> Known:
        """What the model knows of its test rows, in the order of the arrays, and of itself."""
        model, settings, seed = self.site.model.item, self.site.model.settings, self.site.model_seed
        corpus = _read_corpus(self.examined / CORPUS_FILE)
        shape = (len(corpus.test), len(corpus.positions))  # the order in which a pass reads them
        labels = model.labels(settings, seed, self.trained, corpus, corpus.test)
        for name, label in labels.items():
            if tuple(label.shape[:2]) != shape:
                rule = f"has shape {tuple(label.shape)} for {shape[0]} rows at {shape[1]} positions"
                raise EvaluationError(f"model {self.site.model.plugin.name}, label {name}", rule)
        return Known(
            {name: label.flatten(0, 1) for name, label in labels.items()},
            model.tables(settings, seed, self.trained),
        )


def model_key(site: PlannedSite) -> bytes:
    """What sites that share a model, its seed and its corpus agree in."""
    return strict_json.encode({"model": site.model.describe(), "seed": site.model_seed})


def prepare_sites(planned: Sequence[PlannedSite], perform: Perform, capture: Capture, fill: Fill) -> list[ReadySite]:
    """Every site, in order; those that share a model share one pass over its corpus."""
    groups: dict[bytes, list[PlannedSite]] = {}
    for site in planned:
        groups.setdefault(model_key(site), []).append(site)
    ready = {r.planned.name: r for group in groups.values() for r in _prepare_group(group, perform, capture, fill)}
    return [ready[site.name] for site in planned]


def _prepare_group(group: Sequence[PlannedSite], perform: Perform, capture: Capture, fill: Fill) -> list[ReadySite]:
    model = _prepare_model(group[0], perform)
    sides = {site.name: _sides(site) for site in group}
    wanted = {hooks: {"work": "array", **model.depends_on, "hooks": list(hooks)} for s in sides.values() for hooks in s}
    names = ", ".join(site.name for site in group)
    points = sorted({hook for hooks in wanted for hook in hooks})
    arrays = capture(f"activations {names}", wanted, lambda: model.begin(points, f"site {names}"))
    return [_describe(site, model, tuple(arrays[hooks] for hooks in sides[site.name]), capture, fill) for site in group]


def _altered(
    site: PlannedSite,
    model: _ReadyModel,
    capture: Capture,
    reader: SiteReader,
    name: str,
    depends_on: Any,
    alter: Alter,
) -> OtherModel:
    """The same tokens at the same hooks of another network; it need not hold the checks of the model."""
    sides = _sides(site)
    wanted = {h: {"work": "array", **model.depends_on, "hooks": list(h), "altered": depends_on} for h in sides}
    points, label = sorted({hook for hooks in sides for hook in hooks}), f"activations of {name} at {site.name}"
    arrays = capture(label, wanted, lambda: model.begin(points, f"site {site.name}", alter))
    return OtherModel(tuple(arrays[hooks] for hooks in sides), reader.of_other(alter, depends_on))


def _sides(site: PlannedSite) -> list[Hooks]:
    """What is read, and what is to be written where that differs."""
    return list(dict.fromkeys([hooks_of(site.hook_in), hooks_of(site.hook_out)]))


def _prepare_model(site: PlannedSite, perform: Perform) -> _ReadyModel:
    model, settings, seed = site.model.item, site.model.settings, site.model_seed
    origin = site.model.plugin.origin().to_json()
    inputs = dict(model.inputs(settings))
    model_depends = {"model": origin, **model.prepared_for(settings, seed)}
    key = {"work": "model", **model_depends, "inputs": inputs}
    trained = perform(f"model {site.model.plugin.name}", key, lambda f, p: model.prepare(settings, seed, f, p))
    weights = model.weights(settings, trained)
    corpus_key = {"work": "corpus", "model": site.model.describe(), "seed": seed, "inputs": inputs, "weights": weights}
    examined = perform(
        f"corpus and checks of {site.model.plugin.name}", corpus_key, lambda f, _: _examine(site, trained, f)
    )
    corpus = file_digest(examined / CORPUS_FILE)
    return _ReadyModel(site, trained, examined, {**model_depends, "weights": weights, "corpus": corpus})


def _describe(site: PlannedSite, model: _ReadyModel, arrays: Arrays, capture: Capture, fill: Fill) -> ReadySite:
    found = activations.sources(site.name, arrays)
    inputs = dict(site.model.item.inputs(site.model.settings))
    document = strict_json.encode(
        {
            "schema": SITE_SCHEMA,
            "name": site.name,
            "model": {
                **site.model.describe(),
                "seed": site.model_seed,
                "weights": model.depends_on["weights"],
                "checks": strict_json.parse((model.examined / CHECKS_FILE).read_bytes(), CHECKS_FILE),
                **({"inputs": inputs} if inputs else {}),
            },
            "hook_in": site.hook_in,
            "hook_out": site.hook_out,
            "data": [source.to_json() for source in found.values()],
        }
    )
    key = {"work": "activations", "of": dict(model.depends_on), "hooks": [list(hooks) for hooks in _sides(site)]}
    test = tuple(activations.data_of("test", found))
    digest, known, reader = strict_json.digest(document), cache(model.known), model.reader(site, fill)
    other = partial(_altered, site, model, capture, reader)
    return ReadySite(site, document, digest, key, test, arrays, known, reader, other)


def _examine(site: PlannedSite, trained: Path, folder: Path) -> None:
    model, settings, seed = site.model.item, site.model.settings, site.model_seed
    corpus = model.tokenise(settings, seed, trained)
    checks = list(model.examine(_load(site, trained, None), corpus, settings, seed))
    for check in checks:
        if not check.holds:
            raise EvaluationError(
                f"model {site.model.plugin.name}, check {check.name}",
                f"the value is {check.value:.4g}, it must be {_bound_text(check)}",
                "nothing measured on a model that has not learned its task means anything; change its settings",
            )
    (folder / CHECKS_FILE).write_bytes(strict_json.encode([_check_json(check) for check in checks]))
    _write_corpus(corpus, folder / CORPUS_FILE)


def _load(site: PlannedSite, trained: Path, layers: int | None) -> Any:
    return site.model.item.load(site.model.settings, site.model_seed, trained, layers)


def _write_corpus(corpus: Corpus, path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    positions = torch.tensor(corpus.positions)
    parts = {"tokens": corpus.tokens, "positions": positions, "train": corpus.train, "test": corpus.test}
    # Train and test may be views of one tensor, which safetensors refuses.
    save_file({name: part.contiguous().clone() for name, part in parts.items()}, path)


def _read_corpus(path: Path) -> Corpus:
    from safetensors.torch import load_file

    parts = load_file(path)
    return Corpus(parts["tokens"], tuple(parts["positions"].tolist()), parts["train"], parts["test"])


def _check_json(check: Check) -> dict[str, Any]:
    bounds = {"at_least": check.at_least, "at_most": check.at_most}
    return {
        "name": check.name,
        "value": check.value,
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }


def _bound_text(check: Check) -> str:
    if check.at_least is not None:
        return f"at least {check.at_least:.4g}"
    return f"at most {check.at_most:.4g}"
