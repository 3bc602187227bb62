"""CE-Bench: modes, what each counts, an observation per row, and what it refuses, each with its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch

from husai_benchmarks.ce_bench import CEBench, CEBenchSettings, husai_metrics
from husai_benchmarks.contrastive_scores import official, story_means
from husai_core import Coder, Dims, EvaluationError, Measurement, Skipped, Task, TextSet
from husai_core.benchmark import Read
from husai_core.bundle import Snapshot
from husai_core.settings import parse_settings
from husai_core.site import Site
from husai_core.texts import TextPair
from husai_gates import policy
from husai_gates.pipeline import decide
from husai_gates.views import make_views
from husai_tests.studies import sae, small_study

WIDTH = 6
HOOKS = ("blocks.0.first", "blocks.0.second")


class Words:
    """A model that shows at a word that word's own direction, in two hooks; word 0 is BOS, and large."""

    def __init__(self, size: float = 1.0) -> None:
        self.embed = torch.eye(WIDTH) * size
        self.embed[0] *= 9
        self.loaded = 0

    def tokens(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        return [[0, *map(int, text.split())][:limit] for text in texts]

    def read(self, texts: Sequence[str], limit: int, *, last: bool, progress: Any) -> Read:
        ids = [one[1:] for one in self.tokens(texts, limit)]
        ends = torch.tensor([len(one) for one in ids]).cumsum(0).tolist()
        rows = self.embed[[n for one in ids for n in one]]
        return Read(rows, rows, [(end - len(one), end) for one, end in zip(ids, ends, strict=True)], ids)

    def network(self) -> Any:
        self.loaded += 1
        return self

    def run_with_cache(self, tokens: torch.Tensor, *, names_filter: list[str], stop_at_layer: int | None) -> Any:
        shown = self.embed[tokens]
        halves = dict(zip(HOOKS, shown.split(WIDTH // 2, -1), strict=True))
        return None, {hook: halves[hook] for hook in names_filter}


def identity(coder_of: Callable[..., Coder], seed: int, width: int = WIDTH) -> Coder:
    """A coder whose latents are the words, and none beyond them."""
    coder = coder_of(seed, dims=(WIDTH, width, WIDTH), k=width)
    weights = torch.zeros(WIDTH, width)
    weights[:, :WIDTH] = torch.eye(WIDTH)
    coder.params.update(W_enc=weights, W_dec=weights.T.clone(), b_enc=torch.zeros(width), b_dec=torch.zeros(WIDTH))
    return Coder(coder.architecture, coder.settings, Dims(WIDTH, width, WIDTH), seed, coder.params, None)


def pairs(*rows: tuple[str, str], name: str = "t:pairs") -> TextSet:
    texts = tuple(story for row in rows for story in row)
    return TextSet(name, texts, pairs=tuple(TextPair(2 * n, 2 * n + 1, f"subject {n}") for n in range(len(rows))))


STORIES = (("1 2 2", "3 3"), ("4", "4 4 5"), ("1 3", "2"))


@pytest.fixture
def task(coder_of: Callable[..., Coder]) -> Task:
    coders = {"a": [identity(coder_of, 3), identity(coder_of, 5)]}
    x, chosen = torch.zeros(1, WIDTH), CEBenchSettings(texts="t:pairs")
    site = Site("s", "m", HOOKS, HOOKS)
    return Task(site, coders, x, x, [], chosen, lambda f, n: None, texts={"t:pairs": pairs(*STORIES)}, reader=Words())


def with_settings(task: Task, **settings: Any) -> Task:
    return replace(task, settings=CEBenchSettings(**{"texts": "t:pairs", **settings}))


def run(task: Task) -> Mapping[str, Measurement]:
    return {f"{m.condition} {m.metric.removeprefix('ce_bench_')}": m for m in CEBench().measure(task)}


def values(measurement: Measurement) -> list[float]:
    return [o.value for o in measurement.observations]


def test_there_is_an_observation_per_seed_and_row_and_the_scale_is_stated(task: Task) -> None:
    for mode in ("official", "paper"):
        found = run(with_settings(task, mode=mode))
        assert list(found) == ["a contrastive", "a independent", "a interpretability"]
        for measurement in found.values():
            assert measurement.scale == {"d_sae": WIDTH, "mode": mode, "rows": 3}
            assert measurement.chance is None
            parts = [f"row {n + 1}: subject {n}" for n in range(3)]
            assert [(o.seeds, o.part) for o in measurement.observations] == [((s,), p) for s in (3, 5) for p in parts]
    assert {metric.card.direction for metric in husai_metrics()} == {"higher"}
    assert {metric.card.scale for metric in husai_metrics()} == {("d_sae", "mode", "rows")}


def test_the_official_mode_counts_the_first_token_and_the_paper_the_story_alone(task: Task) -> None:
    """In row 2 the stories 4 and 4 4 5: with BOS of 9 before either, BOS is what lies furthest apart."""
    rows = torch.eye(WIDTH)
    begin = 9 * rows[:1]
    expected = official(story_means(torch.cat([begin, rows[[4]]]), torch.cat([begin, rows[[4, 4, 5]]])))
    found = run(task)
    assert values(found["a contrastive"])[1] == expected.contrastive
    assert values(found["a independent"])[1] == expected.independent
    assert values(found["a interpretability"])[1] == expected.interpretability
    without = official(story_means(rows[[4]], rows[[4, 4, 5]])).contrastive
    assert abs(expected.contrastive - without) > 0.1
    paper = values(run(with_settings(task, mode="paper"))["a contrastive"])[1]
    means = torch.tensor([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2 / 3, 1 / 3], dtype=torch.float64)
    assert paper == pytest.approx(float(1 / 3 / means.std()), abs=1e-6)


def test_the_modes_differ_and_each_ranks_by_what_it_counts(task: Task) -> None:
    official_scores, paper = run(task), run(with_settings(task, mode="paper"))
    for name in official_scores:
        assert values(official_scores[name]) != pytest.approx(values(paper[name]))
    added = [a + b for a, b in zip(values(paper["a contrastive"]), values(paper["a independent"]), strict=True)]
    assert values(paper["a interpretability"]) == pytest.approx(added)


def test_a_wider_dictionary_with_the_same_latents_scores_more_and_says_its_width(
    task: Task, coder_of: Callable[..., Coder]
) -> None:
    wide = replace(task, conditions={"a": task.conditions["a"], "wide": [identity(coder_of, 3, 60)]})
    for mode in ("official", "paper"):
        found = run(with_settings(wide, mode=mode))
        for score in ("contrastive", "independent", "interpretability"):
            one, other = found[f"a {score}"], found[f"wide {score}"]
            assert all(more > less for less, more in zip(values(one), values(other), strict=False))
            assert (one.scale["d_sae"], other.scale["d_sae"]) == (WIDTH, 60)
    assert max(values(found["a contrastive"])) < (2 * WIDTH) / sqrt(2)


def test_first_rows_alone_are_scored_as_they_are_among_all(task: Task) -> None:
    few = run(with_settings(task, rows=2))["a contrastive"]
    assert few.scale["rows"] == 2
    assert values(few)[:2] == values(run(task)["a contrastive"])[:2]


def test_a_condition_with_a_model_of_its_own_is_scored_on_that_model(task: Task) -> None:
    other = Words(size=2.0)
    other.embed[4], other.embed[5] = other.embed[5].clone(), other.embed[4].clone() * 3
    both = replace(
        task, conditions={"a": task.conditions["a"], "own": task.conditions["a"]}, own_readers={"own": other}
    )
    found = run(both)
    assert values(found["a contrastive"]) == values(run(task)["a contrastive"])
    assert values(found["own contrastive"])[1] != values(found["a contrastive"])[1]
    assert (both.reader.loaded, other.loaded) == (2, 1)  # type: ignore[union-attr]


def test_what_was_done_is_not_done_again(task: Task) -> None:
    kept: dict[str, Any] = {}

    def keep(name: str, work: Callable[[], Any]) -> Any:
        if name not in kept:
            kept[name] = json.loads(json.dumps(work()))
        return kept[name]

    first = run(replace(task, kept=keep))
    assert set(kept) == {"BOS of the model of the site", "a, seed 3", "a, seed 5"}
    again = run(replace(task, kept=keep))
    assert {name: m.observations for name, m in again.items()} == {name: m.observations for name, m in first.items()}
    assert task.reader.loaded == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("found", "settings", "place", "rule", "step"),
    [
        (TextSet("t:pairs", ("1", "2")), {}, "texts t:pairs", "no pairs", "review_pairs:amazon"),
        (pairs(("1", "2"), ("3", " ")), {}, "texts t:pairs, row 2", "story 2 is empty", "leave the row out"),
        (pairs(("", "2")), {}, "texts t:pairs, row 1", "story 1 is empty", "leave the row out"),
        (
            pairs(("1", "2"), ("3", "1 2 3 4")),
            {"tokens": 4},
            "texts t:pairs, row 2",
            "story 2 has more than 4",
            "raise",
        ),
        (pairs(("1", "2")), {"rows": 2}, "texts t:pairs", "1 rows, 2 are needed", "lower `rows`"),
        (pairs(("1", "2")), {"mode": "paper"}, "texts t:pairs", "1 rows, 2 are needed", "larger set"),
    ],
)
def test_what_cannot_be_scored_stops_it_with_place_rule_and_next_step(
    task: Task, found: TextSet, settings: dict[str, Any], place: str, rule: str, step: str
) -> None:
    with pytest.raises(EvaluationError) as error:
        run(replace(with_settings(task, **settings), texts={"t:pairs": found}))
    assert error.value.place == place
    assert rule in error.value.rule
    assert step in error.value.next_step


def test_without_a_model_it_is_skipped_and_several_sets_or_one_latent_are_refused(task: Task, coder_of: Any) -> None:
    with pytest.raises(Skipped, match="no model to ask"):
        run(replace(task, reader=None))
    two = {name: pairs(*STORIES, name=name) for name in ("t:1", "t:2")}
    with pytest.raises(EvaluationError, match="stands for 2 sets"):
        run(replace(task, texts=two))
    with pytest.raises(EvaluationError, match="d_sae is 6 and 60"):
        run(replace(task, conditions={"a": [identity(coder_of, 3), identity(coder_of, 5, 60)]}))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mode": "offical"}, "did you mean 'official'"),
        ({"rows": 0}, "rows must be at least 1"),
        ({"rows": 1, "mode": "paper"}, "rows must be at least 2"),
        ({"tokens": 1}, "the first is BOS"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        CEBenchSettings(**wrong)


def test_the_set_that_is_read_is_the_one_named() -> None:
    chosen = parse_settings(CEBenchSettings, {"texts": "ce_bench:mine.jsonl", "rows": 5}, "here")
    assert CEBench().reads(chosen) == ["ce_bench:mine.jsonl"]


STUDY = small_study(
    "contrast",
    sae("topk", 20, 4),
    sae("topk", 32, 4, name="wide", role="baseline"),
    '[[control]]\nname = "untrained"\n\n[[control]]\nname = "identity"\n',
    '[[benchmark]]\nname = "ce_bench"\nsettings = { texts = "ce_bench:stories.jsonl", mode = "MODE" }\n',
)
POLICY = """
schema = "husai:policy/v1"
name = "contrast"
version = "1"
purpose = "What CE-Bench compares."
confidence = 0.95
min_units = 3

[[rule]]
id = "untrained"
question = "Not far behind untrained?"
reason = "To find out."
kind = "non_inferiority"
benchmark = "ce_bench"
metric = "ce_bench_contrastive"
to = { control = "untrained" }
margin = 100

[[rule]]
id = "identity"
question = "Not far behind the activations?"
reason = "To find out."
kind = "non_inferiority"
benchmark = "ce_bench"
metric = "ce_bench_contrastive"
to = { control = "identity" }
margin = 100

[[rule]]
id = "baseline"
question = "Not far behind a wider one?"
reason = "To find out."
kind = "non_inferiority"
benchmark = "ce_bench"
metric = "ce_bench_contrastive"
to = { role = "baseline" }
margin = 100
comparable = []
"""


@pytest.mark.parametrize("mode", ["official", "paper"])
def test_a_study_with_it_is_sound_and_judged_by_rows_of_one_width(
    tmp_path: Path, run_study: Callable[..., dict[str, bytes]], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.delenv("HUSAI_DATA", raising=False)
    rows = [("a good thing", "not good at all"), ("it works", "it broke at once"), ("well made", "falls apart")]
    lines = ({"story1": one, "story2": other, "subject": "a thing"} for one, other in rows)
    (tmp_path / "stories.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = run_study(STUDY.replace("MODE", mode))
    evidence = json.loads(files["evidence/ce_bench.site.json"])
    assert evidence["outcome"] == {"status": "completed"}
    assert evidence["settings"]["mode"] == mode
    assert [(text["name"], text["rows"]) for text in evidence["texts"]] == [("ce_bench:stories.jsonl", 6)]
    widths = {m["condition"]: m["scale"]["d_sae"] for m in evidence["measurements"]}
    assert widths["site.topk"] == widths["site.topk.untrained"] == 20
    assert widths["site.wide"] == widths["site.wide.identity"] == 32
    decided = {row.rule: row for row in decide(Snapshot("out", files), policy.load(POLICY.encode(), "here")).rows}
    for rule in ("untrained", "identity"):
        assert decided[rule].status == "pass", decided[rule].says
    assert (decided["baseline"].status, decided["baseline"].code) == ("inconclusive", "CMP-SCALE")
    assert "differ in d_sae" in decided["baseline"].says
    assert f"d_sae = 20, mode = {mode}, rows = 3" in make_views(files)["report/ce_bench.site.md"].decode()
