"""Bad bundles: each named mutation of a good bundle gives its stable code and its exit code."""

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
from husai_gates.views import make_views

TOPK = "addition.topk"
RECONSTRUCTION = "evidence/reconstruction.addition.json"
PROVENANCE = "provenance.json"

# --- the producer regenerates everything: documents are changed before digests and manifest are made


def unplanned_value(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][0]["value"] = 3.0


def more_active_than_there_are(draft: Any) -> None:
    draft.measurement("l0")["observations"][0]["value"] = 257.0


def too_large_for_arithmetic(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][0]["value"] = -1.7e308


def data_swapped_under_its_name(draft: Any) -> None:
    draft.site["data"][1]["digest"] = "sha256:" + "4" * 64


def site_names_two_sets_of_rows_alike(draft: Any) -> None:
    draft.site["data"].append({"name": "addition.test", "digest": "sha256:" + "4" * 64, "rows": 481})


def evidence_names_rows_twice(draft: Any) -> None:
    draft.reconstruction["data"] *= 2


def data_unknown_to_the_site(draft: Any) -> None:
    draft.reconstruction["data"].append({"name": "addition.test.9", "digest": "sha256:" + "4" * 64, "rows": 9})


def data_without_rows(draft: Any) -> None:
    for data in (draft.reconstruction["data"][0], draft.consistency["data"][0], draft.site["data"][1]):
        data["rows"] = 0


def measured_on_the_training_rows(draft: Any) -> None:
    draft.reconstruction["data"] = [dict(draft.site["data"][0])]


def training_rows_called_test(draft: Any) -> None:
    draft.site["data"].append({**draft.site["data"][0], "name": "addition.test.1"})
    draft.reconstruction["data"] = [dict(draft.site["data"][2])]


def other_rows_than_the_site(draft: Any) -> None:
    draft.reconstruction["data"][0]["rows"] = 5000


def impossible_chance(draft: Any) -> None:
    draft.measurement("pwmcc")["chance"] = 1.5


def stated_mean_edited(draft: Any) -> None:
    draft.measurement("explained_variance")["stated"] = {"mean": 0.99}


def stated_interval_excludes_mean(draft: Any) -> None:
    draft.measurement("explained_variance")["stated"] = {"mean": 0.9504, "low": 0.96, "high": 0.97}


def stated_interval_upside_down(draft: Any) -> None:
    draft.measurement("explained_variance")["stated"] = {"mean": 0.9504, "low": 0.96, "high": 0.94}


def value_as_text(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][0]["value"] = "0.95"


def value_true(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][0]["value"] = True


def value_null(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][0]["value"] = None


def unknown_schema(draft: Any) -> None:
    draft.reconstruction["schema"] = "husai:evidence/v0"


def schema_reference(draft: Any) -> None:
    draft.reconstruction["$ref"] = "https://example.org/laxer.json"


def confusable_condition(draft: Any) -> None:
    draft.measurement("explained_variance")["condition"] = "addition.tорk"  # Cyrillic o and er


def condition_with_line_break(draft: Any) -> None:
    draft.measurement("explained_variance")["condition"] = "addition.topk\n"


def evidence_of_another_subject(draft: Any) -> None:
    draft.reconstruction["subjects"][0]["digest"] = "sha256:" + "1" * 64


def evidence_of_another_site(draft: Any) -> None:
    draft.reconstruction["site"]["digest"] = "sha256:" + "1" * 64


def subject_at_another_site(draft: Any) -> None:
    draft.of(TOPK)[0]["site"]["digest"] = "sha256:" + "1" * 64


def subject_under_another_name(draft: Any) -> None:
    draft.of(TOPK)[0]["name"] = "addition.topk.s99"


def subjects_of_a_condition_differ(draft: Any) -> None:
    draft.of(TOPK)[0]["dims"]["d_sae"] = 512


def relabelled_role(draft: Any) -> None:
    for subject in draft.of(TOPK):
        subject["role"] = "baseline"


