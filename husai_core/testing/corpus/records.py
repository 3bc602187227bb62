"""Cases of records: what a run says of its data, its outcome, its times and its code, and the views made of it."""

from __future__ import annotations

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import PAGES, PROVENANCE, VIEWS, NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case

_OTHER = "sha256:" + "4" * 64


# --- data


@case(48, "EV-DATA")
def data_swapped_under_its_name(b: Specimen) -> None:
    """Evidence on other rows under the name of the site's."""
    b.evidence[0]["data"][0]["digest"] = _OTHER


@case(48, "EV-DATA")
def data_unknown_to_the_site(b: Specimen) -> None:
    """Evidence on rows that the site does not describe."""
    b.evidence[0]["data"].append({"name": "acme.test", "digest": _OTHER, "rows": 9})


@case(48, "EV-DATA")
def two_sets_under_one_name(b: Specimen) -> None:
    """A site that describes two sets of rows under one name."""
    site = b.sites[0]
    site["data"].append({**site["data"][-1], "digest": _OTHER})


@case(48, "EV-DATA")
def evidence_names_rows_twice(b: Specimen) -> None:
    """Evidence that names its rows twice."""
    b.evidence[0]["data"] += [dict(b.evidence[0]["data"][0])]


def _train(b: Specimen) -> dict[str, object]:
    site = b.site(b.evidence[0]["site"]["name"])
    for source in site["data"]:
        if "train" in source["name"].removeprefix(f"{site['name']}.").split("."):
            found: dict[str, object] = source
            return found
    raise NotApplicable("nothing was trained at the site")


@case(48, "EV-DATA")
def measured_on_the_training_rows(b: Specimen) -> None:
    """Evidence on the rows that the dictionaries were trained on."""
    b.evidence[0]["data"] = [dict(_train(b))]


@case(48, "EV-DATA")
def training_rows_called_test(b: Specimen) -> None:
    """The training rows under the name of test rows."""
    site = b.site(b.evidence[0]["site"]["name"])
    site["data"].append({**_train(b), "name": f"{site['name']}.test.acme"})
    b.evidence[0]["data"] = [dict(site["data"][-1])]


@case(48, "EV-DATA")
def training_rows_renamed(b: Specimen) -> None:
    """The training rows as test rows, and no rows that anything was trained on."""
    site = b.site(b.trained()[0]["site"]["name"])
    for source in [s for s in site["data"] if "train" in s["name"].split(".")]:
        source["name"] = source["name"].replace("train", "more")


# --- outcome


@case(39, "EV-SKIPPED", 2)
def benchmark_skipped(b: Specimen) -> None:
    """A benchmark that a rule asks for was not installed."""
    _without_measurements(b, "skipped")


@case(39, "EV-FAILED", 4)
def benchmark_failed(b: Specimen) -> None:
    """A benchmark that a rule asks for broke."""
    _without_measurements(b, "failed")


def _without_measurements(b: Specimen, status: str) -> None:
    if "search" in b.study:
        raise NotApplicable("a search without its evidence chooses nothing")
    document = b.judged().document
    document |= {"measurements": [], "metrics": []}
    document["outcome"] = {"status": status, "reason": "needs acme", "next_step": "pip install acme"}
    document.pop("transcript", None)
    b.documents.pop("transcripts/" + b.path(document).partition("/")[2], None)


@case(41, "EV-OUTCOME")
def failed_with_a_metric(b: Specimen) -> None:
    """A benchmark that failed and has numbers all the same."""
    b.judged().document["outcome"] = {"status": "failed", "reason": "out of memory", "next_step": ""}


@case(41, "EV-OUTCOME")
def skipped_with_a_metric(b: Specimen) -> None:
    """A benchmark that was skipped and has numbers all the same."""
    b.judged().document["outcome"] = {"status": "skipped", "reason": "no time", "next_step": ""}


