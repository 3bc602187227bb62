"""Bad bundles that are made for one check of the gate; those that any bundle can be spoilt like are in tests/corpus."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

import husai_schemas
from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_core.evidence import Evidence
from husai_core.subject import Subject
from husai_gates import policy as policies
from husai_gates.audit import audit
from husai_gates.audit.measurements import check_measurements
from husai_gates.cannot_judge import CannotJudge
from husai_gates.select import locate

TOPK = "addition.topk"
RECONSTRUCTION = "evidence/reconstruction.addition.json"
PROVENANCE = "provenance.json"

# --- the producer regenerates everything: documents are changed before digests and manifest are made


def measured_twice(draft: Any) -> None:
    twin = copy.deepcopy(draft.measurement("explained_variance"))
    draft.reconstruction["measurements"].append(twin)


def control_is_its_base_and_measured_lower(draft: Any) -> None:
    for mine, theirs in zip(draft.of(f"{TOPK}.untrained"), draft.of(TOPK), strict=True):
        mine["weights"] = theirs["weights"]


def _controls(draft: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = draft.of(f"{TOPK}.random_decoder")
    return found


def control_of_a_plugin_said_to_be_one_and_is_not(draft: Any) -> None:
    _rename_control(draft, "someone_else")
    for subject in draft.of(f"{TOPK}.someone_else"):
        subject["control"]["deterministic"] = True


def _fixed_basis(draft: Any, name: str = "pca", old: str = "random_decoder") -> list[dict[str, Any]]:
    """A sound control that is the same for every seed, to be spoilt."""
    _rename_control(draft, name, old)
    controls = [s for sae in ("topk", "relu") for s in draft.of(f"addition.{sae}.{name}")]
    for subject in controls:
        subject["control"]["deterministic"] = True
        subject["weights"] = controls[0]["weights"]
        subject["budget"] |= {"steps": 0, "rows_seen": 0}
    return controls


def noise_control_that_was_not_trained(draft: Any) -> None:
    _rename_control(draft, "gaussian_matched")
    for subject in draft.of(f"{TOPK}.gaussian_matched"):
        subject["budget"] |= {"steps": 0, "rows_seen": 0}


def _rename_control(draft: Any, name: str, old: str = "random_decoder") -> None:
    """A control of both dictionaries under another name, in every document."""
    draft.study = draft.study.replace(f'name = "{old}"', f'name = "{name}"')
    draft.policy = draft.policy.replace(f'"{old}"', f'"{name}"')
    for subject in list(draft.subjects.values()):
        if subject.get("control", {}).get("name") != old:
            continue
        del draft.subjects[subject["name"]]
        subject["control"]["name"] = name
        subject["condition"], subject["name"] = (subject[k].replace(old, name) for k in ("condition", "name"))
        draft.subjects[subject["name"]] = subject
    for document in draft.evidence.values():
        for listed in document["subjects"]:
            listed["name"] = listed["name"].replace(old, name)
        for measured in document["measurements"]:
            measured["condition"] = measured["condition"].replace(old, name)


def _another_model(draft: Any) -> list[dict[str, Any]]:
    """A sound control of another model, to be spoilt."""
    _rename_control(draft, "random_model")
    own = [
        {"name": "addition.random_model.train", "digest": "sha256:" + "5" * 64, "rows": 3000},
        {"name": "addition.random_model.test", "digest": "sha256:" + "6" * 64, "rows": 481},
    ]
    controls = [s for sae in ("topk", "relu") for s in draft.of(f"addition.{sae}.random_model")]
    for subject in controls:
        subject["control"]["activations"] = copy.deepcopy(own)
    for document in draft.evidence.values():
        document["data"].append(dict(own[1]))
    return controls


def other_model_without_its_activations(draft: Any) -> None:
    for subject in _another_model(draft):
        del subject["control"]["activations"]
    for document in draft.evidence.values():
        del document["data"][1]


def other_model_on_the_site_s_activations(draft: Any) -> None:
    for subject in _another_model(draft):
        subject["control"]["activations"][0]["digest"] = draft.site["data"][0]["digest"]


def other_model_of_other_tokens(draft: Any) -> None:
    for subject in _another_model(draft):
        subject["control"]["activations"][0]["rows"] = 2999


def other_model_on_one_side_only(draft: Any) -> None:
    for subject in _another_model(draft):
        subject["control"]["activations"].append(
            {"name": "addition.random_model.test.1", "digest": "sha256:" + "7" * 64, "rows": 481}
        )


def site_s_control_with_activations_of_its_own(draft: Any) -> None:
    for subject in _controls(draft):
        subject["control"]["activations"] = [
            {
                "name": f"addition.random_decoder.{s['name'].split('.')[1]}",
                "digest": f"sha256:{n}" + "5" * 63,
                "rows": s["rows"],
            }
            for n, s in enumerate(draft.site["data"])
        ]


def measured_on_the_other_model_s_training_rows(draft: Any) -> None:
    (train, _) = _another_model(draft)[0]["control"]["activations"]
    draft.reconstruction["data"].append(dict(train))


def other_target(draft: Any) -> None:
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.topk"):
            subject["architecture"]["own_target"] = True


def below_the_floor(draft: Any) -> None:
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] -= 0.06


def no_training_signal(draft: Any) -> None:
    for observation in draft.measurement("pwmcc")["observations"]:
        observation["value"] -= 0.19


def instrument_off(draft: Any) -> None:
    for observation in draft.measurement("pwmcc", f"{TOPK}.random_decoder")["observations"]:
        observation["value"] += 0.02


def worse_than_the_baseline(draft: Any) -> None:
    for observation in draft.measurement("explained_variance", "addition.relu")["observations"]:
        observation["value"] += 0.04


REGENERATED: list[tuple[Callable[[Any], None], str, int]] = [
    (control_is_its_base_and_measured_lower, "EV-DUP-UNIT", 3),
    (control_of_a_plugin_said_to_be_one_and_is_not, "EV-SUBJECT", 3),
    (noise_control_that_was_not_trained, "EV-SUBJECT", 3),
    (other_model_without_its_activations, "EV-SUBJECT", 3),
    (other_model_on_the_site_s_activations, "EV-SUBJECT", 3),
    (other_model_of_other_tokens, "EV-SUBJECT", 3),
    (other_model_on_one_side_only, "EV-SUBJECT", 3),
    (site_s_control_with_activations_of_its_own, "EV-SUBJECT", 3),
    (measured_on_the_other_model_s_training_rows, "EV-DATA", 3),
    (other_target, "CMP-TARGET", 2),
    (below_the_floor, "RULE-FAILED", 2),
    (no_training_signal, "RULE-FAILED", 2),
    (instrument_off, "RULE-FAILED", 2),
    (worse_than_the_baseline, "RULE-FAILED", 2),
]


def codes(decision: Any) -> set[str]:
    return (
        {f.code for f in decision.findings}
        | {c.code for r in decision.rows for c in r.cells}
        | {r.code for r in decision.rows}
    )


@pytest.mark.parametrize(("mutate", "code", "exit_code"), REGENERATED, ids=lambda v: getattr(v, "__name__", None))
def test_a_bundle_made_badly(draft: Any, decide: Any, mutate: Any, code: str, exit_code: int) -> None:
    mutate(draft)
    decision = decide(draft.files(), draft.policy)
    assert code in codes(decision)
    assert decision.exit_code == exit_code
    statuses = {row.status for row in decision.rows}
    assert statuses == {"invalid"} if exit_code == 3 else "invalid" not in statuses


def test_the_unspoilt_bundle_is_released(draft: Any, decide: Any) -> None:
    decision = decide(draft.files())
    assert (decision.exit_code, decision.verdict, decision.findings) == (0, "released", ())
    assert {row.status for row in decision.rows} == {"pass"}
    assert decision.assurance == "recomputed"


def test_a_control_of_another_model_is_sound_and_compared(draft: Any, decide: Any) -> None:
    _another_model(draft)
    draft.policy = draft.policy.replace('over = { control = "untrained" }', 'over = { control = "random_model" }')
    decision = decide(draft.files(), draft.policy)
    assert (decision.verdict, decision.findings) == ("released", ())


def test_the_report_shows_every_metric_minus_that_of_the_random_model(draft: Any) -> None:
    _another_model(draft)
    text = draft.report()
    for metric in ("explained_variance", "dead_fraction", "l0", "pwmcc"):
        assert re.search(rf"\| {metric} \|  \| {TOPK} \| \w+ \| -?[0-9.]+ \(-?[0-9.]+ to -?[0-9.]+\) \|", text), metric
    assert "random_model: measured on activations of another network" in text


def test_errors_in_units_of_two_models_activations_are_not_compared(draft: Any, decide: Any) -> None:
    _another_model(draft)
    for measured in draft.reconstruction["measurements"]:
        if measured["metric"]["name"] == "l0":
            measured["metric"] = copy.deepcopy(husai_schemas.metric_cards()["mse"]["1"])
            explained = draft.measurement("explained_variance", measured["condition"])["observations"]
            measured["observations"] = [{**o, "value": 26.4 * (1 - o["value"])} for o in explained]
    for made in draft.reconstruction["metrics"]:
        made["name"] = made["name"].replace("l0", "mse")
    rule = """[[rule]]
