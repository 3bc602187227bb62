"""A specimen: a good bundle taken apart, to be spoilt on purpose and sealed again as a careful attacker would.

Digests that fitted are taken out and filled in again when the bundle is sealed, so that what was changed is found by
the check that is about it, and not by a digest.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core import strict_json
from husai_core.bundle import MANIFEST, manifest_of, read
from husai_core.errors import HusaiError
from husai_core.testing.corpus.toml import write_toml

Document = dict[str, Any]

STUDY, PROVENANCE = "study.toml", "provenance.json"
VIEWS = ("decision.json", "report.md")
PAGES = "report/"
_FOLDERS = ("sites/", "subjects/", "evidence/", "transcripts/", "selections/")


def without_views(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a bundle but its decision and its report; pictures stay."""
    return {path: raw for path, raw in files.items() if path not in VIEWS and not path.startswith(PAGES)}


class NotApplicable(Exception):
    """Why a case cannot be made from a bundle."""


@dataclass(frozen=True)
class Good:
    """A bundle as it was sealed, and the policy that it is judged by."""

    files: Mapping[str, bytes]
    policy: bytes

    @classmethod
    def at(cls, bundle: Path, policy: str | Path) -> Good:
        """The bundle in a folder, and a policy by its path or by its shipped name."""
        from husai_gates import policies

        return cls(read(bundle).files, policies.find(policy)[0])


@dataclass(frozen=True)
class Judged:
    """A rule of the policy with the one measurement of a condition that it is about, and where that stands."""

    rule: Document
    measurement: Document
    document: Document
    path: str


