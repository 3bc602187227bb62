"""`husai new`: names that would get in the way are refused, and what is written is whole."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import husai_core
import husai_schemas
from husai_core.cli import invoke
from husai_core.template import KINDS


@pytest.fixture(params=KINDS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    assert invoke(["new", request.param, "sparse_fox", "--folder", str(tmp_path)]) == 0
    return tmp_path / "husai-sparse-fox"


def test_every_file_is_named_after_the_plugin_and_none_after_the_template(written: Path) -> None:
    files = {path.relative_to(written).as_posix(): path.read_text() for path in written.rglob("*") if path.is_file()}
    assert set(files) == {
        ".github/workflows/ci.yml",
        ".gitignore",
        "README.md",
        "husai_sparse_fox/__init__.py",
        "pyproject.toml",
        "studies/policy.toml",
        "studies/smoke.toml",
        "tests/test_contract.py",
        "tests/test_values.py",
    }
    assert not [path for path, text in files.items() if "myplugin" in text.lower()]
    assert "class SparseFox" in files["husai_sparse_fox/__init__.py"]
    assert "CHANGE THIS" in files["husai_sparse_fox/__init__.py"]


def test_the_contract_is_two_lines(written: Path) -> None:
    text = (written / "tests" / "test_contract.py").read_text()
    assert len([line for line in text.splitlines() if line]) == 2


def test_the_package_declares_its_entry_point_and_is_for_this_version_of_husai(written: Path) -> None:
    project = tomllib.loads((written / "pyproject.toml").read_text())["project"]
    assert project["name"] == "husai-sparse-fox"
    assert project["entry-points"]["husai"] == {"sparse_fox": "husai_sparse_fox"}
    (needs,) = map(Requirement, project["dependencies"])
    assert needs.name == "husai"
    assert husai_core.__version__ in needs.specifier


def test_it_uses_public_names_only(written: Path) -> None:
    tree = ast.parse((written / "husai_sparse_fox" / "__init__.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("husai"):
            assert node.module == "husai_core"
            assert {alias.name for alias in node.names} <= set(husai_core.__all__)


def test_its_workflow_is_yaml_and_installs_what_the_package_requires_from_a_commit(written: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="reading YAML needs pyyaml")
    workflow = yaml.safe_load((written / ".github" / "workflows" / "ci.yml").read_text())
    project = tomllib.loads((written / "pyproject.toml").read_text())["project"]
    (needed,) = map(Requirement, project["dependencies"])
    installed = Requirement(workflow["env"]["HUSAI"])
    assert (installed.name, installed.extras) == (needed.name, needed.extras)
    assert str(installed.url).endswith("@COMMIT")  # not on the package index yet: by its name alone it is anybody's


def test_a_package_is_written_where_torch_is_not_installed(tmp_path: Path) -> None:
    call = (
        "import sys; sys.modules['torch'] = None\nfrom husai_core.cli import invoke\n"
        f"sys.exit(invoke(['new', 'metric', 'fox', '--folder', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("file", "schema"), [("smoke.toml", "study"), ("policy.toml", "policy")])
def test_study_and_policy_are_valid(written: Path, file: str, schema: str) -> None:
    document = tomllib.loads((written / "studies" / file).read_text())
    assert husai_schemas.problems(schema, document) == []


def test_what_was_written_and_what_comes_next_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "my work"
    home.mkdir()
    assert invoke(["new", "metric", "fox", "--folder", str(home)]) == 0
    first, *files, _, go, test, run = capsys.readouterr().out.splitlines()
    assert first == f"{home}/husai-fox: the metric 'fox'"
    assert "  husai_fox/__init__.py" in files
    assert go == f"  cd '{home}/husai-fox' && pip install -e '.[test]'"
    assert test == "  python -m pytest"
    assert run.startswith("  husai run studies/smoke.toml --out runs/smoke && husai gate runs/smoke ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["architecture", "topk"], "is taken by husai 0.1.0 (husai_architectures.topk): one of the architectures"),
        (["metric", "topk"], "is taken by husai 0.1.0 (husai_architectures.topk)"),
        (["metric", "core"], "a module 'husai_core' is installed already"),
        (["metric", "My-Metric"], "for example 'my_metric'"),
        (["metric", "9lives"], "for example 'lives'"),
        (["metric", "a__b"], "single underscores"),
        (["metric", "ünlich"], "lower-case letters"),
        (["metric", "../x"], "lower-case letters"),
        (["metric", "x" * 41], "at most 40"),
        (["metric", "lambda"], "is a word of Python (for example 'my_lambda')"),
        (["metric", "none"], "is a word of Python"),
        (["metric", "value_error"], "is a word of Python"),
        (["architecture", "batch"], "its class would be called as husai_core.Batch is"),
        (["metric", ""], "is empty"),
        (["metrik", "x"], "there is no template of a 'metrik' (did you mean 'metric'? known: architecture,"),
        (["metric", "x", "--folder", "/nowhere/at/all"], "is no folder"),
        (["metric"], "Missing argument 'NAME'"),
    ],
)
def test_a_wrong_name_is_one_line_and_exit_64(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["new", *arguments]) == 64
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "husai-fox").mkdir()
    assert invoke(["new", "metric", "fox", "--folder", str(tmp_path)]) == 64
    assert "exists already" in capsys.readouterr().err
    assert not list((tmp_path / "husai-fox").iterdir())
