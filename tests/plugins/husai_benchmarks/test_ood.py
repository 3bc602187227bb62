"""Shifts: nothing is lost at home, much on words never seen, and what was trained on is no test."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from husai_architectures.topk import TopK, TopKSettings
from husai_benchmarks.drawing import OWN, TrainingRuns
from husai_benchmarks.ood import OutOfDistribution, OutOfDistributionSettings
from husai_core import Coder, Corpus, Dims, EvaluationError, Measurement, Task, TextSet, UsageError, bundle
from husai_core.benchmark import Read
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable, installed_entry_points
from husai_core.site import Site
from husai_core.study import parse_study
from husai_core.testing import tiny
from husai_gates.audit import audit
from husai_gates.plots import make_plots
from husai_metrics.cosine import Cosine
from husai_metrics.dead_fraction import DeadFraction
from husai_metrics.explained_variance import ExplainedVariance
from husai_metrics.l0 import L0
from husai_metrics.mse import MeanSquaredError

METRICS = [Cosine(), DeadFraction(), ExplainedVariance(), L0(), MeanSquaredError()]
KNOWN, NEW = range(1, 41), range(41, 81)  # words that the dictionary can say, and words that it cannot
WORDS = 12


class Words:
    """A model whose activation is the direction of the word; of a new word in dimensions that no latent reads."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.embed = torch.randn(81, 8, generator=generator)
        self.embed[1:41, 4:] *= 1e-3
        self.embed[41:, :4] *= 1e-3
        self.trained = torch.randint(1, 41, (20, 8), generator=generator)
        self.trained[:, 0] = 0
        self.read_from: list[str] = []
        self.loaded = 0

    def tokens(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        return [[0, *map(int, text.split())][:limit] for text in texts]

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: Any) -> Read:
        self.read_from += texts
        tokens = [ids[1:] for ids in self.tokens(texts, limit)]
        ends = torch.tensor([len(ids) for ids in tokens]).cumsum(0).tolist()
        rows = self.embed[torch.tensor([one for ids in tokens for one in ids])]
        return Read(rows, rows, [(e - len(ids), e) for e, ids in zip(ends, tokens, strict=True)], tokens)

    def network(self) -> Any:
        self.loaded += 1
        return self

    def run_with_cache(self, tokens: torch.Tensor, *, names_filter: Any, stop_at_layer: Any) -> Any:
        """Knows that words are old ones, and no more."""
        logits = torch.zeros(*tokens.shape, 81)
        logits[..., 1:41] = 1.0
        return logits, {}

    def corpus(self) -> Corpus:
        return Corpus(self.trained, tuple(range(1, 8)), torch.arange(12), torch.arange(12, 20))


def texts(name: str, words: Sequence[int], count: int = 30, seed: int = 0) -> TextSet:
    drawn = random.Random(seed)
    return TextSet(name, tuple(" ".join(str(drawn.choice(words)) for _ in range(WORDS)) for _ in range(count)))


def knows_old_words(seed: int) -> Coder:
    """Both signs of the first four dimensions, and nothing of the other four; worse with the seed."""
    signed = torch.cat([torch.eye(8)[:4], -torch.eye(8)[:4]])
    weights = {"W_enc": signed.T * (1 - 0.01 * seed), "b_enc": torch.zeros(8), "W_dec": signed, "b_dec": torch.zeros(8)}
    return Coder(TopK(), TopKSettings(k=8), Dims(8, 8, 8), seed, weights, None)


CHOSEN = OutOfDistributionSettings(
    home="t:home",
    shifts=("t:new",),
    documents=10,
    limit=8,
    shared_run=4,
    loss_documents=2,
    rows_per_slice=20,
    per_document=("cosine", "explained_variance", "l0", "mse"),
)


