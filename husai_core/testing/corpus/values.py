"""Cases of numbers: impossible ones, ones that contradict each other, and summaries that observations do not give."""

from __future__ import annotations

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import Document, NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case


def _mean(measurement: Document) -> float:
    values: dict[tuple[int, ...], list[float]] = {}
    for observation in measurement["observations"]:
        values.setdefault(tuple(sorted(observation["seeds"])), []).append(observation["value"])
    means = [sum(v) / len(v) for v in values.values()]
    return sum(means) / len(means)


def _varying(b: Specimen) -> Document:
    """A measurement of a candidate whose seeds differ."""
    for _, measurement in b.measurements(b.condition()):
        if len({observation["value"] for observation in measurement["observations"]}) > 2:
            return measurement
    raise NotApplicable("no measurement of a candidate differs between seeds")


def _bounded(b: Specimen, end: int) -> Document:
    for _, measurement in b.measurements(b.condition()):
        if measurement["metric"]["bounds"][end] is not None:
            return measurement
    raise NotApplicable(f"no metric of a candidate has {'an upper' if end else 'a lower'} bound")


# --- impossible by itself


@case(14, "EV-RANGE")
def above_its_upper_bound(b: Specimen) -> None:
    """A share of three."""
    measurement = _bounded(b, 1)
    measurement["observations"][0]["value"] = measurement["metric"]["bounds"][1] + 2.0


@case(14, "EV-RANGE")
def below_its_lower_bound(b: Specimen) -> None:
    """A count below nothing."""
    measurement = _bounded(b, 0)
    measurement["observations"][0]["value"] = measurement["metric"]["bounds"][0] - 1.5


@case(14, "EV-RANGE")
def just_above_its_upper_bound(b: Specimen) -> None:
    """A share that is above one in its last digit."""
    measurement = _bounded(b, 1)
    high = measurement["metric"]["bounds"][1]
    measurement["observations"][0]["value"] = high + abs(high) * 2**-52


@case(14, "EV-RANGE")
def more_active_than_there_are(b: Specimen) -> None:
    """More active latents than the dictionary has."""
    b.measured("l0")["observations"][0]["value"] = b.of(b.condition())[0]["dims"]["d_sae"] + 1.0


@case(14, "EV-RANGE")
def too_large_for_arithmetic(b: Specimen) -> None:
    """A value whose square is infinite."""
    for _, measurement in b.measurements(b.condition()):
        low, high = measurement["metric"]["bounds"]
        if low is None or high is None:
            measurement["observations"][0]["value"] = -1.7e308 if low is None else 1.7e308
            return
    raise NotApplicable("every metric has both bounds")


@case(14, "EV-RANGE")
def impossible_chance(b: Specimen) -> None:
    """A chance level above the best value."""
    for _, measurement in b.measurements(b.condition()):
        if "chance" in measurement and measurement["metric"]["bounds"][1] is not None:
            measurement["chance"] = measurement["metric"]["bounds"][1] + 0.5
            return
    raise NotApplicable("no metric of a candidate has a chance level")


# --- impossible together


@case(62, "EV-IMPOSSIBLE")
def more_active_than_alive(b: Specimen) -> None:
    """More latents active on a row than are alive on any."""
    l0 = b.measured("l0")
    b.measured("dead_fraction")
    d_sae = b.of(b.condition())[0]["dims"]["d_sae"]
    for observation in b.measured("dead_fraction")["observations"]:
        observation["value"] = 1 - 1 / d_sae
    l0["observations"][0]["value"] = max(2.0, l0["observations"][0]["value"])


@case(62, "EV-IMPOSSIBLE")
def scale_of_another_width(b: Specimen) -> None:
    """A metric of a third party whose scale depends on the width, stated at another one than that of its subjects."""
    dims = {subject["condition"]: subject["dims"]["d_sae"] for subject in b.subjects}
    for measurement in b.of_third_party(b.measured()["metric"]["name"]):
        measurement["metric"]["scale"] = ["d_sae"]
        measurement["scale"] = {"d_sae": 2 * dims[measurement["condition"]]}


@case(62, "EV-IMPOSSIBLE")
def part_of_a_latent_dead(b: Specimen) -> None:
    """A share of dead latents that is no whole number of them."""
    d_sae = b.of(b.condition())[0]["dims"]["d_sae"]
    b.measured("dead_fraction")["observations"][0]["value"] += 0.3 / d_sae


