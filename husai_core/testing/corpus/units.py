"""Cases of units: seeds and rows that are dropped, doubled, copied, or counted for more than they are."""

from __future__ import annotations

import copy

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import Document, NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case


@case(32, "EV-SEEDS-MISSING", 2)
def planned_seed_never_shown(b: Specimen) -> None:
    """Every trace of a planned seed is removed."""
    b.drop_seed(int(b.trained()[-1]["seed"]))


@case(32, "EV-SEEDS-MISSING", 2)
def planned_seed_not_observed(b: Specimen) -> None:
    """A seed was trained, and the one measurement that a rule asks for lacks it."""
    for judged in b.all_judged("threshold", "non_inferiority", "superiority"):
        if len(judged.measurement["observations"][0]["seeds"]) == 1 and len(judged.measurement["observations"]) > 2:
            seed = judged.measurement["observations"][-1]["seeds"]
            kept = [o for o in judged.measurement["observations"] if o["seeds"] != seed]
            judged.measurement["observations"] = kept
            return
    raise NotApplicable("no rule is about single seeds")


@case(32, "EV-SEEDS-MISSING", 2)
def candidate_never_shown(b: Specimen) -> None:
    """The planned candidate is not there."""
    b.drop_condition(b.condition())
    for document in b.evidence:
        if not document["measurements"]:
            raise NotApplicable("the bundle has nothing but its candidate")


@case(32, "EV-SEEDS-UNPLANNED")
def more_seeds_than_planned(b: Specimen) -> None:
    """A seed that no plan had, from which the best could be kept."""
    b.trained()
    b.study["training"]["seeds"] = sorted(b.study["training"]["seeds"])[:-1]


@case(34, "EV-UNIT-SET")
def pair_left_out(b: Specimen) -> None:
    """One pair of seeds is not shown."""
    measurement = b.measured(units=2)
    if len(measurement["observations"]) < 3:
        raise NotApplicable("there are fewer than three pairs")
    del measurement["observations"][1]


@case(34, "EV-UNIT-SET")
def seeds_and_pairs_mixed(b: Specimen) -> None:
    """Single seeds among pairs."""
    measurement = b.measured(units=2)
    first = measurement["observations"][0]
    measurement["observations"].append({"seeds": first["seeds"][:1], "value": first["value"]})


@case(34, "EV-UNIT-SET")
def part_missing_of_one_seed(b: Specimen) -> None:
    """The hard document of the seed that fails on it is left out."""
    measurement = b.measured(units=1)
    measurement["observations"] = [
        {**observation, "part": part} for observation in measurement["observations"] for part in ("easy", "hard")
    ]
    del measurement["observations"][1]


@case(34, "EV-DUP-UNIT")
def seed_observed_twice(b: Specimen) -> None:
    """A good seed stands twice."""
    measurement = b.measured(units=1)
    measurement["observations"].append(dict(measurement["observations"][0]))


@case(34, "EV-DUP-UNIT")
def part_observed_twice(b: Specimen) -> None:
    """A good document of a seed stands twice."""
    measurement = b.measured(units=1)
    for observation in measurement["observations"]:
        observation["part"] = "one document"
    measurement["observations"].append(dict(measurement["observations"][0]))


@case(34, "EV-DUP-UNIT")
def pair_in_both_orders(b: Specimen) -> None:
    """A pair of seeds stands twice, the second time the other way round."""
    measurement = b.measured(units=2)
    first = measurement["observations"][0]
    measurement["observations"].append({**first, "seeds": first["seeds"][::-1]})


@case(34, "EV-DUP-MEASUREMENT")
def measured_twice(b: Specimen) -> None:
    """One quantity of one condition twice in a document."""
    measurement = b.measured(several=False)
    b.document_of(measurement)["measurements"].append(copy.deepcopy(measurement))


@case(34, "EV-DUP-MEASUREMENT")
def measured_twice_at_one_number(b: Specimen) -> None:
    """One quantity at the settings 5 and 5.0."""
    first = b.measured(several=False)
    document = b.document_of(first)
    for measurement in document["measurements"]:
        measurement["setting"] = {**measurement["setting"], "zz": 5}
    again = copy.deepcopy(first)
    document["measurements"].append({**again, "setting": {**again["setting"], "zz": 5.0}})


@case(34, "EV-DUP-MEASUREMENT")
def measured_twice_in_two_documents(b: Specimen) -> None:
    """One piece of evidence under two names."""
    document = b.evidence[0]
    name = f"evidence/{document['benchmark']['name']}.{document['site']['name']}.again.json"
    b.documents[name] = copy.deepcopy(document)
    b.documents[name].pop("transcript", None)


@case(34, "EV-ROW-COUNT")
def rows_inflated(b: Specimen) -> None:
    """Ten times as many rows as the site has under that name."""
    b.evidence[0]["data"][0]["rows"] *= 10


