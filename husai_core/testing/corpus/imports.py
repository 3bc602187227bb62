"""Cases of imports: what was measured here shown as somebody else's, so that less is asked of it."""

from __future__ import annotations

from husai_core import strict_json
from husai_core.external import IMPORTED_FOLDER
from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.specimen import STUDY, Document, NotApplicable, Specimen

FAMILY = Family()
case = FAMILY.case

_RESULT = b'{"kl": NaN}'
_PATH = f"{IMPORTED_FOLDER}result.json"


def _spoken_of(subject: Document) -> None:
    """A subject whose weights nobody can look at."""
    del subject["weights"]
    subject["architecture"] = {key: subject["architecture"][key] for key in ("name", "settings")}
    changes: list[str] = []
    source = strict_json.digest(subject["name"].encode())
    subject["budget"] = {"pretrained": True, "format": "imported", "source": source, "changes": changes}
    subject["unverified"] = ["its weights"]


def _site_spoken_of(site: Document) -> None:
    site["model"] = {key: site["model"][key] for key in ("name", "settings")}
    site["unverified"] = ["its model"]


def _imported(b: Specimen) -> None:
    """All evidence as if another program had measured it elsewhere, with a file of its own."""
    b.raw[_PATH] = _RESULT
    for document in b.evidence:
        files = [{"path": _PATH, "digest": strict_json.digest(_RESULT)}]
        document["external"] = {
            "kind": "imported",
            "tool": "acme",
            "version": "1",
            "files": files,
            "unverified": ["all"],
        }
    b.finally_(lambda files: files.pop(STUDY))


def _without_what_needs_weights(b: Specimen) -> None:
    if any(path.startswith(("weights/", "selections/", "choices/")) for path in (*b.raw, *b.documents)):
        raise NotApplicable("the bundle holds weights, or chose something")


@case(63, "EV-UNVERIFIED")
def weights_without_a_digest(b: Specimen) -> None:
    """A candidate that was trained here and is only spoken of, so that nobody can tell which one it is."""
    _without_what_needs_weights(b)
    for subject in b.of(b.condition()):
        _spoken_of(subject)
    for control in [s for s in b.subjects if s["role"] == "control" and s["control"]["of"] == b.condition()]:
        b.drop({control["name"]})


@case(63, "EV-UNVERIFIED")
def model_without_a_digest(b: Specimen) -> None:
    """A site whose model is only spoken of."""
    _site_spoken_of(b.sites[0])


@case(63, "EV-ABSENT", 2)
def study_left_out_of_evidence_called_imported(b: Specimen) -> None:
    """Evidence of dictionaries that were trained here, called imported so that no study can be asked for."""
    if "search" in b.study:
        raise NotApplicable("a selection without its study is found first")
    _imported(b)


@case(63, "EV-UNVERIFIED")
def everything_called_imported_beside_a_policy(b: Specimen) -> None:
    """A bundle of this run with everything called imported, and the policy left in it as if it had been there first."""
    _without_what_needs_weights(b)
    if not any(path.startswith("policy/") for path in b.raw):
        raise NotApplicable("the bundle holds no policy")
    _imported(b)
    b.drop({s["name"] for s in b.subjects if s["role"] == "control"})
    for subject in b.subjects:
        _spoken_of(subject)
    for site in b.sites:
        _site_spoken_of(site)


@case(63, "EV-EXTERNAL")
def imported_file_edited(b: Specimen) -> None:
    """A file that evidence quotes, edited after it was quoted."""
    _imported(b)
    b.replace(_PATH, b"{}")


@case(63, "EV-TYPE")
def rows_without_a_digest(b: Specimen) -> None:
    """Evidence of this run that names no rows, as only imported evidence may."""
    b.evidence[0]["data"] = []
