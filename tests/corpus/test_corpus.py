"""The corpus: every way to spoil a good bundle that is known is stopped with its code, and no good bundle is."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from husai_core.testing import corpus
from husai_core.testing.corpus import CASES, Case, Good, NotApplicable, Specimen

ROOT = Path(__file__).parents[2]
TOY = ROOT / "evidence" / "toy"


def _of_the_gate(name: str) -> ModuleType:
    """A module of tests/gates, which is no package."""
    key = f"tests_of_the_gate_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, ROOT / "tests" / "gates" / f"{name}.py")
        assert spec
        assert spec.loader
        sys.modules[key] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[key])
    return sys.modules[key]


def small() -> Good:
    """Two dictionaries, two controls, two benchmarks, five seeds, and every kind of rule."""
    conftest = _of_the_gate("conftest")
    return Good(conftest.Draft(views=True).files(), conftest.POLICY.encode())


def searched() -> Good:
    """The same, whose candidate is what a search confirmed."""
    conftest, selections = (_of_the_gate(name) for name in ("conftest", "test_selections"))
    return Good(selections.declared(selections.searched(conftest.Draft())), conftest.POLICY.encode())


def measured_twofold() -> Good:
    """The same, with metrics that have to agree with one another."""
    conftest = _of_the_gate("conftest")
    draft = conftest.Draft()
    again = (
        ("explained_variance", "mse", {}, lambda v: 26.4 * (1 - v)),
        ("explained_variance", "ce_loss", {}, lambda v: 2.5 + 5 * (1 - v)),
        ("explained_variance", "ce_loss_increase", {}, lambda v: 5 * (1 - v)),
        ("explained_variance", "ce_loss_score", {"against": "zero"}, lambda v: v),
        ("pwmcc", "mcc", {}, lambda v: v - 0.02),
    )
    for document in draft.evidence.values():
        for measurement in list(document["measurements"]):
            for name, other, setting, value in again:
                if measurement["metric"]["name"] == name:
                    observations = [{**o, "value": value(o["value"])} for o in measurement["observations"]]
                    copied = {**measurement, "metric": conftest.card(other), "observations": observations}
                    copied.pop("chance", None)
                    document["measurements"].append({**copied, "setting": setting})
        names = {m["metric"]["name"] for m in document["measurements"]}
        known = {m["name"] for m in document["metrics"]}
        document["metrics"] += [conftest.origin(name) for name in sorted(names - known)]
    return Good(draft.files(), conftest.POLICY.encode())


def _ids(*threats: int, every: int = 0) -> set[str]:
    sample = {case.id for case in CASES[::every]} if every else set()
    return sample | {case.id for case in CASES if case.threat in threats}


test_small = corpus.against(small)
test_searched = corpus.against(searched, only=_ids(54, every=12))
test_twofold = corpus.against(measured_twofold, only=_ids(62, every=24))
test_toy = corpus.against(TOY, "toy", only=_ids(45, 61, 62, every=8))


def test_every_row_of_the_threats_has_a_case_or_says_where_it_is_tested() -> None:
    page = (ROOT / "docs" / "threats.md").read_text()
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, len(rows) + 1))
    assert {case.threat for case in CASES} <= {int(number) for number, *_ in rows}
    for number, codes, exits, tested in rows:
        cases = [case for case in CASES if case.threat == int(number)]
        assert bool(cases) == (tested == "corpus"), number
        assert not cases or {f"`{case.code}`" for case in cases if case.code} == set(re.findall(r"`[A-Z-]+`", codes)), (
            number
        )
        assert not cases or {str(case.exit_code) for case in cases} == set(exits.split(", ")), number
        assert not tested.startswith("tests/") or (ROOT / tested).is_file(), number


def test_every_case_is_run_on_some_bundle() -> None:
    bundles = [small(), searched(), measured_twofold(), Good.at(TOY, "toy")]
    for case in CASES:
        if not any(_applies(case, good) for good in bundles):
            raise AssertionError(f"{case.id} applies to no bundle of these tests")


def test_what_the_producer_made_again_is_released_without_a_trusted_key_and_called_not_proven() -> None:
    case = next(case for case in CASES if case.id == "everything-made-again-by-the-producer")
    assert case.question
    forged = case.question(small())
    case.spoil(forged)
    assert forged.ask().exit_code == 3
    forged.trusted = False  # type: ignore[attr-defined]
    found = forged.ask()
    assert found.exit_code == 0
    assert "NOT-PROVEN: self-attested" in found.text


def test_every_question_is_good_until_it_is_spoilt_and_asked_again_says_the_same() -> None:
    assert len(corpus.QUESTIONS) == 5
    for question in corpus.QUESTIONS:
        asked = question(small())
        assert asked.ask() == asked.ask() == question(small()).ask()
        assert asked.ask().exit_code == 0


def _applies(case: Case, good: Good) -> bool:
    if case.stage not in ("made", "asked"):
        return True
    try:
        case.spoil(case.question(good) if case.question else Specimen(good))
    except NotApplicable:
        return False
    return True


def test_there_are_enough_cases_and_no_name_stands_twice() -> None:
    names = [case.id for case in CASES]
    assert len(names) == len(set(names)) >= 120
    assert all(re.fullmatch(r"[a-zA-Z0-9-]+", name) for name in names)
    assert all(case.description.endswith(".") for case in CASES)
