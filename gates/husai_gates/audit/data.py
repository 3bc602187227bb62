"""Data: the rows that were measured are rows that the site describes, and no dictionary was trained on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from husai_core.subject import Subject
from husai_gates.finding import Finding

Source = Mapping[str, Any]


def check_site_data(sites: Mapping[str, Mapping[str, Any]], subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    """Sites that describe two sets of rows under one name, or do not say on which rows they were trained on."""
    trained_at = {s.site for s in subjects.values() if not s.pretrained and not s.control and s.budget["steps"]}
    for name, site in sorted(sites.items()):
        yield from _check_names(f"sites/{name}.json", site["data"])
        if name in trained_at and not any(_is_train(source["name"], name) for source in site["data"]):
            rule = f"dictionaries were trained at '{name}', and no rows are said to be those that they were trained on"
            yield Finding("EV-DATA", f"sites/{name}.json", "$.data", rule, f"name the rows '{name}.train'")


def check_data(
    path: str,
    document: Mapping[str, Any],
    sites: Mapping[str, Mapping[str, Any]],
    subjects: Mapping[str, Subject],
) -> Iterator[Finding]:
    """Evidence on rows that neither its site nor a control at it describes so, or that dictionaries were trained on."""
    yield from _check_names(path, document["data"])
    yield from _check_names(path, document.get("texts", ()), "texts")
    name = document["site"]["name"]
    described = sites[name]["data"] if name in sites else document["data"]  # an unsound site was reported by then
    controls = [subjects[s["name"]].control for s in document["subjects"] if s["name"] in subjects]
    described = [*described, *(own.to_json() for control in controls if control for own in control.activations)]
    for index, source in enumerate(document["data"]):
        if problem := _problem(source, name, described):
            yield Finding(problem[0], path, f"$.data[{index}]", problem[1], "measure on the test rows of the site")


def _problem(source: Source, site: str, described: Sequence[Source]) -> tuple[str, str] | None:
    """What is wrong with one source of evidence, as code and rule."""
    name = source["name"]
    known = {other["name"]: (other["digest"], other["rows"]) for other in described}
    trained_on = {other["digest"] for other in described if _is_train(other["name"], site)}
    if source["rows"] < 1:
        return "EV-DATA", f"'{name}' has no rows"
    if _is_train(name, site) or source["digest"] in trained_on:
        return "EV-DATA", f"'{name}' is what the dictionaries were trained on"
    if name not in known:
        return "EV-DATA", f"the site describes no rows under the name '{name}'"
    digest, rows = known[name]
    if digest != source["digest"]:
        return "EV-DATA", f"the site describes other rows under the name '{name}'"
    if rows != source["rows"]:
        return "EV-ROW-COUNT", f"{source['rows']} rows; the site has {rows} under the name '{name}'"
    return None


def _is_train(name: str, site: str) -> bool:
    """Whether a name such as `site.train.0` is that of training rows; the site may be called anything."""
    return "train" in name.removeprefix(f"{site}.").split(".")


def _check_names(path: str, data: Sequence[Source], key: str = "data") -> Iterator[Finding]:
    seen: set[str] = set()
    for index, source in enumerate(data):
        if source["name"] in seen:
            rule = f"the name '{source['name']}' stands twice"
            yield Finding("EV-DATA", path, f"$.{key}[{index}].name", rule, "name every set once")
        seen.add(source["name"])
