"""What a model knows reaches the benchmarks row by row; what cannot be asked is skipped, and the gate says missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from husai_core import Corpus, Skipped, Task, bundle
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.model import Known
from husai_core.plugins import EntryPoint, PluginTable, installed_entry_points
from husai_core.site import Site
from husai_core.study import parse_study
from husai_core.testing import tiny
from husai_core.testing.log import Log
from husai_gates.audit import audit
from husai_gates.pipeline import gate

# How far the rows are from the sums that the labels tell; `l0` lends its name to that.
ASKING = """
from dataclasses import dataclass
from husai_core import Benchmark, Measurement, Observation, Skipped, hookimpl

@dataclass(frozen=True)
class Settings:
    ask: str = "both"

class Asking(Benchmark):
    name = "asking"
    summary = "What the model knows, for tests."
    Settings = Settings

    def measure(self, task):
        if task.settings.ask == "library":
            import a_library_that_nobody_has.at_all
        if task.settings.ask == "submodule":
            import json.a_module_that_it_lacks
        if task.settings.ask == "elsewhere":
            task.label("sumed")
        if task.settings.ask == "data":
            raise Skipped("benchmark asking", "the word lists are not installed", "pip install word-lists")
        summed = task.table("directions")[task.label("summed")].sum(1)
        apart = float((summed - task.test_in).abs().max())
        for condition, coders in task.conditions.items():
            yield Measurement("l0", condition, tuple(Observation((c.seed,), apart) for c in coders), {"of": "sum"})

@hookimpl
def husai_benchmarks():
    return [Asking()]
"""


@pytest.fixture
def run_asking(
    tmp_path: Path, tiny_study: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[dict[str, Any], list[str]]]:
    """Run the tiny study with a benchmark that asks; its evidence, and what a person is told."""
    (tmp_path / "asking_benchmark.py").write_text(ASKING)
    monkeypatch.syspath_prepend(tmp_path)
    asking = EntryPoint("asking", "asking_benchmark", "husai tests")
    plugins = PluginTable([*installed_entry_points(), tiny.ENTRY_POINT, asking])

    def run(ask: str) -> tuple[dict[str, Any], list[str]]:
        study = tiny_study.replace('name = "consistency"', f'name = "asking"\nsettings = {{ ask = "{ask}" }}')
        study = study.replace("seeds = [3, 1, 2]", "seeds = [1, 2]")
        plan = make_plan(parse_study(study.encode(), str(tmp_path / "tiny.toml")), plugins)
        log = Log()
        run_plan(plan, tmp_path / "out", Cache(tmp_path / "cache"), log, 1, None, lambda files: {})
        return json.loads((tmp_path / "out" / "evidence" / "asking.site.json").read_bytes()), log.warnings

    return run


@pytest.mark.parametrize("positions", [(1,), (0, 1)])
def test_labels_stand_in_the_order_of_the_rows(
    run_asking: Any, monkeypatch: pytest.MonkeyPatch, positions: tuple[int, ...]
) -> None:
    plain = tiny.Tiny.corpus

    def corpus(self: Any, settings: Any, seed: int) -> Corpus:
        found = plain(self, settings, seed)
        order = torch.randperm(len(found.test), generator=torch.Generator().manual_seed(0))
        return Corpus(found.tokens, positions, found.train, found.test[order])

    def labels(
        self: Any, settings: Any, seed: int, folder: Path, corpus: Corpus, rows: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """At position 0 there is one token: the other is number `settings.tokens`, whose direction is zero."""
        tokens = corpus.tokens[rows]
        alone = torch.stack([tokens[:, 0], torch.full_like(tokens[:, 0], settings.tokens)], -1)
        return {"summed": torch.stack([alone, tokens][2 - len(positions) :], 1)}

    def tables(self: Any, settings: Any, seed: int, folder: Path) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        directions = load_file(folder / "model.safetensors")["embed"]
        return {"directions": torch.cat([directions, torch.zeros_like(directions[:1])])}

    monkeypatch.setattr(tiny.Tiny, "corpus", corpus)
    monkeypatch.setattr(tiny.Tiny, "labels", labels)
    monkeypatch.setattr(tiny.Tiny, "tables", tables)
    evidence, _ = run_asking("both")
    assert evidence["outcome"] == {"status": "completed"}
    apart = [o["value"] for m in evidence["measurements"] for o in m["observations"]]
    assert len(apart) == 6 * 2
    assert apart == [pytest.approx(0, abs=1e-6)] * len(apart)


def test_labels_of_another_shape_are_a_failure(run_asking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    short = lambda self, settings, seed, folder, corpus, rows: {"summed": corpus.tokens[rows][1:].unsqueeze(1)}  # noqa: E731
    monkeypatch.setattr(tiny.Tiny, "labels", short)
    outcome = run_asking("both")[0]["outcome"]
    assert outcome["status"] == "failed"
    assert "model tiny, label summed: has shape (63, 1, 2) for 64 rows at 1 positions" in outcome["reason"]


@pytest.mark.parametrize(
    ("ask", "status", "reason", "next_step"),
    [
        ("library", "skipped", "needs 'a_library_that_nobody_has', which is not installed", "pip install a_library"),
        ("data", "skipped", "benchmark asking: the word lists are not installed", "pip install word-lists"),
        ("elsewhere", "skipped", "the model 'tiny' gives no label 'sumed'", "did you mean 'summed'?"),
        ("submodule", "failed", "ModuleNotFoundError: No module named 'json.a_module_that_it_lacks'", ""),
    ],
)
def test_what_cannot_be_asked_is_skipped_with_the_way_out_and_tried_again(
    run_asking: Any, tmp_path: Path, ask: str, status: str, reason: str, next_step: str
) -> None:
    evidence, told = run_asking(ask)
    assert evidence["outcome"]["status"] == status
    assert reason in evidence["outcome"]["reason"]
    assert next_step in evidence["outcome"]["next_step"]
    assert evidence["measurements"] == []
    did = {"skipped": "was skipped", "failed": "failed"}[status]
    assert any(text.startswith(f"evidence/asking.site.json: the benchmark {did}: ") for text in told)
    findings = audit(bundle.read(tmp_path / "out")).findings
    assert {f.code for f in findings} == {{"skipped": "EV-SKIPPED", "failed": "EV-FAILED"}[status]}


POLICY = """
schema = "husai:policy/v1"
name = "needs-asking"
version = "1"
purpose = "For tests."
confidence = 0.95
min_units = 2
preregistered = false

[[rule]]
id = "asked"
question = "Was it asked?"
reason = "It must be."
kind = "present"
benchmark = "asking"
"""


def test_the_gate_calls_a_skipped_benchmark_missing_with_its_reason(run_asking: Any, tmp_path: Path) -> None:
    run_asking("data")
    (tmp_path / "needs.toml").write_text(POLICY)
    decision = gate(tmp_path / "out", str(tmp_path / "needs.toml"))
    assert {row.status for row in decision.rows} == {"missing"}
    assert all("the word lists are not installed" in str(row) for row in decision.rows)
    assert decision.exit_code == 2


def test_who_knows_nothing_skips_whoever_asks(tmp_path: Path) -> None:
    rows = torch.zeros(2, 3)
    task = Task(Site("s", "m", "h", "h"), {}, rows, rows, [], None, lambda fraction, note: None)
    assert task.known() == Known()
    with pytest.raises(Skipped, match="site s: the model 'm' gives no table 'embedding'"):
        task.table("embedding")
