"""Holm's correction is statsmodels', and never makes anything more certain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_gates.holm import adjusted

multitest = pytest.importorskip("statsmodels.stats.multitest")

p_values = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=12)


@pytest.mark.parametrize(
    "values",
    [
        [0.3],
        [0.7, 0.8],
        [0.01, 0.04, 0.03],
        [0.02, 0.02, 0.02, 0.9],
        [1.0, 0.0, 1e-12, 0.5],
        [0.012, 0.3, 0.004, 0.04, 0.04, 0.7],
    ],
)
def test_it_is_that_of_statsmodels(values: list[float]) -> None:
    found = adjusted({str(place): p for place, p in enumerate(values)})
    expected = multitest.multipletests(values, method="holm")[1]
    assert [found[str(place)] for place in range(len(values))] == pytest.approx(list(expected), rel=1e-9)


@given(p_values)
def test_a_claim_stands_at_its_adjusted_p_by_going_down_the_list(values: list[float]) -> None:
    """Holm's own words: from the smallest on, each p is at most the error divided by how many are left."""
    found = adjusted({str(place): p for place, p in enumerate(values)})
    for error in (0.01, 0.05, 0.5):
        standing: set[str] = set()
        for place, name in enumerate(sorted(found, key=lambda name: values[int(name)])):
            if values[int(name)] * (len(values) - place) > error:
                break
            standing.add(name)
        assert standing == {name for name, p in found.items() if p <= error}


@given(p_values, st.integers(0, 11))
def test_a_claim_that_cannot_be_shown_makes_no_other_more_certain(values: list[float], place: int) -> None:
    names = {str(number): p for number, p in enumerate(values)}
    lost = str(place % len(values))
    before, after = adjusted(names), adjusted({**names, lost: 1.0})
    assert all(after[name] >= before[name] >= names[name] for name in names)


def test_no_claims_are_no_claims() -> None:
    assert adjusted({}) == {}