id = "scale"
question = "Is its error smaller?"
reason = "It must be."
kind = "superiority"
benchmark = "reconstruction"
metric = "mse"
over = { control = "CONTROL" }
margin = 0.0
"""
    draft.policy = draft.policy[: draft.policy.index("[[rule]]")] + rule
    found = {}
    for name in ("random_model", "untrained"):
        policy = draft.policy.replace("CONTROL", name)
        draft.policy, kept = policy, draft.policy
        (found[name],) = (row for row in decide(draft.files(), policy).rows if row.rule == "scale")
        draft.policy = kept
    assert (found["random_model"].status, found["random_model"].code) == ("inconclusive", "CMP-SCALE")
    assert "whose activations 'mse' is measured in: the site's and another model's" in found["random_model"].says
    assert found["untrained"].code != "CMP-SCALE"


def test_a_control_that_is_one_for_all_seeds_is_compared_and_not_judged_alone(draft: Any, decide: Any) -> None:
    _fixed_basis(draft)
    draft.policy = draft.policy.replace('over = { control = "untrained" }', 'over = { control = "pca" }')
    decision = decide(draft.files(), draft.policy)
    assert decision.findings == ()
    rows = {row.rule: row for row in decision.rows}
    assert rows["trained"].status == "pass"
    assert (rows["instrument"].status, rows["instrument"].code) == ("inconclusive", "EV-ONE-UNIT")
    assert "there is one unit and no interval" in rows["instrument"].says


@pytest.mark.parametrize("paired", ["true", "false"])
@pytest.mark.parametrize(
    "sides", ['subject = {{ control = "pca" }}\nto = {}', 'subject = {}\nto = {{ control = "pca" }}']
)
def test_a_control_that_is_one_for_all_seeds_leaves_the_spread_to_the_other_side(
    draft: Any, decide: Any, sides: str, paired: str
) -> None:
    _fixed_basis(draft)
    for sae in ("topk", "relu"):
        for observation in draft.measurement("explained_variance", f"addition.{sae}.pca")["observations"]:
            observation["value"] = 0.1
    head = draft.policy[: draft.policy.index("[[rule]]")]
    draft.policy = (
        head
        + f"""[[rule]]
