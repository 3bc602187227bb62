"""Cases of plans: what ran is not what was asked, the policy moved afterwards, or something asked for is not there."""

from __future__ import annotations

import copy
from collections.abc import Callable

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import PROVENANCE, STUDY, NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case


# --- the policy


@case(7, "GATE-VACUOUS", 5)
def policy_without_rules(b: Specimen) -> None:
    """A policy that asks nothing."""
    del b.policy["rule"]


@case(7, "GATE-VACUOUS", 5)
def no_evidence(b: Specimen) -> None:
    """A bundle of subjects alone."""
    if any(path.startswith("selections/") for path in b.documents) or "search" in b.study:
        raise NotApplicable("the study searches, and a search without evidence chooses nothing")
    for path in [p for p in b.documents if p.startswith(("evidence/", "transcripts/"))]:
        del b.documents[path]


def _moved(b: Specimen) -> bytes:
    """The policy of the bundle with a threshold that is easier to reach."""
    if not b.policy.get("preregistered"):
        raise NotApplicable("the policy does not say that it was fixed before the run")
    policy = copy.deepcopy(b.policy)
    for rule in policy["rule"]:
        for key in ("at_least", "worst_at_least"):
            if key in rule and rule["kind"] == "threshold":
                rule[key] -= 1.0
                return _toml(policy)
        if rule["kind"] in ("superiority", "non_inferiority", "equivalence"):
            rule["margin"] = rule.get("margin", 0.0) + 0.001
            return _toml(policy)
    raise NotApplicable("no rule of the policy has a number")


def _toml(policy: dict[str, object]) -> bytes:
    from husai_core.testing.corpus.toml import write_toml

    return write_toml(policy)


@case(33, "POL-PREREG-MISMATCH", 64)
def threshold_moved_after_the_run(b: Specimen) -> None:
    """The bundle holds a laxer policy than the one that it is judged by."""
    raw = _moved(b)
    for path in [p for p in b.raw if p.startswith("policy/")]:
        b.raw[path] = raw


@case(33, "POL-PREREG-MISMATCH", 64)
def two_policies_to_pick_from(b: Specimen) -> None:
    """A second, laxer policy beside the one that was named."""
    b.raw["policy/laxer.toml"] = _moved(b)


@case(33, "EV-PLAN")
def policy_named_and_not_there(b: Specimen) -> None:
    """A study that names a policy which the bundle does not hold."""
    b.study["policy"] = "strict"


@case(33, "POL-DIRECTION", 64)
def rule_asks_for_the_bad_side(b: Specimen) -> None:
    """A floor on something that should be low."""
    for judged in b.all_judged("threshold"):
        rule, direction = judged.rule, judged.measurement["metric"]["direction"]
        if direction == "neither":
            continue
        for key in ("at_least", "at_most", "worst_at_least", "worst_at_most"):
            rule.pop(key, None)
        rule["at_least" if direction == "lower" else "at_most"] = 0.0 if direction == "lower" else 1e9
        return
    raise NotApplicable("no threshold is about a metric with a better side")


# --- the study


@case(32, "EV-ABSENT", 2)
def study_removed(b: Specimen) -> None:
    """Without the study nobody sees that seeds were picked."""
    if "search" in b.study:
        raise NotApplicable("a selection without its study is unplanned")
    b.finally_(lambda files: files.pop(STUDY))


@case(6, "EV-ABSENT", 2)
def provenance_not_written(b: Specimen) -> None:
    """A run that says nothing about itself."""
    b.finally_(lambda files: files.pop(PROVENANCE))


def _planned(name: str, says: str, code: str, change: Callable[[Specimen], object], exit_code: int = 3) -> None:
    def spoil(b: Specimen) -> None:
        change(b)

    FAMILY.add(name, 56, says, code, exit_code, "made", spoil)


def _trained_with(key: str, value: object) -> Callable[[Specimen], object]:
    def change(b: Specimen) -> None:
        for subject in b.of(b.trained()[0]["condition"]):
            subject["budget"][key] = value

    return change


def _trained_together(b: Specimen) -> None:
    for subject in b.of(b.trained()[0]["condition"]):
        subject["budget"] |= {"agreement": 0.1, "match_every": 5}


_planned("trained_longer_than_planned", "More steps than planned.", "EV-SUBJECT", _trained_with("steps", 987_654))
_planned(
    "other_rate_than_planned", "Another learning rate than planned.", "EV-SUBJECT", _trained_with("learning_rate", 0.7)
)
_planned("other_data_order_than_planned", "Another order of data.", "EV-SUBJECT", _trained_with("data_order_seed", 97))
_planned("other_decay_than_planned", "Another decay of the rate.", "EV-SUBJECT", _trained_with("decay_share", 0.987))
_planned("other_agreement_than_planned", "Seeds drawn together.", "EV-SUBJECT", _trained_together)
_planned("other_batches_than_planned", "Other batches than planned.", "EV-SUBJECT", _trained_with("batch_size", 3))


