"""Cases of identity: evidence of something else, of an earlier run, or of two things at once."""

from __future__ import annotations

import copy

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case

_OTHER = "sha256:" + "1" * 64


@case(27, "EV-SUBJECT")
def evidence_of_another_subject(b: Specimen) -> None:
    """Evidence that measured another dictionary under a subject's name."""
    b.document_of(b.measured())["subjects"][0]["digest"] = _OTHER


@case(27, "EV-SUBJECT")
def evidence_of_a_subject_that_is_not_there(b: Specimen) -> None:
    """Evidence that names a subject which the bundle does not hold."""
    b.document_of(b.measured())["subjects"][0] |= {"name": f"{b.condition()}.s999999", "digest": _OTHER}


@case(27, "EV-SUBJECT")
def evidence_of_another_site(b: Specimen) -> None:
    """Evidence from another model under the site's name."""
    b.evidence[0]["site"]["digest"] = _OTHER


@case(27, "EV-SUBJECT")
def subject_at_another_site(b: Specimen) -> None:
    """A dictionary of another model under the site's name."""
    b.of(b.condition())[0]["site"]["digest"] = _OTHER


@case(27, "EV-SUBJECT")
def subject_under_another_name(b: Specimen) -> None:
    """A subject whose document bears another name than its file."""
    b.of(b.condition())[0]["name"] += "9"


@case(27, "EV-SUBJECT")
def seed_under_another_name(b: Specimen) -> None:
    """A subject that says another seed than its name."""
    subject = b.trained()[0]
    subject["seed"] = max(s["seed"] for s in b.subjects) + 1


@case(27, "EV-SUBJECT")
def rows_that_no_steps_give(b: Specimen) -> None:
    """A budget that contradicts itself."""
    b.trained()[0]["budget"]["rows_seen"] += 1


@case(28, "EV-STALE")
def evidence_of_the_last_release(b: Specimen) -> None:
    """Evidence of an earlier run: the names of these subjects, the digests of others."""
    for number, listed in enumerate(b.document_of(b.measured())["subjects"]):
        listed["digest"] = f"sha256:{number:064x}"


@case(28, "EV-STALE")
def dictionaries_retrained_and_not_measured(b: Specimen) -> None:
    """New weights for every subject, and the evidence of the old ones."""
    from husai_core import strict_json

    document = b.document_of(b.measured())
    for listed in document["subjects"]:
        subject = b.documents[f"subjects/{listed['name']}.json"]
        listed["digest"] = strict_json.digest(strict_json.encode(subject))
    for number, subject in enumerate(b.subjects):
        subject["weights"] = f"sha256:{number:064x}"


@case(52, "EV-SUBJECT")
def subjects_of_a_condition_differ(b: Specimen) -> None:
    """Two widths under one name."""
    b.trained()[0]["dims"]["d_sae"] *= 2


@case(52, "EV-SUBJECT")
def architectures_of_a_condition_differ(b: Specimen) -> None:
    """Two architectures under one name."""
    b.trained()[0]["architecture"]["source"] = _OTHER


@case(52, "EV-SUBJECT")
def observation_of_an_unknown_seed(b: Specimen) -> None:
    """A value of a seed that no subject has."""
    measurement = b.measured(units=1, several=False)
    measurement["observations"].append({**measurement["observations"][0], "seeds": [999_999]})


@case(52, "EV-SUBJECT")
def measurement_of_nobody(b: Specimen) -> None:
    """A value of a condition that no subject is of."""
    measurement = b.measured(several=False)
    measurement["condition"] = f"{measurement['condition']}.nobody"


@case(52, "EV-SUBJECT")
def measured_on_one_listed_as_another(b: Specimen) -> None:
    """Evidence of the candidate that lists no subject of it."""
    document = b.document_of(b.measured())
    names = {subject["name"] for subject in b.of(b.condition())}
    document["subjects"] = [s for s in document["subjects"] if s["name"] not in names]
    if not document["subjects"]:
        raise NotApplicable("the evidence is of the candidate alone")


@case(52, "EV-SUBJECT")
def relabelled_role(b: Specimen) -> None:
    """A candidate that is shown as a baseline."""
    for subject in b.of(b.condition()):
        subject["role"] = "baseline"


