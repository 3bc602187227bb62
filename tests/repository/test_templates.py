"""What `husai new` writes, as a new author would use it: installed beside HUSAI, tested, listed, run and gated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import husai_core.testing
from husai_core.cli import invoke
from husai_core.template import KINDS

pytestmark = pytest.mark.templates


@dataclass
class Author:
    """A folder with a generated package, and an environment in which it stands beside HUSAI."""

    kind: str
    folder: Path
    site: Path

    def does(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "HUSAI_"))}
        environment |= {"PYTHONPATH": str(self.site), "HUSAI_CACHE": str(self.site / "cache"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def husai(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.does("husai_core", *arguments)


@pytest.fixture(scope="module", params=KINDS)
def author(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Author:
    pytest.importorskip("hatchling", reason="building a package needs hatchling (pip install 'husai[dev]')")
    home = tmp_path_factory.mktemp(request.param)
    assert invoke(["new", request.param, f"my_{request.param}", "--folder", str(home)]) == 0
    made = Author(request.param, home / f"husai-my-{request.param}", home / "site")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = made.does("pip", "install", *offline, "--target", str(made.site), ".")
    assert done.returncode == 0, done.stderr
    return made


def test_its_tests_pass_and_the_contract_is_among_them(author: Author) -> None:
    contract = f"{author.kind}_contract"
    if hasattr(husai_core.testing, contract):
        done = author.does("pytest", "-p", "no:cacheprovider", "-v")
        assert "test_contract.py::test_contract[" in done.stdout
    else:
        done = author.does("pytest", "-p", "no:cacheprovider", "-v", "tests/test_values.py")
    assert done.returncode == 0, done.stdout
    assert "0 passed" not in done.stdout
    if not hasattr(husai_core.testing, contract):
        pytest.skip(f"husai_core.testing has no {contract} yet: tests/test_contract.py was left out")


def test_it_is_listed_and_ready(author: Author) -> None:
    listed = json.loads(author.husai("plugins", "--format", "json").stdout)
    (mine,) = (p for p in listed if p["kind"] == f"{author.kind}s" and p["name"] == f"my_{author.kind}")
    assert (mine["status"], mine["distribution"]) == ("ready", f"husai-my-{author.kind} 0.1.0")


def test_its_study_runs_and_the_gate_releases_the_bundle_that_names_it(author: Author) -> None:
    workflow = (author.folder / ".github" / "workflows" / "ci.yml").read_text()
    commands = re.findall(r"run: husai (.+)", workflow)
    assert [command.split()[0] for command in commands] == ["run", "gate"]
    for command in commands:
        done = author.husai(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    judged = author.husai("gate", "runs/smoke", "--policy", "studies/policy.toml", "--format", "json")
    assert judged.returncode == 0, judged.stdout
    rows = json.loads(judged.stdout)["rows"]
    assert rows
    assert {row["status"] for row in rows} == {"pass"}
    assert f"my_{author.kind}" in (author.folder / "runs" / "smoke" / "report.md").read_text()
    assert author.husai("audit", "runs/smoke").returncode == 0


def test_without_the_package_the_study_is_an_error_with_the_way_out(author: Author) -> None:
    if author.kind == "metric":
        pytest.skip("a study names no metric")
    author.site, kept = author.folder / "nowhere", author.site
    try:
        ran = author.husai("run", "studies/smoke.toml", "--plan")
    finally:
        author.site = kept
    assert ran.returncode == 64
    assert f"no {author.kind} 'my_{author.kind}' is installed" in ran.stderr
