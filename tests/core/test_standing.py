"""A bundle that stands where a run would write: what must differ is refused before the work, what may is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from husai_core import bundle
from husai_core.cli import invoke
from husai_core.engine import make_plan
from husai_core.engine.plan import Plan
from husai_core.errors import HusaiError, UsageError
from husai_core.plugins import PluginTable
from husai_core.standing import doubts
from husai_core.study import parse_study

ROOT = Path(__file__).parents[2]
GIVEN = {"policy/mine.toml": b"one", "choices/topk.json": b"{}"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plugins: PluginTable, tiny_study: str) -> Path:
    """A bundle of the tiny study, with a policy and a choice as a study may name them."""
    from husai_core.engine import run_plan
    from husai_core.engine.cache import Cache
    from husai_core.testing.log import Log

    folder = tmp_path_factory.mktemp("standing")
    plan = _plan(tiny_study, folder, plugins)
    policy = ("mine.toml", GIVEN["policy/mine.toml"])
    choices = {"choices/topk.json": GIVEN["choices/topk.json"]}
    run_plan(plan, folder / "out", Cache(folder / "cache"), Log(), 1, policy, lambda files: {}, choices=choices)
    return folder / "out"


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "out"))


@pytest.fixture
def plan(tmp_path: Path, plugins: PluginTable, tiny_study: str) -> Plan:
    return _plan(tiny_study, tmp_path, plugins)


def _plan(text: str, folder: Path, plugins: PluginTable) -> Plan:
    return make_plan(parse_study(text.encode(), str(folder / "tiny.toml")), plugins)


def _change(out: Path, path: str, change: Callable[[Any], object]) -> None:
    """Change a document, and the manifest with it, as a bundle that was made otherwise."""
    document = json.loads((out / path).read_bytes())
    change(document)
    (out / path).write_text(json.dumps(document))
    files = {p: raw for p, raw in bundle.read(out).files.items() if p != bundle.MANIFEST}
    (out / bundle.MANIFEST).write_bytes(bundle.manifest_of(files))


def test_where_nothing_known_differs_nothing_is_said(out: Path, plan: Plan) -> None:
    assert doubts(out, plan, GIVEN, 1) == []
    _change(out, bundle.PROVENANCE, lambda d: d.update(started="2020-01-01T00:00:00Z", code={"commit": "a" * 40}))
    assert doubts(out, plan, GIVEN, 1) == []


@pytest.mark.parametrize("there", ["nothing", "something else", "another study"])
def test_what_is_no_bundle_of_this_study_is_for_the_run_to_refuse(out: Path, plan: Plan, there: str) -> None:
    if there == "another study":
        (out / "study.toml").write_text("name = 'other'")
        _change(out, "sites/site.json", lambda d: d["model"].update(source="sha256:" + "0" * 64))
    else:
        shutil.rmtree(out)
    if there == "something else":
        out.mkdir()
    assert doubts(out, plan, GIVEN, 1) == []


@pytest.mark.parametrize(
    ("path", "keys", "key", "value", "words"),
    [
        ("sites/site.json", ("model",), "source", "sha256:0", "the model 'tiny' has another source text here"),
        ("subjects/site.topk.s1.json", ("architecture",), "version", "0", "'topk' is of version 1 here, and was of"),
        ("subjects/site.topk.untrained.s1.json", ("control",), "source", "sha256:0", "the control 'untrained' has"),
        ("evidence/reconstruction.site.json", ("benchmark",), "distribution", "acme 2", "and was of acme 2 when"),
        ("evidence/reconstruction.site.json", ("metrics", 0), "version", "0", "the metric"),
        ("evidence/reconstruction.site.json", ("metrics", 0), "name", "gone", "no metric 'gone' can be used here"),
        ("subjects/site.relu.s1.json", ("budget",), "source", "sha256:0", "a checkpoint whose files are others now"),
    ],
)
def test_what_other_code_made_is_refused_with_its_place(
    out: Path, plan: Plan, path: str, keys: tuple[Any, ...], key: str, value: str, words: str
) -> None:
    def change(document: Any) -> None:
        for inner in keys:
            document = document[inner]
        document[key] = value

    _change(out, path, change)
    with pytest.raises(UsageError) as caught:
        doubts(out, plan, GIVEN, 1)
    assert words in caught.value.rule
    assert caught.value.place.startswith(f"{out / path} $.{keys[0]}")
    assert caught.value.next_step == "choose another --out, or move that bundle away"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**GIVEN, "policy/mine.toml": b"two"}, "policy/mine.toml: is another"),
        ({"choices/topk.json": b"{}"}, "policy/mine.toml: is there"),
        ({**GIVEN, "choices/topk.json": b"[]"}, "choices/topk.json: is another"),
        ({**GIVEN, "choices/relu.json": b"{}"}, "choices/relu.json: is not there"),
    ],
)
def test_another_policy_or_choice_is_another_bundle(out: Path, plan: Plan, given: dict[str, bytes], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        doubts(out, plan, given, 1)


def test_other_packages_and_threads_are_said_and_refused_by_nobody(out: Path, plan: Plan) -> None:
    def change(document: Any) -> None:
        document["packages"] |= {"torch": "1.0", "gone": "3"}

    _change(out, bundle.PROVENANCE, change)
    (said,) = doubts(out, plan, GIVEN, 2)
    for words in ("torch 1.0 (here ", "gone 3 (here None)", "threads 1 (here 2)", "choose another --out to keep both"):
        assert words in said


def test_a_benchmark_that_did_not_complete_there_is_said_to_be_tried_again(out: Path, plan: Plan) -> None:
    outcome = {"status": "skipped", "reason": "no library", "next_step": "install it"}
    _change(out, "evidence/consistency.site.json", lambda d: d.update(outcome=outcome, measurements=[], metrics=[]))
    (said,) = doubts(out, plan, GIVEN, 1)
    assert "consistency.site.json: the benchmark was skipped there and is tried again" in said


@pytest.mark.parametrize("raw", [b"[]", b"{", None])
def test_a_document_that_cannot_be_read_is_named(out: Path, plan: Plan, raw: bytes | None) -> None:
    path = out / "sites" / "site.json"
    path.unlink() if raw is None else path.write_bytes(raw)
    with pytest.raises(HusaiError, match=r"sites/site\.json"):
        doubts(out, plan, GIVEN, 1)


def test_the_command_refuses_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(shutil.copytree(ROOT / "evidence" / "toy", tmp_path / "toy"))
    _change(out, "sites/addition.json", lambda d: d["model"].update(version="0"))
    study = tmp_path / "study.toml"
    study.write_bytes((out / "study.toml").read_bytes())
    cache = tmp_path / "cache"
    assert invoke(["run", str(study), "--out", str(out), "--cache", str(cache)]) == 64
    error = capsys.readouterr().err
    assert error.startswith(f"husai: {out}/")
    assert "when that bundle was made, so the evidence would differ (choose another --out" in error
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("out", ["afile/x", "afile", "afile/x/y", "empty", "link", "n" * 250, "new/below"])
def test_a_place_that_cannot_be_written_is_known_before_any_work(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "afile").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    asked: list[Path] = []
    monkeypatch.setattr("husai_core.engine.run_plan", lambda plan, out, *_: asked.append(out) or 1 / 0)
    run = ["run", str(ROOT / "studies" / "toy.toml"), "--out", str(tmp_path / out), "--cache", str(tmp_path / "cache")]
    code, error = invoke(run), capsys.readouterr().err
    if out in ("new/below", "afile"):  # what can be made is made; what stands there is for the run to refuse
        assert asked == [tmp_path / out]
        assert not list((tmp_path / "new").glob("*")) or out == "afile"
        return
    assert (code, asked) == (64, [])
    steps = {"empty": "give a folder that does not exist yet", "link": "remove the link, or choose another --out"}
    assert steps.get(out, "give an --out below a folder that can be written") in error
    assert len(error.splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_file_system_that_takes_no_folder_is_known_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", str(ROOT / "studies" / "toy.toml"), "--out", "/proc/husai"]) == 64
    assert "husai: /proc/husai: cannot be written: " in capsys.readouterr().err
