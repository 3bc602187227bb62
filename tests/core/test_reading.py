"""Documents read at a site: every token in its place, nothing read twice, and parts of the work outlive a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_core import Skipped, Task, bundle
from husai_core.engine.kept import KeptParts
from husai_core.engine.library import Library
from husai_core.engine.reading import SPLIT, DocumentPass
from husai_core.errors import UsageError
from husai_core.plugins import EntryPoint, PluginTable
from husai_core.site import Site
from husai_tests.studies import run_study, sae, small_study


class Echo:
    """A network whose activation is the token and its position, and that counts what it computes."""

    def __init__(self) -> None:
        class Depth:
            n_layers = 3

        self.cfg, self.hook_dict, self.computed, self.stopped = Depth(), {"blocks.0.hook_resid_post": None}, 0, set()

    def run_with_cache(self, tokens: Any, *, names_filter: Any, stop_at_layer: Any) -> Any:
        self.computed += tokens.numel()
        self.stopped.add(stop_at_layer)
        places = torch.arange(tokens.shape[1]).expand(tokens.shape)
        return None, {hook: torch.stack([tokens, places], -1).float() for hook in names_filter}


DOCUMENTS = st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=40), min_size=1, max_size=30)
HOOKS = ("blocks.0.hook_resid_post",)


@given(DOCUMENTS, st.booleans())
@settings(max_examples=40)
def test_rows_are_the_tokens_of_the_documents_by_rising_length(documents: list[list[int]], last: bool) -> None:
    source = DocumentPass(Echo(), documents, HOOKS, last)
    shape = source.shapes(HOOKS)[SPLIT]
    rows = torch.cat([part[HOOKS] for n in range(shape.shards) for part in source.rows(SPLIT, n, [HOOKS])])
    expected = [
        [token, place]
        for document in sorted(documents, key=len)
        for place, token in enumerate(document)
        if place > 0 and (not last or place == len(document) - 1)
    ]
    assert rows.tolist() == expected
    assert shape.rows == len(expected)


def test_shards_meet_where_a_slice_is_cut_and_the_slice_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("husai_core.engine.reading.ROWS_PER_SHARD", 7)
    monkeypatch.setattr("husai_core.engine.reading.TOKENS_AT_ONCE", 12)
    network, documents = Echo(), [[1, 2, 3, 4]] * 9
    source = DocumentPass(network, documents, HOOKS, last=False)
    begun = network.computed
    shards = range(source.shapes(HOOKS)[SPLIT].shards)
    rows = torch.cat([part[HOOKS] for n in shards for part in source.rows(SPLIT, n, [HOOKS])])
    assert rows[:, 0].tolist() == [2, 3, 4] * 9
    assert network.computed - begun == 36
    assert network.stopped == {1}


def test_documents_of_mixed_length_cost_next_to_no_padding() -> None:
    generator = torch.Generator().manual_seed(0)
    documents = [[1] * int(n) for n in torch.randint(2, 128, (400,), generator=generator)]
    network = Echo()
    source = DocumentPass(network, documents, HOOKS, last=True)
    list(source.rows(SPLIT, 0, [HOOKS]))
    assert network.computed < 1.1 * sum(map(len, documents))


# Reads two documents and answers with the difference to what the model shows; `l0` lends its name to that.
READING = """
from dataclasses import dataclass
from pathlib import Path
from husai_core import Benchmark, Measurement, Observation, hookimpl

@dataclass(frozen=True)
class Settings:
    texts: str = "file:two.jsonl"
    fail: bool = False

class Reading(Benchmark):
    name = "reading"
    summary = "What a site shows, for tests."
    Settings = Settings

    def reads(self, settings):
        return [settings.texts]

    def measure(self, task):
        found = task.texts[task.settings.texts]
        read = task.read(found.texts, 3)
        last = task.read(found.texts, 3, last=True)
        assert [len(t) for t in read.tokens] == [e - b for b, e in read.spans] == [1, 2]
        for (begin, end), (only, _) in zip(read.spans, last.spans):
            assert (read.rows_in[end - 1] == last.rows_in[only]).all()
        values = []
        for number in range(2):
            values.append(task.remember(f"part {number}", lambda: self.part(number)))
            if task.settings.fail and number == 0 and not Path("done").exists():
                raise RuntimeError("killed")
        assert task.model.decode([[3, 4], []]) == ["w3 w4", ""]
        assert task.model.network().embed.shape[1] == read.rows_in.shape[1] == 8
        for name, coders in task.conditions.items():
            parts = [Observation((c.seed,), v, f"document {n}") for c in coders for n, v in enumerate(values)]
            yield Measurement("l0", name, tuple(parts))

    def part(self, number):
        with open("log", "a") as log:
            log.write(f"{number}\\n")
        return float(number)

