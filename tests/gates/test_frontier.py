"""Frontiers and scaling: the front is the one that brute force finds, and what is not resolved is said."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from husai_core.bundle import Snapshot
from husai_core.metric import MetricCard
from husai_gates.audit import audit
from husai_gates.frontier import Place, frontiers, rank
from husai_gates.plots import make_plots
from husai_gates.summary import Summary

COST = MetricCard("cost", "1", "u", "neither", "d")
SIDES = {side: MetricCard("quality", "1", "u", side, "d") for side in ("higher", "lower")}  # type: ignore[arg-type]

NUMBERS = st.integers(0, 6).map(float)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=12)


def place(name: str, x: float, y: float, dx: float = 0.0, dy: float = 0.0, side: str = "higher") -> Place:
    condition: Any = SimpleNamespace(name=name)
    return Place(
        condition,
        Summary(COST, x, (x - dx, x + dx), 3, None),
        Summary(SIDES[side], y, (y - dy, y + dy), 3, None),
    )


@given(POINTS, st.sampled_from(["higher", "lower"]))
def test_the_front_is_what_brute_force_finds(points: list[tuple[float, ...]], side: str) -> None:
    sign = 1 if side == "higher" else -1
    ranked = {r.place.condition.name: r for r in rank([place(str(i), *p, side=side) for i, p in enumerate(points)])}
    assert len(ranked) == len(points)
    for i, (x, y, dx, dy) in enumerate(points):
        better = {
            j
            for j, (a, b, _, _) in enumerate(points)
            if a <= x and sign * b >= sign * y and (a < x or sign * b > sign * y)
        }
        front = {j for j in better if ranked[str(j)].standing == "front"}
        clear = {
            j
            for j in front
            if points[j][0] + points[j][2] <= x - dx and sign * points[j][1] - points[j][3] >= sign * y + dy
        }
        expected = "front" if not better else ("dominated" if clear else "not resolved")
        assert ranked[str(i)].standing == expected
        assert (ranked[str(i)].by is None) == (expected == "front")
        assert bool(better) == bool(front), "whatever is beaten is beaten by the front"


def test_without_an_interval_nothing_is_resolved() -> None:
    alone: Any = SimpleNamespace(name="one seed")
    weak = Place(alone, Summary(COST, 5.0, None, 1, None), Summary(SIDES["higher"], 0.0, None, 1, None))
    assert [r.standing for r in rank([place("good", 1.0, 1.0), weak])] == ["front", "not resolved"]


def _asked(draft: Any) -> dict[str, bytes]:
    draft.study += '\n[report]\nfrontier = [["l0", "explained_variance"], ["l0", "mse"]]\nscaling = ["pwmcc"]\n'
    draft.views = True
    files: dict[str, bytes] = draft.files()
    return files


def test_the_report_shows_fronts_and_scaling_where_the_study_asks(draft: Any, good: dict[str, bytes]) -> None:
    text = _asked(draft)["report.md"].decode()
    assert "## Frontier at addition: explained_variance against l0" in text
    assert "trained on 768000 rows, in one order, in batches of one size: the budgets are equal" in text
    lines = {line.split(" | ")[1]: line for line in text.splitlines() if line.startswith(("| 1 |", "| 2 |"))}
    assert "on the front" in lines["addition.topk"]
    assert "addition.topk is ahead" in lines["addition.relu"]
    assert "Not measured on both, and left out: addition.relu, addition.topk" in text
    assert "## Scaling of pwmcc: topk at addition" in text
    assert "| 256 | 0.6008 (" in text
    assert "Frontier" not in good["report.md"].decode()


def test_unequal_budgets_are_said(draft: Any) -> None:
    draft.study = draft.study.replace('name = "relu"', 'name = "relu"\nsteps = 750')
    for subject in draft.subjects.values():
        if subject["architecture"]["name"] == "relu" and subject["budget"]["steps"]:
            subject["budget"] |= {"steps": 750, "rows_seen": 750 * 512}
    text = _asked(draft)["report.md"].decode()
    assert "The budgets differ" in text
    assert "384000 rows" in text


def test_every_front_and_every_scaling_is_drawn_and_the_bundle_is_sound(draft: Any) -> None:
    files = _asked(draft)
    assert audit(Snapshot("bundle", files)).findings == ()
    pictures = make_plots(files)
    assert {"plots/frontier.addition.l0.explained_variance.png", "plots/scaling.pwmcc.png"} <= pictures.keys()
    assert "plots/frontier.addition.l0.mse.png" not in pictures


def test_controls_are_on_no_front(draft: Any) -> None:
    report = audit(Snapshot("bundle", _asked(draft)))
    first = next(iter(frontiers(report, 0.95)))
    assert {point.place.condition.name for point in first.points} == {"addition.topk", "addition.relu"}


def test_without_a_policy_the_report_judges_nothing_and_is_still_held_to_the_evidence(draft: Any, seal: Any) -> None:
    from husai_gates.views import check_views, make_views

    content = {path: raw for path, raw in draft.content().items() if not path.startswith("policy/")}
    views = make_views(content)
    pages = {f"report/{name}.md" for name in ("consistency.addition", "reconstruction.addition", "instruments")}
    assert views.keys() == {"report.md", *pages}
    assert b"nothing was judged" in views["report.md"]
    for raw, codes in ((views["report.md"], set()), (views["report.md"] + b"\nRELEASED\n", {"EV-VIEW"})):
        snapshot = Snapshot("bundle", seal({**content, **views, "report.md": raw}))
        assert {f.code for f in check_views(snapshot, audit(snapshot))} == codes
