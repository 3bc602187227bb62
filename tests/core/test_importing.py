"""`husai import`: files of other programs in, a bundle that says so out; audit and gate of that bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from husai_core import bundle, strict_json
from husai_core.cli import invoke

FILES = Path(__file__).parents[1] / "plugins" / "husai_saebench" / "files"
BASELINE, CANDIDATE = FILES / "baseline_topk_k320.json", FILES / "run_1_topk_k160_ortho0.1.json"
SITE = "google.gemma-2-2b.blocks.12.hook_resid_post"
ABSORPTION = f"evidence/saebench_absorption.{SITE}.run_1_topk_k160_ortho0.1.json"
POLICY = (Path(__file__).parents[2] / "gates" / "policies" / "imported.toml").read_text()
SHARED = 'units = "shared_parts"\nmin_units = 15\nsource = "imported"\n'

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("import") / "bundle"
    asked = ["import", str(BASELINE), str(CANDIDATE), "--out", str(out), "--as", "baseline_topk_k320=baseline"]
    assert invoke(asked) == 0
    return out


def audit(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, set[str], str]:
    capsys.readouterr()
    code = invoke(["audit", str(folder), "--format", "json"])
    out = capsys.readouterr().out
    findings = json.loads(out)["findings"]
    return code, {finding["code"] for finding in findings}, " ".join(f["rule"] for f in findings)


def rows(folder: Path, policy: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> dict[str, Any]:
    asked = tmp_path / "policy.toml"
    asked.write_text(policy)
    capsys.readouterr()
    invoke(["gate", str(folder), "--policy", str(asked), "--format", "json"])
    return {row["rule"]: row for row in json.loads(capsys.readouterr().out)["rows"]}


def edited(folder: Path, target: Path, change: Callable[[Files], object]) -> Path:
    """The bundle with some files changed, and everything made again as its producer would."""
    files = {p: raw for p, raw in bundle.read(folder).files.items() if p != bundle.MANIFEST and not bundle.is_view(p)}
    change(files)
    bundle.write(files, target)
    return target


def in_document(path: str, change: Callable[[Any], object]) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        document = strict_json.parse(files[path], path)
        change(document)
        files[path] = strict_json.encode(document)

    return apply


def test_the_bundle_is_sound_says_who_measured_and_keeps_the_files_as_they_were(
    imported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(imported, capsys)[:2] == (0, set())
    files = bundle.read(imported).files
    assert files["external/imported/baseline_topk_k320.json"] == BASELINE.read_bytes()
    assert "study.toml" not in files
    document = json.loads(files[ABSORPTION])
    external = document["external"]
    assert (external["kind"], external["tool"]) == ("imported", "sae-bench")
    assert external["version"] == "60adde367f8d77d5f375d2bc8d39ed57e71595f0"
    assert any("no result for 3 of 26 letters" in statement for statement in external["unverified"])
    subject = json.loads(files["subjects/run_1_topk_k160_ortho0.1.s42.json"])
    assert "weights" not in subject
    assert subject["unverified"]
    assert (subject["role"], subject["dims"]["d_sae"]) == ("candidate", 18432)
    capsys.readouterr()
    assert invoke(["audit", str(imported)]) == 0
    assert "not verified here" in capsys.readouterr().out
    assert invoke(["show", str(imported)]) == 0


def test_the_same_files_give_the_same_bundle_in_whatever_order(imported: Path, tmp_path: Path) -> None:
    again = [
        "import",
        str(CANDIDATE),
        str(BASELINE),
        "--out",
        str(tmp_path / "b"),
        "--as",
        "baseline_topk_k320=baseline",
    ]
    assert invoke(again) == 0
    one, other = (bundle.read(folder).files for folder in (imported, tmp_path / "b"))
    assert {p: raw for p, raw in one.items() if p.startswith(("subjects/", "sites/", "external/"))} == {
        p: raw for p, raw in other.items() if p.startswith(("subjects/", "sites/", "external/"))
    }


def test_the_four_questions_of_the_two_real_files(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = rows(imported, POLICY, capsys, tmp_path)
    absorption, probing = found["absorption-not-worse"], found["sparse-probing-not-worse"]
    assert (absorption["status"], probing["status"]) == ("fail", "fail")
    (cell,) = absorption["cells"]
    assert (cell["interval"]["n"], cell["interval"]["method"]) == (20, "t over parts")
    assert cell["interval"]["low"] == pytest.approx(-0.027789, abs=1e-6)
    assert "about these dictionaries alone" in absorption["says"]
    assert "'c', 'l', 'q' of 'run_1_topk_k160_ortho0.1' alone; 'k' of 'baseline_topk_k320' alone" in absorption["says"]
    assert probing["cells"][0]["interval"]["n"] == 8
    tpp, unlearning = found["tpp-not-worse"], found["unlearning-not-worse"]
    assert (tpp["status"], tpp["cells"][0]["code"]) == ("missing", "EV-SKIPPED")
    assert "promises tpp and holds scr alone" in tpp["says"]
    assert (unlearning["status"], unlearning["cells"][0]["code"]) == ("missing", "EV-SKIPPED")
    assert "holds no result of unlearning" in unlearning["says"]
    assert "is of another SAE" in unlearning["says"]


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ('"settings", "width"]', '"settings", "width", "sparsity"]', "CMP-BUDGET", "160 and 320 active latents"),
        ('"settings", "width"]', '"settings", "width", "data"]', "CMP-DATA", "has no digest"),
        ('"settings", "width"]', '"settings", "budget"]', "CMP-BUDGET", "budget of the pretrained"),
        ('units = "shared_parts"', 'units = "parts"', "CMP-UNITS", "'c', 'l', 'q' of"),
        (
            'units = "shared_parts"\nmin_units = 15',
            'units = "shared_parts"\nmin_units = 21',
            "EV-UNITS",
            "20 parts, needs 21",
        ),
        (SHARED, 'units = "parts"\n', "EV-SOURCE", "is imported, the rule asks for native or official"),
        (SHARED, 'units = "parts"\nsource = "official"\n', "EV-SOURCE", "the rule asks for official"),
    ],
)
def test_what_stops_the_question_of_absorption(
    imported: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    old: str,
    new: str,
    code: str,
    words: str,
) -> None:
    assert old in POLICY
    row = rows(imported, POLICY.replace(old, new), capsys, tmp_path)["absorption-not-worse"]
    assert row["status"] in ("inconclusive", "missing")
    assert row["cells"][0]["code"] == code
    assert words in row["says"]


def test_a_metric_that_is_known_to_be_wrong_is_shown_and_decides_nothing(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rule = POLICY.split("[[rule]]")[0] + (
        '[[rule]]\nid = "r"\nquestion = "q"\nreason = "r"\nkind = "threshold"\nbenchmark = "saebench_core"\n'
        'metric = "saebench_mse"\nat_most = 5\nsource = "imported"\n'
    )
    assert rows(imported, rule, capsys, tmp_path)["r"]["cells"][0]["code"] == "POL-DEFECT"


def _value(document: Any) -> None:
    document["measurements"][0]["observations"][3]["value"] = 0.0


def _note_removed(document: Any) -> None:
    del document["external"]["unverified"][-1]


def _seed(document: Any) -> None:
    document["settings"]["random_seed"] = 7


@pytest.mark.parametrize("change", [_value, _note_removed, _seed])
def test_what_the_kept_files_do_not_say_is_found(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, change: Callable[[Any], None]
) -> None:
    target = edited(imported, tmp_path / "b", in_document(ABSORPTION, change))
    assert audit(target, capsys)[:2] == (3, {"EV-REIMPORT"})


def test_evidence_that_was_left_out_or_added_is_found(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = edited(imported, tmp_path / "less", lambda files: files.pop(ABSORPTION))
    code, codes, says = audit(target, capsys)
    assert (code, codes) == (3, {"EV-REIMPORT"})
    assert "the bundle has it not" in says

    def more(files: Files) -> None:
        document = strict_json.parse(files[ABSORPTION], ABSORPTION)
        document["benchmark"]["name"] = "saebench_better"
        files[ABSORPTION.replace("absorption", "better")] = strict_json.encode(document)

    target = edited(imported, tmp_path / "more", more)
    assert audit(target, capsys)[:2] == (3, {"EV-REIMPORT"})


def test_the_dictionary_that_nobody_judges_cannot_be_made_the_candidate(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = "subjects/baseline_topk_k320.other1.s0.json"

    def promote(files: Files) -> None:
        in_document(path, lambda document: document.update(role="candidate"))(files)
        digest = strict_json.digest(files[path])
        evidence = f"evidence/saebench_unlearning.{SITE}.baseline_topk_k320.other1.json"
        in_document(evidence, lambda document: document["subjects"][0].update(digest=digest))(files)

    code, codes, says = audit(edited(imported, tmp_path / "b", promote), capsys)
    assert (code, codes) == (3, {"EV-REIMPORT"})
    assert "a file mixed it with another dictionary" in says


def test_a_policy_among_imported_results_was_not_there_before_them(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = edited(imported, tmp_path / "b", lambda files: files.update({"policy/imported.toml": POLICY.encode()}))
    assert audit(target, capsys)[:2] == (3, {"EV-UNVERIFIED"})


def test_a_kept_file_that_no_importer_knows_is_found(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def spoil(files: Files) -> None:
        path = "external/imported/baseline_topk_k320.json"
        raw = b'{"nothing": 1}'
        files[path] = raw
        for name in [p for p in files if p.startswith("evidence/") and "baseline_topk" in p]:
            in_document(name, lambda d: d["external"]["files"][0].update(digest=strict_json.digest(raw)))(files)

    code, codes, says = audit(edited(imported, tmp_path / "b", spoil), capsys)
    assert (code, codes) == (3, {"EV-REIMPORT"})
    assert "cannot be imported again" in says


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no JSON"),
        (b"\xff", "is not UTF-8 at byte 0"),
        (b"{", "is no JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"something": "else"}', "is of no program whose results can be imported"),
        (b"[]", "is of no program"),
    ],
)
def test_a_file_that_is_no_result_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert invoke(["import", str(tmp_path / "a.json"), "--out", str(tmp_path / "b")]) == 64
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--as", "nobody=baseline"], "the files speak of nothing by that name"),
        (["--as", "baseline_topk_k320=explored"], "is no NAME=ROLE"),
        (["--as", "baseline_topk_k320"], "is no NAME=ROLE"),
        (["--as", "baseline_topk_k320.other1=baseline"], "a file mixed it with another dictionary"),
        (["--as", "baseline_topk_k320=baseline", "--as", "baseline_topk_k320=candidate"], "is given twice"),
    ],
)
def test_a_role_that_cannot_be_given_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert invoke(["import", str(BASELINE), "--out", str(tmp_path / "b"), *arguments]) == 64
    assert words in capsys.readouterr().err


def test_a_file_is_given_once_and_files_of_one_name_are_kept_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "eval result!.json").write_bytes((BASELINE if folder == "one" else CANDIDATE).read_bytes())
    paths = [str(tmp_path / folder / "eval result!.json") for folder in ("one", "two")]
    assert invoke(["import", *paths, "--out", str(tmp_path / "b")]) == 0
    kept = sorted(p.name for p in (tmp_path / "b" / "external" / "imported").iterdir())
    assert kept == ["eval.result..json", "two.eval.result..json"]
    assert audit(tmp_path / "b", capsys)[:2] == (0, set())
    assert invoke(["import", paths[0], str(BASELINE), "--out", str(tmp_path / "c")]) == 64
    assert "is given twice" in capsys.readouterr().err
    assert invoke(["import", *paths, "--out", str(tmp_path / "b")]) == 64
    assert "already exists" in capsys.readouterr().err


def test_a_nan_in_a_detail_is_no_observation_and_the_file_is_kept_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = json.loads(CANDIDATE.read_text())
    spoilt["absorption evaluation results"]["eval_result_details"][0]["absorption_rate"] = float("nan")
    (tmp_path / "run.json").write_text(json.dumps(spoilt))
    assert invoke(["import", str(tmp_path / "run.json"), "--out", str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "is nan, which is no finite number" in out
    assert "$['absorption evaluation results'].eval_result_details[0].absorption_rate" in out
    assert b"NaN" in (tmp_path / "b/external/imported/run.json").read_bytes()
    assert audit(tmp_path / "b", capsys)[:2] == (0, set())
    document = json.loads((tmp_path / f"b/evidence/saebench_absorption.{SITE}.run.json").read_text())
    (rate,) = [m for m in document["measurements"] if m["metric"]["name"] == "saebench_absorption_rate"]
    assert {o["part"] for o in rate["observations"]}.isdisjoint({"a"})


def test_select_leaves_out_what_nobody_can_tell_apart(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "p.toml").write_text(POLICY)
    capsys.readouterr()
    invoke(["select", str(imported), "--policy", str(tmp_path / "p.toml"), "--out", str(tmp_path / "choice.json")])
    said = capsys.readouterr()
    assert "no digest of its weights is known" in said.out + said.err


def test_what_no_bundle_can_hold_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = json.loads(CANDIDATE.read_text())
    spoilt["sparse probing evaluation results"]["eval_result_details"][0]["dataset_name"] = "x" * 5000
    (tmp_path / "run.json").write_text(json.dumps(spoilt))
    assert invoke(["import", str(tmp_path / "run.json"), "--out", str(tmp_path / "b")]) == 64
    assert "no bundle holds what the file says there" in capsys.readouterr().err


def test_one_checkpoint_under_two_names_makes_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, score in (("one", 10.0), ("two", 50.0)):
        result = {"config": {"checkpoint_sha256": "a" * 64}, "custom_metrics": {"contrastive_score_mean_max": score}}
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    paths = [str(tmp_path / f"{name}.json") for name in ("one", "two")]
    assert invoke(["import", *paths, "--out", str(tmp_path / "b")]) == 3
    assert "the same weights as 'one.s0', shown as another condition" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    assert invoke(["import", paths[0], "--out", str(tmp_path / "b")]) == 0


def test_the_words_of_another_version_of_the_importer_are_its_own_and_its_numbers_are_not(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def older(document: Any) -> None:
        document["benchmark"]["source"] = "sha256:" + "7" * 64
        document["external"]["unverified"] = ["said otherwise"]

    assert audit(edited(imported, tmp_path / "a", in_document(ABSORPTION, older)), capsys)[:2] == (0, set())

    def forged(document: Any) -> None:
        older(document)
        _value(document)

    target = edited(imported, tmp_path / "b", in_document(ABSORPTION, forged))
    assert audit(target, capsys)[:2] == (3, {"EV-REIMPORT"})


def test_a_dictionary_that_a_file_mixed_in_is_never_judged(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rule = POLICY.split("[[rule]]")[0] + (
        '[[rule]]\nid = "r"\nquestion = "q"\nreason = "r"\nkind = "present"\nbenchmark = "saebench_unlearning"\n'
        'subject = { condition = "baseline_topk_k320.other1" }\nsource = "imported"\n'
    )
    row = rows(imported, rule, capsys, tmp_path)["r"]
    assert row["cells"][0]["code"] == "EV-EXPLORED"
    assert "stands in the file of another dictionary" in row["says"]


@pytest.mark.parametrize(("role", "code"), [("candidate", "RULE-HOLDS"), ("baseline", "EV-SKIPPED")])
def test_what_one_side_lacks_is_missing_for_that_side_alone(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, role: str, code: str
) -> None:
    rule = POLICY.split("[[rule]]")[0] + (
        '[[rule]]\nid = "r"\nquestion = "q"\nreason = "r"\nkind = "present"\nbenchmark = "saebench_tpp"\n'
        f'subject = {{ role = "{role}" }}\nsource = "imported"\n'
    )
    assert rows(imported, rule, capsys, tmp_path)["r"]["cells"][0]["code"] == code


def test_a_bundle_that_an_earlier_version_imported_is_read_again_and_migrated(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def as_then(files: Files) -> None:
        moved = {}
        for path in [path for path in files if path.startswith("subjects/")]:
            raw = files[path].replace(b"husai:subject/v2", b"husai:subject/v1")
            moved[strict_json.digest(files[path]).encode()] = strict_json.digest(raw).encode()
            files[path] = raw
        for path in [path for path in files if path.startswith("evidence/")]:
            for newest, then in moved.items():
                files[path] = files[path].replace(newest, then)

    old = edited(imported, tmp_path / "old", as_then)
    assert audit(old, capsys)[:2] == (0, set())
    assert invoke(["schema", "migrate", str(old), "--out", str(tmp_path / "new")]) == 0
    for path, raw in bundle.read(imported).files.items():
        if path.startswith(("subjects/", "evidence/", "sites/", "external/")):
            assert bundle.read(tmp_path / "new").files[path] == raw
    forged = edited(old, tmp_path / "forged", in_document(ABSORPTION, lambda d: d["settings"].update(random_seed=7)))
    assert audit(forged, capsys)[:2] == (3, {"EV-REIMPORT"})
    assert invoke(["schema", "migrate", str(forged), "--out", str(tmp_path / "laundered")]) == 3
    assert "EV-REIMPORT" in capsys.readouterr().err
    assert not (tmp_path / "laundered").exists()
