"""Sweeps: one table becomes one per combination, each under a name of its own, and a mistake names its place."""

import math
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from husai_core.engine import make_plan
from husai_core.errors import UsageError
from husai_core.plugins import PluginTable
from husai_core.study import parse_study
from husai_core.sweep import MOST_POINTS, label, points_of

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,119}")


def study(*saes: dict[str, Any], controls: tuple[str, ...] = ("untrained",)) -> dict[str, Any]:
    return {
        "site": [{"name": "addition"}],
        "training": {"seeds": [1, 2]},
        "sae": list(saes),
        "control": [{"name": name} for name in controls],
    }


def sae(**keys: Any) -> dict[str, Any]:
    return {"name": "topk", "architecture": "topk", "role": "baseline", "d_sae": 8, **keys}


def unique(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=4, unique=True)


AXES = st.fixed_dictionaries(
    {},
    optional={
        "steps": unique(st.integers(0, 10**6)),
        "learning_rate": unique(st.floats(1e-8, 1.0)),
        "settings.k": unique(st.integers(1, 512)),
        "settings.k2": unique(st.integers(1, 512)),
        "settings.coefficient": unique(st.floats(0, 1e3) | st.integers(0, 10**6)),
        "settings.flag": unique(st.booleans()),
    },
)


@given(AXES)
def test_every_combination_stands_once_under_a_plain_name(sweep: dict[str, list[Any]]) -> None:
    assume(math.prod(len(values) for values in sweep.values()) <= MOST_POINTS)
    points = points_of(study(sae(sweep=sweep, settings={"aux_k": 3})))
    assert len(points) == math.prod(len(values) for values in sweep.values())
    assert len({point.name for point in points}) == len(points)
    assert {tuple(sorted(map(str, p.values.items()))) for p in points} == {
        tuple(sorted(map(str, p.values.items()))) for p in points_of(study(sae(sweep=dict(reversed(sweep.items())))))
    }
    for point in points:
        assert NAME.fullmatch(point.name)
        assert "sweep" not in point.table
        assert point.table["settings"]["aux_k"] == 3
        for axis, value in point.values.items():
            table = point.table["settings"] if axis.startswith("settings.") else point.table
            assert table[axis.removeprefix("settings.")] is value


def test_names_are_readable_and_do_not_depend_on_the_order_of_axes() -> None:
    sweep = {"steps": [500], "d_sae": [128, 256], "settings.k": [8, 4]}
    entry = sae(sweep=sweep)
    del entry["d_sae"]
    names = ["topk.k8.d128.steps500", "topk.k8.d256.steps500", "topk.k4.d128.steps500", "topk.k4.d256.steps500"]
    assert [point.name for point in points_of(study(entry))] == names
    assert [p.name for p in points_of(study(sae()))] == ["topk"]