id = "it"
question = "Is it about as good?"
reason = "It must be."
kind = "non_inferiority"
benchmark = "reconstruction"
metric = "explained_variance"
{sides.format('{ condition = "addition.topk" }')}
margin = 0.9
comparable = ["site", "data", "rows"]
paired = {paired}
"""
    )
    (row,) = decide(draft.files(), draft.policy).rows
    assert (row.status, row.code) == ("pass", "RULE-HOLDS")
    assert row.cells[0].interval.low < row.cells[0].interval.high
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] = 0.95
    (row,) = decide(draft.files(), draft.policy).rows
    assert (row.status, row.code) == ("inconclusive", "EV-ZERO-WIDTH")


def _qualified(draft: Any, decide: Any) -> Any:
    head = draft.policy[: draft.policy.index("[[rule]]")]
    asked = """[[rule]]
id = "it"
question = "Does it separate?"
reason = "It must."
kind = "qualified"
benchmark = "reconstruction"
metric = "explained_variance"
bad = { control = "pca" }
at_least = 3
"""
    draft.policy = head + asked
    (row,) = decide(draft.files(), draft.policy).rows
    return row


def test_a_control_that_is_one_for_all_seeds_adds_no_noise_to_a_qualification(draft: Any, decide: Any) -> None:
    _fixed_basis(draft)
    for observation in draft.measurement("explained_variance", f"{TOPK}.pca")["observations"]:
        observation["value"] = 0.1
    assert _qualified(draft, decide).status == "pass"
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] = 0.95
    row = _qualified(draft, decide)
    assert (row.status, row.code) == ("inconclusive", "EV-ZERO-WIDTH")


def test_two_controls_that_are_one_for_all_seeds_have_no_interval_of_their_difference(draft: Any, decide: Any) -> None:
    _fixed_basis(draft)
    _fixed_basis(draft, "identity", "untrained")
    instrument = draft.policy.index('[[rule]]\nid = "instrument"')
    asked = """[[rule]]
