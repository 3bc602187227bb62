"""Chosen conditions: the gate knows from how many, and holds the document to itself and the bundle to the document."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_core.errors import UsageError
from husai_gates import policy as policies
from husai_gates.audit import audit
from husai_gates.choice_files import read_choices
from husai_gates.choosing import make_choice
from husai_gates.contest import Contest
from husai_gates.finding import severity

PATH = "choices/topk.json"
FRESH = {1: 11, 2: 12, 3: 13, 4: 14, 5: 15}

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def document(make_draft: Any, test_policy: str) -> dict[str, Any]:
    """What `husai select` says of the good bundle: its topk, from two."""
    report = audit(Snapshot("bundle", make_draft().files()))
    policy = policies.load(test_policy.encode(), "test.toml")
    return make_choice([report], policy, roles=("candidate", "baseline"))


def confirmed(draft: Any, document: dict[str, Any] | None, change: Change = lambda document: None) -> Any:
    """The good bundle again, on fresh seeds, with the document by which its candidate was chosen."""
    fresh_seeds(draft)
    draft.study = draft.study.replace('name = "topk"\n', 'name = "topk"\nchosen_by = "choice.json"\n')
    if document:
        changed = copy.deepcopy(document)
        change(changed)
        draft.extra[PATH] = strict_json.encode(changed)
    return draft


def fresh_seeds(draft: Any) -> None:
    subjects = list(draft.subjects.values())
    draft.subjects = {}
    names = {}
    for subject in subjects:
        seed = FRESH[subject["seed"]]
        name = f"{subject['condition']}.s{seed}"
        names[subject["name"]] = name
        subject |= {"name": name, "seed": seed, "weights": strict_json.digest(name.encode())}
        draft.subjects[name] = subject
    for evidence in draft.evidence.values():
        for listed in evidence["subjects"]:
            listed["name"] = names[listed["name"]]
        for measurement in evidence["measurements"]:
            for observation in measurement["observations"]:
                observation["seeds"] = [FRESH[seed] for seed in observation["seeds"]]
    draft.study = draft.study.replace(str([*FRESH]), str([*FRESH.values()]))


def found(draft: Any) -> list[tuple[str, str, str]]:
    report = audit(Snapshot("bundle", draft.files()))
    return [(finding.code, finding.file, finding.path) for finding in report.findings]


def of_version_1(document: dict[str, Any]) -> None:
    """As a husai before choices had two versions wrote it."""
    document["schema"] = "husai:choice/v1"
    for entry in document["compared"]:
        del entry["budget"]["agreement"], entry["budget"]["decay_share"]


@pytest.mark.parametrize("subjects", [1, 2])
def test_a_document_of_the_version_before_says_the_same(
    draft: Any, document: dict[str, Any], decide: Any, subjects: int
) -> None:
    from husai_core.bundle import MANIFEST, manifest_of
    from husai_gates.migration import migrate

    confirmed(draft, document, of_version_1)
    for subject in draft.subjects.values() if subjects == 1 else ():
        subject["schema"] = "husai:subject/v1"
        del subject["budget"]["agreement"], subject["budget"]["decay_share"]
    old = draft.files()
    assert (decide(old).findings, decide(old).verdict) == ((), "released")
    found = migrate(old)
    assert found.lifted[PATH] == ("husai:choice/v1", "husai:choice/v2")
    files = {**found.files, MANIFEST: manifest_of(found.files)}
    assert files[PATH] == strict_json.encode(document)
    assert (decide(files).findings, decide(files).verdict) == ((), "released")


def test_a_decay_that_the_document_leaves_unsaid_is_the_one_that_it_always_meant(
    draft: Any, document: dict[str, Any]
) -> None:
    confirmed(draft, document, of_version_1)
    draft.study = draft.study.replace("steps = 1500", "steps = 1500\ndecay_share = 0.5")
    for subject in draft.subjects.values():
        subject["budget"]["decay_share"] = 0.5
    assert {code for code, _, path in found(draft) if path == "$.budget"} == {"EV-SELECTION"}


def test_a_chosen_condition_is_sound_and_every_row_about_it_says_so(
    draft: Any, document: dict[str, Any], decide: Any
) -> None:
    confirmed(draft, document).views = True
    files = draft.files()
    decision = decide(files)
    assert (decision.findings, decision.verdict) == ((), "released")
    said = (
        "chosen as addition.topk from 2 conditions on seeds 1, 2, 3, 4, 5, confirmed on the fresh seeds "
        "11, 12, 13, 14, 15"
    )
    assert all(said in row.says for row in decision.rows)
    report = files["report.md"].decode()
    assert "## Choice of addition.topk" in report
    assert "of all weights: addition.topk" in report.replace("Of all", "of all")
    assert said in report


def test_a_choice_that_is_named_and_missing_bars_release(draft: Any, decide: Any) -> None:
    files = confirmed(draft, None).files()
    decision = decide(files)
    assert {finding.code for finding in decision.findings} == {"EV-SELECTION-ABSENT"}
    assert int(decision.exit_code) == 2


def test_the_best_of_sixteen_is_not_presented_as_the_condition(
    draft: Any, document: dict[str, Any], decide: Any
) -> None:
    """THREATS 54: whoever declares the choice shows all sixteen; whoever trims them contradicts the document."""

    def sixteen(changed: dict[str, Any]) -> None:
        loser = changed["compared"][0]
        changed["compared"] += [
            copy.deepcopy(loser) | {"label": f"other.{i}", "weights": [strict_json.digest(f"{i}".encode())]}
            for i in range(14)
        ]
        contest = Contest.from_json(changed)
        changed |= {"result": contest.result(), "sensitivity": contest.sensitivity()}

    decision = decide(confirmed(draft, document, sixteen).files())
    assert decision.verdict == "released"
    assert all("chosen as addition.topk from 16 conditions" in row.says for row in decision.rows)
    trimmed = json.loads(draft.extra[PATH])
    trimmed["compared"] = trimmed["compared"][:2]
    draft.extra[PATH] = strict_json.encode(trimmed)
    decision = decide(draft.files())
    assert (int(decision.exit_code), {finding.code for finding in decision.findings}) == (3, {"EV-SELECTION"})


def test_a_choice_that_nobody_named_does_not_belong(draft: Any, document: dict[str, Any]) -> None:
    draft.extra[PATH] = strict_json.encode(document)
    assert found(draft) == [("EV-UNPLANNED", PATH, "$")]


def test_the_seeds_that_chose_may_not_confirm(draft: Any, document: dict[str, Any], decide: Any) -> None:
    def same_seed(changed: dict[str, Any]) -> None:
        changed["compared"][0]["seeds"] = [3, 4, 5, 6, 11]  # of one that was not chosen: all were looked at

    decision = decide(confirmed(draft, document, same_seed).files())
    (finding,) = decision.findings
    assert (finding.code, int(decision.exit_code)) == ("EV-SELECTION-SEEDS", 2)
    assert "seeds 11 took part in the choice of 'addition.topk' and also confirm it" in finding.rule


def test_seeds_that_chose_what_was_then_compared_may_not_confirm_either(draft: Any, document: dict[str, Any]) -> None:
    def earlier(changed: dict[str, Any]) -> None:
        changed["compared"][1] |= {"chosen_from": 7, "earlier_seeds": [14, 99]}

    assert [code for code, _, _ in found(confirmed(draft, document, earlier))] == ["EV-SELECTION-SEEDS"]
    declaration = audit(Snapshot("bundle", draft.files())).declaration("addition.topk")
    assert declaration is not None
    assert "from 2 conditions (8 with what these were chosen from) on seeds 1, 2, 3, 4, 5, 14, 99" in declaration


def test_a_choice_made_at_another_site_says_so(draft: Any, document: dict[str, Any], decide: Any) -> None:
    def elsewhere(changed: dict[str, Any]) -> None:
        for entry in changed["compared"]:
            entry["site"]["name"] = "layer9"

    decision = decide(confirmed(draft, document, elsewhere).files())
    assert decision.verdict == "released"
    assert "from 2 conditions at the site 'layer9' on seeds" in decision.rows[0].says


def test_the_very_weights_that_chose_may_not_confirm_under_other_seeds(draft: Any, document: dict[str, Any]) -> None:
    confirmed(draft, document)
    draft.of("addition.topk")[2]["weights"] = document["compared"][1]["weights"][0]
    assert found(draft) == [("EV-SELECTION-SEEDS", "subjects/addition.topk.s13.json", "$.weights")]


def _architecture(subject: dict[str, Any]) -> None:
    subject["architecture"]["settings"] = {"k": 9}


def _width(subject: dict[str, Any]) -> None:
    subject["dims"]["d_sae"] = 128


def _budget(subject: dict[str, Any]) -> None:
    subject["budget"]["learning_rate"] = 0.002


@pytest.mark.parametrize(
    ("spoil", "key"),
    [(_architecture, "architecture"), (_width, "dims"), (_budget, "budget")],
    ids=["architecture", "width", "budget"],
)
def test_something_else_than_what_was_chosen_is_no_choice(
    draft: Any, document: dict[str, Any], spoil: Change, key: str
) -> None:
    confirmed(draft, document)
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.topk"):
            spoil(subject)
    if spoil is _width:
        draft.study = draft.study.replace('role = "candidate"\nd_sae = 256', 'role = "candidate"\nd_sae = 128')
    if spoil is _budget:
        draft.study = draft.study.replace('role = "candidate"\n', 'role = "candidate"\nlearning_rate = 0.002\n')
    codes = {(code, path) for code, _, path in found(draft) if code == "EV-SELECTION"}
    assert codes == {("EV-SELECTION", f"$.{key}")}


def _chosen(document: dict[str, Any]) -> None:
    document["result"]["chosen"] = "addition.relu"


def _score(document: dict[str, Any]) -> None:
    document["result"]["contenders"][0]["score"] = 0.9


def _nobody_fails(document: dict[str, Any]) -> None:
    document["compared"][0]["fails"] = [{"rule": "alive", "status": "fail", "code": "RULE-FAILED"}]


def _weight(document: dict[str, Any]) -> None:
    document["objectives"][1]["weight"] = 3


def _no_weight(document: dict[str, Any]) -> None:
    for objective in document["objectives"]:
        objective["weight"] = 0


def _bound(document: dict[str, Any]) -> None:
    document["compared"][1]["intervals"][0]["low"] = 0.5


def _estimate(document: dict[str, Any]) -> None:
    document["compared"][1]["intervals"][0]["low"] = 0.6009


def _fewer_metrics(document: dict[str, Any]) -> None:
    document["compared"][1]["intervals"].pop()


def _twice(document: dict[str, Any]) -> None:
    document["compared"].append(document["compared"][0])


def _loser_dropped(document: dict[str, Any]) -> None:
    document["compared"].pop(0)


def _shares(document: dict[str, Any]) -> None:
    document["sensitivity"]["weights"]["chosen"] = [{"label": "addition.topk", "of_draws": 4096}]


def _other_bundle(document: dict[str, Any]) -> None:
    document["compared"][0]["bundle"] = "sha256:" + "0" * 64


def _more_seeds(document: dict[str, Any]) -> None:
    document["compared"][0]["intervals"][0]["n"] = 50


def _no_side(document: dict[str, Any]) -> None:
    document["objectives"][0]["direction"] = None


CONTRADICTIONS = [
    (_chosen, "$.result"),
    (_score, "$.result"),
    (_nobody_fails, "$.result"),
    (_weight, "$.result"),
    (_no_weight, "$.objectives"),
    (_bound, "$.sensitivity"),
    (_estimate, "$.compared[1].intervals[0]"),
    (_fewer_metrics, "$.compared[1].intervals"),
    (_twice, "$.compared[2].label"),
    (_loser_dropped, "$.result"),
    (_shares, "$.sensitivity"),
    (_other_bundle, "$.compared[0].bundle"),
    (_more_seeds, "$.compared[0].intervals[0].n"),
    (_no_side, "$.objectives"),
]


@pytest.mark.parametrize(("change", "place"), CONTRADICTIONS, ids=lambda v: getattr(v, "__name__", None))
def test_a_document_that_contradicts_itself_is_not_believed(
    draft: Any, document: dict[str, Any], change: Change, place: str
) -> None:
    assert severity("EV-SELECTION") == 3
    assert ("EV-SELECTION", PATH, place) in found(confirmed(draft, document, change))


def test_what_was_not_chosen_is_not_shown_as_chosen(draft: Any, make_draft: Any, test_policy: str) -> None:
    report = audit(Snapshot("bundle", make_draft().files()))
    strict = policies.load(test_policy.replace("at_least = 0.9\n", "at_least = 0.99\n").encode(), "t")
    nothing = make_choice([report], strict)
    assert found(confirmed(draft, nothing)) == [("EV-SELECTION", PATH, "$.result.chosen")]


def test_a_malformed_document_is_a_finding_and_no_traceback(draft: Any, document: dict[str, Any]) -> None:
    def broken(changed: dict[str, Any]) -> None:
        del changed["compared"][0]["intervals"]

    assert [code for code, _, _ in found(confirmed(draft, document, broken))] == ["EV-TYPE"]


STUDY = """
schema = "husai:study/v1"
name = "confirm"
question = "Does the chosen one hold on fresh seeds?"
site = [{ name = "addition", model = "modular_addition" }]
benchmark = [{ name = "reconstruction" }]

