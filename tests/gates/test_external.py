"""What another program measured: its files belong to the evidence, and it counts only where a rule wants it."""

from __future__ import annotations

import copy
import json

import pytest

from husai_core import bundle, strict_json
from husai_core.bundle import Snapshot
from husai_gates import policy
from husai_gates.audit import audit
from husai_gates.pipeline import decide

RULE = """
schema = "husai:policy/v1"
name = "external"
version = "1"
purpose = "p"
confidence = 0.95
min_units = 3
code = "any"

[[rule]]
id = "r"
question = "q"
reason = "r"
kind = "present"
benchmark = "reconstruction"
"""
EVIDENCE = "evidence/reconstruction.addition.json"
RESULT = "external/reconstruction.addition/result.json"


@pytest.fixture
def toy(request):
    files = dict(bundle.read(request.config.rootpath / "evidence/toy").files)
    return {p: raw for p, raw in files.items() if not bundle.is_view(p) and p != bundle.MANIFEST}


def external(files, kind="official", *, listed=True, kept=b'{"kl": -Infinity}', called="", defect=""):
    """The bundle with its reconstruction said to be another program's."""
    document = copy.deepcopy(json.loads(files[EVIDENCE]))
    entry = {"path": RESULT, "digest": strict_json.digest(b'{"kl": -Infinity}')}
    document["external"] = {"kind": kind, "tool": "sae-bench", "version": "0.6.0", "files": [entry] if listed else []}
    for measurement in document["measurements"] if called else ():
        if measurement["metric"]["name"] == "explained_variance":
            measurement["metric"] |= {"name": called, "defect": defect} if defect else {"name": called}
    for maker in document["metrics"] if called else ():
        maker["name"] = called if maker["name"] == "explained_variance" else maker["name"]
    kept_files = {RESULT: kept} if kept is not None else {}
    return {**files, EVIDENCE: strict_json.encode(document), **kept_files}


def snapshot(files):
    return Snapshot("b", {**files, bundle.MANIFEST: bundle.manifest_of(files)})


def row(files, rule=RULE):
    return decide(snapshot(files), policy.load(rule.encode(), "p")).rows[0]


def codes(files):
    return {finding.code for finding in audit(snapshot(files)).findings}


def test_a_result_file_need_not_be_strict_json_and_is_kept_as_it_was_written(toy):
    assert codes(external(toy)) == set()


@pytest.mark.parametrize("change", [{"kept": b"{}"}, {"kept": None}, {"listed": False}])
def test_a_file_that_was_edited_or_is_missing_or_is_nobodys_is_found(toy, change):
    assert codes(external(toy, **change)) == {"EV-EXTERNAL"}


def test_evidence_that_keeps_none_of_the_files_it_quotes_is_found(toy):
    assert codes(external(toy, listed=False, kept=None)) == {"EV-EXTERNAL"}


def test_what_was_imported_does_not_count_unless_a_rule_says_so(toy):
    imported = external(toy, "imported")
    assert (row(imported).status, row(imported).code) == ("missing", "EV-SOURCE")
    assert row(imported, RULE + 'source = "imported"').status == "pass"
    assert row(external(toy)).status == "pass"


@pytest.mark.parametrize("kind", ["native", "imported"])
def test_a_rule_that_asks_for_the_published_program_takes_nothing_else(toy, kind):
    files = toy if kind == "native" else external(toy, kind)
    found = row(files, RULE + 'source = "official"')
    assert (found.status, found.code) == ("missing", "EV-SOURCE")
    assert kind in found.says
    assert row(external(toy), RULE + 'source = "official"').status == "pass"


def test_a_number_that_is_known_to_be_wrong_decides_nothing(toy):
    rule = RULE.replace('"present"', '"threshold"') + 'metric = "theirs"\nat_least = 0.5\n'
    assert row(external(toy, called="theirs"), rule).status == "pass"
    found = row(external(toy, called="theirs", defect="mean(x^2)^2 stands for mean(x)^2"), rule)
    assert (found.status, found.code) == ("error", "POL-DEFECT")
    assert "mean(x^2)^2" in found.says


def test_a_metric_of_husai_cannot_be_called_wrong_by_a_bundle(toy):
    assert codes(external(toy, called="explained_variance", defect="it does not suit me")) >= {"EV-METRIC"}