id = "two"
question = "Is one better?"
reason = "It must be."
kind = "superiority"
benchmark = "consistency"
metric = "pwmcc"
subject = { control = "pca" }
over = { control = "identity" }
margin = 0.01
"""
    draft.policy = draft.policy[:instrument] + asked
    decision = decide(draft.files(), draft.policy)
    assert decision.findings == ()
    (row,) = (row for row in decision.rows if row.rule == "two")
    assert (row.status, row.code) == ("inconclusive", "EV-ONE-UNIT")


def test_the_report_gives_no_interval_of_what_is_one_for_all_seeds(draft: Any) -> None:
    _fixed_basis(draft)
    lines = [
        line
        for line in draft.report().splitlines()
        if "addition.topk.pca" in line and line.startswith(("| pwmcc", "| l0"))
    ]
    assert len(lines) == 2
    assert all("none: every seed has the same one" in line for line in lines)


def test_a_failed_benchmark_is_an_error(draft: Any, decide: Any) -> None:
    draft.reconstruction["measurements"] = []
    draft.reconstruction["outcome"] = {"status": "failed", "reason": "out of memory", "next_step": "buy some"}
    decision = decide(draft.files())
    assert decision.exit_code == 4
    row = next(r for r in decision.rows if r.rule == "explains")
    assert (row.status, row.code) == ("error", "EV-FAILED")
    assert "out of memory" in row.says
    assert row.next_step == "buy some"


def test_an_empty_bundle_and_one_without_evidence_are_vacuous(draft: Any, decide: Any) -> None:
    assert decide({}).exit_code == 5
    draft.evidence.clear()
    decision = decide(draft.files())
    assert "GATE-VACUOUS" in codes(decision)
    assert decision.exit_code == 5
    assert {row.status for row in decision.rows} == {"missing"}


def test_a_policy_without_rules_is_vacuous(draft: Any, decide: Any) -> None:
    policy = draft.policy[: draft.policy.index("[[rule]]")]
    draft.policy = policy
    decision = decide(draft.files(), policy)
    assert "GATE-VACUOUS" in codes(decision)
    assert decision.exit_code == 5


def test_a_policy_changed_after_the_run_is_a_policy_error(draft: Any, decide: Any) -> None:
    laxer = draft.policy.replace("at_least = 0.9\n", "at_least = 0.1\n")
    decision = decide(draft.files(), laxer)
    assert "POL-PREREG-MISMATCH" in codes(decision)
    assert decision.exit_code == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('metric = "dead_fraction"\nat_most = 0.5', 'metric = "dead_fraction"\nat_least = 0.0'),
        ("worst_at_least = 0.85", "worst_at_most = 1.0"),
        (
            'metric = "explained_variance"\nto = { role = "baseline" }',
            'metric = "l0"\nto = { role = "baseline" }',
        ),
    ],
)
def test_a_rule_against_the_direction_of_its_metric_is_a_policy_error(
    draft: Any, decide: Any, old: str, new: str
) -> None:
    assert old in draft.policy
    draft.policy = draft.policy.replace(old, new)
    decision = decide(draft.files(), draft.policy)
    assert "POL-DIRECTION" in codes(decision)
    assert decision.exit_code == 64


def test_a_study_removed_and_everything_regenerated_is_not_released(draft: Any, seal: Any, decide: Any) -> None:
    for path in ("study.toml", PROVENANCE):
        files = draft.files()
        del files[path]
        decision = decide(seal(files))
        assert "EV-ABSENT" in codes(decision)
        assert decision.exit_code == 2


def test_a_layer_one_candidate_and_a_layer_zero_baseline_are_not_compared(draft: Any, decide: Any) -> None:
    other = {**draft.site, "name": "elsewhere"}
    raw = strict_json.encode(other)
    draft.extra["sites/elsewhere.json"] = raw
    moved = {"name": "elsewhere", "digest": strict_json.digest(raw)}
    draft.study = draft.study.replace(
        "\n[training]", '\n[[site]]\nname = "elsewhere"\nmodel = "modular_addition"\n\n[training]'
    )
    draft.study = draft.study.replace('role = "candidate"', 'role = "candidate"\nsites = ["addition"]')
    draft.study = draft.study.replace('role = "baseline"', 'role = "baseline"\nsites = ["elsewhere"]')
    draft.subjects = json.loads(json.dumps(draft.subjects).replace("addition.relu", "elsewhere.relu"))
    for subject in draft.subjects.values():
        if subject["condition"].startswith("elsewhere"):
            subject["site"] = dict(moved)
    for path, document in list(draft.evidence.items()):
        twin = json.loads(json.dumps(document).replace("addition.relu", "elsewhere.relu"))
        twin["site"] = dict(moved)
        for part, wanted in ((document, "topk"), (twin, "relu")):
            part["measurements"] = [m for m in part["measurements"] if wanted in m["condition"]]
            part["subjects"] = [s for s in part["subjects"] if wanted in s["name"]]
        draft.evidence[path.replace("addition", "elsewhere")] = twin
    decision = decide(draft.files())
    row = next(r for r in decision.rows if r.rule == "not-worse")
    assert (row.status, row.code) == ("inconclusive", "CMP-SITE")
    assert decision.exit_code == 2


def test_a_dictionary_with_its_own_target_is_compared_with_its_kind_only(draft: Any, decide: Any) -> None:
    other_target(draft)
    row = {r.rule: r for r in decide(draft.files()).rows}
    assert (row["not-worse"].status, row["not-worse"].code) == ("inconclusive", "CMP-TARGET")
    assert "the choice of 'topk' and the site's target" in row["not-worse"].says
    assert row["trained"].status == "pass"  # its own control reconstructs the same thing


def test_two_policies_to_pick_from_are_a_policy_error(draft: Any, decide: Any) -> None:
    draft.extra["policy/laxer.toml"] = draft.policy.replace("at_least = 0.9\n", "at_least = 0.1\n").encode()
    decision = decide(draft.files())
    assert "POL-PREREG-MISMATCH" in codes(decision)
    assert decision.exit_code == 64


def test_a_control_that_is_its_base_and_measured_so_is_sound(draft: Any, decide: Any) -> None:
    control_is_its_base_and_measured_lower(draft)
    for document in draft.evidence.values():
        for m in document["measurements"]:
            if m["condition"] == f"{TOPK}.untrained":
                m["observations"] = draft.measurement(m["metric"]["name"])["observations"]
    decision = decide(draft.files())
    assert decision.findings == ()
    assert decision.exit_code == 2


def test_evidence_that_does_not_parse_is_not_called_absent(draft: Any, decide: Any) -> None:
    draft.reconstruction["schema"] = "husai:evidence/v0"
    decision = decide(draft.files())
    assert decision.exit_code == 3
    assert {f.code for f in decision.findings} == {"EV-SCHEMA"}


@pytest.mark.parametrize(("status", "code", "exit_code"), [("failed", "EV-FAILED", 4), ("skipped", "EV-SKIPPED", 2)])
def test_a_planned_benchmark_that_no_rule_asks_for_must_complete(
    draft: Any, decide: Any, status: str, code: str, exit_code: int
) -> None:
    draft.policy = draft.policy[: draft.policy.index('[[rule]]\nid = "trained"')]
    draft.consistency["measurements"] = []
    draft.consistency["outcome"] = {"status": status, "reason": "out of memory", "next_step": "buy some"}
    decision = decide(draft.files(), draft.policy)
    assert {f.code for f in decision.findings} == {code}
    assert decision.exit_code == exit_code


def test_a_measurement_found_twice_is_never_chosen_from(draft: Any) -> None:
    measured_twice(draft)
    report = dataclasses.replace(audit(Snapshot("bundle", draft.files())), findings=())
    rule = next(r for r in policies.load(draft.policy.encode(), "test.toml").rules if r.id == "explains")
    with pytest.raises(CannotJudge) as stop:
        locate(rule, report.conditions[TOPK], report)
    assert (stop.value.status, stop.value.code) == ("invalid", "EV-DUP-MEASUREMENT")


def test_a_missing_pair_of_many_seeds_is_found_in_little_time(draft: Any) -> None:
    names = {f"{TOPK}.s{seed}": seed for seed in range(400)}
    one = Subject.from_json(draft.of(TOPK)[0])
    subjects = {name: dataclasses.replace(one, name=name, seed=seed) for name, seed in names.items()}
    pairs = list(itertools.combinations(range(400), 2))[:-1]
    draft.measurement("pwmcc")["observations"] = [{"seeds": list(pair), "value": 0.6} for pair in pairs]
    document = {**draft.consistency, "measurements": [draft.measurement("pwmcc")]}
    document["subjects"] = [{"name": name, "digest": ""} for name in names]
    begin = time.process_time()
    (finding,) = check_measurements("evidence/many.json", Evidence.from_json(document), subjects)
    assert time.process_time() - begin < 5
    assert finding.code == "EV-UNIT-SET"
    assert "[398, 399]" in finding.rule