def _of_version_1(subjects: list[dict[str, object]]) -> None:
    """Silent on what version 1 may be silent on; the silence then has the meaning that it always had."""
    for subject in subjects:
        subject["schema"] = "husai:subject/v1"
        for key in ("agreement", "match_every", "decay_share"):
            subject["budget"].pop(key, None)  # type: ignore[attr-defined]


@case(56, "EV-SUBJECT")
def decay_that_an_older_version_does_not_say(b: Specimen) -> None:
    """Another decay was planned, and subjects of version 1 are silent on theirs."""
    b.study["training"]["decay_share"] = 0.5
    _of_version_1(b.of(b.trained()[0]["condition"]))


@case(56, "EV-SUBJECT")
def agreement_that_an_older_version_does_not_say(b: Specimen) -> None:
    """Seeds were to be drawn together, and subjects of version 1 are silent on it, as if they were many units."""
    condition = b.trained()[0]["condition"]
    b.sae(condition)["agreement"] = 0.1
    _of_version_1(b.of(condition))


@case(56, "EV-SUBJECT")
def wider_than_planned(b: Specimen) -> None:
    """Everything is twice as wide as planned."""
    b.trained()
    for subject in b.subjects:
        subject["dims"]["d_sae"] *= 2


@case(56, "EV-SUBJECT")
def other_architecture_than_planned(b: Specimen) -> None:
    """Another architecture than planned."""
    base = b.trained()[0]["condition"]
    for subject in b.subjects:
        if subject["condition"] == base or subject.get("control", {}).get("of") == base:
            subject["architecture"]["name"] = "acme"


@case(56, "EV-SUBJECT")
def other_settings_than_planned(b: Specimen) -> None:
    """Other settings of the architecture than planned."""
    sae = b.sae(b.trained()[0]["condition"])
    sae["settings"] = {**sae.get("settings", {}), "k": 4}
    for subject in b.of(b.trained()[0]["condition"]):
        subject["architecture"]["settings"]["k"] = 64


def _site(name: str, says: str, change: Callable[[dict[str, object]], object]) -> None:
    """A site document that differs from the study, everywhere in the bundle."""

    def spoil(b: Specimen) -> None:
        site = b.site(b.study["site"][0]["name"])
        change(site)

    FAMILY.add(name, 56, says, "EV-PLAN", 3, "made", spoil)


_site("other_model_than_planned", "Another model than planned.", lambda site: site["model"].update(name="acme"))  # type: ignore[attr-defined]
_site("other_model_seed_than_planned", "Another model seed.", lambda site: site["model"].update(seed=987))  # type: ignore[attr-defined]
_site("other_target_than_planned", "Another hook is reconstructed.", lambda site: site.update(hook_out="blocks.9.acme"))


@case(56, "EV-PLAN")
def other_model_settings_than_planned(b: Specimen) -> None:
    """Other settings of the model than planned."""
    b.study["site"][0]["settings"] = {**b.study["site"][0].get("settings", {}), "acme": 59}


@case(56, "EV-PLAN")
def other_hook_than_planned(b: Specimen) -> None:
    """Another hook is read than planned."""
    b.study["site"][0]["hook_in"] = "blocks.9.acme"


@case(56, "EV-PLAN")
def other_order_of_hooks_than_planned(b: Specimen) -> None:
    """The same hooks in another order."""
    asked, site = b.study["site"][0], b.site(b.study["site"][0]["name"])
    asked["hook_in"] = ["blocks.9.a", "blocks.9.b"]
    site["hook_in"] = ["blocks.9.b", "blocks.9.a"]
    if "hook_out" not in asked:
        site["hook_out"] = ["blocks.9.a", "blocks.9.b"]


@case(56, "EV-PLAN")
def one_hook_where_several_were_planned(b: Specimen) -> None:
    """One hook where two were to be joined."""
    hook = b.site(b.study["site"][0]["name"])["hook_in"]
    b.study["site"][0]["hook_in"] = [hook if isinstance(hook, str) else hook[0], "blocks.9.acme"]


@case(56, "EV-PLAN")
def other_benchmark_settings_than_planned(b: Specimen) -> None:
    """A benchmark with other settings than planned."""
    benchmark = b.study["benchmark"][0]
    benchmark["settings"] = {**benchmark.get("settings", {}), "acme": 100}


@case(56, "EV-PLAN")
def flag_for_a_number_in_the_settings(b: Specimen) -> None:
    """A setting that was planned as 1 and is `true`."""
    benchmark = b.study["benchmark"][0]
    benchmark["settings"] = {**benchmark.get("settings", {}), "acme": 1}
    for document in b.evidence:
        if document["benchmark"]["name"] == benchmark["name"]:
            document["settings"]["acme"] = True


@case(56, "EV-PLAN")
def other_control_settings_than_planned(b: Specimen) -> None:
    """A control with other settings than planned."""
    name = b.control()[0]["control"]["name"]
    control = next(c for c in b.study["control"] if c["name"] == name)
    control["settings"] = {**control.get("settings", {}), "acme": 2}


