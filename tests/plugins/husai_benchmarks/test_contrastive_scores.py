"""Contrastive scores: equal to a reference in plain Python that is checked by hand on two rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from husai_benchmarks.contrastive_scores import Scores, official, paper, story_means

Story = Sequence[Sequence[float]]  # by token, its latents
Vector = list[float]


def average(tokens: Story) -> Vector:
    return [fmean(column) for column in zip(*tokens, strict=True)]


def apart(one: Vector, other: Vector) -> Vector:
    return [abs(x - y) for x, y in zip(one, other, strict=True)]


def height(values: Vector) -> float:
    """The largest, from the mean, in standard deviations."""
    return (max(values) - fmean(values)) / (stdev(values) or 1)


def reference_official(first: Story, second: Story) -> tuple[float, float, float]:
    contrast = apart(average(first), average(second))
    independence = apart(average([*first, *second]), [0.0] * len(contrast))
    together = [x + y for x, y in zip(contrast, independence, strict=True)]
    return height(contrast), height(independence), height(together)


def reference_paper(rows: Sequence[tuple[Story, Story]]) -> list[tuple[float, float, float]]:
    both = [average([*first, *second]) for first, second in rows]
    overall = average(both)
    found = []
    for (first, second), own in zip(rows, both, strict=True):
        one, other = average(first), average(second)
        contrastive = max(apart(one, other)) / (stdev([*one, *other]) or 1)
        independent = max(apart(own, overall)) / (stdev([*own, *overall]) or 1)
        found.append((contrastive, independent, contrastive + independent))
    return found


# Row 1: means (3, 0, 0, 1) and (3, 3, 0, 1), over the three tokens of both (3, 1, 0, 1).
# Row 2: means (0, 0, 4, 0) and (0, 0, 0, 4), over the four tokens of both (0, 0, 1, 3).
ROWS: list[tuple[Story, Story]] = [
    ([[2, 0, 0, 0], [4, 0, 0, 2]], [[3, 3, 0, 1]]),
    ([[0, 0, 4, 0]], [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 12]]),
]
BY_HAND = {
    "official": [
        # distances (0, 3, 0, 0): mean 3/4, squares 27/4, so 9/4 in deviations of 3/2
        # from zero (3, 1, 0, 1): mean 5/4, squares 19/4, so 7/4 in deviations of sqrt(19/12)
        # their sum (3, 4, 0, 1): mean 2, squares 10, so 2 in deviations of sqrt(10/3)
        (1.5, 1.75 * sqrt(12 / 19), 2 * sqrt(3 / 10)),
        # (0, 0, 4, 4): mean 2, squares 16; (0, 0, 1, 3): mean 1, squares 6; (0, 0, 5, 7): mean 3, squares 38
        (2 * sqrt(3 / 16), sqrt(2), 4 * sqrt(3 / 38)),
    ],
    # The average of both rows is (1.5, 0.5, 0.5, 2).
    "paper": [
        # 3 0 0 1 3 3 0 1: mean 11/8, squares 13.875; 3 1 0 1 1.5 0.5 0.5 2: mean 9.5/8, squares 6.46875
        (3 * sqrt(7 / 13.875), 1.5 * sqrt(7 / 6.46875), 3 * sqrt(7 / 13.875) + 1.5 * sqrt(7 / 6.46875)),
        # 0 0 4 0 0 0 0 4: mean 1, squares 24; 0 0 1 3 1.5 0.5 0.5 2: mean 8.5/8, squares 7.71875
        (4 * sqrt(7 / 24), 1.5 * sqrt(7 / 7.71875), 4 * sqrt(7 / 24) + 1.5 * sqrt(7 / 7.71875)),
    ],
}


def values(scores: Scores) -> tuple[float, float, float]:
    return scores.contrastive, scores.independent, scores.interpretability


def scored(mode: str, rows: Sequence[tuple[Story, Story]]) -> list[tuple[float, float, float]]:
    means = [story_means(*(torch.tensor(story, dtype=torch.float32) for story in row)) for row in rows]
    if mode == "official":
        return [values(official(one)) for one in means]
    overall = torch.stack([one.both.double() for one in means]).mean(0)
    return [values(paper(one, overall)) for one in means]


def expected(mode: str, rows: Sequence[tuple[Story, Story]]) -> list[tuple[float, float, float]]:
    return [reference_official(*row) for row in rows] if mode == "official" else reference_paper(rows)


@pytest.mark.parametrize("mode", ["official", "paper"])
def test_reference_and_scores_are_what_is_worked_out_by_hand(mode: str) -> None:
    for found in (expected(mode, ROWS), scored(mode, ROWS)):
        for row, by_hand in zip(found, BY_HAND[mode], strict=True):
            assert row == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("mode", ["official", "paper"])
def test_on_latents_of_a_size_that_occurs_they_are_those_of_the_reference(mode: str) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for lengths in ((40, 70), (1, 9), (33, 33)):
        shown = [
            torch.rand(n, 64, generator=generator) * (torch.rand(n, 64, generator=generator) < 0.1) for n in lengths
        ]
        rows.append((shown[0].tolist(), shown[1].tolist()))
    for row, other in zip(scored(mode, rows), expected(mode, rows), strict=True):
        assert row == pytest.approx(other, abs=1e-6)


LATENTS = st.lists(st.integers(0, 4).map(float), min_size=5, max_size=5)
STORY = st.lists(LATENTS, min_size=1, max_size=4)


@given(STORY, STORY)
def test_a_score_is_a_maximum_over_latents_and_bounded_by_their_number(first: Story, second: Story) -> None:
    (found,) = scored("official", [(first, second)])
    assert all(-1e-6 <= score <= (5 - 1) / sqrt(5) + 1e-6 for score in found)
    wider = [([[*t, *[0.0] * 95] for t in first], [[*t, *[0.0] * 95] for t in second])]
    for narrow, wide in zip(found, scored("official", wider)[0], strict=True):
        assert wide > narrow or narrow <= 1e-6  # the same stories and latents, beside others that are never active


@given(STORY, STORY, STORY)
def test_the_official_score_knows_no_other_row_and_that_of_the_paper_does(a: Story, b: Story, c: Story) -> None:
    alone, beside = scored("official", [(a, b)]), scored("official", [(a, b), (c, c)])
    assert alone[0] == beside[0]
    assert scored("paper", [(a, b)])[0][1] == pytest.approx(0)  # the average of one row is that row
    same = scored("paper", [(a, b), (a, b)])[0]
    assert same[1] == pytest.approx(0, abs=1e-6)


def test_the_average_of_the_official_score_is_zero_and_not_that_of_the_rows() -> None:
    """Rows that are all alike deviate from their average by nothing, and from zero by what they are."""
    row: tuple[Story, Story] = ([[5.0, 1.0, 0.0]], [[5.0, 1.0, 0.0]])
    assert [one[1] for one in scored("paper", [row, row])] == [0.0, 0.0]
    assert [one[1] for one in scored("official", [row, row])] == pytest.approx([height([5, 1, 0])] * 2)


def test_interpretability_is_the_sum_of_the_scores_in_the_paper_and_of_the_distances_in_the_code() -> None:
    for contrastive, independent, interpretability in scored("paper", ROWS):
        assert interpretability == contrastive + independent
    for contrastive, independent, interpretability in scored("official", ROWS):
        assert interpretability < contrastive + independent


def test_dead_dictionaries_and_equal_stories_score_nothing() -> None:
    dead: tuple[Story, Story] = ([[0.0] * 4], [[0.0] * 4])
    for mode in ("official", "paper"):
        assert scored(mode, [dead, dead]) == [(0.0, 0.0, 0.0)] * 2
        assert scored(mode, [(ROWS[0][0], ROWS[0][0])])[0][0] == 0.0


def test_what_moves_more_scores_more() -> None:
    """One latent that tells the stories apart among many that do not."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(2, 6, 50, generator=generator)
    for mode in ("official", "paper"):
        found = []
        for telling in (0.0, 1.0, 3.0):
            first, second = noise.clone()
            first[:, 7] += telling
            found.append(scored(mode, [(first.tolist(), second.tolist())])[0][0])
        assert found == sorted(found)
        assert found[2] > 1.5 * found[0]
