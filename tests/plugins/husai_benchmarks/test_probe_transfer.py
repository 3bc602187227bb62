"""Probes that transfer, probes that do not, and a score at home beside each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from husai_architectures.relu import Relu
from husai_benchmarks.probe_transfer import ProbeTransfer, ProbeTransferSettings, halves
from husai_core import Coder, Dims, EvaluationError, Measurement, Task, TextSet, UsageError
from husai_core.benchmark import Read
from husai_core.site import Site

WORDS = 30  # the first of them good, the next bad, then what a domain says anyway


class Words:
    """A model whose activation is the word itself, one dimension each."""

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: Any) -> Read:
        tokens = [list(map(int, text.split()))[:limit] for text in texts]
        ends = torch.tensor(list(map(len, tokens))).cumsum(0).tolist()
        rows = torch.eye(WORDS)[torch.tensor([one for ids in tokens for one in ids])]
        return Read(rows, rows, [(e - len(ids), e) for e, ids in zip(ends, tokens, strict=True)], tokens)


def domain(name: str, says: Sequence[int], turned: bool = False, count: int = 60, seed: int = 0) -> TextSet:
    """Good documents hold word 0, bad ones word 1, or the other way round; the rest is the domain's own."""
    drawn = random.Random(f"{name} {seed}")
    found, labels = [], []
    for number in range(count):
        label = number % 2
        words = [str(drawn.choice(says)) for _ in range(drawn.randint(4, 9))]
        words.insert(drawn.randint(0, len(words) - 1), str(int(label == turned)))
        found.append(" ".join(words))
        labels.append(label)
    return TextSet(name, tuple(found), tuple(labels), ("bad", "good"))


def says_words(seed: int) -> Coder:
    weights = {"W_enc": torch.eye(WORDS), "b_enc": torch.zeros(WORDS), "W_dec": torch.eye(WORDS)}
    weights = {**weights, "b_dec": torch.zeros(WORDS)}
    return Coder(Relu(), Relu.Settings(), Dims(WORDS, WORDS, WORDS), seed, weights, None)


CHOSEN = ProbeTransferSettings(
    ("t:home", "t:like", "t:turned"), documents=40, limit=9, poolings=("mean", "max"), top=12
)
SETS = {
    "t:home": domain("t:home", range(2, 12)),
    "t:like": domain("t:like", range(8, 24)),
    "t:turned": domain("t:turned", range(2, 12), turned=True),
}


def make_task(chosen: ProbeTransferSettings = CHOSEN, sets: dict[str, TextSet] = SETS) -> Task:
    nothing = torch.zeros(1, WORDS)
    return Task(
        site=Site("s", "m", "h", "h"),
        conditions={"a": [says_words(seed) for seed in (1, 2)]},
        test_in=nothing,
        test_out=nothing,
        metrics=[],
        settings=chosen,
        progress=lambda done, note: None,
        texts=sets,
        reader=Words(),
    )


Found = dict[tuple[str, tuple[Any, ...]], Measurement]


def run(task: Task) -> Found:
    return {(m.metric, tuple(m.setting.values())): m for m in ProbeTransfer().measure(task)}


@pytest.fixture(scope="module")
def found() -> Found:
    return run(make_task())


def value(found: Found, metric: str, train: str, test: str, on: str = "latents", how: str = "mean plain") -> float:
    return found[metric, (train, test, on, *how.split())].observations[0].value


@pytest.mark.parametrize("aggregation", CHOSEN.aggregations)
@pytest.mark.parametrize("pooling", CHOSEN.poolings)
def test_a_probe_at_one_at_home_may_be_at_nought_away(found: Found, pooling: str, aggregation: str) -> None:
    how = f"{pooling} {aggregation}"
    assert value(found, "transfer_auc", "t:home", "t:home", how=how) > 0.9
    assert value(found, "transfer_auc", "t:home", "t:like", how=how) > 0.9
    assert value(found, "transfer_auc", "t:home", "t:turned", how=how) < 0.1
    assert value(found, "probe_transfer_drop", "t:home", "t:turned", how=how) > 0.8
    assert value(found, "transfer_auc", "t:turned", "t:turned", how=how) > 0.9


