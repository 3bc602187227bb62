"""Selectivity: planted latents are found, shuffled labels find none, probes are judged on documents they never saw."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from husai_benchmarks.contrast import active_enough, ranking, selectivity, shuffled_shares
from husai_benchmarks.differential_probe import FOLDS, Selection, fold_of, learn
from husai_benchmarks.distributions import distribution
from husai_benchmarks.selectivity import Selectivity, SelectivitySettings, document_means
from husai_core import Coder, Dims, Task, TextSet, UsageError
from husai_core.benchmark import Read
from husai_core.settings import parse_settings
from husai_core.site import Site
from husai_tests.studies import sae, small_study


def drawn(documents: int, latents: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Sparse means without any relation to the labels."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.rand(documents, latents, generator=generator, dtype=torch.float64)
    means *= torch.rand(documents, latents, generator=generator) < 0.4
    return means, torch.arange(documents) % 2


@given(st.lists(st.tuples(st.floats(0, 9), st.integers(0, 1)), min_size=2, max_size=12))
def test_selectivity_is_its_definition(rows: Sequence[tuple[float, int]]) -> None:
    labels = [label for _, label in rows]
    if len(set(labels)) < 2:
        return
    a, b = ([value for value, own in rows if own == label] for label in (0, 1))
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    expected = (mean_a - mean_b) / (mean_a + mean_b) if mean_a + mean_b else 0.0
    means = torch.tensor([[value] for value, _ in rows], dtype=torch.float64)
    assert float(selectivity(means, torch.tensor(labels))[0]) == pytest.approx(expected, abs=1e-9)


def test_only_latents_beyond_the_threshold_and_active_enough_rank_and_the_strongest_is_first() -> None:
    scores = torch.tensor([0.1, -0.9, 0.4, 1.0, 0.3])
    assert ranking(scores, torch.tensor([True, True, True, False, True]), 0.3).tolist() == [1, 2]
    means = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    assert active_enough(means, 2).tolist() == [True, False]


def test_without_a_relation_as_many_latents_are_selective_as_for_shuffled_labels() -> None:
    means, labels = drawn(60, 800)
    eligible = active_enough(means, 3)
    share = float(((selectivity(means, labels).abs() > 0.3) & eligible).double().mean())
    shuffled = shuffled_shares(means, labels, eligible, 0.3, 200, torch.Generator().manual_seed(0))
    assert len(shuffled) == 200
    assert share == pytest.approx(float(shuffled.mean()), abs=0.04)
    assert share > 0.05  # and these are many: a count alone says nothing


def test_a_planted_latent_is_chosen_and_the_penalty_leaves_the_others() -> None:
    means, labels = drawn(200, 40)
    means[:, 7] = 2.0 * labels + 0.1
    probe = learn(means, labels, Selection(0.3, 3), 10, 10, 0.01)
    assert probe.latents[0] == 7
    assert probe.used == 1
    assert float(probe.weights[0]) > 0
    assert bool(((probe.decide(means) > 0) == (labels == 1)).all())


def test_without_a_selective_latent_the_probe_knows_nothing() -> None:
    means = torch.ones(40, 5, dtype=torch.float64)
    probe = learn(means, torch.arange(40) % 2, Selection(0.3, 1), 10, 5, 0.01)
    assert (probe.used, len(probe.latents)) == (0, 0)
    assert len(set(probe.decide(means).tolist())) == 1


def test_folds_have_both_classes() -> None:
    labels = torch.tensor([0] * 9 + [1] * 5)
    fold = fold_of(labels)
    assert all({0, 1} <= set(labels[fold == n].tolist()) for n in range(FOLDS))


def labelled(name: str, rows: Sequence[tuple[str, int]], classes: tuple[str, ...] = ("no", "yes")) -> TextSet:
    return TextSet(name, tuple(text for text, _ in rows), tuple(label for _, label in rows), classes)


def test_documents_are_told_apart_before_they_are_split() -> None:
    rows = [(f"text {n}", n % 2) for n in range(40)] + [("TEXT  3", 1), ("text 4", 1)]
    found = distribution("t:t", {"t:t": labelled("t:t", rows)})
    assert len(found.texts) == 39  # one is there twice, one stands under both classes
    train, test = found.halves(0.25, 0)
    assert not set(train.texts) & set(test.texts)
    assert (len(train.texts), len(test.texts)) == (29, 10)
    assert abs(sum(test.labels) - 5) <= 1
    assert found.halves(0.25, 1) != (train, test)
    assert found.without(train.texts).texts == test.texts
    assert sorted(found.at_most(3, 0).labels) == [0, 0, 0, 1, 1, 1]


def test_two_sets_are_a_class_each_and_more_classes_are_chosen_from() -> None:
    library = {name: TextSet(name, tuple(f"{name} {n}" for n in range(3))) for name in ("a:1", "a:2")}
    found = distribution(("a:1", "a:2"), library)
    assert (found.labels, found.classes) == ((0, 0, 0, 1, 1, 1), ("a:1", "a:2"))
    three = {"t:t": labelled("t:t", [("x", 0), ("y", 1), ("z", 2)], ("p", "q", "r"))}
    chosen = distribution("t:t", three, ("r", "p"))
    assert list(zip(chosen.texts, chosen.labels, strict=True)) == [("x", 1), ("z", 0)]
    with pytest.raises(UsageError, match="3 classes"):
        distribution("t:t", three)
    with pytest.raises(UsageError, match="no class 's'"):
        distribution("t:t", three, ("s", "p"))
    with pytest.raises(UsageError, match="no labels"):
        distribution("a:1", library)
    with pytest.raises(UsageError, match="too few"):
        found.halves(0.3, 0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"texts": ()}, "texts"),
        ({"classes": ("a",)}, "classes"),
        ({"test_share": 1.0}, "test_share"),
        ({"threshold": 1.0}, "threshold"),
        ({"documents": 0}, "documents"),
        ({"tokens": 1}, "BOS"),
        ({"features": (5, 5)}, "features"),
        ({"weakest_penalty": 0.0}, "weakest_penalty"),
        ({"shuffles": 1}, "shuffles"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SelectivitySettings(**{"texts": ("t:t",), **wrong})


class Words:
    """A model whose activation at a word is that word's own direction."""

    def __init__(self, width: int) -> None:
        self.width, self.asked = width, 0

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: Any) -> Read:
        self.asked += 1
        ids = [[int(word) for word in text.split()][: limit - 1] for text in texts]
        ends = torch.tensor([len(one) for one in ids]).cumsum(0).tolist()
        rows = torch.eye(self.width)[[n for one in ids for n in one]]
        spans = [(end - len(one), end) for one, end in zip(ids, ends, strict=True)]
        return Read(rows, rows, spans, ids)