@case(56, "EV-PLAN")
def study_names_a_benchmark_twice(b: Specimen) -> None:
    """A study that means two things."""
    b.study["benchmark"].append(copy.deepcopy(b.study["benchmark"][0]))


@case(56, "EV-PLAN")
def study_names_an_unknown_site(b: Specimen) -> None:
    """A dictionary at a site that nobody describes."""
    sae = b.study["sae"][0]
    sae["sites"] = [*sae.get("sites", [site["name"] for site in b.study["site"]]), "nowhere"]


@case(56, "EV-UNPLANNED")
def site_not_planned(b: Specimen) -> None:
    """A site that was not asked for."""
    b.documents["sites/elsewhere.json"] = {**copy.deepcopy(b.sites[0]), "name": "elsewhere"}


@case(54, "EV-UNPLANNED")
def condition_not_planned(b: Specimen) -> None:
    """A dictionary that was not asked for, such as the best of many that were tried."""
    b.study["sae"].remove(b.sae(b.condition("baseline")))


@case(56, "EV-UNPLANNED")
def control_not_planned(b: Specimen) -> None:
    """A control that was not asked for."""
    name = b.control()[0]["control"]["name"]
    b.study["control"] = [c for c in b.study["control"] if c["name"] != name]
    if not b.study["control"]:
        del b.study["control"]


@case(56, "EV-UNPLANNED")
def benchmark_not_planned(b: Specimen) -> None:
    """A benchmark that was not asked for."""
    if len(b.study["benchmark"]) < 2 or "search" in b.study:
        raise NotApplicable("the study has one benchmark, or a search that needs it")
    b.study["benchmark"].pop()


# --- what was asked for and is not there


@case(6, "EV-ABSENT", 2)
def metric_left_out(b: Specimen) -> None:
    """The metric that a rule asks for was not measured."""
    judged = b.judged("threshold", "superiority", "non_inferiority")
    judged.document["measurements"] = [m for m in judged.document["measurements"] if m is not judged.measurement]


@case(6, "EV-ABSENT", 2)
def benchmark_left_out(b: Specimen) -> None:
    """The evidence of a planned benchmark is not in the bundle."""
    if "search" in b.study:
        raise NotApplicable("a search without its evidence chooses nothing")
    judged = b.judged()
    del b.documents[judged.path]
    b.documents.pop("transcripts/" + judged.path.partition("/")[2], None)


@case(6, "EV-ABSENT", 2)
def measured_at_another_setting(b: Specimen) -> None:
    """The metric that a rule asks for was measured at another setting only."""
    b.judged("threshold", "superiority", "non_inferiority").measurement["setting"] = {"acme": 5}


@case(6, "EV-ABSENT", 2)
def planned_control_never_made(b: Specimen) -> None:
    """A control that was planned was never made."""
    condition = b.control()[0]["condition"]
    b.drop({s["name"] for s in b.subjects if s["condition"] == condition})
    for document in b.evidence:
        document["measurements"] = [m for m in document["measurements"] if m["condition"] != condition]
        if not document["measurements"]:
            raise NotApplicable("the bundle has nothing but this control")


@case(6, "EV-ABSENT", 2)
def chance_unknown(b: Specimen) -> None:
    """A rule about chance, and no chance level."""
    for rule in b.rules("equivalence"):
        if rule.get("to") == "chance":
            for _, measurement in b.measurements():
                if measurement["metric"]["name"] == rule["metric"]:
                    measurement.pop("chance", None)
            return
    raise NotApplicable("no rule is about chance")


# --- many were tried, and one is shown


def _search(b: Specimen) -> tuple[str, dict[str, object]]:
    found = [(path, d) for path, d in b.documents.items() if path.startswith("selections/")]
    if not found:
        raise NotApplicable("the study searches nothing")
    return found[0]


@case(54, "EV-SELECTION")
def another_point_said_to_be_chosen(b: Specimen) -> None:
    """A selection that names another point than the evidence gives."""
    _, document = _search(b)
    points = [point["condition"] for point in document["points"]]  # type: ignore[attr-defined]
    document["chosen"] = next(point for point in points if point != document["chosen"])


@case(54, "EV-SELECTION")
def fewer_points_said_to_be_compared(b: Specimen) -> None:
    """A selection that says it compared fewer."""
    _, document = _search(b)
    document["because"]["compared"] -= 1  # type: ignore[index]


@case(54, "EV-SELECTION-ABSENT", 2)
def selection_removed(b: Specimen) -> None:
    """A choice that nobody declares."""
    path, _ = _search(b)
    del b.documents[path]


@case(54, "EV-SELECTION-SEEDS")
def chosen_and_confirmed_on_one_seed(b: Specimen) -> None:
    """A seed that took part in the choice and in its confirmation."""
    _search(b)
    search = b.study["search"][0]
    search["seeds"] = [*search["seeds"][:-1], b.study["training"]["seeds"][0]]