@case(62, "EV-IMPOSSIBLE")
def assignment_better_than_the_best(b: Specimen) -> None:
    """A one-to-one assignment that is closer than every feature's best match."""
    pwmcc, mcc = b.measured("pwmcc"), b.measured("mcc")
    pwmcc["observations"][0]["value"] = mcc["observations"][0]["value"] - 0.01


@case(62, "EV-IMPOSSIBLE")
def explained_more_without_a_smaller_error(b: Specimen) -> None:
    """More variance explained by one seed, and its squared error left."""
    b.measured("mse")
    observation = b.measured("explained_variance")["observations"][0]
    observation["value"] += 0.2 * (1 - observation["value"])


@case(62, "EV-IMPOSSIBLE")
def smaller_error_without_more_explained(b: Specimen) -> None:
    """Half the squared error, and the variance explained left."""
    b.measured("explained_variance")
    b.measured("mse")["observations"][0]["value"] *= 0.5


@case(62, "EV-IMPOSSIBLE")
def score_that_no_loss_gives(b: Specimen) -> None:
    """More of the loss recovered by one seed, and its loss left."""
    b.measured("ce_loss_increase")
    observation = b.measured("ce_loss_score")["observations"][0]
    observation["value"] += 0.2 * (1 - observation["value"])


@case(62, "EV-IMPOSSIBLE")
def increase_that_no_loss_gives(b: Specimen) -> None:
    """A smaller increase of the loss, and the loss left."""
    b.measured("ce_loss")
    b.measured("ce_loss_increase")["observations"][0]["value"] *= 0.5


# --- what a producer concluded


@case(1, "EV-RECOMPUTE")
def headline_edited(b: Specimen) -> None:
    """A stated mean that the observations do not give."""
    measurement = _varying(b)
    mean = _mean(measurement)
    measurement["stated"] = {"mean": mean + 0.04 * (abs(mean) or 1)}


@case(15, "EV-CI-INCOHERENT")
def interval_beside_its_estimate(b: Specimen) -> None:
    """A stated interval that excludes its own estimate."""
    measurement = _varying(b)
    mean = _mean(measurement)
    measurement["stated"] = {"mean": mean, "low": mean + 0.1, "high": mean + 0.2}


@case(15, "EV-CI-INCOHERENT")
def interval_upside_down(b: Specimen) -> None:
    """A stated interval whose lower end is the upper one."""
    measurement = _varying(b)
    mean = _mean(measurement)
    measurement["stated"] = {"mean": mean, "low": mean + 0.1, "high": mean - 0.1}


@case(16, "EV-CI-INCOHERENT")
def interval_without_width(b: Specimen) -> None:
    """A stated interval of no width, over seeds that differ."""
    measurement = _varying(b)
    mean = _mean(measurement)
    measurement["stated"] = {"mean": mean, "low": mean, "high": mean}


@case(17, "EV-CI-METHOD", 2)
def interval_of_pairs_as_if_independent(b: Specimen) -> None:
    """A stated interval that takes pairs of seeds for independent."""
    measurement = b.measured(units=2)
    _state_normal_interval(measurement)


@case(17, "EV-CI-METHOD", 2)
def interval_of_a_few_seeds_by_z(b: Specimen) -> None:
    """A stated interval by z instead of t."""
    for _, measurement in b.measurements(b.condition()):
        values = [observation["value"] for observation in measurement["observations"]]
        if len(measurement["observations"][0]["seeds"]) == 1 and len(set(values)) > 2 and len(values) < 20:
            _state_normal_interval(measurement)
            return
    raise NotApplicable("no measurement of few seeds")


def _state_normal_interval(measurement: Document) -> None:
    values = [observation["value"] for observation in measurement["observations"]]
    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    if not spread:
        raise NotApplicable("the values do not differ")
    half = 1.96 * spread / len(values) ** 0.5
    measurement["stated"] = {"mean": _mean(measurement), "low": mean - half, "high": mean + half}


# --- too few, or no spread


