"""The command line as its users meet it: one line per error, the documented exit code, and never a traceback."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from husai_core.cli import COMMANDS, invoke, module_of
from husai_core.cli.arguments import SIZE

ROOT = Path(__file__).parents[2]
TOY = ROOT / "evidence" / "toy"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the committed bundle, to be spoilt."""
    return Path(shutil.copytree(TOY, tmp_path / "toy"))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["gat"], 64, "did you mean 'gate'?"),
        (["gate"], 64, "Missing argument 'BUNDLE'"),
        (["gate", "", "--policy", "toy"], 64, "is empty"),
        (["gate", str(TOY), "--policy", ""], 64, "is empty"),
        (["gate", "x"], 64, "Missing option '--policy'"),
        (["gate", "x", "--polcy", "toy"], 64, "--policy"),
        (["gate", "nowhere", "--policy", "toy"], 64, "there is no bundle here"),
        (["gate", str(TOY), "--policy", "toi"], 64, "did you mean 'toy'?"),
        (["gate", str(TOY), "--policy", "toy", "--format", "xml"], 64, "'xml' is not one of"),
        (["audit", "nowhere"], 64, "there is no bundle here"),
        (["run", "nowhere.toml"], 64, "nowhere.toml: cannot be read: No such file or directory"),
        (["run", str(ROOT / "README.md")], 64, "not TOML"),
        (["run", "x.toml", "--activations-cap", "plenty"], 64, "'plenty' is no size; write for example 500MB or 20GiB"),
        (["schema", "show", "studdy"], 64, "did you mean 'study'?"),
        (["plugins", "--kind", "architectur"], 64, "did you mean 'architecture'?"),
        (["explain", str(TOY), "traning-agrees", "--policy", "toy"], 64, "did you mean 'training-agrees'?"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(arguments) == code
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1
    assert error.startswith("husai: ")


def _options() -> list[list[str]]:
    """Every option of one value, of every command, as the words that come before the value."""
    import importlib

    import click

    found = []
    for name in COMMANDS:
        command = importlib.import_module(module_of(name)).command
        for words, each in [([name], command), *(([name, n], c) for n, c in getattr(command, "commands", {}).items())]:
            options = (p for p in each.params if isinstance(p, click.Option) and not (p.multiple or p.is_flag))
            found += [[*words, option.opts[0]] for option in options]
    return found


@pytest.mark.parametrize("words", _options(), ids=" ".join)
def test_an_option_of_one_value_given_twice_is_refused_and_never_the_last_one_kept(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*words, "x", words[-1], "y"]) == 64
    assert f"'{words[-1]}' is given 2 times" in capsys.readouterr().err


def test_options_made_for_it_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["gate", "nowhere", "--policy", "toy", "--report", "json=a", "--report", "text=b"]) == 64
    assert "there is no bundle here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1500", 1500), ("2 kB".upper(), 2000), ("1.5GiB", 3 * 2**29), ("20GiB", 20 * 2**30)]
)
def test_a_size_is_a_number_of_bytes(text: str, size: int) -> None:
    assert SIZE.convert(text, None, None) == size