@case(34, "EV-DATA")
def no_rows(b: Specimen) -> None:
    """Rows of which there are none."""
    data = b.evidence[0]["data"][0]
    for other in [d for e in b.evidence for d in e["data"]] + [d for s in b.sites for d in s["data"]]:
        if other["name"] == data["name"]:
            other["rows"] = 0


@case(53, "EV-DUP-UNIT")
def same_weights_as_two_seeds(b: Specimen) -> None:
    """One dictionary that is counted as two seeds."""
    first, second = b.trained()[:2]
    second["weights"] = first["weights"]


@case(53, "EV-DUP-UNIT")
def two_subjects_of_one_seed(b: Specimen) -> None:
    """A seed trained twice, from which one can choose."""
    first = b.trained()[0]
    twin = {**copy.deepcopy(first), "name": f"{first['name']}b", "weights": "sha256:" + "2" * 64}
    b.documents[f"subjects/{twin['name']}.json"] = twin


@case(53, "EV-DUP-UNIT")
def same_weights_in_two_conditions(b: Specimen) -> None:
    """One dictionary that is shown as candidate and baseline."""
    mine, theirs = b.trained()[0], b.of(b.condition("baseline"))[0]
    theirs["weights"] = mine["weights"]


@case(53, "EV-DUP-UNIT")
def subject_listed_twice(b: Specimen) -> None:
    """Evidence that lists one subject twice."""
    b.evidence[0]["subjects"].append(dict(b.evidence[0]["subjects"][0]))


def _copied(b: Specimen, jitter: float) -> None:
    """The first seed's values for the second, on every measurement of a candidate of single seeds."""
    first, second = (int(subject["seed"]) for subject in b.trained()[:2])
    touched = 0
    for measurement in _of_single_seeds(b, b.trained()[0]["condition"]):
        values = {o["seeds"][0]: o["value"] for o in measurement["observations"]}
        if first not in values or second not in values:
            continue
        for observation in measurement["observations"]:
            if observation["seeds"] == [second]:
                observation["value"] = (
                    values[first] * (1 - jitter) if measurement["metric"]["continuous"] else values[first]
                )
                touched += measurement["metric"]["continuous"] and not float(values[first]).is_integer()
    if touched < 1 + (jitter == 0):
        raise NotApplicable("too little of a candidate is measured by seed to tell a copy from a coincidence")


def _of_single_seeds(b: Specimen, condition: str) -> list[Document]:
    found = [m for _, m in b.measurements(condition)]
    return [m for m in found if len(m["observations"][0]["seeds"]) == 1 and "part" not in m["observations"][0]]


@case(61, "EV-DUP-UNIT")
def seed_copied_with_jitter(b: Specimen) -> None:
    """The values of one seed for another, changed in the eleventh digit; weights and pairs are made up."""
    _copied(b, 1e-11)


@case(61, "EV-DUP-UNIT")
def seed_copied_to_the_fifth_digit_of_the_spread(b: Specimen) -> None:
    """The values of one seed for another, changed by far less than seeds differ."""
    first, second = (int(subject["seed"]) for subject in b.trained()[:2])
    metrics = set()
    for measurement in _of_single_seeds(b, b.trained()[0]["condition"]):
        values = {o["seeds"][0]: o["value"] for o in measurement["observations"]}
        if len(values) < 4 or first not in values or second not in values:
            continue
        spread = max(values.values()) - min(values.values())
        for observation in measurement["observations"]:
            if observation["seeds"] == [second]:
                continuous = measurement["metric"]["continuous"]
                observation["value"] = values[first] - (1e-6 * spread if continuous else 0.0)
        if measurement["metric"]["continuous"] and len(set(values.values())) > 3:
            metrics.add(measurement["metric"]["name"])
    if len(metrics) < 4:
        raise NotApplicable("too little of a candidate is measured by seed to tell a copy from a coincidence")


@case(61, "EV-DUP-UNIT")
def dictionaries_that_match_latent_by_latent(b: Specimen) -> None:
    """Two seeds whose dictionaries are one: weights are jittered, so that their digests differ."""
    measurement = b.measured("pwmcc")
    measurement["observations"][0]["value"] = 1.0
    for _, other in b.measurements(b.condition()):
        if other["metric"]["name"] == "mcc" and other["setting"] == measurement["setting"]:
            other["observations"][0]["value"] = 1.0


@case(61, "EV-DUP-UNIT")
def control_is_its_base_and_measured_otherwise(b: Specimen) -> None:
    """Controls with the weights of what they control, that are measured to be worse."""
    controls = b.control()
    base = {subject["seed"]: subject for subject in b.of(controls[0]["control"]["of"])}
    if controls[0]["control"].get("deterministic"):
        raise NotApplicable("the control is the same for every seed")
    for control in controls:
        control["weights"] = base[control["seed"]]["weights"]