def make_task(chosen: OutOfDistributionSettings = CHOSEN, **sets: TextSet) -> Task:
    model = Words()
    named = {"t:home": texts("t:home", KNOWN), "t:new": texts("t:new", NEW, seed=1)} | {
        f"t:{name}": found for name, found in sets.items()
    }
    corpus = model.corpus()
    rows = model.embed[corpus.tokens[corpus.test][:, 1:]].flatten(0, 1)
    return Task(
        site=Site("s", "m", "h", "h"),
        conditions={"a": [knows_old_words(seed) for seed in (1, 2, 3)]},
        test_in=rows,
        test_out=rows,
        metrics=METRICS,
        settings=chosen,
        progress=lambda done, note: None,
        texts={name: named[name] for name in OutOfDistribution().reads(chosen)},
        reader=model,
    )


Found = dict[tuple[str, tuple[tuple[str, Any], ...]], Measurement]


def run(task: Task) -> Found:
    return {(m.metric, tuple(sorted(m.setting.items()))): m for m in OutOfDistribution().measure(task)}


def mean(found: Found, metric: str, /, **setting: str) -> float:
    values = [o.value for o in found[metric, tuple(sorted(setting.items()))].observations]
    return sum(values) / len(values)


def test_words_never_seen_cost_nearly_everything() -> None:
    found = run(make_task())
    assert mean(found, "explained_variance", set="t:home") > 0.99
    assert mean(found, "ood_drop", metric="explained_variance", shift="t:new") > 0.95
    assert mean(found, "ood_relative_drop", metric="explained_variance", shift="t:new") > 0.95
    assert mean(found, "ood_activation_drop", metric="mse", shift="t:new") > 0.1
    assert mean(found, "ood_relative_drop", metric="mse", shift="t:new") > 1
    assert mean(found, "token_loss", set="t:new") == pytest.approx(mean(found, "token_loss", set="t:home") + 1)


def test_a_drop_is_the_difference_over_all_rows_of_each_seed() -> None:
    task = make_task()
    found = run(task)
    for name in ("cosine", "explained_variance", "mse"):
        sign = -1 if name == "mse" else 1
        absolute = "ood_activation_drop" if name == "mse" else "ood_drop"
        drops = found[absolute, (("metric", name), ("shift", "t:new"))].observations
        home, new = (found[name, (("set", which),)].observations for which in ("t:home", "t:new"))
        for coder, drop, before, after in zip(task.conditions["a"], drops, home, new, strict=True):
            assert drop.seeds == before.seeds == after.seeds == (coder.seed,)
            assert drop.value == sign * (before.value - after.value)
    assert not [key for key in found if "drop" in key[0] and ("metric", "l0") in key[1]]


def test_nothing_is_lost_where_home_and_shift_are_the_same() -> None:
    same = texts("t:same", KNOWN)
    found = run(make_task(replace(CHOSEN, shifts=("t:same",)), same=same))
    drops = [m for key, m in found.items() if key[0] in ("ood_drop", "ood_activation_drop")]
    assert len(drops) == 4 + 3
    assert all(o.value == 0 for m in drops for o in m.observations)


def test_more_of_the_same_words_cost_next_to_nothing() -> None:
    wider = replace(CHOSEN, shifts=("t:other",), documents=25)
    found = run(make_task(wider, other=texts("t:other", KNOWN, seed=5)))
    assert abs(mean(found, "ood_drop", metric="explained_variance", shift="t:other")) < 0.01


def test_the_mean_over_documents_is_the_value_over_all_rows() -> None:
    """Of metrics that are means over rows; explained variance has a mean of its own in each document."""
    found = run(make_task())
    for name in ("cosine", "l0", "mse"):
        assert mean(found, name, set="t:new", per="document") == pytest.approx(mean(found, name, set="t:new"))
    parts: dict[tuple[int, ...], list[str]] = {}
    for observation in found["mse", (("per", "document"), ("set", "t:new"))].observations:
        parts.setdefault(observation.seeds, []).append(observation.part)
    assert list(parts) == [(1,), (2,), (3,)]
    assert parts[1,] == parts[2,] == parts[3,]
    assert len(set(parts[1,])) == CHOSEN.documents
    assert all(part.startswith("t:new, ") for part in parts[1,])
    assert ("dead_fraction", (("per", "document"), ("set", "t:new"))) not in found