@case(41, "EV-OUTCOME")
def completed_with_nothing(b: Specimen) -> None:
    """A benchmark that completed and measured nothing."""
    b.judged().document["measurements"] = []


@case(41, "EV-TYPE")
def completed_with_a_reason(b: Specimen) -> None:
    """A benchmark that completed and says why it did not."""
    b.judged().document["outcome"]["reason"] = "out of memory"


@case(58, "EV-MODEL-CHECK", 2)
def model_fails_its_check(b: Specimen) -> None:
    """The model under the dictionary does not do its task."""
    for site in b.sites:
        for check in site["model"]["checks"]:
            if "at_least" in check:
                check["value"] = check["at_least"] - 0.5
                return
    raise NotApplicable("no model has a check with a floor")


def _accuracy(b: Specimen) -> dict[str, object]:
    for site in b.sites:
        for check in site["model"]["checks"]:
            if "accuracy" in check["name"] and "at_least" in check:
                found: dict[str, object] = check
                return found
    raise NotApplicable("no model has a check of its accuracy")


@case(58, "EV-MODEL-CHECK", 2)
def check_that_nothing_fails(b: Specimen) -> None:
    """A floor of zero for an accuracy, and a model that is always wrong."""
    _accuracy(b).update(at_least=0.0, value=0.0)


@case(58, "EV-RANGE")
def impossible_accuracy(b: Specimen) -> None:
    """A model that is right twice as often as it is asked."""
    _accuracy(b)["value"] = 2.0


# --- times and code


@case(42, "EV-TIME")
def finished_before_it_started(b: Specimen) -> None:
    """A run that ended before it began."""
    provenance = b.provenance
    provenance["started"], provenance["finished"] = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"


@case(42, "EV-TIME")
def started_on_no_day(b: Specimen) -> None:
    """A run on the 31st of February."""
    b.provenance["started"] = "2026-02-31T11:00:00Z"


@case(42, "EV-TIME")
def took_longer_than_it_lasted(b: Specimen) -> None:
    """A run that took longer than it lasted."""
    b.provenance["seconds"] += 6000.0


@case(42, "EV-TIME")
def from_the_future(b: Specimen) -> None:
    """A run of the year 2999."""
    b.provenance.update({"started": "2999-01-01T00:00:00Z", "finished": "2999-01-01T00:00:00Z", "seconds": 0.0})


def _require_clean(b: Specimen) -> None:
    if b.policy.get("code", "clean") != "clean":
        raise NotApplicable("the policy accepts any state of the code")


@case(47, "PROV-DIRTY", 2)
def dirty_tree(b: Specimen) -> None:
    """A run of code that was never committed."""
    _require_clean(b)
    b.provenance["code"] |= {"commit": "0" * 40, "dirty": True, "diff": _OTHER}


@case(47, "PROV-DIRTY", 2)
def dirty_tree_said_to_be_clean(b: Specimen) -> None:
    """A run that says it is clean, and still gives the digest of what was not committed."""
    _require_clean(b)
    b.provenance["code"] |= {"commit": "0" * 40, "dirty": False, "diff": _OTHER}


@case(47, "EV-TYPE")
def commit_that_is_none(b: Specimen) -> None:
    """A commit that is a word."""
    b.provenance["code"] |= {"commit": "main", "dirty": False, "diff": None}


@case(47, "PROV-UNKNOWN", 2)
def unknown_commit(b: Specimen) -> None:
    """A run of code that nobody can find."""
    _require_clean(b)
    b.provenance["code"] = {"commit": None, "dirty": None, "diff": None}


# --- views


def _make_views(b: Specimen) -> None:
    if not any(path.startswith("policy/") for path in b.raw):
        raise NotApplicable("the bundle holds no policy, so no decision either")
    b.views = True


@case(45, "EV-VIEW")
def decision_edited(b: Specimen) -> None:
    """A decision with another estimate, sealed again."""
    _make_views(b)

    def change(files: dict[str, bytes]) -> None:
        old = files["decision.json"]
        at = old.index(b".", old.index(b'"estimate"')) + 1
        digit = b"1" if old[at : at + 1] != b"1" else b"2"
        files["decision.json"] = old[:at] + digit + old[at + 1 :]

    b.finally_(change)


