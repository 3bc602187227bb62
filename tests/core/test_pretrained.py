"""A study of checkpoints from elsewhere: run, audited and judged, with nothing made up about their training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from husai_core import EvaluationError, UsageError, bundle, strict_json
from husai_core.cli import invoke
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable
from husai_core.study import parse_study
from husai_core.testing.log import Log
from husai_gates.audit import audit
from husai_gates.pipeline import gate

STUDY = """
schema = "husai:study/v1"
name = "existing"
question = "May these be released?"

[[site]]
name = "site"
model = "tiny"

[training]
seeds = [3, 1, 2]

[[sae]]
name = "theirs"
pretrained = ["theirs/s3", "theirs/s1", "theirs/s2"]
role = "candidate"

[[control]]
name = "random_decoder"

[[benchmark]]
name = "reconstruction"

[[benchmark]]
name = "consistency"

[bundle]
weights = true
"""

BASELINE = """
[[sae]]
name = "ours"
architecture = "relu"
role = "baseline"
d_sae = 24
"""
RECIPE = "seeds = [3, 1, 2]\nsteps = 40\nbatch_size = 32\nlearning_rate = 1e-2"

POLICY = """
schema = "husai:policy/v1"
name = "existing"
version = "1"
purpose = "Compare what exists with its control and with a baseline."
confidence = 0.95
min_units = 3
preregistered = false

[[rule]]
id = "beats-random"
question = "Does it reconstruct better than random directions?"
reason = "It learned something."
kind = "superiority"
benchmark = "reconstruction"
metric = "explained_variance"
over = { control = "random_decoder" }
margin = 0.0

[[rule]]
id = "beats-baseline"
question = "Does it reconstruct better than the baseline?"
reason = "It is worth the change."
kind = "superiority"
benchmark = "reconstruction"
metric = "explained_variance"
over = { role = "baseline" }
margin = 0.0
"""


# A baseline that nobody trained here has no known budget either; two unknown ones do not match.
BOTH_PRETRAINED = STUDY.replace(
    "[[control]]",
    """[[sae]]
name = "older"
pretrained = ["older/s3", "older/s1", "older/s2"]
role = "baseline"

