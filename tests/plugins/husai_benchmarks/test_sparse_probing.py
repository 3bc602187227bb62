"""Probes find a class that latents carry and none that they do not, whatever the order of documents and subjects."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from husai_benchmarks.ranking import telling
from husai_benchmarks.sparse_probing import SparseProbing, SparseProbingSettings
from husai_core import Coder, EvaluationError, Task, TextSet, bundle
from husai_core.benchmark import Read
from husai_core.engine.kept import KeptParts
from husai_core.site import Site
from husai_metrics.probe import husai_metrics
from husai_tests.studies import run_study, sae, small_study

WIDTH, WORDS = 8, [f"w{n}" for n in range(40)]
NAME = "file:words.jsonl"


def texts(count: int = 90, seed: int = 0, labels: Sequence[int] | None = None) -> TextSet:
    """Each document is a few random words; class 1 has the word `yes` in it, class 0 the word `no`."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        words = draw.choices(WORDS, k=draw.randint(2, 6))
        words.insert(draw.randint(0, len(words)), ("no", "yes")[number % 2])
        rows.append(" ".join(words))
    return TextSet(NAME, tuple(rows), tuple(labels or (n % 2 for n in range(count))), ("no", "yes"))


@dataclass
class Summing:
    """A model whose activation is the sum of the words so far: `yes` and `no` are told by the first axis alone."""

    calls: int = 0

    def read(self, documents: Sequence[str], limit: int, *, last: bool, progress: object) -> Read:
        self.calls += 1
        rows, spans = [], []
        for document in documents:
            shown = torch.stack([self.of(word) for word in document.split()[: limit - 1]]).cumsum(0)
            shown = shown[-1:] if last else shown
            spans.append((sum(map(len, rows)), sum(map(len, rows)) + len(shown)))
            rows.append(shown)
        table = torch.cat(rows)
        return Read(table, table, tuple(spans), ())

    def of(self, word: str) -> torch.Tensor:
        if word in ("yes", "no"):
            return torch.eye(WIDTH)[0] * (1 if word == "yes" else -1)
        drawn = torch.randn(WIDTH, generator=torch.Generator().manual_seed(int(word[1:])))
        return drawn * (torch.arange(WIDTH) > 0)


@pytest.fixture
def task_of(coder_of):
    def make(sets: Mapping[str, TextSet] | None = None, seeds: Sequence[int] = (1, 2), **settings: object) -> Task:
        chosen = {"train_rows": 40, "test_rows": 20, "ks": (1, 2), "sets": (NAME,)} | settings
        coders = {"identity": [identity(coder_of, s) for s in seeds], "topk": [coder_of(s) for s in seeds]}
        return Task(
            Site("s", "m", "h", "h"),
            coders,
            torch.zeros(0, WIDTH),
            torch.zeros(0, WIDTH),
            husai_metrics(),
            SparseProbingSettings(**chosen),
            lambda fraction, note: None,
            texts=sets or {NAME: texts()},
            reader=Summing(),
        )

    return make


def identity(coder_of, seed: int) -> Coder:
    """Every axis in its two directions, all active."""
    coder = coder_of(seed, dims=(WIDTH, 2 * WIDTH, WIDTH), k=2 * WIDTH)
    axes = torch.cat([torch.eye(WIDTH), -torch.eye(WIDTH)])
    params = {**coder.params, "W_enc": axes.T, "W_dec": axes, "b_enc": torch.zeros(2 * WIDTH)}
    return replace(coder, params={**params, "b_dec": torch.zeros(WIDTH)})


def measured(task: Task) -> dict:
    """Values by condition, metric, setting, then seed and part."""
    return {
        (m.condition, m.metric, *m.setting.values()): {(*o.seeds, o.part): o.value for o in m.observations}
        for m in SparseProbing().measure(task)
    }