@case(55, "EV-SUBJECT")
def dictionary_of_another_site(b: Specimen) -> None:
    """A dictionary that was planned for one site and is shown at another."""
    from husai_core import strict_json

    site = copy.deepcopy(b.sites[0])
    site["name"] = "elsewhere"
    b.documents["sites/elsewhere.json"] = site
    b.study["site"] = [*b.study["site"], {**b.study["site"][0], "name": "elsewhere"}]
    moved = {"name": "elsewhere", "digest": strict_json.digest(strict_json.encode(site))}
    for subject in b.of(b.condition()):
        subject["site"] = dict(moved)


# --- controls


def _controls_are(name: str, says: str, key: str, change: object) -> None:
    def spoil(b: Specimen) -> None:
        for subject in b.control(of=b.trained()[0]["condition"]):
            part, _, inner = key.partition(".")
            subject[part][inner] = change

    FAMILY.add(name, 57, says, "EV-SUBJECT", 3, "made", spoil)


_controls_are("control_of_nothing", "A control of a condition that is not there.", "control.of", "nowhere.gated")
_controls_are("control_of_another_width", "A control of another width.", "dims.d_sae", 7)
_controls_are("control_of_another_architecture", "A control of another architecture.", "architecture.name", "acme")
_controls_are("control_with_other_batches", "A control with other batches.", "budget.batch_size", 3)
_controls_are("control_with_another_rate", "A control with another learning rate.", "budget.learning_rate", 0.5)
_controls_are("control_under_another_name", "A control that says it is another one.", "control.name", "acme")


@case(57, "EV-SUBJECT")
def control_trained_for_less(b: Specimen) -> None:
    """A control that was trained for a little, and says it is as long trained or not at all."""
    for subject in b.control(of=b.trained()[0]["condition"]):
        size = subject["budget"]["batch_size"]
        subject["budget"] |= {"steps": 3, "rows_seen": 3 * size}


@case(57, "EV-SUBJECT")
def control_drawn_together_alone(b: Specimen) -> None:
    """Seeds of a trained control that are said to be one run, and those of its base are not."""
    for subject in b.control("random_decoder", of=b.trained()[0]["condition"]):
        subject["budget"] |= {"agreement": 0.1, "match_every": 5}


@case(57, "EV-SUBJECT")
def control_with_another_decay(b: Specimen) -> None:
    """A trained control whose rate fell over another share of the steps than that of its base."""
    for subject in b.control("random_decoder", of=b.trained()[0]["condition"]):
        subject["budget"]["decay_share"] = 0.987


@case(57, "EV-SUBJECT")
def untrained_control_that_was_trained(b: Specimen) -> None:
    """A control that is called untrained and is not."""
    trained = b.trained()[0]
    for subject in b.control("untrained", of=trained["condition"]):
        subject["budget"] |= {key: trained["budget"][key] for key in ("steps", "rows_seen")}


@case(57, "EV-SUBJECT")
def control_said_to_be_one_for_all_seeds(b: Specimen) -> None:
    """A random control whose seeds are said to be one."""
    controls = b.control("random_decoder")
    for subject in controls:
        subject["control"]["deterministic"] = True
        subject["weights"] = controls[0]["weights"]


def _fixed_basis(b: Specimen) -> list[dict[str, object]]:
    """A control that is the same for every seed, made of a random one."""
    controls = b.control("random_decoder")
    base = controls[0]["control"]["of"]
    b.rename("random_decoder", "pca")
    found = b.control("pca", of=base)
    for subject in [s for s in b.subjects if s.get("control", {}).get("name") == "pca"]:
        subject["control"]["deterministic"] = True
        subject["weights"] = found[0]["weights"]
        subject["budget"] |= {"steps": 0, "rows_seen": 0}
    return found


@case(57, "EV-SUBJECT")
def fixed_basis_not_said_to_be_one(b: Specimen) -> None:
    """A basis that every seed shares, and seeds that are counted."""
    for subject in _fixed_basis(b):
        del subject["control"]["deterministic"]  # type: ignore[attr-defined]


@case(57, "EV-SUBJECT")
def fixed_basis_of_other_weights_for_one_seed(b: Specimen) -> None:
    """A basis that every seed shares, but for one."""
    _fixed_basis(b)[-1]["weights"] = "sha256:" + "5" * 64


