"""Cases of comparisons: the two sides were not measured, trained or found in the same way."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import Document, Judged, NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case


def _to_baseline(b: Specimen) -> Judged:
    """A rule that compares the candidate with the baseline."""
    for judged in b.all_judged("non_inferiority", "superiority", "equivalence"):
        if {"role": "baseline"} in (judged.rule.get("to"), judged.rule.get("over")):
            return judged
    raise NotApplicable("no rule compares the candidate with a baseline")


def _apart(b: Specimen) -> Document:
    """The baseline's side of such a rule in a document of its own."""
    judged = _to_baseline(b)
    baseline = b.condition("baseline")
    theirs = {s["condition"] for s in b.subjects if baseline in (s["condition"], s.get("control", {}).get("of"))}
    other = copy.deepcopy(judged.document)
    other.pop("transcript", None)
    other["measurements"] = [m for m in other["measurements"] if m["condition"] in theirs]
    kept = [m for m in judged.document["measurements"] if m["condition"] not in theirs]
    judged.document["measurements"] = kept
    if not kept or not other["measurements"]:
        raise NotApplicable("the two sides are not in one document")
    b.documents[judged.path.removesuffix(".json") + ".apart.json"] = other
    return other


@case(35, "CMP-DATA", 2)
def measured_on_other_rows(b: Specimen) -> None:
    """The baseline on other rows of the site."""
    other = _apart(b)
    site = b.site(other["site"]["name"])
    site["data"].append({**other["data"][0], "name": f"{site['name']}.test.acme", "digest": "sha256:" + "3" * 64})
    other["data"] = [dict(site["data"][-1])]


@case(38, "CMP-BENCHMARK", 2)
def measured_by_another_version(b: Specimen) -> None:
    """The baseline by another version of the benchmark."""
    _apart(b)["benchmark"]["version"] += "9"


@case(38, "CMP-BENCHMARK", 2)
def measured_by_other_source(b: Specimen) -> None:
    """The baseline by a benchmark of the same version and other source text."""
    _apart(b)["benchmark"]["source"] = "sha256:" + "8" * 64


@case(38, "CMP-BENCHMARK", 2)
def measured_with_other_settings(b: Specimen) -> None:
    """The baseline with another setting of the benchmark."""
    _apart(b)["settings"]["acme"] = 100


def _by_third_party(b: Specimen) -> Iterator[tuple[Document, bool]]:
    """Every measurement of the rule's metric, which now is a third party's, and whether it is the baseline's."""
    judged = _to_baseline(b)
    if "search" in b.study:
        raise NotApplicable("a search by a metric that is gone chooses nothing")
    name = judged.rule["metric"]
    other = _apart(b)
    for rule in b.policy["rule"]:
        rule |= {"metric": "acme_metric"} if rule.get("metric") == name else {}
    for document in b.evidence:
        makers = [m for m in document["metrics"] if m["name"] == name]
        document["metrics"] += [{**m, "name": "acme_metric", "version": "1"} for m in makers]
        for measurement in document["measurements"]:
            if measurement["metric"]["name"] == name:
                measurement["metric"] |= {"name": "acme_metric", "version": "1"}
                yield measurement, document is other


@case(38, "CMP-METRIC", 2)
def measured_by_another_metric(b: Specimen) -> None:
    """The baseline by another version of a third party's metric."""
    for measurement, of_baseline in _by_third_party(b):
        measurement["metric"]["version"] = "2" if of_baseline else "1"
        makers = [m for m in b.document_of(measurement)["metrics"] if m["name"] == "acme_metric"]
        makers[0]["version"] = measurement["metric"]["version"]


@case(38, "CMP-SCALE", 2)
def measured_on_another_scale(b: Specimen) -> None:
    """The baseline on another number of rows, on which the scale of a third party's metric depends."""
    for measurement, of_baseline in _by_third_party(b):
        measurement["metric"]["scale"] = ["rows"]
        measurement["scale"] = {"rows": 65 if of_baseline else 64}


def _whole_baseline(b: Specimen) -> tuple[Document, list[Document]]:
    """What the study says of the baseline, and its subjects with their controls."""
    _to_baseline(b)
    baseline = b.condition("baseline")
    sae = b.sae(baseline)
    if "pretrained" in sae or b.trained()[0]["budget"].get("pretrained"):
        raise NotApplicable("the budget of what was trained elsewhere is unknown")
    found = [s for s in b.subjects if baseline in (s["condition"], s.get("control", {}).get("of"))]
    return sae, found


@case(36, "CMP-BUDGET", 2)
def baseline_trained_longer(b: Specimen) -> None:
    """A baseline with three times the steps, planned so."""
    sae, subjects = _whole_baseline(b)
    steps = 3 * sae.get("steps", b.study["training"]["steps"])
    sae["steps"] = steps
    for subject in subjects:
        if subject["budget"]["steps"]:
            subject["budget"] |= {"steps": steps, "rows_seen": steps * subject["budget"]["batch_size"]}


