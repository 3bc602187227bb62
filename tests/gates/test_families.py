"""Pictures: what differs along a setting is drawn along it, pairs of seeds as matrices, and all else as it was."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from husai_core.bundle import Snapshot
from husai_gates import family_drawing
from husai_gates.audit import audit
from husai_gates.families import families
from husai_gates.plots import make_plots

PNG = b"\x89PNG\r\n\x1a\n"


def measured(metric: str, condition: str = "s.a", **setting: Any) -> Any:
    return SimpleNamespace(card=SimpleNamespace(name=metric), condition=condition, setting=setting)


def found(*measurements: Any) -> Any:
    along, alone = families(measurements)
    return [(f.metrics, f.axis, f.numeric, f.values, list(f.panels)) for f in along], alone


def test_a_number_is_an_axis_and_its_metrics_stay_apart() -> None:
    along, alone = found(*(measured(m, k=k) for m in ("auc", "f1") for k in (10, 2)), measured("auc"))
    assert along == [(("auc",), "k", True, [2, 10], [""]), (("f1",), "k", True, [2, 10], [""])]
    assert [m.setting for m in alone] == [{}]


def test_words_are_an_axis_and_their_metrics_stand_together() -> None:
    along, alone = found(*(measured(m, shift=s) for m in ("cosine", "mse") for s in ("code", "french")))
    assert along == [(("cosine", "mse"), "shift", False, ["code", "french"], ["cosine", "mse"])]
    assert not alone


def test_what_else_varies_has_a_panel_for_each_value_and_numbers_go_before_words() -> None:
    along, _ = found(*(measured("auc", k=k, on=on) for k in (1, 5) for on in ("rows", "text")))
    assert along == [(("auc",), "k", True, [1, 5], ["on = rows", "on = text"])]


def test_a_setting_that_never_varies_is_no_axis() -> None:
    along, alone = found(measured("pwmcc", rows="shuffled"), measured("pwmcc", "s.b", rows="shuffled"))
    assert not along
    assert len(alone) == 2


def test_true_is_no_number() -> None:
    along, _ = found(measured("auc", centred=True), measured("auc", centred=False))
    assert along[0][2] is False


SETTINGS = st.dictionaries(
    st.sampled_from(["k", "on", "shift"]), st.sampled_from([1, 2, 5, "a", "b", True]), max_size=3
)


@given(st.lists(st.tuples(st.sampled_from(["x", "y"]), SETTINGS), max_size=20))
def test_every_measurement_is_in_one_place(given_: list[tuple[str, dict[str, Any]]]) -> None:
    measurements = [measured(metric, **setting) for metric, setting in given_]
    along, alone = families(measurements)
    seen = [*alone, *(m for family in along for panel in family.panels.values() for m in panel)]
    assert sorted(map(id, seen)) == sorted(map(id, measurements))
    for family in along:
        for panel in family.panels.values():
            assert len({m.card.name for m in panel}) == 1


def test_each_family_and_each_matrix_is_a_picture_and_the_bundle_is_sound(draft: Any) -> None:
    document = draft.reconstruction
    chosen = [m for m in document["measurements"] if m["metric"]["name"] == "explained_variance"]
    document["measurements"] = list(chosen)
    chosen = [m for m in chosen if m["condition"].startswith("addition.topk")]
    for about in ({"k": 1}, {"k": 20}, {"shift": "code"}, {"shift": "french"}):
        document["measurements"] += [{**copy.deepcopy(m), "setting": about} for m in chosen]
    pictures = make_plots(draft.content())
    assert pictures.keys() == {
        "plots/consistency.addition.png",
        "plots/consistency.addition.pwmcc.pairs.png",
        "plots/reconstruction.addition.png",
        "plots/reconstruction.addition.explained_variance.k.png",
        "plots/reconstruction.addition.explained_variance.shift.png",
    }
    assert all(raw.startswith(PNG) for raw in pictures.values())
    draft.extra, draft.views = pictures, True
    files = draft.files()
    assert audit(Snapshot("bundle", files)).findings == ()
    for path in pictures:
        page = "consistency" if "consistency" in path else "reconstruction"
        assert f"](../{path})" in files[f"report/{page}.addition.md"].decode()


def test_many_panels_go_on_in_a_second_picture(draft: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family_drawing, "MOST_PANELS", 2)
    document = draft.reconstruction
    one = draft.measurement("explained_variance")
    document["measurements"] = [
        {**one, "setting": {"a": f"a{a}", "shift": shift}} for a in range(3) for shift in ("code", "french")
    ]
    del draft.evidence["evidence/consistency.addition.json"]
    start = "plots/reconstruction.addition.explained_variance.a.shift"
    assert make_plots(draft.content()).keys() == {f"{start}.png", f"{start}.2.png"}