def test_pairs_of_documents_lose_in_the_mean_what_is_lost_over_all_rows() -> None:
    found = run(make_task())
    for drop, name in (("ood_drop", "cosine"), ("ood_activation_drop", "mse")):
        about = {"metric": name, "shift": "t:new"}
        assert mean(found, drop, **about, per="document") == pytest.approx(mean(found, drop, **about))
    home, new, pairs = (
        found[metric, tuple(sorted(setting.items()))].observations
        for metric, setting in (
            ("cosine", {"set": "t:home", "per": "document"}),
            ("cosine", {"set": "t:new", "per": "document"}),
            ("ood_drop", {"metric": "cosine", "shift": "t:new", "per": "document"}),
        )
    )
    for one, other, pair in zip(home, new, pairs, strict=True):
        assert pair.value == one.value - other.value
        assert pair.part == f"{one.part}; {other.part}"
        assert pair.seeds == one.seeds == other.seeds


def test_a_condition_with_a_model_of_its_own_is_shown_what_that_model_shows() -> None:
    task = make_task()
    other = Words()
    other.embed = other.embed[[0, *NEW, *KNOWN]]  # what is new to the one is known to the other
    coders = task.conditions["a"]
    both = replace(task, conditions={"a": coders, "other": coders}, own_readers={"other": other})
    found: dict[str, Found] = {"a": {}, "other": {}}
    for m in OutOfDistribution().measure(both):
        found[m.condition][m.metric, tuple(sorted(m.setting.items()))] = m
    assert {key: m.observations for key, m in found["a"].items()} == {k: m.observations for k, m in run(task).items()}
    assert both.reader.loaded == 2  # once here and once in the run above, however many sets and seeds
    assert other.loaded == 1
    drops = [mean(one, "ood_drop", metric="explained_variance", shift="t:new") for one in found.values()]
    assert drops[0] > 0.95
    assert drops[1] < -0.95
    rows = other.embed[task.reader.corpus().tokens[task.reader.corpus().test][:, 1:]].flatten(0, 1)
    own = replace(both, own={"other": (rows, rows)}, settings=replace(CHOSEN, home="", documents=8, shared_run=6))
    seen = {m.condition: m for m in OutOfDistribution().measure(own) if m.metric == "mse" and m.setting == {"set": OWN}}
    assert seen["other"].observations[0].value > 10 * seen["a"].observations[0].value


def test_the_order_of_the_documents_decides_nothing() -> None:
    home = texts("t:home", KNOWN)
    turned = replace(home, texts=home.texts[::-1])
    one, other = run(make_task()), run(make_task(home=turned))
    assert one.keys() == other.keys()
    for key, measurement in one.items():
        values = [o.value for o in measurement.observations]
        assert values == [o.value for o in other[key].observations]


def test_a_document_that_stands_twice_is_read_once() -> None:
    home = texts("t:home", KNOWN, count=10)
    twice = replace(home, texts=tuple(text.replace(" ", "  ") for text in home.texts) + home.texts)
    task = make_task(home=twice)
    run(task)
    read = [" ".join(text.split()) for text in task.reader.read_from]
    assert sorted(read[:10]) == sorted(home.texts)
    with pytest.raises(EvaluationError, match="11 are wanted, 10 are left"):
        run(make_task(replace(CHOSEN, documents=11), home=twice))


def test_what_was_trained_on_is_left_out_and_counted() -> None:
    model = Words()
    trained, held_out = model.trained[3, 2:6].tolist(), model.trained[15, 2:6].tolist()
    clean = texts("t:home", KNOWN, count=10)
    leaks = tuple(" ".join(map(str, (*trained, *[n] * 8))) for n in range(1, 11))
    late = tuple(" ".join(map(str, (*[n] * 9, *trained))) for n in range(1, 11))  # beyond what is read
    fair = tuple(" ".join(map(str, (*held_out, *[n] * 8))) for n in range(1, 11))
    task = make_task(replace(CHOSEN, documents=20), home=replace(clean, texts=leaks + clean.texts + late + fair))
    found = run(task)
    assert sorted(task.reader.read_from[:20]) == sorted(clean.texts + fair)
    share = mean(found, "left_out_share", set="t:home", reason="trained on")
    assert 0 < share <= 0.5
    assert mean(found, "left_out_share", set="t:new", reason="trained on") == 0
    with pytest.raises(EvaluationError, match="20 share a run of 4 with the training rows; 21 are wanted, 20 are left"):
        run(replace(task, settings=replace(task.settings, documents=21)))


