"""Drops as bars: the interval is that of seeds and documents where there are documents."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from husai_core.evidence import Observation, RecordedMeasurement
from husai_core.metric import MetricCard
from husai_gates.crossed import crossed_interval
from husai_gates.drops import draw_drops, drops_of, reach
from husai_gates.interval import interval

CARD = MetricCard("ood_drop", "1", "u", "lower", "d")


def measured(condition: str, metric: str, shift: str, documents: int = 0, card: MetricCard = CARD) -> Any:
    values = {seed: seed / 10 for seed in (1, 2, 3)}
    seen = tuple(
        Observation((seed,), value + part / 100, f"document {part}" if documents else "")
        for seed, value in values.items()
        for part in range(max(1, documents))
    )
    setting = {"metric": metric, "shift": shift, **({"per": "document"} if documents else {})}
    return RecordedMeasurement(card, condition, setting, seen, None, {})


def evidence(*measurements: Any) -> Any:
    return SimpleNamespace(measurements=measurements, site="layer")


def test_pairs_of_documents_go_before_whole_sets_whichever_comes_first() -> None:
    whole, paired = measured("a", "cosine", "x"), measured("a", "cosine", "x", documents=4)
    other = measured("a", "mse", "x")
    for order in ((whole, paired, other), (other, paired, whole)):
        assert drops_of(evidence(*order)) == {"cosine": {"x": {"a": paired}}}
    assert drops_of(evidence(whole, other)) == {"cosine": {"x": {"a": whole}}, "mse": {"x": {"a": other}}}


def test_the_interval_of_a_bar() -> None:
    whole, paired = measured("a", "cosine", "x"), measured("a", "cosine", "x", documents=4)
    assert reach(whole, 0.95) == interval(whole.by_unit(), 0.95)
    assert reach(paired, 0.95) == crossed_interval(paired.by_part(), 0.95)


def test_bars_are_drawn_where_a_drop_was_measured_and_only_there() -> None:
    pytest.importorskip("matplotlib")
    found = evidence(measured("a", "cosine", "x", 3), measured("b", "cosine", "x", 3), measured("a", "cosine", "y", 3))
    drawn = draw_drops(found, {"a": "candidate", "b": "control"}, 0.95)
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
    assert drawn == draw_drops(found, {"a": "candidate", "b": "control"}, 0.95)
    another = MetricCard("cosine", "1", "u", "higher", "d")
    assert draw_drops(evidence(measured("a", "cosine", "x", card=another)), {}, 0.95) is None