[[control]]""",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, plugins: PluginTable, tiny_study: str) -> Path:
    """Folders of dictionaries that the tiny study trained: from here on they come from elsewhere."""
    folder = tmp_path_factory.mktemp("trained")
    plan = make_plan(parse_study(tiny_study.encode(), str(folder / "tiny.toml")), plugins)
    run_plan(plan, folder / "out", Cache(folder / "cache"), Log(), 1, None, lambda files: {})
    return folder / "out" / "weights"


@pytest.fixture
def theirs(tmp_path: Path, trained: Path) -> Path:
    for seed in (1, 2, 3):
        shutil.copytree(trained / f"site.topk.s{seed}", tmp_path / "theirs" / f"s{seed}")
    return tmp_path / "theirs"


@pytest.fixture
def run(tmp_path: Path, plugins: PluginTable, theirs: Path) -> Callable[..., Log]:
    def run_text(out: str = "out", text: str = STUDY) -> Log:
        listener = Log()
        plan = make_plan(parse_study(text.encode(), str(tmp_path / "study.toml")), plugins)
        run_plan(plan, tmp_path / out, Cache(tmp_path / "cache"), listener, 1, None, lambda files: {})
        return listener

    return run_text


def test_a_study_of_checkpoints_gives_a_sound_bundle_that_makes_nothing_up(
    tmp_path: Path, trained: Path, run: Callable[..., Log], capsys: pytest.CaptureFixture[str]
) -> None:
    listener = run()
    report = audit(bundle.read(tmp_path / "out"))
    assert report.findings == ()
    subject = json.loads((tmp_path / "out" / "subjects" / "site.theirs.s1.json").read_bytes())
    assert subject["budget"] == {
        "pretrained": True,
        "format": "sae_lens",
        "source": subject["budget"]["source"],
        "changes": [],
    }
    assert subject["architecture"]["settings"] == {"k": 4, "apply_b_dec_to_input": True}
    kept = tmp_path / "out" / "weights" / "site.theirs.s1" / "sae_weights.safetensors"
    assert kept.read_bytes() == (trained / "site.topk.s1" / "sae_weights.safetensors").read_bytes()
    assert [text for text in listener.warnings if "cosine_to_initial not measured" in text]
    measured = {m.card.name for e in report.evidence.values() for m in e.measurements}
    assert "explained_variance" in measured
    assert "cosine_to_initial" not in measured
    assert invoke(["show", str(tmp_path / "out")]) == 0
    assert "site.theirs: topk, d_sae 24, pretrained" in capsys.readouterr().out


def test_what_was_measured_is_what_was_measured_when_it_was_trained_here(
    tmp_path: Path, trained: Path, run: Callable[..., Log]
) -> None:
    run()

    def values(path: Path, condition: str) -> dict[str, Any]:
        document = json.loads(path.read_bytes())
        return {m["metric"]["name"]: m["observations"] for m in document["measurements"] if m["condition"] == condition}

    name = "evidence/reconstruction.site.json"
    here, there = values(tmp_path / "out" / name, "site.theirs"), values(trained.parent / name, "site.topk")
    assert {key: there[key] for key in here} == here
    assert there.keys() - here.keys() == {"cosine_to_initial"}


def _gate(folder: Path) -> Any:
    (folder / "existing.toml").write_text(POLICY)
    return gate(folder / "out", str(folder / "existing.toml"))


def test_an_unknown_budget_is_no_matched_budget(tmp_path: Path, run: Callable[..., Log]) -> None:
    run(text=STUDY.replace("seeds = [3, 1, 2]", RECIPE) + BASELINE)
    report = audit(bundle.read(tmp_path / "out"))
    assert report.findings == ()
    decision = _gate(tmp_path)
    rows = {row.rule: row for row in decision.rows}
    assert rows["beats-random"].status == "pass"
    assert (rows["beats-baseline"].status, rows["beats-baseline"].code) == ("inconclusive", "CMP-BUDGET")
    assert "'site.theirs' is unknown, so none is matched to it" in rows["beats-baseline"].says


def test_two_unknown_budgets_do_not_match_either(tmp_path: Path, trained: Path, run: Callable[..., Log]) -> None:
    for seed in (1, 2, 3):
        shutil.copytree(trained / f"site.relu.s{seed}", tmp_path / "older" / f"s{seed}")
    run(text=BOTH_PRETRAINED)
    decision = _gate(tmp_path)
    (row,) = (row for row in decision.rows if row.rule == "beats-baseline")
    assert (row.status, row.code) == ("inconclusive", "CMP-BUDGET")


def test_one_dictionary_under_two_names_is_found(tmp_path: Path, theirs: Path, run: Callable[..., Log]) -> None:
    shutil.copytree(theirs, tmp_path / "older")
    run(text=BOTH_PRETRAINED)
    findings = audit(bundle.read(tmp_path / "out")).findings
    assert {f.code for f in findings} == {"EV-DUP-UNIT"}


def test_running_again_reads_nothing_again_and_other_files_are_another_result(
    theirs: Path, trained: Path, run: Callable[..., Log]
) -> None:
    run()
    assert all(cached for _, cached in run().done)
    shutil.rmtree(theirs / "s2")
    shutil.copytree(trained / "site.topk.random_decoder.s2", theirs / "s2")
    fresh = {label for label, cached in run(out="other").done if not cached}
    assert "load site.theirs" in fresh
    assert "consistency at site" in fresh
    assert "model tiny" not in fresh


def test_files_that_change_between_plan_and_run_stop_it(
    tmp_path: Path, theirs: Path, trained: Path, plugins: PluginTable
) -> None:
    plan = make_plan(parse_study(STUDY.encode(), str(tmp_path / "study.toml")), plugins)
    shutil.rmtree(theirs / "s2")
    shutil.copytree(trained / "site.topk.untrained.s2", theirs / "s2")
    with pytest.raises(EvaluationError, match="changed after the study was planned"):
        run_plan(plan, tmp_path / "out", Cache(tmp_path / "cache"), Log(), 1, None, lambda files: {})


def test_a_hook_that_is_not_the_site_s_is_a_warning(theirs: Path, run: Callable[..., Log]) -> None:
    path = theirs / "s1" / "cfg.json"
    config = json.loads(path.read_bytes())
    config["metadata"]["hook_name"] = "blocks.7.hook_resid_post"
    path.write_bytes(strict_json.encode(config))
    assert any("trained at blocks.7.hook_resid_post" in text for text in run().warnings)


REFUSED = {
    "control that needs a start": (
        '"random_decoder"',
        '"untrained"',
        r"\$\.control\[0\]: 'untrained' needs initial weights.*'theirs' \(leave this control out",
    ),
    **{
        f"control {name} that runs a recipe again": (
            '"random_decoder"',
            f'"{name}"',
            rf"\$\.control\[0\]: '{name}' is trained by the recipe of its base.*'theirs' \(leave this control out",
        )
        for name in ("permuted_dimensions", "gaussian_matched", "random_model")
    },
    "two for three": (', "theirs/s2"]', "]", r"theirs\.pretrained: 2 checkpoints for 3 seeds"),
    "one twice": ("theirs/s1", "theirs/s3", r"pretrained: has an item twice"),
    "one twice by another path": ("theirs/s1", "theirs/../theirs/s3", r"pretrained\[1\]: the same files"),
    "nothing there": ("theirs/s1", "theirs/s9", r"s9: there is no checkpoint here"),
    "another architecture": (
        'role = "candidate"',
        'role = "candidate"\narchitecture = "relu"',
        r"'topk' is not read by the architecture 'relu'",
    ),
    "no such architecture": (
        'role = "candidate"',
        'role = "candidate"\narchitecture = "rely"',
        r"\.architecture: no architecture 'rely' is installed \(did you mean 'relu'",
    ),
    "another width": ('role = "candidate"', 'role = "candidate"\nd_sae = 25', r"d_sae: is 25, the checkpoints have 24"),
    "steps": ('role = "candidate"', 'role = "candidate"\nsteps = 5', r"\$\.sae\[0\]\.steps: has no place here"),
    "another site": ('model = "tiny"', 'model = "tiny"\nsettings = { width = 8 }', r"reads 16 and writes 16 values"),
    "no recipe for what is trained": (
        "[[control]]",
        BASELINE + "[[control]]",
        r"\$\.training: the key 'steps' is missing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_in_such_a_study_is_one_line(case: str, run: Callable[..., Log]) -> None:
    old, new, says = REFUSED[case]
    assert old in STUDY
    with pytest.raises(UsageError, match=says) as error:
        run(text=STUDY.replace(old, new))
    assert "\n" not in str(error.value)


def test_seeds_of_two_kinds_are_no_condition(theirs: Path, trained: Path, run: Callable[..., Log]) -> None:
    shutil.rmtree(theirs / "s2")
    shutil.copytree(trained / "site.relu.s2", theirs / "s2")
    with pytest.raises(UsageError, match=r"pretrained\[2\]: differs from the first seed's in architecture"):
        run()


def _edit_budget(out: Path, subject: str, change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The files of a bundle in which one subject's budget is another."""
    files = {p: raw for p, raw in bundle.read(out).files.items() if p != bundle.MANIFEST}
    path = f"subjects/{subject}.json"
    document = json.loads(files[path])
    change(document["budget"])
    return {**files, path: strict_json.encode(document)}