[training]
seeds = [11, 12, 13]
steps = 1500
batch_size = 512
learning_rate = 1e-3

[[sae]]
name = "best"
architecture = "topk"
role = "candidate"
d_sae = 256
chosen_by = "choice.json"
"""


def test_a_run_takes_the_document_along(tmp_path: Any, document: dict[str, Any]) -> None:
    (tmp_path / "choice.json").write_bytes(strict_json.encode(document))
    assert read_choices(STUDY.encode(), tmp_path / "study.toml") == {"choices/best.json": strict_json.encode(document)}
    assert read_choices(STUDY.replace('chosen_by = "choice.json"', "").encode(), tmp_path / "study.toml") == {}


def test_a_run_takes_a_document_of_the_version_before_along_as_it_is(tmp_path: Any, document: dict[str, Any]) -> None:
    old = copy.deepcopy(document)
    of_version_1(old)
    (tmp_path / "choice.json").write_bytes(strict_json.encode(old))
    assert read_choices(STUDY.encode(), tmp_path / "study.toml") == {"choices/best.json": strict_json.encode(old)}
    with pytest.raises(UsageError, match=r"budget.decay_share 0.2, not 0.5"):
        read_choices(STUDY.replace("steps = 1500", "steps = 1500\ndecay_share = 0.5").encode(), tmp_path / "study.toml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[11, 12, 13]", "[5, 11, 12]", "seeds 5 took part in the choice"),
        ('architecture = "topk"', 'architecture = "relu"', "architecture.name topk, not relu"),
        ("d_sae = 256", "d_sae = 64", "d_sae 256, not 64"),
        ("steps = 1500", "steps = 10", "budget.steps 1500, not 10"),
        ('chosen_by = "choice.json"', 'chosen_by = "choose.json"', "cannot be read"),
        ("d_sae = 256", "d_sae = 256\nsettings = { k = 3 }", "settings.k None, not 3"),
    ],
)
def test_a_run_refuses_before_it_trains(tmp_path: Any, document: dict[str, Any], old: str, new: str, says: str) -> None:
    (tmp_path / "choice.json").write_bytes(strict_json.encode(document))
    with pytest.raises(UsageError, match=says):
        read_choices(STUDY.replace(old, new).encode(), tmp_path / "study.toml")


@pytest.mark.parametrize("change", [_chosen, _no_weight, lambda document: document.pop("compared")])
def test_a_run_refuses_a_document_that_does_not_add_up(tmp_path: Any, document: dict[str, Any], change: Change) -> None:
    changed = json.loads(json.dumps(document))
    change(changed)
    (tmp_path / "choice.json").write_bytes(strict_json.encode(changed))
    with pytest.raises(UsageError, match="choose again"):
        read_choices(STUDY.encode(), tmp_path / "study.toml")