@case(16, "EV-UNITS", 2)
def one_seed(b: Specimen) -> None:
    """One seed, planned so."""
    seeds = sorted(b.study["training"]["seeds"])
    if any("pretrained" in sae for sae in b.study["sae"]) or "search" in b.study or len(seeds) < 2:
        raise NotApplicable("the study trains no several seeds, or searches")
    b.study["training"]["seeds"] = seeds[:1]
    for seed in seeds[1:]:
        b.drop_seed(seed)
    for document in b.evidence:
        if not document["measurements"]:
            document["outcome"] = {"status": "skipped", "reason": "one seed", "next_step": "train more"}
            document["metrics"] = []


@case(16, "EV-ZERO-WIDTH", 2)
def every_seed_alike(b: Specimen) -> None:
    """Every seed has the mean of all of them."""
    found = b.all_judged("threshold", "superiority", "non_inferiority")
    for judged in found:
        measurement = judged.measurement
        if measurement["metric"]["continuous"] and len(measurement["observations"][0]["seeds"]) == 1:
            if _is_contradicted(b, measurement):
                continue
            mean = _mean(measurement)
            for observation in measurement["observations"]:
                observation["value"] = mean
            return
    raise NotApplicable("no rule is about a continuous metric of single seeds")


@case(16, "EV-ZERO-WIDTH", 2)
def every_pair_alike(b: Specimen) -> None:
    """Every pair of seeds has the mean of all of them."""
    b.trained()  # what was not may share its weights, and so its values, with a control
    measurement = _judged_pairs(b)
    mean = _mean(measurement)
    for observation in measurement["observations"]:
        observation["value"] = mean


@case(16, "EV-ZERO-WIDTH", 2)
def comparator_is_the_candidate_minus_a_constant(b: Specimen) -> None:
    """A comparator that is the candidate less a constant was never measured."""
    for judged in b.all_judged("superiority"):
        over = judged.rule.get("over")
        if not isinstance(over, dict) or "control" not in over or not judged.measurement["metric"]["continuous"]:
            continue
        if _is_contradicted(b, judged.measurement):
            continue
        condition = b.control(over["control"])[0]["condition"]
        theirs = b.measured(judged.rule["metric"], condition=condition)
        values = {tuple(o["seeds"]): o["value"] for o in judged.measurement["observations"]}
        drop = max(values.values()) - min(values.values()) + 2 * judged.rule.get("margin", 0) + 0.1
        for observation in theirs["observations"]:
            observation["value"] = values[tuple(observation["seeds"])] - drop
        return
    raise NotApplicable("no rule asks for superiority over a control")


def _is_contradicted(b: Specimen, measurement: Document) -> bool:
    """Whether another metric would contradict a made-up value of this one before a rule could judge it."""
    names = {m["metric"]["name"] for _, m in b.measurements(measurement["condition"])}
    pairs = ({"explained_variance", "mse"}, {"pwmcc", "mcc"})
    return any(measurement["metric"]["name"] in pair and pair <= names for pair in pairs)


def _judged_pairs(b: Specimen) -> Document:
    for judged in b.all_judged("threshold", "superiority", "non_inferiority"):
        if len(judged.measurement["observations"][0]["seeds"]) == 2 and judged.measurement["metric"]["continuous"]:
            return judged.measurement
    raise NotApplicable("no rule is about pairs of seeds")


# --- below what the policy asks


@case(16, "RULE-FAILED", 2)
def one_bad_seed(b: Specimen) -> None:
    """One seed is far on the wrong side of what the policy asks of every seed, or of all of them together."""
    for judged in b.all_judged("threshold"):
        measurement = judged.measurement
        if _is_contradicted(b, measurement) or not measurement["metric"]["continuous"]:
            continue
        floor = judged.rule.get("worst_at_least", judged.rule.get("at_least"))
        ceiling = judged.rule.get("worst_at_most", judged.rule.get("at_most"))
        low, high = measurement["metric"]["bounds"]
        if floor is not None:
            worse = floor - 0.5 * (abs(floor) or 1.0)
            measurement["observations"][-1]["value"] = worse if low is None else max(low, worse)
        elif ceiling is not None:
            worse = ceiling + 0.5 * (abs(ceiling) or 1.0)
            measurement["observations"][-1]["value"] = worse if high is None else min(high, worse)
        return
    raise NotApplicable("no threshold is about a continuous metric that no other contradicts")