def test_a_drop_is_home_minus_away_of_the_same_seed_and_there_is_none_at_home(found: Found) -> None:
    for (metric, setting), measurement in found.items():
        assert [o.seeds for o in measurement.observations] == [(1,), (2,)]
        train, test, *rest = setting
        if metric == "transfer_auc":
            assert measurement.chance == 0.5
            assert (("probe_transfer_drop", setting) in found) == (train != test)
        else:
            home, away = (found["transfer_auc", (train, which, *rest)].observations for which in (train, test))
            for drop, one, other in zip(measurement.observations, home, away, strict=True):
                assert drop.value == one.value - other.value


def test_activations_are_probed_beside_the_latents(found: Found) -> None:
    """Here they are the same; those aggregations that need a zero that means something are for latents alone."""
    on = {setting[2:] for _, setting in found}
    assert {rest[2] for rest in on if rest[0] == "activations"} == {"plain", "zscore", "quantile"}
    for how in ("mean plain", "max quantile"):
        pair = [value(found, "transfer_auc", "t:home", "t:like", which, how) for which in ("latents", "activations")]
        assert pair[0] == pair[1]


def test_the_score_is_that_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    hard = {name: replace(one, labels=one.labels[:10][::-1] + one.labels[10:]) for name, one in SETS.items()}
    found = run(make_task(replace(CHOSEN, aggregations=("plain",)), hard))
    home, like = halves([hard[name] for name in CHOSEN.sets], CHOSEN.documents)[:2]
    x, y = ([torch.eye(WORDS)[list(map(int, t.split()))].mean(0) for t in one.texts] for one in (home, like))
    train, test = torch.stack(x[:20]).double(), torch.stack(y[20:]).double()
    scale = train.square().mean().sqrt()
    from husai_benchmarks.probes import STRENGTHS

    folds = [(torch.arange(20) // 2 % 3) != fold for fold in range(3)]
    labels = torch.tensor(home.labels[:20])

    def fitted(strength: float, rows: torch.Tensor) -> Any:
        probe = linear_model.LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
        return probe.fit((train / scale)[rows], labels[rows])

    def seen(strength: float) -> float:
        parts = ((fitted(strength, rows), ~rows) for rows in folds)
        aucs = [
            metrics.roc_auc_score(labels[rest], p.decision_function((train / scale)[rest]).round(9))
            for p, rest in parts
        ]
        return sum(aucs) / 3

    best = max(STRENGTHS, key=seen)
    decided = fitted(best, torch.ones(20, dtype=torch.bool)).decision_function(test / scale)
    expected = metrics.roc_auc_score(like.labels[20:], decided.round(9))
    assert value(found, "transfer_auc", "t:home", "t:like") == pytest.approx(expected, abs=0.02)


def test_the_order_of_the_documents_decides_nothing(found: Found) -> None:
    turned = {name: one.only(range(len(one.texts))[::-1]) for name, one in SETS.items()}
    assert {k: m.observations for k, m in run(make_task(sets=turned)).items()} == {
        k: m.observations for k, m in found.items()
    }


def test_halves_are_balanced_and_nothing_stands_twice() -> None:
    home, like = SETS["t:home"], SETS["t:like"]
    both = replace(like, texts=like.texts + home.texts[:4] + like.texts[:2], labels=like.labels + (0, 1) * 3)
    one, other = halves([home, both], 40)
    assert not {*one.texts} & {*other.texts}
    assert not {*home.texts[:4]} & {*one.texts, *other.texts}
    for found in (one, other):
        assert len({*found.texts}) == 40
        assert found.labels == (0, 1) * 20
    with pytest.raises(EvaluationError, match=r"t:home has 28 documents of a class.*'documents' to 56"):
        halves([home, both], 60)


def test_sets_of_other_classes_are_refused() -> None:
    other = replace(SETS["t:like"], classes=("no", "yes"))
    with pytest.raises(UsageError, match="the same two classes"):
        halves([SETS["t:home"], other], 40)
    unlabelled = TextSet("t:x", SETS["t:like"].texts)
    with pytest.raises(UsageError, match="the same two classes"):
        halves([unlabelled, unlabelled], 40)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sets": ("a:b",)}, "sets"),
        ({"poolings": ("mode",)}, "poolings has 'mode'"),
        ({"aggregations": ("binari",)}, "did you mean 'binary'"),
        ({"aggregations": ()}, "aggregations"),
        ({"folds": 1}, "folds"),
        ({"documents": 42}, "multiple of 4"),
        ({"top": 0}, "top"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ProbeTransferSettings(**wrong)