def identity(width: int, coder_of: Callable[..., Coder], seed: int = 0) -> Coder:
    """A coder whose latents are the words."""
    coder = coder_of(seed, dims=(width, width, width), k=1)
    coder.params.update(
        W_enc=torch.eye(width), W_dec=torch.eye(width), b_enc=torch.zeros(width), b_dec=torch.zeros(width)
    )
    return Coder(coder.architecture, coder.settings, Dims(width, width, width), seed, coder.params, None)


def documents(name: str, count: int, seed: int, planted: dict[int, int], width: int = 12) -> TextSet:
    """Random words; each class has a word of its own in every document."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for number in range(count):
        words = torch.randint(4, width, (5,), generator=generator).tolist()
        rows.append((" ".join(map(str, [planted[number % 2], *words])), number % 2))
    return labelled(name, rows)


@pytest.fixture
def task(coder_of: Callable[..., Coder]) -> Task:
    sets = [documents("t:home", 80, 0, {0: 0, 1: 1}), documents("t:away", 40, 1, {0: 1, 1: 0})]
    chosen = SelectivitySettings(("t:home",), transfer=("t:away",), features=(1, 4), penalties=5, active_in=5)
    coders = {"a": [identity(12, coder_of, seed) for seed in (3, 5)]}
    x = torch.zeros(1, 12)
    texts = {found.name: found for found in sets}
    return Task(Site("s", "m", "h", "h"), coders, x, x, [], chosen, lambda f, n: None, texts=texts, reader=Words(12))


def test_document_means_are_means_over_tokens_whatever_the_length(coder_of: Any) -> None:
    read = Words(4).read(["0 0 1", "2", "3 1 1 1"], 9, last=False, progress=None)
    coder = identity(4, coder_of)
    expected = [2 / 3, 1 / 3, 0, 0, 0, 0, 1, 0, 0, 0.75, 0, 0.25]
    assert document_means(coder, read).flatten().tolist() == pytest.approx(expected)


def test_a_probe_that_is_perfect_at_home_is_seen_to_be_wrong_elsewhere(task: Task) -> None:
    """Away, the word of one class is that of the other: 1.0 at home is 0.0 there."""
    found = {(m.metric, json.dumps(dict(m.setting))): m for m in Selectivity().measure(task)}

    def values(metric: str, **setting: Any) -> list[float]:
        return [o.value for o in found[metric, json.dumps(setting)].observations]

    assert values("differential_probe_auc", features=4, test="home") == [1.0, 1.0]
    assert values("differential_probe_auc", features=4, test="t:away") == [0.0, 0.0]
    assert values("differential_probe_weights", features=1) == [1.0, 1.0]
    assert values("selective_latents", labels="true") >= [2 / 12, 2 / 12]
    excess = values("selective_latents", labels="true")[0] - values("selective_latents", labels="shuffled")[0]
    assert values("selective_excess") == pytest.approx([excess] * 2)
    assert found["differential_probe_auc", '{"features": 4, "test": "home"}'].chance == 0.5
    assert [o.seeds for m in found.values() for o in m.observations] == [(3,), (5,)] * len(found)


def test_the_model_reads_once_for_all_coders_and_transfer_has_no_training_document(task: Task) -> None:
    list(Selectivity().measure(task))
    assert task.model.asked == 3  # type: ignore[attr-defined]
    home = task.texts["t:home"]
    same = {"t:home": home, "t:away": labelled("t:away", list(zip(home.texts, home.labels, strict=True)))}
    _, tests = Selectivity()._distributions(Task(**{**vars(task), "texts": same}))
    assert set(tests["t:away"].texts) == set(tests["home"].texts)


def test_the_sets_that_are_read_are_named_once() -> None:
    table = {"texts": ["a:1", "a:2"], "transfer": ["a:3", ["a:1", "a:4"]]}
    chosen = parse_settings(SelectivitySettings, table, "here")
    assert Selectivity().reads(chosen) == ["a:1", "a:2", "a:3", "a:4"]


STUDY = small_study(
    "selectivity",
    sae("topk", 16, 4),
    """
[[benchmark]]
name = "selectivity"
settings = { texts = ["file:home.jsonl"], transfer = ["file:away.jsonl"], features = [2, 4], active_in = 3 }
""",
)


def test_a_study_with_it_is_sound(tmp_path: Path, run_study: Callable[..., dict[str, bytes]]) -> None:
    for name, seed in (("home", 0), ("away", 1)):
        found = documents("t:t", 40, seed, {0: 0, 1: 1})
        rows = ({"text": text, "label": label} for text, label in zip(found.texts, found.labels, strict=True))
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = run_study(STUDY)
    evidence = json.loads(files["evidence/selectivity.site.json"])
    assert evidence["outcome"] == {"status": "completed"}
    settings_seen = {json.dumps(m["setting"], sort_keys=True) for m in evidence["measurements"]}
    assert '{"features": 2, "test": "file:away.jsonl"}' in settings_seen
    assert {len(m["observations"]) for m in evidence["measurements"]} == {3}