@hookimpl
def husai_benchmarks():
    return [Reading()]
"""

STUDY = small_study("reading", sae("relu", 8), '[[benchmark]]\nname = "reading"\nsettings = { SETTINGS }\n', steps=2)


@pytest.fixture(autouse=True)
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "husai_reading.py").write_text(READING)
    (tmp_path / "two.jsonl").write_text('{"text": "one"}\n{"text": "one two three four"}\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def run(tmp_path: Path, texts: str = "", out: str = "out") -> tuple[dict[str, Any], list[str]]:
    ours = [EntryPoint("reading", "husai_reading", "tests 1.0")]
    log = run_study(STUDY.replace("SETTINGS", texts), tmp_path, out, also=ours)
    return json.loads(bundle.read(tmp_path / out).files["evidence/reading.site.json"]), log.warnings


def test_a_benchmark_reads_documents_and_says_which(tmp_path: Path) -> None:
    evidence, warnings = run(tmp_path)
    assert not warnings
    assert evidence["outcome"] == {"status": "completed"}
    (read,) = evidence["texts"]
    assert (read["name"], read["rows"]) == ("file:two.jsonl", 2)
    observations = evidence["measurements"][0]["observations"]
    assert [(o["seeds"], o["part"]) for o in observations[:2]] == [([1], "document 0"), ([1], "document 1")]


def test_a_kill_costs_one_part_of_the_work(tmp_path: Path) -> None:
    evidence, _ = run(tmp_path, "fail = true", "first")
    assert evidence["outcome"]["status"] == "failed"
    (tmp_path / "done").touch()
    evidence, _ = run(tmp_path, "fail = true", "second")
    assert evidence["outcome"]["status"] == "completed"
    assert (tmp_path / "log").read_text().split() == ["0", "1"]
    assert not list((tmp_path / "cache" / "unfinished").glob("*.jsonl"))


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    first, _ = run(tmp_path, out="first")
    (tmp_path / "two.jsonl").write_text('{"text": "two"}\n{"text": "one two three four"}\n')
    second, _ = run(tmp_path, out="second")
    assert first["texts"] != second["texts"]
    assert len((tmp_path / "log").read_text().split()) == 4


def test_an_unknown_source_is_found_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'file'"):
        run(tmp_path, 'texts = "fil:two.jsonl"')
    with pytest.raises(UsageError, match="source:part"):
        run(tmp_path, 'texts = "two.jsonl"')


def test_a_missing_file_fails_the_benchmark_and_not_the_run(tmp_path: Path) -> None:
    evidence, warnings = run(tmp_path, 'texts = "file:three.jsonl"')
    assert evidence["outcome"]["status"] == "failed"
    assert "three.jsonl" in evidence["outcome"]["reason"]
    assert warnings
    assert "texts" not in evidence


def test_texts_whose_library_is_missing_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
from husai_core import TextSource, hookimpl

class Away(TextSource):
    name, summary, licence = "away", "Not here.", "none"
    requires = ("a_library_that_nobody_has",)

    def read(self, part, folder):
        raise AssertionError

@hookimpl
def husai_texts():
    return [Away()]
"""
    (tmp_path / "husai_away.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    library = Library(PluginTable([EntryPoint("away", "husai_away", "tests 1.0")]), tmp_path)
    library.refuse_unknown_source("away:all", "here")
    with pytest.raises(Skipped, match="pip install a_library_that_nobody_has"):
        library.read("away:all")


def test_a_task_without_a_model_is_skipped() -> None:
    task = Task(Site("s", "m", "h", "h"), {}, torch.zeros(1, 1), torch.zeros(1, 1), [], None, lambda done, note: None)
    with pytest.raises(Skipped, match="no model to ask"):
        task.read(["a"])


def test_a_line_cut_short_is_as_good_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "parts.jsonl"
    parts = KeptParts(path)
    assert parts("a", lambda: [1, 2.5]) == [1, 2.5]
    assert parts("b", lambda: {"x": None}) == {"x": None}
    path.write_bytes(path.read_bytes()[:-4])
    again = KeptParts(path)
    assert again("a", lambda: 0) == [1, 2.5]
    assert again("b", lambda: 7) == 7
    assert KeptParts(path)("b", lambda: 0) == 7
    with pytest.raises(ValueError, match="not JSON compliant"):
        again("c", lambda: float("nan"))