def test_the_cap_of_the_activations_is_an_option_and_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    numpy.save(tmp_path / "rows.npy", numpy.random.default_rng(0).normal(size=(50, 4)).astype("f4"))
    study = (ROOT / "studies" / "toy.toml").read_text().replace('policy = "toy"\n', "")
    site = 'model = "tensor_file"\nsettings = { file = "rows.npy" }'
    (tmp_path / "study.toml").write_text(study.replace('model = "modular_addition"', site))
    run = ["run", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert invoke([*run, "--activations-cap", "799"]) == 64
    assert "would take 800 bytes, 0 are stored already, the cap is 799 bytes" in capsys.readouterr().err
    monkeypatch.setenv("HUSAI_ACTIVATIONS_CAP", "0.5kB".upper())
    assert invoke(run) == 64
    assert "raise --activations-cap or HUSAI_ACTIVATIONS_CAP" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_variable_of_the_environment_answers_in_place_of_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_HUSAI_COMPLETE", "bash_source")
    assert invoke(["gate", "nowhere", "--policy", "toy"]) == 64


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error_and_no_verdict() -> None:
    command = [str(Path(sys.executable).parent / "husai"), "gate", str(TOY), "--policy", "toy"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_a_reader_that_goes_away_is_no_release() -> None:
    command = f"{Path(sys.executable).parent / 'husai'} explain {TOY} --policy toy; echo $? >&2"
    done = subprocess.run(["bash", "-c", f"({command}) | true"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr.split()[-1] in {"0", "4"}
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_a_line_in_the_overview(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([command, "--help"]) == 0
    assert "Usage: husai" in capsys.readouterr().out
    assert invoke(["--help"]) == 0
    assert COMMANDS[command] in " ".join(capsys.readouterr().out.split())


def test_the_committed_bundle_is_sound_and_released(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["audit", str(TOY)]) == 0
    assert invoke(["gate", str(TOY), "--policy", "toy"]) == 0
    assert "RELEASED" in capsys.readouterr().out


SPOILT = {
    "truncated evidence": (lambda b: _edit(b, "evidence/consistency.addition.json", lambda t: t[:500]), "EV-DIGEST"),
    "a file too many": (lambda b: (b / "evidence" / "extra.json").write_text("{}"), "EV-UNLISTED"),
    "a file too few": (lambda b: (b / "subjects" / "addition.topk.s42.json").unlink(), "EV-FILE-MISSING"),
    "no manifest": (lambda b: (b / "manifest.json").unlink(), "manifest.json"),
    "half a manifest": (lambda b: _edit(b, "manifest.json", lambda t: t[: len(t) // 2]), "EV-JSON"),
    "an edited decision": (lambda b: _edit(b, "decision.json", lambda t: t.replace("pass", "fail")), "EV-DIGEST"),
}


def _edit(bundle: Path, path: str, change) -> None:  # type: ignore[no-untyped-def]
    (bundle / path).write_text(change((bundle / path).read_text()))


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_bundle_exits_three_from_gate_and_audit_and_says_why(
    case: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, code = SPOILT[case]
    spoil(bundle)  # type: ignore[no-untyped-call]
    assert invoke(["audit", str(bundle)]) == 3
    assert code in capsys.readouterr().out
    assert invoke(["gate", str(bundle), "--policy", "toy"]) == 3
    output = capsys.readouterr()
    assert code in output.out
    assert "Traceback" not in output.out + output.err


def test_a_rule_about_a_metric_nobody_measured_is_missing_and_not_released(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "strict.toml"
    policy.write_text(
        """
schema = "husai:policy/v1"
name = "strict"
version = "1"
purpose = "Ask for something that was not measured."
confidence = 0.95
min_units = 5
preregistered = false

[[rule]]
id = "faithful"
question = "Is the loss recovered when the reconstruction is spliced in?"
reason = "A dictionary that breaks its model explains something else."
kind = "threshold"
benchmark = "reconstruction"
metric = "ce_loss_score"
at_least = 0.9
"""
    )
    assert invoke(["gate", str(TOY), "--policy", str(policy)]) == 2
    out = capsys.readouterr().out
    assert "missing" in out
    assert "ce_loss_score" in out


def test_the_decision_is_the_same_in_every_view(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "decision.json"
    assert invoke(["gate", str(TOY), "--policy", "toy", "--format", "json", "--out", str(target)]) == 0
    assert target.read_bytes() == (TOY / "decision.json").read_bytes()
    assert invoke(["gate", str(TOY), "--policy", "toy", "--format", "json", "--out", str(target)]) == 64
    assert "already exists" in capsys.readouterr().err
    rules = [row["rule"] for row in json.loads(target.read_bytes())["rows"]]
    for form in ("text", "markdown", "github"):
        assert invoke(["gate", str(TOY), "--policy", "toy", "--format", form]) == 0
        out = capsys.readouterr().out
        assert all(rule in out for rule in rules) or form == "github"


def test_explain_says_why_for_one_rule_and_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["explain", str(TOY), "training-agrees", "--policy", "toy"]) == 0
    assert "addition.topk.untrained" in capsys.readouterr().out
    assert invoke(["explain", str(TOY), "--policy", "toy"]) == 0
    assert capsys.readouterr().out.count("because") >= 5


def test_show_lists_subjects_and_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["show", str(TOY)]) == 0
    out = capsys.readouterr().out
    assert "candidate addition.topk: topk, d_sae 128" in out
    assert "explained_variance" in out


def test_show_tells_two_measurements_of_one_metric_apart_and_sorts_seeds_as_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["show", str(TOY)]) == 0
    out = capsys.readouterr().out
    lines = [line.split("  ") for line in out.splitlines() if line.startswith("  ")]
    told = [(line[1], next(word.strip() for word in line[2:] if word.strip())) for line in lines]
    assert ("addition.topk", "activation_mcc") in told
    assert ("addition.topk", "activation_mcc rows = shuffled") in told
    benchmarks = out.split("evidence/")[1:]
    for benchmark in benchmarks:
        names = [line[:90].rsplit("  ", 1)[0].split() for line in benchmark.splitlines() if line.startswith("  ")]
        assert len({tuple(name) for name in names}) == len(names)
    assert "seeds 42, 123, 456, 789, 1011" in out
    assert "1011, 123" not in out


def test_show_against_a_control_gives_every_difference_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["show", str(TOY), "--against", "untrained"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "95% interval over seeds" in lines[0]
    (found,) = (line for line in lines if "addition.topk" in line and "explained_variance " in line)
    assert re.search(r"0\.\d+ \(0\.\d+ to 0\.\d+\)$", found)
    assert invoke(["show", str(TOY), "--against", "untrainet"]) == 64
    assert "did you mean 'untrained'" in capsys.readouterr().err


def test_show_gives_no_difference_of_a_bundle_that_cannot_be_believed(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle / "evidence" / "consistency.addition.json"
    path.write_text(path.read_text() + " ")
    assert invoke(["show", str(bundle), "--against", "untrained"]) == 3
    assert "husai audit" in capsys.readouterr().err


def test_words_of_a_bundle_start_no_line_of_their_own(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundle / "evidence" / "consistency.addition.json"
    document = json.loads(path.read_text())
    document["outcome"] = {"status": "failed", "reason": "x\n::error::injected", "next_step": ""}
    document["measurements"] = []
    path.write_text(json.dumps(document))
    assert invoke(["show", str(bundle)]) == 0
    assert not any(line.startswith("::") for line in capsys.readouterr().out.splitlines())


def test_schema_check_passes_good_files_and_names_what_is_wrong_in_bad_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["schema", "check", str(ROOT / "studies" / "toy.toml"), str(TOY / "manifest.json")]) == 0
    assert "2 valid" in capsys.readouterr().out
    bad = tmp_path / "evidence.json"
    bad.write_text('{"schema": "husai:manifest/v1", "files": {}}')
    assert invoke(["schema", "check", str(bad)]) == 3
    assert "content_digest" in capsys.readouterr().err
    bad.write_text('{"schema": "other"}')
    assert invoke(["schema", "check", str(bad)]) == 3
    assert "names no schema of HUSAI" in capsys.readouterr().err


WRITTEN = {
    "study": 'schema = "husai:study/v1"\nnam = "x"\n',
    "policy": 'schema = "husai:policy/v1"\nnam = "x"\n',
    "waivers": 'schema = "husai:waivers/v1"\nwaver = []\n',
    "claims": 'schema = "husai:claims/v1"\nclam = []\n',
}


@pytest.mark.parametrize("text", [*WRITTEN.values(), "nam = 1\n", "nam ="])
def test_what_people_write_and_misspell_is_no_tampered_evidence(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "it.toml"
    path.write_text(text)
    assert invoke(["schema", "check", str(path)]) == 64
    assert capsys.readouterr().err.startswith(str(path))
    evidence = tmp_path / "manifest.json"
    evidence.write_text('{"schema": "husai:manifest/v1", "files": {}}')
    assert invoke(["schema", "check", str(path), str(evidence)]) == 3


@pytest.mark.parametrize("given", WRITTEN)
@pytest.mark.parametrize("wanted", WRITTEN)
def test_a_file_of_another_kind_is_named_as_what_it_is(
    wanted: str, given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "it.toml"
    path.write_text(WRITTEN[given])
    command = {
        "study": ["run", str(path), "--out", str(tmp_path / "out")],
        "policy": ["gate", str(TOY), "--policy", str(path)],
        "waivers": ["gate", str(TOY), "--policy", "toy", "--waivers", str(path)],
        "claims": ["claims", "check", str(path)],
    }[wanted]
    assert invoke(command) == 64
    said = capsys.readouterr().err
    assert (f"this is a husai:{given}, not a husai:{wanted}" in said) is (given != wanted)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["completion", shell]) == 0
    assert "_HUSAI_COMPLETE" in capsys.readouterr().out


def test_an_internal_error_is_one_line_and_exit_four(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("husai_gates.pipeline.gate", lambda *_, **__: 1 / 0)
    monkeypatch.delenv("HUSAI_TRACEBACK", raising=False)
    assert invoke(["gate", str(TOY), "--policy", "toy"]) == 4
    assert capsys.readouterr().err.startswith("husai: internal error: ZeroDivisionError")


def test_the_version_is_that_of_the_distribution() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "husai", "--version"], capture_output=True, text=True, check=False
    )
    from importlib.metadata import version

    assert done.stdout.strip() == f"husai, version {version('husai')}"
