"""The corpus: every way to spoil a good bundle that is known is stopped with its code, and no good bundle is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from husai_core.testing import corpus
from husai_core.testing.corpus import Good

ROOT = Path(__file__).parents[2]


def tests_of_the_gate(name: str) -> ModuleType:
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
    conftest = tests_of_the_gate("conftest")
    return Good(conftest.Draft(views=True).files(), conftest.POLICY.encode())


def searched() -> Good:
    """The same, whose candidate is what a search confirmed."""
    conftest, selections = (tests_of_the_gate(name) for name in ("conftest", "test_selections"))
    return Good(selections.declared(selections.searched(conftest.Draft())), conftest.POLICY.encode())


test_small = corpus.against(small)
test_toy = corpus.against(ROOT / "evidence" / "toy", "toy")
test_searched = corpus.against(searched)