def test_a_class_that_one_latent_carries_is_told_without_error(task_of) -> None:
    found = measured(task_of())
    for metric in ("probe_auc", "probe_accuracy", "probe_f1"):
        assert found["identity", metric, 1] == {(1, NAME): 1.0, (2, NAME): 1.0}
    assert found["identity", "dense_probe_auc"] == {(1, NAME): 1.0, (2, NAME): 1.0}
    assert found["identity", "probe_auc_delta", 1][1, NAME] == found["identity", "probe_best_delta"][1, NAME] == 0
    counts = [found["identity", f"probe_{kind}", 2][1, ""] for kind in ("wins", "losses", "ties")]
    assert counts == [0, 0, 1]
    for seed in (1, 2):
        lost = found["topk", "probe_auc", 1][seed, NAME] - 1
        assert found["topk", "probe_auc_delta", 1][seed, NAME] == lost
        assert found["topk", "probe_losses", 1][seed, ""] == float(lost < -0.005)


def test_every_measurement_is_within_its_card(task_of) -> None:
    cards = {metric.name: metric.card for metric in husai_metrics()}
    seen = set()
    for measurement in SparseProbing().measure(task_of()):
        seen.add(measurement.metric)
        assert all(cards[measurement.metric].allows(o.value) for o in measurement.observations)
    assert seen == set(cards)


def test_shuffled_labels_tell_nothing(task_of) -> None:
    rows, labels = texts(600), [n % 2 for n in range(600)]
    random.Random(1).shuffle(labels)
    found = measured(task_of({NAME: replace(rows, labels=tuple(labels))}, train_rows=300, test_rows=300))
    assert found["identity", "probe_auc", 2][1, NAME] == pytest.approx(0.5, abs=0.1)
    assert found["identity", "dense_probe_auc"][1, NAME] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_order_of_documents_slices_and_other_subjects_do_not_matter(task_of, pooling: str) -> None:
    task = task_of(pooling=pooling)
    expected = measured(task)
    rows = task.texts[NAME]
    turned = rows.only(random.Random(3).sample(range(90), 90))
    alone = {"topk": task.conditions["topk"][1:]}
    settings = replace(task.settings, rows_per_slice=7)
    found = measured(replace(task, texts={NAME: turned}, conditions=alone, settings=settings))
    for (condition, *rest), values in found.items():
        for unit, value in values.items():
            assert value == pytest.approx(expected[(condition, *rest)][unit], abs=1e-12), rest


def test_seeds_with_the_same_dictionary_have_the_same_values(task_of) -> None:
    for values in (v for key, v in measured(task_of()).items() if key[0] == "identity"):
        assert len(set(values.values())) == 1


def test_the_mean_over_tokens_is_pooled_after_encoding(task_of) -> None:
    """The mean of `relu` is not `relu` of the mean, so the order shows."""
    from husai_benchmarks.pooling import pooled

    task = task_of()
    documents = task.texts[NAME].texts[:9]
    read = task.read(documents, 128)
    coder = task.conditions["identity"][0]
    found = pooled(read, range(9), coder.encode, rows_per_slice=5)
    for number, (begin, end) in enumerate(read.spans):
        torch.testing.assert_close(found[number], coder.encode(read.rows_in[begin:end]).mean(0))


def test_repeats_leak_under_the_official_split_alone(task_of) -> None:
    rows = texts(60)
    twice = replace(rows, texts=rows.texts * 4, labels=rows.labels * 4)
    found = measured(task_of({NAME: twice}))
    assert found["topk", "probe_leakage", "this run"][1, NAME] == 0
    assert found["topk", "probe_leakage", "sae-probes"][1, NAME] > 0.9
    found = measured(task_of({NAME: twice}, split="official", train_rows=120, test_rows=60))
    assert found["topk", "probe_leakage", "this run"][1, NAME] > 0.8


def test_more_than_two_classes_are_told_one_from_all_others(task_of) -> None:
    rows = texts(360)
    labels = tuple(label if "w1" in text else 2 * label for label, text in zip(rows.labels, rows.texts, strict=True))
    found = measured(task_of({NAME: replace(rows, labels=labels, classes=("no", "some", "yes"))}))
    parts = {part for _, part in found["identity", "probe_auc", 1]}
    assert parts == {f"{NAME} {kind}" for kind in ("no", "some", "yes")}
    assert found["identity", "probe_auc", 1][1, f"{NAME} no"] == 1