def observation_of_an_unknown_seed(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"].append({"seeds": [77], "value": 0.95})


def measurement_of_nobody(draft: Any) -> None:
    draft.measurement("explained_variance")["condition"] = "addition.gated"


def control_of_nothing(draft: Any) -> None:
    for subject in draft.of(f"{TOPK}.untrained"):
        subject["control"]["of"] = "addition.gated"


def control_of_other_dimensions(draft: Any) -> None:
    for subject in draft.of(f"{TOPK}.untrained"):
        subject["dims"]["d_sae"] = 64


def seed_observed_twice(draft: Any) -> None:
    observations = draft.measurement("explained_variance")["observations"]
    observations.append(dict(observations[0]))


def part_observed_twice(draft: Any) -> None:
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["part"] = "one document"
    seed_observed_twice(draft)


def part_missing_of_one_seed(draft: Any) -> None:
    """The hard document of the seed that fails on it is left out."""
    found = draft.measurement("explained_variance")
    found["observations"] = [{**o, "part": p} for o in found["observations"] for p in ("easy", "hard")]
    del found["observations"][1]


def pair_observed_in_both_orders(draft: Any) -> None:
    draft.measurement("pwmcc")["observations"].append({"seeds": [2, 1], "value": 0.6})


def pair_missing(draft: Any) -> None:
    del draft.measurement("pwmcc")["observations"][3]


def seeds_and_pairs_mixed(draft: Any) -> None:
    draft.measurement("pwmcc")["observations"].append({"seeds": [1], "value": 0.6})


def same_weights_as_two_seeds(draft: Any) -> None:
    first, second = draft.of(TOPK)[:2]
    second["weights"] = first["weights"]


def two_subjects_of_one_seed(draft: Any) -> None:
    twin = copy.deepcopy(draft.of(TOPK)[0])
    twin |= {"name": "addition.topk.s1b", "weights": "sha256:" + "2" * 64}
    draft.subjects[twin["name"]] = twin


def measured_twice(draft: Any) -> None:
    twin = copy.deepcopy(draft.measurement("explained_variance"))
    draft.reconstruction["measurements"].append(twin)


def measured_twice_at_one_number(draft: Any) -> None:
    first = draft.measurement("explained_variance")
    first["setting"] = {"k": 5}
    draft.reconstruction["measurements"].append({**copy.deepcopy(first), "setting": {"k": 5.0}})


def seed_not_planned(draft: Any) -> None:
    draft.study = draft.study.replace("[1, 2, 3, 4, 5]", "[1, 2, 3, 4]")


def dictionary_of_another_site(draft: Any) -> None:
    draft.study = draft.study.replace(
        'model = "modular_addition"\n',
        'model = "modular_addition"\n\n[[site]]\nname = "elsewhere"\nmodel = "modular_addition"\n',
    )
    moved = {**draft.site, "name": "elsewhere"}
    raw = strict_json.encode(moved)
    draft.extra["sites/elsewhere.json"] = raw
    for subject in draft.of("addition.relu"):
        subject["site"] = {"name": "elsewhere", "digest": strict_json.digest(raw)}


def site_not_planned(draft: Any) -> None:
    draft.extra["sites/elsewhere.json"] = strict_json.encode({**draft.site, "name": "elsewhere"})


def condition_not_planned(draft: Any) -> None:
    start = draft.study.index('\n[[sae]]\nname = "relu"')
    draft.study = draft.study[:start] + draft.study[draft.study.index("\n[[control]]") :]


def control_not_planned(draft: Any) -> None:
    draft.study = draft.study.replace('\n[[control]]\nname = "random_decoder"\n', "")


def benchmark_not_planned(draft: Any) -> None:
    draft.study = draft.study.replace('\n[[benchmark]]\nname = "consistency"\n', "")


def other_benchmark_settings_than_planned(draft: Any) -> None:
    draft.study += "settings = { rows = 100 }\n"


def flag_for_a_number_in_the_settings(draft: Any) -> None:
    draft.study += "settings = { rows = 1 }\n"
    draft.consistency["settings"] = {"rows": True}


def other_control_settings_than_planned(draft: Any) -> None:
    draft.study = draft.study.replace(
        'name = "random_decoder"\n', 'name = "random_decoder"\nsettings = { scale = 2 }\n'
    )


def _study_site(draft: Any, line: str) -> None:
    draft.study = draft.study.replace('model = "modular_addition"\n', f'model = "modular_addition"\n{line}\n')


def other_model_than_planned(draft: Any) -> None:
    draft.site["model"]["name"] = "sequence_copy"


def other_model_seed_than_planned(draft: Any) -> None:
    draft.site["model"]["seed"] = 7


def other_model_settings_than_planned(draft: Any) -> None:
    _study_site(draft, "settings = { p = 59 }")
    draft.site["model"]["settings"] = {"p": 3}


def other_hook_than_planned(draft: Any) -> None:
    _study_site(draft, 'hook_in = "blocks.1.hook_resid_post"')


def other_order_of_hooks_than_planned(draft: Any) -> None:
    _study_site(draft, 'hook_in = ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_post"]')
    draft.site["hook_in"] = ["blocks.0.hook_resid_post", "blocks.0.hook_resid_pre"]
    draft.site["hook_out"] = ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_post"]


def one_hook_where_several_were_planned(draft: Any) -> None:
    _study_site(draft, 'hook_in = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]')


def other_target_than_planned(draft: Any) -> None:
    draft.site["hook_out"] = "blocks.1.hook_resid_post"


def other_data_order_than_planned(draft: Any) -> None:
    for subject in draft.subjects.values():
        subject["budget"]["data_order_seed"] = 9


def other_decay_than_planned(draft: Any) -> None:
    draft.study = draft.study.replace("learning_rate = 1e-3", "learning_rate = 1e-3\ndecay_share = 0")


def study_names_a_benchmark_twice(draft: Any) -> None:
    draft.study += '\n[[benchmark]]\nname = "consistency"\n'


def study_names_an_unknown_site(draft: Any) -> None:
    draft.study = draft.study.replace('role = "baseline"', 'role = "baseline"\nsites = ["addition", "nowhere"]')


def chance_of_one_condition_moved(draft: Any) -> None:
    draft.measurement("pwmcc", f"{TOPK}.random_decoder")["chance"] = 0.3


def same_weights_in_two_conditions(draft: Any) -> None:
    draft.of("addition.relu")[0]["weights"] = draft.of(TOPK)[0]["weights"]


def control_is_its_base_and_measured_lower(draft: Any) -> None:
    for mine, theirs in zip(draft.of(f"{TOPK}.untrained"), draft.of(TOPK), strict=True):
        mine["weights"] = theirs["weights"]


def control_of_another_architecture(draft: Any) -> None:
    for subject in draft.of(f"{TOPK}.untrained"):
        subject["architecture"]["name"] = "relu"


def control_with_other_batches(draft: Any) -> None:
    for subject in draft.of(f"{TOPK}.untrained"):
        subject["budget"]["batch_size"] = 64


def control_trained_for_less(draft: Any) -> None:
    for subject in draft.of(f"{TOPK}.random_decoder"):
        subject["budget"] |= {"steps": 10, "rows_seen": 5120}


def untrained_control_that_was_trained(draft: Any) -> None:
    for subject in draft.of(f"{TOPK}.untrained"):
        subject["budget"] |= {"steps": 1500, "rows_seen": 1500 * 512}


def _controls(draft: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = draft.of(f"{TOPK}.random_decoder")
    return found


def control_said_to_be_one_for_all_seeds(draft: Any) -> None:
    for subject in _controls(draft):
        subject["control"]["deterministic"] = True
        subject["weights"] = _controls(draft)[0]["weights"]


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


def fixed_basis_not_said_to_be_one(draft: Any) -> None:
    for subject in _fixed_basis(draft):
        del subject["control"]["deterministic"]


def fixed_basis_that_was_trained(draft: Any) -> None:
    for subject in _fixed_basis(draft):
        subject["budget"] |= {"steps": 1500, "rows_seen": 1500 * 512}


def fixed_basis_of_other_weights_for_one_seed(draft: Any) -> None:
    _fixed_basis(draft)[2]["weights"] = "sha256:" + "5" * 64


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


def control_under_another_name(draft: Any) -> None:
    for subject in draft.of(f"{TOPK}.untrained"):
        subject["control"]["name"] = "random_decoder"


def name_without_its_seed(draft: Any) -> None:
    (subject,) = (s for s in draft.of(TOPK) if s["seed"] == 1)
    subject["seed"] = 6


def rows_that_no_steps_give(draft: Any) -> None:
    draft.of(TOPK)[0]["budget"]["rows_seen"] = 10**6


def two_definitions_of_one_metric(draft: Any) -> None:
    draft.reconstruction["metrics"].append({**draft.reconstruction["metrics"][0], "name": "acme_variance"})
    for condition in (TOPK, "addition.relu"):
        draft.measurement("explained_variance", condition)["metric"]["name"] = "acme_variance"
    draft.measurement("acme_variance")["metric"]["definition"] = "another one"


def two_makers_of_one_metric(draft: Any) -> None:
    draft.reconstruction["metrics"].append({**draft.reconstruction["metrics"][0], "distribution": "acme 1"})


def metric_made_by_another_version(draft: Any) -> None:
    draft.reconstruction["metrics"][0]["version"] = "2"


def took_longer_than_it_lasted(draft: Any) -> None:
    draft.provenance["seconds"] = 6000.0


def measured_twice_in_two_documents(draft: Any) -> None:
    draft.evidence["evidence/reconstruction.again.json"] = copy.deepcopy(draft.reconstruction)


def failed_with_a_metric(draft: Any) -> None:
    draft.reconstruction["outcome"] = {"status": "failed", "reason": "out of memory", "next_step": ""}


def completed_with_nothing(draft: Any) -> None:
    draft.reconstruction["measurements"] = []


def finished_before_it_started(draft: Any) -> None:
    draft.provenance["finished"] = "2026-01-31T11:00:00Z"


def started_on_no_day(draft: Any) -> None:
    draft.provenance["started"] = "2026-02-31T11:00:00Z"


def foreign_weights(draft: Any) -> None:
    header = b'{"W_dec":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    raw = len(header).to_bytes(8, "little") + header
    draft.extra["weights/addition.topk.s1/sae_weights.safetensors"] = raw


def weights_of_nobody(draft: Any) -> None:
    draft.extra["weights/addition.topk.s99/cfg.json"] = b"{}"


def pickle_by_suffix(draft: Any) -> None:
    draft.extra["weights/addition.topk.s1/sae.pt"] = b""


def pickle_by_content(draft: Any) -> None:
    raw = b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x08"
    draft.extra["weights/addition.topk.s1/sae_weights.safetensors"] = raw


def zip_called_weights(draft: Any) -> None:
    draft.extra["weights/addition.topk.s1/sae_weights.safetensors"] = b"PK\x03\x04" + bytes(40)


def other_policy_than_named(draft: Any) -> None:
    draft.study = draft.study.replace('name = "test"', 'name = "test"\npolicy = "strict"')


def picture_with_a_script(draft: Any) -> None:
    draft.extra["plots/a.svg"] = b"<svg><script>alert(1)</script></svg>"


def text_called_picture(draft: Any) -> None:
    draft.extra["plots/a.png"] = b"hello"


def file_of_no_kind(draft: Any) -> None:
    draft.extra["notes.txt"] = b"hello"


def names_that_collide(draft: Any) -> None:
    draft.extra["plots/a.png"] = draft.extra["plots/A.png"] = b"\x89PNG\r\n\x1a\n"


def study_not_toml(draft: Any) -> None:
    draft.study = "seeds = ["


def study_with_nan(draft: Any) -> None:
    draft.study = draft.study.replace("learning_rate = 1e-3", "learning_rate = nan")


def study_of_another_form(draft: Any) -> None:
    draft.study = draft.study.replace("steps = 1500", 'steps = "many"')


def decision_of_another_bundle(draft: Any) -> None:
    draft.views = True
    other = type(draft)()
    other.measurement("explained_variance")["observations"][0]["value"] = 0.96
    other.views = True
    draft.extra["decision.json"] = other.files()["decision.json"]
    draft.views = False


def report_without_decision(draft: Any) -> None:
    draft.extra["report.md"] = b"# All is well\n"


# --- exit 2: evidence that is sound and does not suffice


def seed_never_shown(draft: Any) -> None:
    draft.drop_seed(5)


def seed_not_observed(draft: Any) -> None:
    del draft.measurement("explained_variance")["observations"][4]


def one_seed(draft: Any) -> None:
    draft.study = draft.study.replace("[1, 2, 3, 4, 5]", "[1]")
    for seed in (2, 3, 4, 5):
        draft.drop_seed(seed)
    draft.consistency["measurements"] = []
    draft.consistency["outcome"] = {"status": "skipped", "reason": "one seed", "next_step": "train more"}


def candidate_never_shown(draft: Any) -> None:
    names = [n for n, s in draft.subjects.items() if s["condition"].startswith(TOPK)]
    draft.drop(names)
    for document in draft.evidence.values():
        document["measurements"] = [m for m in document["measurements"] if not m["condition"].startswith(TOPK)]


def metric_removed(draft: Any) -> None:
    draft.reconstruction["measurements"].remove(draft.measurement("explained_variance"))


def benchmark_removed(draft: Any) -> None:
    del draft.evidence[RECONSTRUCTION]


def benchmark_skipped(draft: Any) -> None:
    draft.reconstruction["measurements"] = []
    draft.reconstruction["outcome"] = {
        "status": "skipped",
        "reason": "needs saebench",
        "next_step": "install it",
    }


def baseline_removed(draft: Any) -> None:
    names = [n for n, s in draft.subjects.items() if s["condition"].startswith("addition.relu")]
    draft.drop(names)
    draft.study = (
        draft.study[: draft.study.index('\n[[sae]]\nname = "relu"')] + draft.study[draft.study.index("\n[[control]]") :]
    )
    for document in draft.evidence.values():
        document["measurements"] = [m for m in document["measurements"] if "relu" not in m["condition"]]


def control_not_measured(draft: Any) -> None:
    draft.consistency["measurements"].remove(draft.measurement("pwmcc", f"{TOPK}.untrained"))


def chance_unknown(draft: Any) -> None:
    del draft.measurement("pwmcc", f"{TOPK}.random_decoder")["chance"]


def other_setting(draft: Any) -> None:
    draft.measurement("explained_variance")["setting"] = {"k": 5}


def constant_values(draft: Any) -> None:
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] = 0.95


def constant_gain(draft: Any) -> None:
    """A comparator that is the candidate minus a constant, up to rounding, is no measured comparator."""
    mine = draft.measurement("pwmcc")["observations"]
    for observation, own in zip(draft.measurement("pwmcc", f"{TOPK}.untrained")["observations"], mine, strict=True):
        observation["value"] = own["value"] - 0.2


def other_metric_version(draft: Any) -> None:
    draft.policy = draft.policy.replace("explained_variance", "acme_variance")
    documents = {"1": draft.reconstruction, "2": _move_baseline(draft)}
    for version, document in documents.items():
        document["metrics"].append({**document["metrics"][0], "name": "acme_variance", "version": version})
        for measurement in document["measurements"]:
            if measurement["metric"]["name"] == "explained_variance":
                measurement["metric"] |= {"name": "acme_variance", "version": version}


def metric_by_nobody(draft: Any) -> None:
    draft.reconstruction["metrics"] = []


def direction_turned_round(draft: Any) -> None:
    for measurement in draft.consistency["measurements"]:
        measurement["metric"]["direction"] = "lower"


def bounds_widened(draft: Any) -> None:
    metric = draft.measurement("explained_variance")
    metric["metric"]["bounds"] = [None, 2.0]
    metric["observations"][0]["value"] = 1.7


def metric_version_from_nowhere(draft: Any) -> None:
    draft.measurement("explained_variance")["metric"]["version"] = "99"


def trained_longer_than_planned(draft: Any) -> None:
    for subject in draft.of("addition.topk"):
        subject["budget"]["steps"] = 3000


def wider_than_planned(draft: Any) -> None:
    for subject in draft.subjects.values():
        subject["dims"]["d_sae"] = 512


def other_architecture_than_planned(draft: Any) -> None:
    for subject in draft.of("addition.topk"):
        subject["architecture"]["name"] = "relu"


def other_settings_than_planned(draft: Any) -> None:
    draft.study = draft.study.replace('role = "candidate"', 'role = "candidate"\nsettings = { k = 4 }')
    for subject in draft.of("addition.topk"):
        subject["architecture"]["settings"] = {"k": 64}


def other_budget(draft: Any) -> None:
    draft.study = draft.study.replace('role = "baseline"', 'role = "baseline"\nsteps = 3000')
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.relu") and subject["budget"]["steps"]:
            subject["budget"] |= {"steps": 3000, "rows_seen": 3000 * 512}


def other_width(draft: Any) -> None:
    draft.study = draft.study.replace('role = "baseline"\nd_sae = 256', 'role = "baseline"\nd_sae = 512')
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.relu"):
            subject["dims"]["d_sae"] = 512


def other_target(draft: Any) -> None:
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.topk"):
            subject["architecture"]["own_target"] = True


def _move_baseline(draft: Any) -> dict[str, Any]:
    other = copy.deepcopy(draft.reconstruction)
    other["measurements"] = [m for m in other["measurements"] if "relu" in m["condition"]]
    kept = draft.reconstruction
    kept["measurements"] = [m for m in kept["measurements"] if "relu" not in m["condition"]]
    draft.evidence["evidence/reconstruction.relu.json"] = other
    return other


def other_data(draft: Any) -> None:
    draft.site["data"].append({"name": "addition.test.1", "digest": "sha256:" + "3" * 64, "rows": 481})
    _move_baseline(draft)["data"] = [dict(draft.site["data"][2])]


def other_benchmark_version(draft: Any) -> None:
    _move_baseline(draft)["benchmark"]["version"] = "2"


def other_benchmark_settings(draft: Any) -> None:
    _move_baseline(draft)["settings"] = {"rows": 100}


def below_the_floor(draft: Any) -> None:
    for observation in draft.measurement("explained_variance")["observations"]:
        observation["value"] -= 0.06


def one_bad_seed(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][2]["value"] = 0.84


def no_training_signal(draft: Any) -> None:
    for observation in draft.measurement("pwmcc")["observations"]:
        observation["value"] -= 0.19


def instrument_off(draft: Any) -> None:
    for observation in draft.measurement("pwmcc", f"{TOPK}.random_decoder")["observations"]:
        observation["value"] += 0.02


def worse_than_the_baseline(draft: Any) -> None:
    for observation in draft.measurement("explained_variance", "addition.relu")["observations"]:
        observation["value"] += 0.04


def plan_removed(draft: Any) -> None:
    draft.study = ""


def model_fails_its_check(draft: Any) -> None:
    draft.site["model"]["checks"][0]["value"] = 0.2


REGENERATED: list[tuple[Callable[[Any], None], str, int]] = [
    (unplanned_value, "EV-RANGE", 3),
    (metric_by_nobody, "EV-METRIC", 3),
    (site_names_two_sets_of_rows_alike, "EV-DATA", 3),
    (evidence_names_rows_twice, "EV-DATA", 3),
    (data_unknown_to_the_site, "EV-DATA", 3),
    (data_without_rows, "EV-DATA", 3),
    (measured_on_the_training_rows, "EV-DATA", 3),
    (training_rows_called_test, "EV-DATA", 3),
    (other_rows_than_the_site, "EV-DATA", 3),
    (measured_twice_at_one_number, "EV-DUP-MEASUREMENT", 3),
    (seed_not_planned, "EV-SEEDS-UNPLANNED", 3),
    (dictionary_of_another_site, "EV-SUBJECT", 3),
    (site_not_planned, "EV-UNPLANNED", 3),
    (condition_not_planned, "EV-UNPLANNED", 3),
    (control_not_planned, "EV-UNPLANNED", 3),
    (benchmark_not_planned, "EV-UNPLANNED", 3),
    (other_benchmark_settings_than_planned, "EV-PLAN", 3),
    (flag_for_a_number_in_the_settings, "EV-PLAN", 3),
    (other_control_settings_than_planned, "EV-PLAN", 3),
    (other_model_than_planned, "EV-PLAN", 3),
    (other_model_seed_than_planned, "EV-PLAN", 3),
    (other_model_settings_than_planned, "EV-PLAN", 3),
    (other_hook_than_planned, "EV-PLAN", 3),
    (other_target_than_planned, "EV-PLAN", 3),
    (other_order_of_hooks_than_planned, "EV-PLAN", 3),
    (one_hook_where_several_were_planned, "EV-PLAN", 3),
    (other_data_order_than_planned, "EV-SUBJECT", 3),
    (other_decay_than_planned, "EV-SUBJECT", 3),
    (study_names_a_benchmark_twice, "EV-PLAN", 3),
    (study_names_an_unknown_site, "EV-PLAN", 3),
    (chance_of_one_condition_moved, "EV-CHANCE", 3),
    (same_weights_in_two_conditions, "EV-DUP-UNIT", 3),
    (control_is_its_base_and_measured_lower, "EV-DUP-UNIT", 3),
    (control_of_another_architecture, "EV-SUBJECT", 3),
    (control_with_other_batches, "EV-SUBJECT", 3),
    (control_trained_for_less, "EV-SUBJECT", 3),
    (untrained_control_that_was_trained, "EV-SUBJECT", 3),
    (control_said_to_be_one_for_all_seeds, "EV-SUBJECT", 3),
    (control_of_a_plugin_said_to_be_one_and_is_not, "EV-SUBJECT", 3),
    (fixed_basis_not_said_to_be_one, "EV-SUBJECT", 3),
    (fixed_basis_that_was_trained, "EV-SUBJECT", 3),
    (fixed_basis_of_other_weights_for_one_seed, "EV-SUBJECT", 3),
    (noise_control_that_was_not_trained, "EV-SUBJECT", 3),
    (other_model_without_its_activations, "EV-SUBJECT", 3),
    (other_model_on_the_site_s_activations, "EV-SUBJECT", 3),
    (other_model_of_other_tokens, "EV-SUBJECT", 3),
    (other_model_on_one_side_only, "EV-SUBJECT", 3),
    (site_s_control_with_activations_of_its_own, "EV-SUBJECT", 3),
    (measured_on_the_other_model_s_training_rows, "EV-DATA", 3),
    (control_under_another_name, "EV-SUBJECT", 3),
    (name_without_its_seed, "EV-SUBJECT", 3),
    (rows_that_no_steps_give, "EV-SUBJECT", 3),
    (two_definitions_of_one_metric, "EV-METRIC", 3),
    (two_makers_of_one_metric, "EV-METRIC", 3),
    (metric_made_by_another_version, "EV-METRIC", 3),
    (took_longer_than_it_lasted, "EV-TIME", 3),
    (direction_turned_round, "EV-METRIC", 3),
    (bounds_widened, "EV-METRIC", 3),
    (metric_version_from_nowhere, "EV-METRIC", 3),
    (trained_longer_than_planned, "EV-SUBJECT", 3),
    (wider_than_planned, "EV-SUBJECT", 3),
    (other_architecture_than_planned, "EV-SUBJECT", 3),
    (other_settings_than_planned, "EV-SUBJECT", 3),
    (more_active_than_there_are, "EV-RANGE", 3),
    (too_large_for_arithmetic, "EV-RANGE", 3),
    (data_swapped_under_its_name, "EV-DATA", 3),
    (impossible_chance, "EV-RANGE", 3),
    (stated_mean_edited, "EV-RECOMPUTE", 3),
    (stated_interval_excludes_mean, "EV-CI-INCOHERENT", 3),
    (stated_interval_upside_down, "EV-CI-INCOHERENT", 3),
    (value_as_text, "EV-TYPE", 3),
    (value_true, "EV-TYPE", 3),
    (value_null, "EV-TYPE", 3),
    (unknown_schema, "EV-SCHEMA", 3),
    (schema_reference, "EV-TYPE", 3),
    (confusable_condition, "EV-IDENT", 3),
    (condition_with_line_break, "EV-IDENT", 3),
    (evidence_of_another_subject, "EV-SUBJECT", 3),
    (evidence_of_another_site, "EV-SUBJECT", 3),
    (subject_at_another_site, "EV-SUBJECT", 3),
    (subject_under_another_name, "EV-SUBJECT", 3),
    (subjects_of_a_condition_differ, "EV-SUBJECT", 3),
    (relabelled_role, "EV-SUBJECT", 3),
    (observation_of_an_unknown_seed, "EV-SUBJECT", 3),
    (measurement_of_nobody, "EV-SUBJECT", 3),
    (control_of_nothing, "EV-SUBJECT", 3),
    (control_of_other_dimensions, "EV-SUBJECT", 3),
    (seed_observed_twice, "EV-DUP-UNIT", 3),
    (part_observed_twice, "EV-DUP-UNIT", 3),
    (part_missing_of_one_seed, "EV-UNIT-SET", 3),
    (pair_observed_in_both_orders, "EV-DUP-UNIT", 3),
    (pair_missing, "EV-UNIT-SET", 3),
    (seeds_and_pairs_mixed, "EV-UNIT-SET", 3),
    (same_weights_as_two_seeds, "EV-DUP-UNIT", 3),
    (two_subjects_of_one_seed, "EV-DUP-UNIT", 3),
    (measured_twice, "EV-DUP-MEASUREMENT", 3),
    (measured_twice_in_two_documents, "EV-DUP-MEASUREMENT", 3),
    (failed_with_a_metric, "EV-OUTCOME", 3),
    (completed_with_nothing, "EV-OUTCOME", 3),
    (finished_before_it_started, "EV-TIME", 3),
    (started_on_no_day, "EV-TIME", 3),
    (foreign_weights, "EV-SUBJECT", 3),
    (weights_of_nobody, "EV-SUBJECT", 3),
    (pickle_by_suffix, "EV-PICKLE", 3),
    (pickle_by_content, "EV-PICKLE", 3),
    (zip_called_weights, "EV-PICKLE", 3),
    (picture_with_a_script, "EV-UNKNOWN-FILE", 3),
    (other_policy_than_named, "EV-PLAN", 3),
    (text_called_picture, "EV-PICTURE", 3),
    (file_of_no_kind, "EV-UNKNOWN-FILE", 3),
    (names_that_collide, "EV-NAME-COLLISION", 3),
    (study_not_toml, "EV-TOML", 3),
    (study_with_nan, "EV-NONFINITE", 3),
    (study_of_another_form, "EV-TYPE", 3),
    (decision_of_another_bundle, "EV-VIEW", 3),
    (report_without_decision, "EV-VIEW", 3),
    (model_fails_its_check, "EV-MODEL-CHECK", 2),
    (seed_never_shown, "EV-SEEDS-MISSING", 2),
    (seed_not_observed, "EV-SEEDS-MISSING", 2),
    (one_seed, "EV-UNITS", 2),
    (candidate_never_shown, "EV-SEEDS-MISSING", 2),
    (metric_removed, "EV-ABSENT", 2),
    (benchmark_removed, "EV-ABSENT", 2),
    (benchmark_skipped, "EV-SKIPPED", 2),
    (baseline_removed, "BASE-ABSENT", 2),
    (control_not_measured, "BASE-ABSENT", 2),
    (chance_unknown, "EV-ABSENT", 2),
    (other_setting, "EV-ABSENT", 2),
    (constant_values, "EV-ZERO-WIDTH", 2),
    (constant_gain, "EV-ZERO-WIDTH", 2),
    (other_metric_version, "CMP-METRIC", 2),
    (other_budget, "CMP-BUDGET", 2),
    (other_width, "CMP-BUDGET", 2),
    (other_target, "CMP-TARGET", 2),
    (other_data, "CMP-DATA", 2),
    (other_benchmark_version, "CMP-BENCHMARK", 2),
    (other_benchmark_settings, "CMP-BENCHMARK", 2),
    (below_the_floor, "RULE-FAILED", 2),
    (one_bad_seed, "RULE-FAILED", 2),
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
    draft.views = True
    text = draft.files()["report.md"].decode()
    for metric in ("explained_variance", "dead_fraction", "l0", "pwmcc"):
        assert re.search(rf"\| {metric} \|  \| {TOPK} \| \w+ \| -?[0-9.]+ \(-?[0-9.]+ to -?[0-9.]+\) \|", text), metric
    assert "random_model: measured on activations of another network" in text


def test_errors_in_units_of_two_models_activations_are_not_compared(draft: Any, decide: Any) -> None:
    _another_model(draft)
    for measured in draft.reconstruction["measurements"]:
        if measured["metric"]["name"] == "l0":
            measured["metric"] = copy.deepcopy(husai_schemas.metric_cards()["mse"]["1"])
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
    report = make_views(draft.content())["report.md"].decode()
    lines = [
        line for line in report.splitlines() if "addition.topk.pca" in line and line.startswith(("| pwmcc", "| l0"))
    ]
    assert len(lines) == 2
    assert all("none: every seed has the same one" in line for line in lines)


# --- somebody edits the sealed files


def edited(path: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def mutate(files: dict[str, bytes]) -> None:
        assert old in files[path]
        files[path] = files[path].replace(old, new, 1)

    return mutate


def removed(path: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.pop(path)  # type: ignore[return-value]


def added(path: str, raw: bytes = b"") -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({path: raw})


def manifest_lists(path: str) -> Callable[[dict[str, bytes]], None]:
    def mutate(files: dict[str, bytes]) -> None:
        manifest = json.loads(files["manifest.json"])
        manifest["files"][path] = {"sha256": "sha256:" + "0" * 64, "size": 0}
        files["manifest.json"] = json.dumps(manifest).encode()

    return mutate


def swap(files: dict[str, bytes]) -> None:
    one, other = "subjects/addition.topk.s1.json", "subjects/addition.topk.s2.json"
    files[one], files[other] = files[other], files[one]


def replaced(path: str, raw: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({path: raw})


TAMPERED: list[tuple[str, Callable[[dict[str, bytes]], None], str]] = [
    ("an observation edited", edited(RECONSTRUCTION, b"0.95", b"0.96"), "EV-DIGEST"),
    ("a file swapped for another", swap, "EV-DIGEST"),
    ("a file truncated", replaced(RECONSTRUCTION, b'{"schema": "husai'), "EV-JSON"),
    ("a file emptied", replaced(RECONSTRUCTION, b""), "EV-JSON"),
    ("a byte order mark", edited(PROVENANCE, b"{", b"\xef\xbb\xbf{"), "EV-JSON"),
    ("trailing garbage", replaced(PROVENANCE, b"{} x"), "EV-JSON"),
    ("not UTF-8", replaced(PROVENANCE, b'{"a": "\xff"}'), "EV-JSON"),
    ("NaN", edited(RECONSTRUCTION, b"0.95", b"NaN"), "EV-NONFINITE"),
    ("1e400", edited(RECONSTRUCTION, b"0.95", b"1e400"), "EV-NONFINITE"),
    ("a duplicate key", replaced(PROVENANCE, b'{"a": 1, "a": 2}'), "EV-DUP-KEY"),
    ("a big integer", replaced(PROVENANCE, b'{"a": 9007199254740993}'), "EV-BIG-INT"),
    ("a nesting bomb", replaced(PROVENANCE, b"[" * 100_000), "EV-DEPTH"),
    ("an array for an object", replaced(PROVENANCE, b"[]"), "EV-TYPE"),
    ("an extra file", added("evidence/more.json", b"{}"), "EV-UNLISTED"),
    ("a file removed", removed(RECONSTRUCTION), "EV-FILE-MISSING"),
    ("the manifest removed", removed("manifest.json"), "EV-FILE-MISSING"),
    ("the manifest emptied", replaced("manifest.json", b""), "EV-JSON"),
    ("a path out of the bundle listed", manifest_lists("../../etc/passwd"), "EV-PATH"),
    ("an absolute path listed", manifest_lists("/etc/passwd"), "EV-PATH"),
    ("a drive letter listed", manifest_lists("C:\\windows"), "EV-PATH"),
    ("the manifest listed by itself", manifest_lists("manifest.json"), "EV-PATH"),
    ("a NUL listed", manifest_lists("a\x00b"), "EV-PATH"),
    ("a bidi name listed", manifest_lists("subjects/\u202ea.json"), "EV-IDENT"),
    ("a bidi name", added("subjects/\u202ea.json"), "EV-IDENT"),
    ("a name that is no text", added("subjects/\udcff.json"), "EV-IDENT"),
    ("a backslash", added("a\\b"), "EV-PATH"),
    ("manifest in another form", edited("manifest.json", b"\n", b" "), "EV-DIGEST"),
    ("the decision edited", edited("decision.json", b'"released"', b'"not_released"'), "EV-DIGEST"),
    ("the report edited", edited("report.md", b"RELEASED", b"RELEASED!"), "EV-DIGEST"),
    ("provenance removed", removed(PROVENANCE), "EV-FILE-MISSING"),
]


@pytest.mark.parametrize(("mutate", "code"), [pytest.param(m, c, id=i) for i, m, c in TAMPERED])
def test_a_bundle_edited_after_it_was_sealed(good: Any, decide: Any, mutate: Any, code: str) -> None:
    files = dict(good)
    mutate(files)
    decision = decide(files)
    assert code in codes(decision)
    assert decision.exit_code == 3
    assert decision.assurance == "hash_only"


VIEWS = [
    ("decision.json", b'"released"'),
    ("decision.json", b"0.95"),
    ("report.md", b"RELEASED"),
    ("report.md", b"0.95"),
]


@pytest.mark.parametrize(("path", "old"), VIEWS)
def test_a_view_edited_and_sealed_again(good: Any, seal: Any, decide: Any, path: str, old: bytes) -> None:
    files = dict(good)
    files[path] = files[path].replace(old, b'"invalid"' if b'"' in old else b"0.97", 1)
    decision = decide(seal(files))
    assert codes(decision) & {"EV-VIEW", "EV-TYPE"}
    assert decision.exit_code == 3


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