@case(57, "EV-SUBJECT")
def fixed_basis_that_was_trained(b: Specimen) -> None:
    """A basis that needs no step, and says it took some."""
    budget = b.trained()[0]["budget"]
    for subject in _fixed_basis(b):
        subject["budget"] |= {key: budget[key] for key in ("steps", "rows_seen")}  # type: ignore[operator]


# --- what is said of one thing in two places


@case(59, "EV-CHANCE")
def chance_of_one_condition_moved(b: Specimen) -> None:
    """Two chance levels of one metric for dictionaries of one size."""
    by_metric: dict[str, list[dict[str, float]]] = {}
    for _, measurement in b.measurements():
        if "chance" in measurement:
            key = measurement["metric"]["name"] + str(measurement["setting"])
            by_metric.setdefault(key, []).append(measurement)
    for found in by_metric.values():
        if len(found) > 1:
            found[-1]["chance"] *= 0.9
            return
    raise NotApplicable("no metric has a chance level for two conditions")


@case(59, "EV-METRIC")
def two_definitions_of_one_metric(b: Specimen) -> None:
    """A metric of a third party that is defined in two ways."""
    names = [m["metric"]["name"] for _, m in b.measurements()]
    name = next((n for n in names if names.count(n) > 1), "")
    if not name:
        raise NotApplicable("no metric is measured of two conditions")
    b.of_third_party(name)[0]["metric"]["definition"] = "another one"


@case(59, "EV-METRIC")
def scale_not_stated(b: Specimen) -> None:
    """A metric of a third party whose scale depends on the width, and no width beside its values."""
    b.of_third_party(b.measured()["metric"]["name"])[0]["metric"]["scale"] = ["d_sae"]


@case(59, "EV-METRIC")
def two_makers_of_one_metric(b: Specimen) -> None:
    """Evidence that says twice who made a metric."""
    document = b.document_of(b.measured())
    document["metrics"].append({**document["metrics"][0], "distribution": "acme 1"})


@case(59, "EV-METRIC")
def metric_by_nobody(b: Specimen) -> None:
    """Evidence that does not say who made its metrics."""
    b.document_of(b.measured())["metrics"] = []


@case(59, "EV-METRIC")
def metric_made_by_another_version(b: Specimen) -> None:
    """A metric whose maker is of another version than its card."""
    document = b.document_of(b.measured())
    document["metrics"][0]["version"] += "9"


@case(60, "EV-METRIC")
def direction_turned_round(b: Specimen) -> None:
    """A metric of ours for which worse is now better."""
    for _, measurement in b.measurements():
        direction = measurement["metric"]["direction"]
        measurement["metric"]["direction"] = {"higher": "lower", "lower": "higher"}.get(direction, direction)


@case(60, "EV-METRIC")
def bounds_widened(b: Specimen) -> None:
    """A metric of ours whose bounds let an impossible value pass."""
    for _, measurement in b.measurements(b.condition()):
        if measurement["metric"]["bounds"][1] is not None:
            measurement["metric"]["bounds"][1] += 1.0
            measurement["observations"][0]["value"] = measurement["metric"]["bounds"][1] - 0.3
            return
    raise NotApplicable("no metric has an upper bound")


@case(60, "EV-METRIC")
def bounds_removed(b: Specimen) -> None:
    """A metric of ours without bounds, and an impossible value."""
    measurement = b.measured(several=False)
    measurement["metric"]["bounds"] = [None, None]
    if not b.documents or measurement["metric"]["name"].startswith("acme"):
        raise NotApplicable("the metric is not one of ours")


@case(60, "EV-METRIC")
def continuous_metric_called_a_count(b: Specimen) -> None:
    """A continuous metric of ours that says it is a count, so that equal seeds would not be suspicious."""
    for _, measurement in b.measurements(b.condition()):
        if measurement["metric"]["continuous"]:
            measurement["metric"]["continuous"] = False
            return
    raise NotApplicable("no continuous metric")


@case(60, "EV-METRIC")
def metric_version_from_nowhere(b: Specimen) -> None:
    """A metric of ours in a version that does not exist."""
    measurement = b.measured(several=False)
    name = measurement["metric"]["name"]
    for document in b.evidence:
        for maker in document["metrics"]:
            maker["version"] = "99" if maker["name"] == name else maker["version"]
    for _, other in b.measurements():
        if other["metric"]["name"] == name:
            other["metric"]["version"] = "99"