@case(45, "EV-VIEW")
def verdict_edited(b: Specimen) -> None:
    """A decision whose verdict does not follow from its rows, sealed again."""
    _make_views(b)

    def change(files: dict[str, bytes]) -> None:
        raw = files["decision.json"].replace(b'"verdict": "released"', b'"verdict": "not_released"')
        files["decision.json"] = raw.replace(b'"exit_code": 0', b'"exit_code": 2')

    b.finally_(change)


@case(45, "EV-VIEW")
def report_edited(b: Specimen) -> None:
    """A report with another headline, sealed again."""
    _make_views(b)
    b.finally_(lambda files: files.update({"report.md": files["report.md"].replace(b"RELEASED", b"Released", 1)}))


@case(45, "EV-VIEW")
def report_without_a_decision(b: Specimen) -> None:
    """A report that nothing gives."""
    b.raw["report.md"] = b"# All is well\n"


@case(45, "EV-VIEW")
def page_edited(b: Specimen) -> None:
    """A page of the report with another number, sealed again."""
    _make_views(b)

    def change(files: dict[str, bytes]) -> None:
        page = min(path for path in files if path.startswith(PAGES))
        files[page] += b"\nAll of it holds.\n"

    b.finally_(change)


@case(45, "EV-VIEW")
def page_left_out(b: Specimen) -> None:
    """A report without one of its pages, sealed again."""
    _make_views(b)
    b.finally_(lambda files: files.pop(min(path for path in files if path.startswith(PAGES))))


@case(45, "EV-VIEW")
def page_of_nothing(b: Specimen) -> None:
    """A page about a benchmark that nobody ran."""
    _make_views(b)
    b.finally_(lambda files: files.update({f"{PAGES}ood.moon.md": b"# It holds everywhere\n"}))


@case(29, "EV-VIEW")
def decision_of_another_bundle(b: Specimen) -> None:
    """A released decision of one bundle in another."""
    _make_views(b)
    other = b"sha256:" + b"7" * 64

    def change(files: dict[str, bytes]) -> None:
        from husai_core import strict_json

        document = strict_json.parse(files["decision.json"], "decision.json")
        files["decision.json"] = files["decision.json"].replace(document["bundle"]["content_digest"].encode(), other)

    b.finally_(change)


@case(45, "EV-DIGEST", stage="sealed")
def decision_edited_after_sealing(files: dict[str, bytes]) -> None:
    """A decision edited, and the manifest left."""
    path = next((path for path in VIEWS if path in files), "")
    if not path:
        raise NotApplicable("the bundle holds no view")
    files[path] = files[path].replace(b"eleased", b"eleaseD", 1).replace(b"RELEASED", b"RELEASEd", 1)


@case(46, "EV-FAILED", 4)
def hostile_reason(b: Specimen) -> None:
    """A reason that would be a workflow command, a heading, a tag and a formula."""
    if "search" in b.study:
        raise NotApplicable("a search without its evidence chooses nothing")
    document = b.judged().document
    document |= {"measurements": [], "metrics": []}
    reason = "\n::error file=x::owned\n##[error]owned\n# owned\n<script>owned</script>\n=cmd|' /C calc'!A0\x1b[31m"
    document["outcome"] = {"status": "failed", "reason": reason, "next_step": reason}


def _provenance_is(name: str, says: str, key: str, value: object) -> None:
    def spoil(b: Specimen) -> None:
        b.documents[PROVENANCE][key] = value

    FAMILY.add(name, 13, says, "EV-TYPE", 3, "made", spoil)


_provenance_is("negative_seconds", "A run of negative length.", "seconds", -1.0)
_provenance_is("local_time", "A time without a zone.", "started", "2026-01-01 12:00")
