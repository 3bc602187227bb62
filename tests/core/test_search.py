"""A study with a search, run to its end: explored on its own seeds, chosen, and trained again on fresh ones."""

import json
from pathlib import Path

import pytest

from husai_core import bundle, strict_json
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable
from husai_core.study import parse_study
from husai_gates.audit import audit
from husai_gates.pipeline import audit_folder
from husai_gates.selection import make_selection
from husai_gates.views import make_views

STUDY = """
schema = "husai:study/v1"
name = "searched"
question = "Does what a search chose hold on fresh seeds?"
site = [{ name = "site", model = "tiny" }]
control = [{ name = "untrained" }, { name = "random_decoder" }]
benchmark = [{ name = "reconstruction" }, { name = "consistency" }]

[training]
seeds = [1, 2, 3]
steps = 20
batch_size = 32
learning_rate = 1e-2

[[sae]]
name = "topk"
architecture = "topk"
role = "candidate"
d_sae = 16
sweep = { "settings.k" = [2, 4] }

[[sae]]
name = "relu"
architecture = "relu"
role = "baseline"
d_sae = 16

[[search]]
name = "best"
sae = "topk"
seeds = [4, 5, 6]
benchmark = "reconstruction"
metric = "explained_variance"
over = { control = "untrained" }

[[search.constraint]]
benchmark = "consistency"
metric = "pwmcc"
at_least = 0.0
"""


class Quiet:
    """A listener that remembers warnings and the number of the last piece of work."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.numbers: list[tuple[int, int]] = []

    def start(self, label: str, number: int, total: int) -> None:
        self.numbers.append((number, total))

    def progress(self, fraction: float, note: str) -> None: ...

    def finish(self, label: str, *, cached: bool, seconds: float) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def run(folder: Path, plugins: PluginTable, text: str = STUDY) -> tuple[Path, Quiet]:
    plan = make_plan(parse_study(text.encode(), str(folder / "study.toml")), plugins)
    listener, out = Quiet(), folder / f"out{len(list(folder.iterdir()))}"
    run_plan(plan, out, Cache(folder / "cache"), listener, 1, None, make_views, make_selection)
    return out, listener


def test_the_chosen_point_is_trained_again_on_fresh_seeds(tmp_path: Path, plugins: PluginTable) -> None:
    out, listener = run(tmp_path, plugins)
    report = audit_folder(out)
    assert report.findings == ()
    assert listener.warnings == []
    assert listener.numbers[-1][0] == listener.numbers[-1][1]
    selection = json.loads((out / "selections" / "site.best.json").read_bytes())
    chosen = report.conditions[selection["chosen"]]
    confirmed = report.conditions["site.best"]
    assert (chosen.role, chosen.seeds) == ("explored", frozenset({4, 5, 6}))
    assert (confirmed.role, confirmed.seeds) == ("candidate", frozenset({1, 2, 3}))
    assert confirmed.subjects[0].architecture == chosen.subjects[0].architecture
    assert f"{selection['chosen']}.untrained" in report.conditions
    assert f"{selection['chosen']}.random_decoder" not in report.conditions, "a search needs its own control alone"
    again, _ = run(tmp_path, plugins)
    digests = [bundle.read(folder).json(bundle.MANIFEST)["content_digest"] for folder in (out, again)]
    assert digests[0] == digests[1]


def test_a_search_that_chooses_nothing_is_written_down_and_bars_release(tmp_path: Path, plugins: PluginTable) -> None:
    out, listener = run(tmp_path, plugins, STUDY.replace("at_least = 0.0", "at_least = 1.0"))
    report = audit(bundle.read(out))
    assert {f.code for f in report.findings} == {"EV-SELECTION-NONE"}
    assert int(report.exit_code) == 2
    assert "site.best" not in report.conditions
    assert any("nothing is confirmed" in text for text in listener.warnings)


def test_a_search_needs_somebody_who_chooses(tmp_path: Path, plugins: PluginTable) -> None:
    plan = make_plan(parse_study(STUDY.encode(), "study.toml"), plugins)
    with pytest.raises(ValueError, match="somebody who chooses"):
        run_plan(plan, tmp_path / "out", Cache(tmp_path / "cache"), Quiet(), 1, None, lambda files: {})


def test_the_selection_document_is_made_of_the_evidence_alone(tmp_path: Path, plugins: PluginTable) -> None:
    out, _ = run(tmp_path, plugins)
    files = dict(bundle.read(out).files)
    held = files.pop("selections/site.best.json")
    assert make_selection("site.best", files) == held
    assert strict_json.encode(json.loads(held)) == held