@case(36, "CMP-BUDGET", 2)
def baseline_of_another_width(b: Specimen) -> None:
    """A baseline of twice the width, planned so."""
    sae, subjects = _whole_baseline(b)
    sae["d_sae"] *= 2
    for subject in subjects:
        subject["dims"]["d_sae"] *= 2
    for _, measurement in b.measurements():
        measurement.pop("chance", None)


@case(36, "CMP-TARGET", 2)
def candidate_with_a_target_of_its_own(b: Specimen) -> None:
    """A candidate that chooses what it reconstructs."""
    _to_baseline(b)
    candidate = b.condition()
    for subject in b.subjects:
        if candidate in (subject["condition"], subject.get("control", {}).get("of")):
            subject["architecture"]["own_target"] = True


@case(37, "BASE-ABSENT", 2)
def baseline_never_made(b: Specimen) -> None:
    """No baseline, planned so."""
    sae, _ = _whole_baseline(b)
    b.drop_condition(b.condition("baseline"))
    b.study["sae"].remove(sae)


@case(37, "BASE-ABSENT", 2)
def baseline_not_measured(b: Specimen) -> None:
    """A baseline that the benchmark left out."""
    judged, baseline = _to_baseline(b), b.condition("baseline")
    judged.document["measurements"] = [
        m
        for m in judged.document["measurements"]
        if (m["condition"], m["metric"]["name"]) != (baseline, judged.rule["metric"])
    ]


@case(37, "BASE-ABSENT", 2)
def control_not_measured(b: Specimen) -> None:
    """The control that a rule compares with was not measured."""
    for judged in b.all_judged("superiority", "non_inferiority"):
        over = judged.rule.get("over", judged.rule.get("to"))
        if isinstance(over, dict) and "control" in over:
            condition = b.control(over["control"])[0]["condition"]
            judged.document["measurements"] = [
                m
                for m in judged.document["measurements"]
                if (m["condition"], m["metric"]["name"]) != (condition, judged.rule["metric"])
            ]
            return
    raise NotApplicable("no rule compares with a control")


@case(37, "EV-NONFINITE")
def baseline_not_a_number(b: Specimen) -> None:
    """A baseline of NaN, with which every comparison is false."""
    judged, baseline = _to_baseline(b), b.condition("baseline")
    measurement = b.measured(judged.rule["metric"], condition=baseline)
    measurement["observations"][0]["value"] = -987654321.0
    b.edit(judged.path, b"-987654321.0", b"NaN")


@case(55, "CMP-SITE", 2)
def baseline_at_another_site(b: Specimen) -> None:
    """A candidate of one layer against a baseline of another."""
    sae, subjects = _whole_baseline(b)
    baseline = b.condition("baseline")
    site = baseline.partition(".")[0]
    if len(b.study["site"]) != 1 or "search" in b.study:
        raise NotApplicable("the study has several sites, or searches")
    for other in b.study["sae"]:
        other["sites"] = [site]
    sae["sites"] = ["elsewhere"]
    b.study["site"] = [*b.study["site"], {**copy.deepcopy(b.study["site"][0]), "name": "elsewhere"}]
    b.documents["sites/elsewhere.json"] = {**copy.deepcopy(b.site(site)), "name": "elsewhere"}
    names = {subject["name"] for subject in subjects}
    conditions = {subject["condition"] for subject in subjects}

    def moved(text: str) -> str:
        return text.replace(f"{site}.", "elsewhere.", 1)

    for path in [p for p in b.documents if p.startswith("subjects/") and b.documents[p]["name"] in names]:
        subject = b.documents.pop(path)
        subject |= {key: moved(subject[key]) for key in ("name", "condition")}
        subject["site"] = {"name": "elsewhere", "digest": ""}
        if "control" in subject:
            subject["control"]["of"] = moved(subject["control"]["of"])
        b.documents[f"subjects/{subject['name']}.json"] = subject
    b.raw = {p: raw for p, raw in b.raw.items() if not p.startswith("weights/")}
    for path in [p for p in b.documents if p.startswith("evidence/")]:
        document = b.documents[path]
        if "transcript" in document or any(not d["name"].startswith(f"{site}.") for d in document["data"]):
            raise NotApplicable("the evidence is of more than the rows of one site")
        twin = copy.deepcopy(document)
        document["subjects"] = [s for s in document["subjects"] if s["name"] not in names]
        document["measurements"] = [m for m in document["measurements"] if m["condition"] not in conditions]
        twin["subjects"] = [{"name": moved(s["name"]), "digest": ""} for s in twin["subjects"] if s["name"] in names]
        twin["measurements"] = [
            {**m, "condition": moved(m["condition"])} for m in twin["measurements"] if m["condition"] in conditions
        ]
        twin["site"] = {"name": "elsewhere", "digest": ""}
        if not document["measurements"] or not twin["measurements"]:
            raise NotApplicable("the two sides are not in one document")
        b.documents[path.replace(f".{site}", ".elsewhere")] = twin
