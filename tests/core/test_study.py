from pathlib import Path

import pytest

from husai_core.engine import make_plan
from husai_core.errors import UsageError
from husai_core.plugins import PluginTable
from husai_core.study import parse_study

ROOT = Path(__file__).parents[2]
TOY = (ROOT / "studies" / "toy.toml").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.name)
def test_every_shipped_study_becomes_a_plan(path: Path) -> None:
    plan = make_plan(parse_study(path.read_bytes(), path.name), PluginTable())
    assert plan.conditions or plan.searches
    assert plan.benchmarks


MISTAKES = {
    "misspelt key": ("steps = 1500", "stepps = 1500", ["$.training", "stepps", "did you mean 'steps'?"]),
    "misspelt table": ("[[control]]", "[[controls]]", ["unknown key 'controls'", "did you mean 'control'?"]),
    "missing key": ("d_sae = 128\nsettings", "settings", ["$.sae[0]", "'d_sae' is missing"]),
    "wrong type": ("steps = 1500", "steps = '1500'", ["$.training.steps", "must be of type integer"]),
    "boolean as number": ("steps = 1500", "steps = true", ["$.training.steps", "must be of type integer"]),
    "not TOML": ("[training]", "[training", ["not TOML", "line"]),
    "unknown plugin": ('architecture = "topk"', 'architecture = "topkk"', ["$.sae[0]", "did you mean 'topk'?"]),
    "unknown setting": ("{ k = 8 }", "{ kk = 9 }", ["$.sae[0].settings.kk", "did you mean 'k'?"]),
    "impossible setting": ("{ k = 8 }", "{ k = 300 }", ["$.sae[0].settings.k", "k = 300 is more than d_sae = 128"]),
    "unknown role": ('role = "candidate"', 'role = "winner"', ["$.sae[0].role", "candidate, baseline"]),
    "one seed twice": ("[42, 123,", "[42, 42,", ["$.training.seeds", "twice"]),
    "one name twice": ('name = "relu"\narch', 'name = "topk"\narch', ["the name 'topk' stands twice"]),
    "unknown site": ('role = "candidate"', 'role = "candidate"\nsites = ["moon"]', ["no site 'moon'", "addition"]),
    "unknown site of a control": (
        "[[control]]",
        '[[control]]\nsites = ["moon"]',
        ["$.control[0].sites", "no site 'moon'", "addition"],
    ),
    "unknown site of a benchmark": (
        "[[benchmark]]",
        '[[benchmark]]\nsites = ["adition"]',
        ["$.benchmark[0].sites", "did you mean 'addition'?"],
    ),
    "a control that nobody makes, of a benchmark": (
        "[[benchmark]]",
        '[[benchmark]]\ncontrols = ["untraind"]',
        ["$.benchmark[0].controls", "makes no control 'untraind'", "did you mean 'untrained'?"],
    ),
    "other schema": ("husai:study/v1", "husai:study/v9", ["$.schema", "husai:study/v1"]),
    "name that leaves the bundle": ('name = "topk"\narch', 'name = "../topk"\narch', ["$.sae[0].name", "match"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_place_and_way_out(mistake: str) -> None:
    old, new, hints = MISTAKES[mistake]
    assert old in TOY, "the example to break is no longer in the toy study"
    with pytest.raises(UsageError) as caught:
        make_plan(parse_study(TOY.replace(old, new, 1).encode(), "toy.toml"), PluginTable())
    text = str(caught.value)
    assert "\n" not in text
    for hint in ["toy.toml", *hints]:
        assert hint in text


def test_a_plan_names_every_condition_by_site_and_dictionary() -> None:
    plan = make_plan(parse_study(TOY.encode(), "toy.toml"), PluginTable())
    assert [c.name for c in plan.conditions] == ["addition.topk", "addition.relu"]
    assert plan.sites[0].hook_in == plan.sites[0].hook_out == "blocks.0.hook_resid_post"


def test_a_control_or_benchmark_may_be_wanted_at_some_sites_only() -> None:
    study = Path("studies/release.toml").read_bytes()
    plan = make_plan(parse_study(study, "studies/release.toml"), PluginTable())
    controls = {site.name: {c.plugin.name for c in plan.controls_at(site)} for site in plan.sites}
    benchmarks = {site.name: {b.plugin.name for b in plan.benchmarks_at(site)} for site in plan.sites}
    assert controls["layer9"] - controls["mlp9"] == {"pca", "identity"}
    assert benchmarks["mlp9"] - benchmarks["layer9"] == {"transcoder"}
    assert "untrained" in controls["mlp9"] & controls["layer20"]


def test_a_control_that_copies_may_stand_beside_a_transcoder_at_another_site_but_not_at_its_own() -> None:
    study = Path("studies/release.toml").read_text().replace('sites = ["layer9", "layer20"]  # at', "#", 1)
    with pytest.raises(UsageError, match="'pca' copies what it reads, and 'mlp9") as caught:
        make_plan(parse_study(study.encode(), "studies/release.toml"), PluginTable())
    assert "sites" in str(caught.value)


def test_a_search_needs_what_it_looks_at_at_its_own_sites() -> None:
    study = Path("studies/adaptive_l0.toml").read_text()
    elsewhere = '\n[[site]]\nname = "elsewhere"\nmodel = "modular_addition"\n'
    bound = study.replace("[[control]]", elsewhere + '\n[[control]]\nsites = ["elsewhere"]', 1)
    with pytest.raises(UsageError, match=r"\$\.search\[0\].*not wanted at the site"):
        make_plan(parse_study(bound.encode(), "studies/adaptive_l0.toml"), PluginTable())


def test_a_search_over_a_control_needs_benchmarks_that_measure_it() -> None:
    study = Path("studies/adaptive_l0.toml").read_text()
    without = study.replace("[[benchmark]]", "[[benchmark]]\ncontrols = []")
    with pytest.raises(UsageError, match=r"\$\.search\[0\].*which 'consistency' does not measure") as caught:
        make_plan(parse_study(without.encode(), "studies/adaptive_l0.toml"), PluginTable())
    assert "to its 'controls'" in str(caught.value)


def test_paths_in_the_settings_of_a_model_are_meant_from_the_folder_of_the_study() -> None:
    settings = 'model = "tensor_file"\nsettings = { file = "rows.npy" }'
    study = parse_study(TOY.replace('model = "modular_addition"', settings).encode(), "some/where/toy.toml")
    (site,) = make_plan(study, PluginTable()).sites
    assert site.model.item.folder == Path("some/where")
    assert "where" not in str(site.model.describe())


def test_a_site_may_read_several_hooks_and_writes_them_unless_told_otherwise() -> None:
    def hooks(lines: str) -> tuple[object, object]:
        text = TOY.replace('model = "modular_addition"', f'model = "modular_addition"\n{lines}')
        (site,) = make_plan(parse_study(text.encode(), "toy.toml"), PluginTable()).sites
        return site.hook_in, site.hook_out

    assert hooks('hook_in = ["a", "b"]') == (("a", "b"), ("a", "b"))
    assert hooks('hook_in = ["a", "b"]\nhook_out = "c"') == (("a", "b"), "c")