def test_runs_are_found_wherever_they_stand_and_only_whole() -> None:
    tokens = torch.tensor([[0, 1, 2, 3, 4, 5, 6], [0, 7, 8, 9, 1, 2, 9], [0, 5, 5, 5, 5, 5, 5]])
    runs = TrainingRuns(Corpus(tokens, (1,), torch.tensor([0, 1]), torch.tensor([2])), 3)
    assert runs.share([9, 9, 4, 5, 6, 9])
    assert runs.share([1, 2, 9])
    assert not runs.share([1, 2])
    assert not runs.share([1, 2, 4, 3, 2, 1])
    assert not runs.share([5, 5, 5])
    assert not runs.share([6, 7, 8])  # across the end of a row
    shorter = TrainingRuns(Corpus(tokens, (1,), torch.tensor([0, 1]), torch.tensor([2])), 99)
    assert shorter.length == 6
    assert shorter.share([1, 2, 3, 4, 5, 6])


def test_short_documents_are_left_out_and_counted() -> None:
    home = texts("t:home", KNOWN, count=10)
    short = tuple(f"{n} {n} {n}" for n in range(1, 31))
    task = make_task(home=replace(home, texts=short + home.texts))
    found = run(task)
    assert 0.5 < mean(found, "left_out_share", set="t:home", reason="fewer than 8 tokens") <= 0.75


def test_home_is_the_test_rows_where_no_text_is_named() -> None:
    chosen = replace(CHOSEN, home="", documents=8, shared_run=6)
    task = make_task(chosen)
    found = run(task)
    whole = ExplainedVariance()
    coder = task.conditions["a"][0]
    from husai_core import Reconstruction

    state = whole.update(None, Reconstruction(task.test_out, torch.zeros(1), coder.decode(coder.encode(task.test_in))))
    observed = found["explained_variance", (("set", OWN),)].observations[0].value
    assert observed == pytest.approx(whole.finish(state), rel=1e-6)
    with pytest.raises(UsageError, match="positions 1 to 7 of a row, not all up to 8"):
        run(make_task(replace(chosen, limit=9)))


def test_positions_that_the_site_does_not_read_are_read_in_no_set() -> None:
    task = make_task()
    late = task.reader.corpus()
    task.reader.corpus = lambda: replace(late, positions=tuple(range(3, 8)))
    found = run(replace(task, metrics=[*METRICS, Rows()]))
    assert mean(found, "rows_seen", set="t:new") == CHOSEN.documents * 5


class Rows(L0):
    """How many rows it was shown."""

    card = replace(L0.card, name="rows_seen")

    def finish(self, state: tuple[int, int]) -> float:
        return float(state[1])


def test_a_class_may_be_the_shift() -> None:
    old, new = texts("t:both", KNOWN, count=12), texts("t:both", NEW, count=12)
    both = TextSet("t:both", old.texts + new.texts, (0,) * 12 + (1,) * 12, ("old", "new"))
    found = run(make_task(replace(CHOSEN, shifts=("t:both#old", "t:both#new")), both=both))
    drops = [mean(found, "ood_drop", metric="explained_variance", shift=f"t:both#{name}") for name in ("old", "new")]
    assert drops[0] < 0.05 < 0.9 < drops[1]
    with pytest.raises(UsageError, match=r"no class 'odd'.*did you mean 'old'"):
        run(make_task(replace(CHOSEN, shifts=("t:both#odd",)), both=both))


