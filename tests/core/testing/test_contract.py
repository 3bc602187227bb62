"""The contract itself: two lines, readable ids, excuses that must stay true, causes that hide their consequences."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass

import pytest

from husai_architectures.topk import TopK
from husai_core import Dims, UsageError
from husai_core.testing import architecture_contract
from husai_core.testing.architectures import architecture_contracts
from husai_core.testing.contract import Broken, Check, Skipped, as_test, check, contracts_of


@check()
def first(trial: set[str]) -> None:
    """The first rule."""
    if "first" in trial:
        raise Broken("it was first")


@check(after=("first",), declare="traits = Traits()")
def second(trial: set[str]) -> None:
    """The second rule."""
    if "second" in trial:
        raise ZeroDivisionError("by zero")


@check()
def third(trial: set[str]) -> None:
    """The third rule."""
    if "third" in trial:
        raise Skipped("not here")


def outcomes(*faults: str, **excuses: str) -> dict[str, str]:
    (contract,) = contracts_of("it", (first, second, third), {"": set(faults)}, excuses)
    return {outcome.check.name: outcome.status for outcome in contract.outcomes()}


@pytest.mark.parametrize(
    ("faults", "excuses", "expected"),
    [
        ([], {}, ("pass", "pass", "pass")),
        (["first"], {}, ("fail", "blocked", "pass")),
        (["second", "third"], {}, ("pass", "fail", "skipped")),
        (["first"], {"first": "known"}, ("excused", "pass", "pass")),
        (["first", "second"], {"first": "known"}, ("excused", "fail", "pass")),
        ([], {"second": "it was broken once"}, ("pass", "stale", "pass")),
        (["third"], {"third": "cannot be judged"}, ("pass", "pass", "skipped")),
    ],
)
def test_what_comes_of_checks(faults, excuses, expected):
    assert tuple(outcomes(*faults, **excuses).values()) == expected


def test_a_failure_says_the_rule_what_was_seen_and_the_ways_out():
    line = second.run.__code__.co_firstlineno + 4
    (contract,) = contracts_of("architecture 'x'", (first, second), {"": {"second"}}, {})
    assert contract.outcome("second").text.splitlines() == [
        "architecture 'x' breaks 'second'",
        "  rule: The second rule.",
        f"  seen: ZeroDivisionError at test_contract.py:{line}: by zero",
        "  either fix it, or declare it: traits = Traits(), or known_failures={'second': 'the reason'}",
    ]


def test_one_exception_in_several_checks_is_said_once():
    def spoilt(name: str) -> Check:
        return Check(name, "A rule.", lambda trial: trial.encode())

    (contract,) = contracts_of("it", (spoilt("one"), spoilt("two"), first, second), {"": {"second"}}, {})
    texts = {outcome.check.name: outcome.text for outcome in contract.outcomes()}
    assert [outcome.status for outcome in contract.outcomes()] == ["fail", "fail", "pass", "fail"]
    assert "no attribute 'encode'" in texts["one"]
    assert "no attribute 'encode'" not in texts["two"]
    assert ", the same as in 'one'" in texts["two"]
    assert texts["two"].splitlines()[2].startswith("  seen: AttributeError at test_contract.py:")
    assert "the same" not in texts["second"]


def test_a_missing_library_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)

    @check()
    def saves(trial):
        """It saves."""
        importlib.import_module("safetensors")

    (contract,) = contracts_of("it", (saves,), {"": set()}, {})
    outcome = contract.outcome("saves")
    assert outcome.status == "fail"
    assert "seen: needs 'safetensors', which is not installed: pip install 'husai[train]'" in outcome.text
    assert "known_failures" not in outcome.text


def test_a_stale_excuse_is_quoted():
    (contract,) = contracts_of("it", (first,), {"": set()}, {"first": "old reason"})
    assert contract.outcome("first").against
    assert "old reason" in contract.outcome("first").text


@pytest.mark.parametrize(
    ("excuses", "says"),
    [({"frist": "why"}, "did you mean 'first'"), ({"first": " "}, "the reason is empty")],
)
def test_an_excuse_for_nothing_is_refused(excuses, says):
    with pytest.raises(UsageError, match=says):
        contracts_of("it", (first,), {"": set()}, excuses)


def test_an_excuse_may_name_one_of_several_settings():
    contracts = contracts_of("it", (first,), {"a": {"first"}, "b": set()}, {"first-a": "known"})
    assert [contract.outcome("first").status for contract in contracts] == ["excused", "pass"]


def test_pytest_is_told_what_came_of_each_check():
    test = as_test(contracts_of("it", (first, second, third), {"": {"second", "third"}}, {"second": "known"}))
    answers = []
    for case in _cases(test):
        try:
            test(*case.values)
            answers.append("passed")
        except (pytest.fail.Exception, pytest.skip.Exception, pytest.xfail.Exception) as answer:
            answers.append(type(answer).__name__)
    assert answers == ["passed", "XFailed", "Skipped"]
    failing = as_test(contracts_of("it", (first,), {"": {"first"}}, {}))
    with pytest.raises(pytest.fail.Exception, match="rule: The first rule"):
        failing(*_cases(failing)[0].values)


def _cases(test):
    return test.pytestmark[0].args[1]


def test_ids_are_the_names_of_checks():
    assert [case.id for case in _cases(architecture_contract("topk"))][:2] == ["starts", "settings"]
    several = _cases(architecture_contract(TopK(), settings=[{"k": 2}, {"k": 3, "aux_k": 1}]))
    assert {case.id for case in several} >= {"starts-k=2", "starts-k=3,aux_k=1"}


def test_a_check_is_named_by_its_function_and_its_rule_is_one_line():
    assert isinstance(first, Check)
    assert (first.name, first.rule) == ("first", "The first rule.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"architecture": "topkk"}, "did you mean 'topk'"),
        ({"architecture": "topk", "settings": {"kk": 3}}, "did you mean 'k'"),
        ({"architecture": "topk", "settings": [{"k": 0}]}, "k must be at least 1"),
        ({"architecture": "topk", "settings": []}, "runs no check"),
        ({"architecture": "topk", "known_failures": {"trainz": "why"}}, "did you mean 'trains'"),
    ],
)
def test_a_mistake_in_the_call_is_named(arguments, says):
    with pytest.raises(UsageError, match=says):
        architecture_contract(**arguments)


def test_widths_that_do_not_suit_say_what_to_give():
    (contract,) = architecture_contracts("topk", {"k": 9}, Dims(6, 8, 6))
    text = contract.outcome("starts").text
    assert "k 9 must be at most d_sae 8" in text
    assert "`dims=`" in text
    assert contract.outcome("trains").status == "blocked"


def test_settings_that_are_no_dataclass_are_a_failure_and_no_crash():
    class Loose(TopK):
        Settings = dict

    (contract,) = architecture_contracts(Loose())
    assert {o.check.name for o in contract.outcomes() if o.against} == {"starts", "settings"}


def test_settings_without_defaults_need_no_defaults():
    @dataclass(frozen=True)
    class Needed:
        k: int
        aux_k: int | None = None
        aux_coefficient: float = 0.0
        apply_b_dec_to_input: bool = True

    class Asks(TopK):
        Settings = Needed

    (contract,) = architecture_contracts(Asks(), {"k": 3})
    assert contract.outcome("defaults").status == "pass"


def test_a_required_setting_that_is_not_given_is_one_failure_that_names_it():
    @dataclass(frozen=True)
    class Needed:
        family: str

    class Asks(TopK):
        Settings = Needed

    (contract,) = architecture_contracts(Asks())
    (failure,) = [outcome for outcome in contract.outcomes() if outcome.against]
    assert "the setting 'family' is missing" in failure.text
