"""Controls and benchmarks that a study wants at some sites only: asked for there, unplanned anywhere else."""

from __future__ import annotations

from typing import Any

import pytest

SECOND = '\n[[site]]\nname = "subtraction"\nmodel = "modular_addition"\n'
HERE, ELSEWHERE = 'sites = ["addition"]', 'sites = ["subtraction"]'


def found(draft: Any, decide: Any, code: str) -> list[str]:
    return [f.rule for f in decide(draft.files()).findings if f.code == code]


def bind(draft: Any, table: str, name: str, sites: str) -> None:
    entry = f'[[{table}]]\nname = "{name}"\n'
    assert entry in draft.study
    draft.study = draft.study.replace(entry, f"{entry}{sites}\n")


def test_what_is_bound_to_the_site_where_it_was_done_is_as_good_as_unbound(draft: Any, decide: Any) -> None:
    bind(draft, "benchmark", "consistency", HERE)
    bind(draft, "control", "random_decoder", HERE)
    assert decide(draft.files()).exit_code == 0


@pytest.mark.parametrize(
    ("table", "name", "path"),
    [("benchmark", "consistency", "the benchmark"), ("control", "random_decoder", "the control")],
)
def test_what_is_bound_elsewhere_was_not_planned_here(
    draft: Any, decide: Any, table: str, name: str, path: str
) -> None:
    draft.study += SECOND
    bind(draft, table, name, ELSEWHERE)
    said = found(draft, decide, "EV-UNPLANNED")
    assert any(f"{path} '{name}' at the site 'addition'" in text for text in said)


def test_a_benchmark_is_missed_only_where_it_was_wanted(draft: Any, decide: Any) -> None:
    draft.study += SECOND
    unbound = found(draft, decide, "EV-ABSENT")
    assert any("'consistency' was planned and has no evidence at the site 'subtraction'" in text for text in unbound)
    bind(draft, "benchmark", "consistency", HERE)
    assert not any("'consistency'" in text for text in found(draft, decide, "EV-ABSENT"))


def test_a_study_that_names_no_such_site_is_no_plan(draft: Any, decide: Any) -> None:
    bind(draft, "control", "random_decoder", 'sites = ["moon"]')
    assert any("no site is called 'moon'" in text for text in found(draft, decide, "EV-PLAN"))


ASKED = "the control 'random_decoder' under the benchmark 'consistency'"


def test_a_benchmark_measures_the_controls_that_it_was_asked_to(draft: Any, decide: Any) -> None:
    bind(draft, "benchmark", "consistency", 'controls = ["random_decoder", "untrained"]')
    assert decide(draft.files()).exit_code == 0


def test_a_control_that_a_benchmark_was_not_to_measure_is_unplanned(draft: Any, decide: Any) -> None:
    bind(draft, "benchmark", "consistency", 'controls = ["untrained"]')
    (said,) = found(draft, decide, "EV-UNPLANNED")
    assert ASKED in said


def test_a_benchmark_cannot_ask_for_a_control_that_nobody_makes(draft: Any, decide: Any) -> None:
    bind(draft, "benchmark", "consistency", 'controls = ["moon"]')
    assert any("the study makes no control 'moon'" in text for text in found(draft, decide, "EV-PLAN"))