@pytest.mark.parametrize("case", ["invented", "one source twice", "control of another source"])
def test_an_edited_budget_is_found(case: str, tmp_path: Path, run: Callable[..., Log]) -> None:
    from husai_gates.audit import audit_unsealed

    run()
    other = json.loads((tmp_path / "out" / "subjects" / "site.theirs.s2.json").read_bytes())["budget"]["source"]
    invented = {"steps": 10, "batch_size": 1, "rows_seen": 10, "learning_rate": 0.1, "data_order_seed": 0}
    invented |= {"agreement": 0.0, "decay_share": 0.2}
    subject, change, says = {
        "invented": ("site.theirs.s1", lambda b: (b.clear(), b.update(invented)), "True was planned in study.toml"),
        "one source twice": ("site.theirs.s1", lambda b: b.update(source=other), "read from the same files"),
        "control of another source": (
            "site.theirs.random_decoder.s1",
            lambda b: b.update(source="sha256:" + "0" * 64),
            "a control whose budget is not that of",
        ),
    }[case]
    report = audit_unsealed(_edit_budget(tmp_path / "out", subject, change))
    assert any(says in finding.rule for finding in report.findings), [f.rule for f in report.findings]


def test_controls_that_need_no_recipe_are_made_of_what_was_trained_elsewhere(
    tmp_path: Path, run: Callable[..., Log]
) -> None:
    names = ("random_decoder", "permuted_decoder", "degraded", "identity", "pca")
    run(
        text=STUDY.replace(
            '[[control]]\nname = "random_decoder"\n', "".join(f'[[control]]\nname = "{n}"\n' for n in names)
        )
    )
    report = audit(bundle.read(tmp_path / "out"))
    assert report.findings == ()
    assert {c.control.name for c in report.conditions.values() if c.control} == set(names)


def test_a_basis_fitted_to_what_was_trained_elsewhere_is_as_sparse(
    tmp_path: Path, theirs: Path, plugins: PluginTable, run: Callable[..., Log], tiny_study: str
) -> None:
    """No recipe says on how many rows its threshold is set, and without one every latent above zero is active."""
    import torch

    from husai_architectures.batch_topk import BatchTopK
    from husai_core import Coder, Dims, interchange

    architecture = BatchTopK()
    settings = architecture.Settings(k=4)
    for seed in (1, 2, 3):
        shutil.rmtree(theirs / f"s{seed}")
        generator = torch.Generator().manual_seed(seed)
        start = architecture.initialise(Dims(16, 24, 16), settings, generator, torch.zeros(16))
        coder = Coder(architecture, settings, Dims(16, 24, 16), seed, start, None)
        (theirs / f"s{seed}").mkdir()
        for name, raw in interchange.saved_files(coder, "tiny", "blocks.0.hook_resid_post").items():
            (theirs / f"s{seed}" / name).write_bytes(raw)
        config = json.loads((theirs / f"s{seed}" / "cfg.json").read_bytes())
        config |= {"architecture": "batchtopk", "k": 4}  # as SAELens names it while it trains one
        (theirs / f"s{seed}" / "cfg.json").write_bytes(strict_json.encode(config))
    run(text=STUDY.replace('"random_decoder"', '"pca"'))
    document = json.loads((tmp_path / "out" / "evidence" / "reconstruction.site.json").read_bytes())
    (l0,) = (
        m["observations"]
        for m in document["measurements"]
        if (m["metric"]["name"], m["condition"]) == ("l0", "site.theirs.pca")
    )
    subject = json.loads((tmp_path / "out" / "subjects" / "site.theirs.s1.json").read_bytes())
    assert subject["architecture"]["name"] == "batch_topk"
    assert all(3 < seen["value"] < 5 for seen in l0)