def test_the_best_k_is_chosen_on_validation_texts(task_of) -> None:
    """Where k = 2 does better on the test texts but no better in validation, k = 1 stays."""
    scores = {"1": {"auc": 0.6, "validation": 0.9}, "2": {"auc": 0.8, "validation": 0.9}}
    kept = {k: {NAME: {"accuracy": 0.5, "f1": 0.5} | rest} for k, rest in scores.items()}
    dense = {NAME: {"auc": 0.5}}
    task = replace(task_of(), kept=lambda name, work: dense if name == "dense" else kept)
    assert measured(task)["topk", "probe_best_delta"][1, NAME] == pytest.approx(0.1)


def test_a_kill_costs_one_subject(task_of, tmp_path: Path) -> None:
    task, asked = task_of(), []

    def interrupted(name, work):
        asked.append(name)
        if name == "topk, seed 2" and asked.count(name) == 1:
            raise KeyboardInterrupt
        return KeptParts(tmp_path / "parts.jsonl")(name, lambda: (made.append(name), work())[1])

    made: list[str] = []
    task = replace(task, kept=interrupted)
    with pytest.raises(KeyboardInterrupt):
        measured(task)
    again = measured(task)
    assert made == ["dense", "identity, seed 1", "identity, seed 2", "topk, seed 1", "topk, seed 2"]
    assert json.dumps(list(again.values()).__repr__()) == json.dumps(list(measured(task_of()).values()).__repr__())


def test_what_cannot_be_probed_is_refused(task_of) -> None:
    with pytest.raises(EvaluationError, match="k = 20 of 16 latents"):
        measured(task_of(ks=(1, 20)))
    with pytest.raises(EvaluationError, match="not labelled"):
        measured(task_of({NAME: replace(texts(), labels=())}))
    with pytest.raises(EvaluationError, match="one class"):
        measured(task_of({NAME: replace(texts(), labels=(1,) * 90)}))
    with pytest.raises(EvaluationError, match="2 different documents"):
        measured(task_of({NAME: texts(4)}))
    for wrong in ({"pooling": "max"}, {"ks": ()}, {"ks": (2, 2)}, {"strengths": (0.0,)}, {"train_rows": 1}):
        with pytest.raises(ValueError, match="|".join(wrong)):
            SparseProbingSettings(**wrong)


def test_latents_are_ranked_by_scaled_or_raw_difference_and_ties_by_number() -> None:
    latents = torch.tensor([[9.0, 1, 0, 0], [9.0, 1, 0, 0], [7.0, 0, 0, 1], [7.0, 0, 0, 1]])
    labels = torch.tensor([1, 1, 0, 0])
    assert telling(latents, labels, scaled=False).tolist() == [0, 1, 3, 2]
    assert telling(latents, labels, scaled=True).tolist() == [1, 3, 0, 2]


STUDY = small_study(
    "probes",
    sae("relu", 24),
    """
[[benchmark]]
name = "sparse_probing"
settings = { sets = ["file:words.jsonl"], ks = [1, 5], train_rows = 60, test_rows = 30 }
""",
    width=16,
    seeds=(1, 2),
    steps=2,
)


def test_a_study_probes_a_file_of_its_own(tmp_path: Path) -> None:
    rows = texts(120)
    lines = [json.dumps({"text": t, "label": rows.classes[n]}) for t, n in zip(rows.texts, rows.labels, strict=True)]
    (tmp_path / "words.jsonl").write_text("\n".join(lines))
    assert run_study(STUDY, tmp_path).warnings == []
    evidence = json.loads(bundle.read(tmp_path / "out").files["evidence/sparse_probing.site.json"])
    assert evidence["outcome"] == {"status": "completed"}
    assert [(text["name"], text["rows"]) for text in evidence["texts"]] == [(NAME, 120)]
    found = {m["metric"]["name"]: m["observations"] for m in evidence["measurements"]}
    assert {(*o["seeds"], o["part"]) for o in found["probe_auc"]} == {(1, NAME), (2, NAME)}
    assert found["dense_probe_auc"][0]["value"] > 0.9  # a sum of words of which one is always one of two
