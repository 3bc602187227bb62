"""From bundles to a choice to a bundle that confirms it: what was chosen is trained again on fresh seeds."""

import json
from pathlib import Path

import pytest

from husai_core.cli import invoke
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable
from husai_core.study import parse_study
from husai_core.testing.log import Log
from husai_gates.choice_files import read_choices
from husai_gates.pipeline import audit_folder, gate
from husai_gates.views import make_views

STUDY = """
schema = "husai:study/v1"
name = "many"
question = "Which is best?"
site = [{ name = "site", model = "tiny" }]
benchmark = [{ name = "reconstruction" }]

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
"""

POLICY = """
schema = "husai:policy/v1"
name = "small"
version = "1"
purpose = "Explain something."
confidence = 0.95
min_units = 3
code = "any"

[[rule]]
id = "explains"
question = "Does it explain the variance?"
reason = "It must."
kind = "threshold"
benchmark = "reconstruction"
metric = "explained_variance"
at_least = -10
"""


def run(folder: Path, plugins: PluginTable, name: str, text: str) -> Path:
    place = folder / f"{name}.toml"
    place.write_text(text)
    plan = make_plan(parse_study(text.encode(), str(place)), plugins)
    choices = read_choices(text.encode(), place)
    policy = ("policy.toml", POLICY.encode())
    run_plan(plan, folder / name, Cache(folder / "cache"), Log(), 1, policy, make_views, choices=choices)
    return folder / name


def test_what_was_chosen_is_confirmed_and_the_gate_says_from_how_many(tmp_path: Path, plugins: PluginTable) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    many = run(tmp_path, plugins, "many", STUDY)
    assert invoke(["select", str(many), "--policy", str(policy), "--out", str(tmp_path / "choice.json")]) == 0
    chosen = json.loads((tmp_path / "choice.json").read_bytes())["result"]["chosen"]
    k = chosen.removeprefix("site.topk.k")
    fixed = f'settings = {{ k = {k} }}\nchosen_by = "choice.json"'
    text = STUDY.replace('sweep = { "settings.k" = [2, 4] }', fixed).replace("[1, 2, 3]", "[4, 5, 6]")
    best = run(tmp_path, plugins, "best", text)
    assert audit_folder(best).findings == ()
    decision = gate(best, str(policy))
    assert decision.exit_code == 0
    said = f"chosen as {chosen} from 2 conditions on seeds 1, 2, 3, confirmed on the fresh seeds 4, 5, 6"
    assert decision.rows[0].says.endswith(said)
    assert (best / "choices" / "topk.json").read_bytes() == (tmp_path / "choice.json").read_bytes()
    assert invoke(["select", str(best), "--policy", str(policy), "--out", str(tmp_path / "again.json")]) == 0
    (again,) = json.loads((tmp_path / "again.json").read_bytes())["compared"]
    assert again["chosen_from"] == 2, "what was the best of two stays the best of two"


def test_a_study_without_the_document_it_names_is_not_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.toml"
    text = STUDY.replace('"tiny"', '"modular_addition"').replace("[2, 4] }", '[4] }\nchosen_by = "choice.json"')
    study.write_text(text)
    assert invoke(["run", str(study), "--plan"]) == 64
    assert "$.sae[0].sweep: has no place here" in capsys.readouterr().err
    study.write_text(text.replace('sweep = { "settings.k" = [4] }', "settings = { k = 4 }"))
    assert invoke(["run", str(study), "--plan"]) == 64
    assert "choice.json cannot be read" in capsys.readouterr().err