class Specimen:
    """The documents of a bundle as plain dictionaries; whatever is changed in them is sealed as if it were true."""

    def __init__(self, good: Good) -> None:
        self._good = good
        self.raw = {path: raw for path, raw in without_views(good.files).items() if path != MANIFEST}
        self.documents: dict[str, Document] = {}
        for path in [p for p in self.raw if p == PROVENANCE or p.startswith(_FOLDERS)]:
            self.documents[path] = json.loads(self.raw.pop(path))
        self.study: Document = tomllib.loads(self.raw.pop(STUDY).decode())
        self.policy: Document = tomllib.loads(good.policy.decode())
        self._asked = copy.deepcopy((self.study, self.policy))
        self.views = False
        self._last: list[Callable[[dict[str, bytes]], object]] = []
        self._forget_digests()

    # --- what there is

    @property
    def provenance(self) -> Document:
        return self.documents[PROVENANCE]

    @property
    def sites(self) -> list[Document]:
        return self._of("sites/")

    @property
    def subjects(self) -> list[Document]:
        return self._of("subjects/")

    @property
    def evidence(self) -> list[Document]:
        return self._of("evidence/")

    def _of(self, folder: str) -> list[Document]:
        return [document for path, document in self.documents.items() if path.startswith(folder)]

    def path(self, document: Document) -> str:
        """Where a document stands."""
        return next(path for path, other in self.documents.items() if other is document)

    def site(self, name: str) -> Document:
        return next(site for site in self.sites if site["name"] == name)

    def conditions(self, role: str) -> list[str]:
        """The conditions of a role, in order of name."""
        return sorted({s["condition"] for s in self.subjects if s["role"] == role})

    def condition(self, role: str = "candidate") -> str:
        found = self.conditions(role)
        if not found:
            raise NotApplicable(f"the bundle has no {role}")
        return found[0]

    def of(self, condition: str) -> list[Document]:
        """The subjects of a condition, by seed."""
        return sorted((s for s in self.subjects if s["condition"] == condition), key=lambda s: int(s["seed"]))

    def trained(self) -> list[Document]:
        """The subjects of a candidate that was trained in the run itself, at least two of them."""
        for condition in self.conditions("candidate"):
            found = self.of(condition)
            if len(found) > 1 and found[0]["budget"].get("steps"):
                return found
        raise NotApplicable("no candidate of several seeds was trained by this run")

    def control(self, name: str = "", of: str = "") -> list[Document]:
        """The subjects of a control of that name of a candidate, or of any control."""
        base = of or self.condition()
        found = [s for s in self.subjects if "control" in s and s["control"]["of"] == base]
        found = [s for s in found if name in ("", s["control"]["name"])]
        if not found:
            raise NotApplicable(f"'{base}' has no control {name}".rstrip())
        return [s for s in found if s["condition"] == found[0]["condition"]]

    def measurements(self, condition: str = "") -> Iterator[tuple[Document, Document]]:
        """Every measurement with its document; of one condition, if one is asked for."""
        for document in self.evidence:
            for measurement in document["measurements"]:
                if condition in ("", measurement["condition"]):
                    yield document, measurement

    def measured(self, *names: str, condition: str = "", units: int = 0, several: bool = True) -> Document:
        """A measurement of a candidate: of one of these metrics, and of single seeds (1) or pairs of them (2)."""
        for _, measurement in self.measurements(condition or self.condition()):
            sizes = {len(observation["seeds"]) for observation in measurement["observations"]}
            fits = not names or measurement["metric"]["name"] in names
            if fits and units in (0, *sizes) and (len(measurement["observations"]) > 1 or not several):
                return measurement
        what = " or ".join(names) or f"metric of {'pairs of seeds' if units == 2 else 'several seeds'}"
        raise NotApplicable(f"no {what} of '{condition or self.condition()}' was measured")

    def document_of(self, measurement: Document) -> Document:
        """The evidence that a measurement stands in."""
        return next(d for d in self.evidence if any(m is measurement for m in d["measurements"]))

    def of_third_party(self, name: str) -> list[Document]:
        """Every measurement of this metric, which now is somebody else's and means what its producer says."""
        for document in self.evidence:
            document["metrics"] += [{**m, "name": "acme_metric"} for m in document["metrics"] if m["name"] == name]
        found = [measurement for _, measurement in self.measurements() if measurement["metric"]["name"] == name]
        for measurement in found:
            measurement["metric"]["name"] = "acme_metric"
        return found

    def rules(self, *kinds: str) -> list[Document]:
        return [rule for rule in self.policy["rule"] if not kinds or rule["kind"] in kinds]

    def judged(self, *kinds: str, condition: str = "", **wanted: Any) -> Judged:
        """A rule of one of these kinds about a candidate, with its measurement on this condition."""
        found = self.all_judged(*kinds, condition=condition, **wanted)
        first = next(found, None)
        if first is None:
            asked = " or ".join(kinds) or "any kind"
            raise NotApplicable(f"the policy has no rule of {asked} whose metric is measured as this case needs it")
        return first

    def all_judged(self, *kinds: str, condition: str = "", **wanted: Any) -> Iterator[Judged]:
        whose = condition or self.condition()
        for rule in self.rules(*kinds):
            subject = rule.get("subject", rule.get("good", {"role": "candidate"}))
            if "metric" not in rule or (not condition and subject != {"role": "candidate"}):
                continue
            if any(rule.get(key) != value for key, value in wanted.items()):
                continue
            for document, measurement in self.measurements(whose):
                asked = (rule["benchmark"], rule["metric"], rule.get("setting", {}))
                shown = (document["benchmark"]["name"], measurement["metric"]["name"], measurement["setting"])
                if asked == shown and rule.get("site", document["site"]["name"]) == document["site"]["name"]:
                    yield Judged(rule, measurement, document, self.path(document))

    # --- how it is changed

    def finally_(self, change: Callable[[dict[str, bytes]], object]) -> None:
        """Change the files themselves, after their digests were filled in and before the manifest is written."""
        self._last.append(change)

    def edit(self, path: str, old: bytes, new: bytes) -> None:
        """Replace the first of these bytes in a file, digests of other documents included."""

        def change(files: dict[str, bytes]) -> None:
            assert old in files[path], f"{old!r} is not in {path}"
            files[path] = files[path].replace(old, new, 1)

        self.finally_(change)

    def replace(self, path: str, raw: bytes) -> None:
        """Put other bytes in the place of a file."""
        self.finally_(lambda files: files.update({path: raw}))

    def drop(self, names: set[str]) -> None:
        """Remove subjects as a producer would who makes everything again."""
        for path in [p for p, d in self.documents.items() if p.startswith("subjects/") and d["name"] in names]:
            del self.documents[path]
        self.raw = {
            p: raw for p, raw in self.raw.items() if not (p.startswith("weights/") and p.split("/")[1] in names)
        }
        for document in self.evidence:
            document["subjects"] = [s for s in document["subjects"] if s["name"] not in names]

    def drop_seed(self, seed: int) -> None:
        """Remove every trace of a seed but the plan."""
        self.drop({s["name"] for s in self.subjects if s["seed"] == seed})
        for document in self.evidence:
            for m in document["measurements"]:
                m["observations"] = [o for o in m["observations"] if seed not in o["seeds"]]
            document["measurements"] = [m for m in document["measurements"] if m["observations"]]

    def drop_condition(self, condition: str) -> None:
        """Remove a condition and its controls, and what was measured of them."""
        gone = {condition} | {s["condition"] for s in self.subjects if s.get("control", {}).get("of") == condition}
        self.drop({s["name"] for s in self.subjects if s["condition"] in gone})
        for document in self.evidence:
            document["measurements"] = [m for m in document["measurements"] if m["condition"] not in gone]

    def rename(self, old: str, new: str) -> None:
        """Put one word for another in every document, in the names of files and in what was asked."""
        texts = {path: json.dumps(document) for path, document in self.documents.items()}
        self.documents = {p.replace(old, new): json.loads(t.replace(old, new)) for p, t in texts.items()}
        self.raw = {p.replace(old, new): raw for p, raw in self.raw.items()}
        self.study = json.loads(json.dumps(self.study).replace(old, new))
        self.policy = json.loads(json.dumps(self.policy).replace(old, new))

    def sae(self, condition: str) -> Document:
        """What the study says of a dictionary; only one that was neither swept nor searched can be found so."""
        names = [sae for sae in self.study["sae"] if condition.partition(".")[2] == sae["name"]]
        if len(names) != 1 or "sweep" in names[0]:
            raise NotApplicable(f"'{condition}' is no single dictionary of the study")
        found: Document = names[0]
        return found

    # --- how it is sealed

    def _forget_digests(self) -> None:
        digests = {path: strict_json.digest(raw) for path, raw in self._good.files.items()}
        for subject in self.subjects:
            _forget(subject["site"], digests, "sites/")
        for path, document in self.documents.items():
            if path.startswith("evidence/"):
                _forget(document["site"], digests, "sites/")
                for listed in document["subjects"]:
                    _forget(listed, digests, "subjects/")
                if "transcript" in document:
                    document["transcript"]["digest"] = ""

    def content(self) -> dict[str, bytes]:
        """The files before they are sealed, with every digest that was not given as it must be."""
        encode = strict_json.encode
        files = dict(self.raw)
        study, policy = self._asked
        files[STUDY] = self._good.files[STUDY] if self.study == study else write_toml(self.study)
        if self.policy != policy:
            files.update({path: self.judged_by for path in self.raw if self.raw[path] == self._good.policy})
        for path, document in sorted(self.documents.items(), key=_in_order):
            if path.startswith(("subjects/", "evidence/")):
                _fill(document["site"], files, "sites/")
            if path.startswith("evidence/"):
                for listed in document["subjects"]:
                    _fill(listed, files, "subjects/")
                if "transcript" in document and not document["transcript"]["digest"]:
                    talk = "transcripts/" + path.partition("/")[2]
                    document["transcript"]["digest"] = strict_json.digest(files.get(talk, b""))
            files[path] = encode(document)
        self._choose_again(files)
        return files

    def _choose_again(self, files: dict[str, bytes]) -> None:
        """The selections that the evidence now gives; one that cannot be made stays as it was."""
        from husai_gates.selection import make_selection

        for path in [p for p in self.documents if p.startswith("selections/")]:
            if self.documents[path] == json.loads(self._good.files[path]):
                try:
                    files[path] = make_selection(Path(path).stem, files)
                except (HusaiError, KeyError):
                    continue

    @property
    def judged_by(self) -> bytes:
        """The bytes of the policy as it now is."""
        return self._good.policy if self.policy == self._asked[1] else write_toml(self.policy)

    def seal(self) -> dict[str, bytes]:
        """The bundle with a manifest that fits it."""
        files = self.content()
        if self.views:
            from husai_gates.views import make_views

            files |= make_views(files)
        for change in self._last:
            change(files)
        return seal(files)


def seal(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files with a manifest that fits them."""
    rest = {path: raw for path, raw in files.items() if path != MANIFEST}
    return {**rest, MANIFEST: manifest_of(rest)}


def _in_order(item: tuple[str, Document]) -> tuple[int, str]:
    """Documents after those that they name by digest."""
    folder = item[0].partition("/")[0] + "/"
    order = ("sites/", "subjects/", "transcripts/", "evidence/", "selections/")
    return (order.index(folder) if folder in order else len(order), item[0])


def _forget(named: Document, digests: Mapping[str, str], folder: str) -> None:
    if digests.get(f"{folder}{named['name']}.json") == named["digest"]:
        named["digest"] = ""


def _fill(named: Document, files: Mapping[str, bytes], folder: str) -> None:
    named["digest"] = named["digest"] or strict_json.digest(files.get(f"{folder}{named['name']}.json", b""))