def test_no_relative_drop_of_what_is_not_above_zero_at_home() -> None:
    found = run(make_task(replace(CHOSEN, home="t:new", shifts=("t:home",))))
    assert mean(found, "explained_variance", set="t:new") < 0
    about = (("metric", "explained_variance"), ("shift", "t:home"))
    assert ("ood_drop", about) in found
    assert ("ood_relative_drop", about) not in found


def test_a_part_of_the_work_that_was_done_is_not_done_again() -> None:
    kept: dict[str, Any] = {}

    def keep(name: str, work: Callable[[], Any]) -> Any:
        return kept.setdefault(name, json.loads(json.dumps(work())) if name not in kept else None)

    first = run(replace(make_task(), kept=keep))
    assert len(kept) == 2 * 3 + 2
    assert run(replace(make_task(), kept=keep)).keys() == first.keys()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        run(make_task(replace(CHOSEN, per_document=("cosines",))))
    for wrong in (
        {"shifts": ()},
        {"shifts": ("a:b", "a:b")},
        {"documents": 1},
        {"limit": 2},
        {"shared_run": 1},
        {"loss_documents": -1},
        {"rows_per_slice": 0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            OutOfDistributionSettings(**wrong)
    task = make_task()
    for coder in task.conditions["a"]:
        coder.params["W_dec"].fill_(float("inf"))
    with pytest.raises(EvaluationError, match=r"a, seed 1, t:home: .* is not finite"):
        run(replace(task, metrics=[MeanSquaredError()], settings=replace(CHOSEN, per_document=("mse",))))


STUDY = """
schema = "husai:study/v1"
name = "shifts"
question = "Is a study with shifts judged from end to end?"

[[site]]
name = "site"
model = "tiny"
settings = { width = 8, tokens = 64 }

[training]
seeds = [1, 2]
steps = 20
batch_size = 32
learning_rate = 1e-2

[[sae]]
name = "relu"
architecture = "relu"
role = "candidate"
d_sae = 16

[[benchmark]]
name = "ood"
settings = { home = "file:home.jsonl", shifts = ["SHIFT"], documents = 6, limit = 4 }
"""


class Listener:
    def start(self, label: str, number: int, total: int) -> None: ...

    def progress(self, fraction: float, note: str) -> None: ...

    def finish(self, label: str, *, cached: bool, seconds: float) -> None: ...

    def warn(self, text: str) -> None: ...


def evidence(folder: Path, shift: str) -> dict[str, Any]:
    drawn = random.Random(0)
    for name, letters in (("home", "abcdefghij"), ("shift", "klmnopqrst")):
        rows = [{"text": " ".join(drawn.choice(letters) * 3 for _ in range(5))} for _ in range(60)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = PluginTable([*installed_entry_points(), tiny.ENTRY_POINT])
    plan = make_plan(parse_study(STUDY.replace("SHIFT", shift).encode(), str(folder / "study.toml")), table)
    run_plan(plan, folder / "out", Cache(folder / "cache"), Listener(), 1, None, lambda files: {})
    found: dict[str, Any] = json.loads(bundle.read(folder / "out").files["evidence/ood.site.json"])
    return found


def test_a_study_with_shifts_runs_from_end_to_end(tmp_path: Path) -> None:
    found = evidence(tmp_path, "file:shift.jsonl")
    assert found["outcome"] == {"status": "completed"}
    assert [read["name"] for read in found["texts"]] == ["file:home.jsonl", "file:shift.jsonl"]
    measured = {m["metric"]["name"] for m in found["measurements"]}
    assert {"ood_drop", "left_out_share", "explained_variance"} <= measured
    assert "token_loss" not in measured  # the tiny model predicts nothing
    made = bundle.read(tmp_path / "out")
    assert audit(made).findings == ()
    pytest.importorskip("matplotlib")
    assert "plots/drops.ood.site.png" in make_plots(made.files)


def test_without_the_package_of_a_shift_it_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUSAI_DATA", raising=False)
    outcome = evidence(tmp_path, "sentiment:nyt")["outcome"]
    assert outcome["status"] == "skipped"
    assert "pip download" in outcome["next_step"]
