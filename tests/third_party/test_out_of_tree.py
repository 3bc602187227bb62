"""A plugin package of another organisation: it stands on public names alone, and it works."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

import husai_core
import husai_core.testing

PACKAGE = Path(__file__).parent / "acme-sparse"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
SOURCES = sorted(PACKAGE.rglob("*.py"))
PUBLIC: Mapping[str, frozenset[str]] = {
    module.__name__: frozenset(module.__all__) for module in (husai_core, husai_core.testing)
}
COMING = {"metric_contract", "benchmark_contract"} - PUBLIC["husai_core.testing"]


def imported(source: Path) -> list[tuple[str, str]]:
    """Every import as a module and a name, which is empty where the module itself is imported."""
    found = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(str(node.module), alias.name) for alias in node.names]
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_it_imports_public_names_only(source: Path) -> None:
    for module, name in imported(source):
        if module.partition(".")[0].startswith("husai"):
            assert module in PUBLIC, f"{source.name} imports {module}, which is not public"
            assert name in PUBLIC[module] | COMING, f"{module}.{name} is not, or no longer, public"


def test_every_public_name_that_it_needs_is_there_and_is_what_it_is_called() -> None:
    needed = {(m, n) for source in SOURCES for m, n in imported(source) if m in PUBLIC and n not in COMING}
    assert len(needed) > 12
    for module, name in needed:
        assert getattr(getattr(sys.modules[module], name), "__name__", name) == name


def does(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command in an environment in which the package stands beside HUSAI."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "HUSAI_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(site), "HUSAI_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip would make of the package, without the seconds that pip takes."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "acme_sparse").symlink_to(PACKAGE / "acme_sparse")
    info = folder / f"acme_sparse-{PROJECT['version']}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {PROJECT['name']}", f"Version: {PROJECT['version']}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {n}" for n in PROJECT["dependencies"])]))
    points = [f"{name} = {module}" for name, module in PROJECT["entry-points"]["husai"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[husai]", *points]) + "\n")
    return folder


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    left_out = [f"--ignore={PACKAGE / 'tests' / f'test_{name}.py'}" for name in COMING]
    options = ["-p", "no:cacheprovider", "-q", "--import-mode=importlib", f"--rootdir={PACKAGE}", "-c", os.devnull]
    done = does(site, "pytest", *options, *left_out, str(PACKAGE / "tests"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.templates
def test_installed_by_pip_its_study_runs_and_is_gated(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building a package needs hatchling (pip install 'husai[dev]')")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    installed = tmp_path / "site"
    done = does(installed, "pip", "install", *offline, "--target", str(installed), str(PACKAGE), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ran = does(installed, "husai_core", "run", str(PACKAGE / "studies" / "acme.toml"), "--out", "out", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    policy = str(PACKAGE / "studies" / "acme-policy.toml")
    judged = does(installed, "husai_core", "gate", "out", "--policy", policy, cwd=tmp_path)
    assert judged.returncode == 0, judged.stdout + judged.stderr