@pytest.mark.parametrize(
    ("axis", "value", "text"),
    [
        ("settings.k", 8, "k8"),
        ("settings.k", 8.0, "k8"),
        ("settings.k2", 8, "k2-8"),
        ("settings.mode", "Fast one", "mode-fast-one"),
        ("settings.flag", True, "flag-true"),
        ("settings.widths", [16, 64], "widths16-64"),
        ("learning_rate", 0.003, "lr0.003"),
        ("learning_rate", 1e-5, "lr1e-05"),
        ("settings.scale", 1e30, "scale1e30"),
    ],
)
def test_a_value_is_told_in_a_name(axis: str, value: Any, text: str) -> None:
    assert label(axis, value) == text


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "swept and fixed": (study(sae(sweep={"d_sae": [8]})), ["$.sae[0].sweep.d_sae", "keep one"]),
    "setting swept and fixed": (
        study(sae(sweep={"settings.k": [8]}, settings={"k": 4})),
        ["$.sae[0].sweep.settings.k", "also fixed"],
    ),
    "one number twice": (study(sae(sweep={"settings.k": [8, 8.0]})), ["both be called 'topk.k8'"]),
    "texts that look alike": (study(sae(sweep={"settings.mode": ["a b", "a-b"]})), ["both be called 'topk.mode-a-b'"]),
    "too many": (study(sae(sweep={f"settings.x{n}": [1, 2] for n in range(30)})), [f"{2**30} combinations"]),
    "named like a control": (
        study(sae(sweep={"settings.k": [8]}), sae(name="topk.k8.untrained")),
        ["$.sae[1]", "the name 'topk.k8.untrained' stands twice"],
    ),
    "too long": (study(sae(sweep={f"settings.{'long' * 9}{n}": [1] for n in range(4)})), ["$.sae[0].name", "longer"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_its_place(mistake: str) -> None:
    tables, hints = MISTAKES[mistake]
    with pytest.raises(UsageError) as caught:
        points_of(tables)
    for hint in hints:
        assert hint in str(caught.value)


SWEPT = """
schema = "husai:study/v1"
name = "swept"
question = "Is it expanded?"
site = [{ name = "addition", model = "modular_addition" }]
training = { seeds = [42, 123], steps = 100, batch_size = 64, learning_rate = 1e-3 }
control = [{ name = "untrained" }]
benchmark = [{ name = "consistency" }, { name = "reconstruction" }]
[[sae]]
name = "topk"
architecture = "topk"
role = "candidate"
sweep = { d_sae = [16, 32], "settings.k" = [4, 8] }
[[search]]
name = "best"
sae = "topk"
seeds = [1, 2, 3]
benchmark = "consistency"
metric = "pwmcc"
"""

STUDY_MISTAKES = {
    "unknown axis": ("d_sae =", "d_sea =", ["$.sae[0].sweep", "did you mean 'd_sae'?"]),
    "setting without its prefix": ('"settings.k"', '"k"', ["$.sae[0].sweep", "unknown key 'k'", "settings"]),
    "unknown setting": ('"settings.k"', '"settings.kk"', ["$.sae[0].sweep.settings.kk", "did you mean 'settings.k'?"]),
    "impossible combination": ("[4, 8]", "[4, 17]", ["$.sae[0].sweep (topk.k17.d16).settings.k", "more than d_sae"]),
    "wrong type": ("[4, 8]", "[4, 'a']", ["$.sae[0].sweep (topk.k-a.d16).settings.k", "type int"]),
    "search of nothing": ('sae = "topk"', 'sae = "topc"', ["$.search[0].sae", "did you mean 'topk'?"]),
    "search of one point": ('{ d_sae = [16, 32], "settings.k" = [4, 8] }', "{ d_sae = [16] }", ["one point"]),
    "search named like a dictionary": ('name = "best"', 'name = "topk"', ["$.search[0].name", "stands twice"]),
    "search on the study's seeds": (
        "seeds = [1, 2, 3]",
        "seeds = [1, 42]",
        ["$.search[0].seeds", "seeds 42 would both"],
    ),
    "search by a benchmark that does not run": ('benchmark = "cons', 'benchmark = "kons', ["'consistency'"]),
    "search by an unknown metric": ('"pwmcc"', '"pwmc"', ["$.search[0]", "did you mean 'pwmcc'?"]),
    "search without a better side": ('"pwmcc"', '"l0"', ["$.search[0]", "no better side", "prefer"]),
    "search for the bad side": ('"pwmcc"', '"pwmcc"\nprefer = "lower"', ["better when higher"]),
    "search over no control": ('"pwmcc"', '"pwmcc"\nover = { control = "untraind" }', ["did you mean 'untrained'?"]),
    "reference outside the search": (
        '"pwmcc"',
        '"pwmcc"\nconstraint = [{ benchmark = "consistency", metric = "mcc", drop_at_most = 1, reference = "k4" }]',
        ["$.search[0].constraint[0].reference", "topk.k4.d16"],
    ),
    "frontier of a cost that should grow": (
        "benchmark = [",
        'report = { frontier = [["pwmcc", "mcc"]] }\nbenchmark = [',
        ["$.report.frontier[0]", "'pwmcc' is better when higher"],
    ),
    "frontier of a quality without a side": (
        "benchmark = [",
        'report = { frontier = [["l1", "l0"]] }\nbenchmark = [',
        ["'l0' has no better side"],
    ),
    "scaling of nothing": (
        "benchmark = [",
        'report = { scaling = ["explained_varience"] }\nbenchmark = [',
        ["did you mean 'explained_variance'?"],
    ),
}


@pytest.mark.parametrize("mistake", STUDY_MISTAKES)
def test_a_mistake_in_a_study_is_one_line_with_place_and_way_out(mistake: str) -> None:
    old, new, hints = STUDY_MISTAKES[mistake]
    assert old in SWEPT
    with pytest.raises(UsageError) as caught:
        make_plan(parse_study(SWEPT.replace(old, new, 1).encode(), "s.toml"), PluginTable())
    assert "\n" not in str(caught.value)
    for hint in ["s.toml", *hints]:
        assert hint in str(caught.value)


def test_what_a_search_explores_is_no_condition_of_its_own() -> None:
    plan = make_plan(parse_study(SWEPT.encode(), "s.toml"), PluginTable())
    assert plan.conditions == ()
    (search,) = plan.searches
    assert [p.name for p in search.points][:2] == ["addition.topk.k4.d16", "addition.topk.k4.d32"]
    assert {p.role for p in search.points} == {"explored"}
    confirmed = search.confirmed("addition.topk.k8.d32")
    assert (confirmed.name, confirmed.role, confirmed.d_sae) == ("addition.best", "candidate", 32)


def test_the_audit_expands_a_study_as_the_run_does() -> None:
    import tomllib

    from husai_gates.audit import Plan

    for text in (SWEPT, SWEPT.partition("[[search]]")[0]):
        run = make_plan(parse_study(text.encode(), "s.toml"), PluginTable())
        audit = Plan.from_study(tomllib.loads(text))
        planned = [*run.conditions, *(point for search in run.searches for point in search.points)]
        assert audit.mistakes == ()
        assert audit.conditions.keys() == {condition.name for condition in planned}
        for condition in planned:
            held = audit.conditions[condition.name]
            settings = {key: getattr(condition.architecture.settings, key) for key in held.settings}
            assert (held.role, held.d_sae, held.steps) == (condition.role, condition.d_sae, condition.recipe.steps)
            assert dict(held.settings) == settings
            assert held.learning_rate == condition.recipe.learning_rate
        assert {s.name for s in audit.searches.values()} == {s.name for s in run.searches}
