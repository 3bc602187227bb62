"""Selections: the evidence chooses, the audit chooses again, and what was only explored is not judged."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

import husai_schemas
from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_gates.audit import audit
from husai_gates.selection import make_selection

SEARCH_SEEDS = (11, 12, 13)
PATH = "selections/addition.topk.json"
LEVELS = {  # of the points: agreement, and explained variance
    "wide.k4": (0.70, 0.80),
    "wide.k8": (0.60, 0.95),
    "wide.k16": (0.50, 0.97),
}
UNTRAINED = 0.4

SWEPT = """
[[sae]]
name = "wide"
architecture = "topk"
role = "candidate"
d_sae = 256
sweep = { "settings.k" = [4, 8, 16] }

[[search]]
name = "topk"
sae = "wide"
seeds = [11, 12, 13]
benchmark = "consistency"
metric = "pwmcc"
over = { control = "untrained" }

[[search.constraint]]
benchmark = "reconstruction"
metric = "explained_variance"
at_least = 0.9
drop_at_most = 0.05
reference = "wide.k16"
"""


def searched(draft: Any) -> Any:
    """The good bundle, whose candidate is now what a search over three points confirmed."""
    plain = next(part for part in draft.study.split("\n\n") if 'name = "topk"' in part)
    draft.study = draft.study.replace(plain, SWEPT.strip())
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.topk"):
            subject["architecture"]["settings"] = {"k": 8}
    for benchmark, metric in (("consistency", "pwmcc"), ("reconstruction", "explained_variance")):
        document = copy.deepcopy(draft.evidence[f"evidence/{benchmark}.addition.json"])
        document |= {
            "subjects": [],
            "measurements": [],
            "metrics": [m for m in document["metrics"] if m["name"] == metric],
        }
        draft.evidence[f"evidence/{benchmark}.addition.topk.json"] = document
        for (point, levels), control in itertools.product(LEVELS.items(), (None, "untrained")):
            level = UNTRAINED if control else levels[metric != "pwmcc"]
            _explore(draft, document, point, control, metric, level)
    return draft


def _explore(draft: Any, document: dict[str, Any], point: str, control: str | None, metric: str, level: float) -> None:
    origin = f"addition.topk.{control}" if control else "addition.topk"
    condition = f"addition.{point}.{control}" if control else f"addition.{point}"
    for seed in SEARCH_SEEDS:
        subject = copy.deepcopy(draft.of(origin)[0])
        name = f"{condition}.s{seed}"
        subject |= {"name": name, "condition": condition, "seed": seed, "weights": strict_json.digest(name.encode())}
        subject["architecture"]["settings"] = {"k": int(point.partition("k")[2])}
        subject["role"] = "control" if control else "explored"
        if control:
            subject["control"]["of"] = f"addition.{point}"
        draft.subjects[name] = subject
        document["subjects"].append({"name": name, "digest": ""})
    measured = copy.deepcopy(draft.measurement(metric, origin))
    units = (
        [list(u) for u in itertools.combinations(SEARCH_SEEDS, 2)] if metric == "pwmcc" else [[s] for s in SEARCH_SEEDS]
    )
    scale = 0.5 if control else int(point.partition("k")[2]) / 8
    measured |= {
        "condition": condition,
        "observations": [{"seeds": u, "value": level + scale * 0.001 * (sum(u) % 3 + sum(u) / 50)} for u in units],
    }
    document["measurements"].append(measured)


def declared(draft: Any, change: Callable[[dict[str, Any]], None] = lambda document: None) -> dict[str, bytes]:
    """The sealed files, with the selection that the evidence gives, changed by whoever wants to."""
    document = json.loads(make_selection("addition.topk", draft.content()))
    change(document)
    draft.extra[PATH] = strict_json.encode(document)
    files: dict[str, bytes] = draft.files()
    return files


def codes(files: dict[str, bytes]) -> set[str]:
    return {finding.code for finding in audit(Snapshot("bundle", files)).findings}


def choice(draft: Any) -> dict[str, Any]:
    document = json.loads(make_selection("addition.topk", draft.content()))
    assert isinstance(document, dict)
    return document


@pytest.fixture
def search(draft: Any) -> Any:
    return searched(draft)


def test_an_honest_search_is_sound_and_the_gate_says_what_was_chosen(search: Any, decide: Any) -> None:
    search.views = True
    files = declared(search)
    assert codes(files) == set()
    decision = decide(files)
    assert decision.verdict == "released"
    declaration = "chosen as addition.wide.k8 from 3 on seeds 11, 12, 13, confirmed on the fresh seeds 1, 2, 3, 4, 5"
    (explains,) = (row for row in decision.rows if row.rule == "explains")
    assert declaration in explains.says
    assert declaration in files["report.md"].decode()
    assert "## Selection of addition.topk" in files["report.md"].decode()


def test_the_best_point_that_meets_its_constraints_is_chosen(search: Any) -> None:
    document = choice(search)
    scores = {p["condition"]: p["score"] for p in document["points"]}
    assert document["chosen"] == "addition.wide.k8"
    assert scores["addition.wide.k4"] > scores["addition.wide.k8"] > scores["addition.wide.k16"]
    by_name = {p["condition"]: p for p in document["points"]}
    assert by_name["addition.wide.k4"]["constraints"][0]["code"] == "RULE-FAILED"
    assert by_name["addition.wide.k16"]["eligible"], "the reference does not fall behind itself"
    for point in document["points"]:
        assert point["score"] == pytest.approx(point["interval"]["low"] - point["control_interval"]["high"], abs=1e-9)
    assert document["because"]["next_score"] == scores["addition.wide.k16"]


def test_a_noisy_point_does_not_win_by_its_mean(search: Any) -> None:
    observations = search.measurement("pwmcc", "addition.wide.k16")["observations"]
    for observation, value in zip(observations, (0.3, 0.99, 0.95), strict=True):
        observation["value"] = value
    assert choice(search)["chosen"] == "addition.wide.k8"


def test_equal_points_fall_to_the_first_of_the_study(search: Any) -> None:
    first, second = (search.measurement("pwmcc", f"addition.wide.k{k}") for k in (8, 16))
    second["observations"] = copy.deepcopy(first["observations"])
    document = choice(search)
    assert (document["chosen"], document["because"]["equal"]) == ("addition.wide.k8", ["addition.wide.k16"])
    search.study = search.study.replace("[4, 8, 16]", "[4, 16, 8]")
    assert choice(search)["chosen"] == "addition.wide.k16"


CRITERION = 'benchmark = "consistency"\nmetric = "pwmcc"\nover = { control = "untrained" }'


def test_a_metric_without_a_better_side_is_scored_from_the_end_that_the_search_prefers(search: Any) -> None:
    document = search.evidence["evidence/reconstruction.addition.topk.json"]
    for k in (4, 8, 16):
        measured = copy.deepcopy(search.measurement("explained_variance", f"addition.wide.k{k}"))
        measured["metric"] = copy.deepcopy(husai_schemas.metric_cards()["l0"]["1"])
        for observation in measured["observations"]:
            observation["value"] += k
        document["measurements"].append(measured)
    search.study = search.study.replace(CRITERION, 'benchmark = "reconstruction"\nmetric = "l0"\nprefer = "lower"')
    found = choice(search)
    assert found["chosen"] == "addition.wide.k8", "the fewest latents that explain enough"
    for point in found["points"]:
        assert point["score"] == -point["interval"]["high"]


def test_a_card_with_a_better_side_is_not_overruled(search: Any) -> None:
    lower = 'benchmark = "reconstruction"\nmetric = "explained_variance"\nprefer = "lower"'
    search.study = search.study.replace(CRITERION, lower)
    found = choice(search)
    assert found["criterion"]["direction"] == "higher"
    assert found["chosen"] == "addition.wide.k16"


@pytest.mark.parametrize(
    ("condition", "change", "code"),
    [
        ("addition.wide.k8", lambda m: m["observations"].pop(), "EV-SEEDS-MISSING"),
        ("addition.wide.k8", lambda m: [o.update(value=0.6) for o in m["observations"]], "EV-ZERO-WIDTH"),
        ("addition.wide.k8.untrained", lambda m: m.update(setting={"k": 1}), "EV-ABSENT"),
        ("addition.wide.k8", lambda m: m.update(setting={"k": 1}), "EV-ABSENT"),
    ],
)
def test_a_point_that_cannot_be_scored_is_not_chosen(search: Any, condition: str, change: Any, code: str) -> None:
    measurement = search.measurement("pwmcc", condition)
    if code == "EV-SEEDS-MISSING":
        measurement["observations"] = measurement["observations"][:1]
    else:
        change(measurement)
    document = choice(search)
    (point,) = (p for p in document["points"] if p["condition"] == "addition.wide.k8")
    assert (point["code"], point["score"], point["eligible"]) == (code, None, False)
    assert document["chosen"] == "addition.wide.k16"


def test_when_nothing_meets_the_constraints_nothing_is_confirmed(search: Any, decide: Any) -> None:
    search.study = search.study.replace("at_least = 0.9", "at_least = 0.999")
    for subject in search.of("addition.topk"):
        search.drop([subject["name"]])
    files = declared(search)
    assert json.loads(files[PATH])["chosen"] is None
    assert "EV-SELECTION-NONE" in codes(files)
    assert int(decide(files).exit_code) != 0


# --- dishonest bundles, each sealed again by whoever made it


def another_chosen(document: dict[str, Any]) -> None:
    document["chosen"] = "addition.wide.k4"


def better_score(document: dict[str, Any]) -> None:
    document["points"][1]["score"] = 0.9


def fewer_compared(document: dict[str, Any]) -> None:
    del document["points"][0]


def other_search_seeds(document: dict[str, Any]) -> None:
    document["seeds"]["search"] = [14, 15]


def laxer_constraint(document: dict[str, Any]) -> None:
    document["constraints"][0]["at_least"] = 0.1


@pytest.mark.parametrize("change", [another_chosen, better_score, fewer_compared, other_search_seeds, laxer_constraint])
def test_a_document_that_the_evidence_does_not_give_is_found(search: Any, decide: Any, change: Any) -> None:
    files = declared(search, change)
    assert codes(files) == {"EV-SELECTION"}
    assert int(decide(files).exit_code) == 3


def test_a_dropped_observation_of_the_search_is_found(search: Any) -> None:
    honest = make_selection("addition.topk", search.content())
    search.measurement("pwmcc", "addition.wide.k4")["observations"].pop()
    search.extra[PATH] = honest
    assert "EV-SELECTION" in codes(search.files())


def test_evidence_edited_to_choose_another_point_no_longer_fits_what_was_trained(search: Any) -> None:
    for observation in search.measurement("pwmcc", "addition.wide.k16")["observations"]:
        observation["value"] += 0.3
    files = declared(search)
    assert json.loads(files[PATH])["chosen"] == "addition.wide.k16"
    assert codes(files) == {"EV-SUBJECT"}


def test_seeds_that_choose_and_confirm_are_found(search: Any, decide: Any) -> None:
    honest = make_selection("addition.topk", search.content())
    search.study = search.study.replace("seeds = [11, 12, 13]", "seeds = [11, 12, 5]")
    search.extra[PATH] = honest
    files = search.files()
    assert "EV-SELECTION-SEEDS" in codes(files)
    decision = decide(files)
    assert int(decision.exit_code) == 3
    assert {row.status for row in decision.rows} == {"invalid"}


def test_a_candidate_without_its_selection_is_not_released(search: Any, decide: Any) -> None:
    files = search.files()
    assert codes(files) == {"EV-SELECTION-ABSENT"}
    assert int(decide(files).exit_code) == 2


def test_search_evidence_that_is_gone_is_missed(search: Any, decide: Any) -> None:
    declared(search)
    del search.evidence["evidence/consistency.addition.topk.json"]
    files = search.files()
    assert {"EV-SELECTION", "EV-SELECTION-NONE"} <= codes(files)
    assert int(decide(files).exit_code) == 3


def test_a_search_that_the_study_does_not_know_is_unplanned(search: Any) -> None:
    declared(search)
    head, _, rest = search.study.partition("[[search]]")
    search.study = head + rest[rest.index("\n[[sae]]") :]
    assert {"EV-UNPLANNED", "EV-SUBJECT"} <= codes(search.files())


def test_an_explored_point_called_a_candidate_is_found(search: Any) -> None:
    declared(search)
    for subject in search.of("addition.wide.k4"):
        subject["role"] = "candidate"
    assert "EV-SUBJECT" in codes(search.files())


def test_a_rule_about_a_point_of_the_search_is_inconclusive(search: Any, decide: Any) -> None:
    policy = search.policy = search.policy.replace(
        'metric = "explained_variance"\nat_least = 0.9',
        'metric = "explained_variance"\nsubject = { condition = "addition.wide.k8" }\nat_least = 0.9',
    )
    decision = decide(declared(search), policy)
    (row,) = (row for row in decision.rows if row.rule == "explains")
    assert (row.status, row.code) == ("inconclusive", "EV-EXPLORED")
    assert int(decision.exit_code) == 2


def test_a_migrated_selection_names_the_migrated_evidence(search: Any, decide: Any) -> None:
    from husai_core.bundle import MANIFEST, manifest_of
    from husai_gates.migration import migrate

    for subject in search.subjects.values():
        subject["schema"] = "husai:subject/v1"
        del subject["budget"]["agreement"], subject["budget"]["decay_share"]
    old = declared(search)
    assert codes(old) == set()
    found = migrate(old)
    assert PATH in found.referring
    files = dict(found.files)
    assert files[PATH] != old[PATH]
    files[MANIFEST] = manifest_of(files)
    assert codes(files) == set()
    assert decide(files).verdict == decide(old).verdict == "released"
    again = migrate(files)
    assert (again.files, again.lifted, again.referring) == (found.files, {}, ())
