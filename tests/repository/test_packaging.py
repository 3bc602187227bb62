"""What is installed: a wheel that carries everything the light commands need, and names that exist."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="building a wheel needs hatchling (pip install 'husai[dev]')")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_packages_schemas_policies_and_no_plain_folder(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {
        Path(p).name for p in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    }
    assert "husai_gates/policies_data/toy.toml" in names
    assert "husai_schemas/study/v1.schema.json" in names
    assert "husai_core/py.typed" in names
    assert {"husai_importers/samples/lm_eval/tasks.json", "husai_saebench/samples/core.json"} <= set(names)


def test_the_wheel_holds_every_file_of_the_templates(wheel: Path) -> None:
    here = {p.relative_to(ROOT).as_posix() for p in (ROOT / "husai_core" / "templates").rglob("*") if p.is_file()}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("husai_core/templates/")}
    assert "husai_core/templates/common/.github/workflows/ci.yml" in held
    left_by_tools = ("/__pycache__/", "_cache/")
    assert held == {name for name in here if not any(part in name for part in left_by_tools)}


def test_a_gate_from_the_wheel_finds_its_policy_and_judges(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    call = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from husai_core.cli import main; main(sys.argv[1:])"
    arguments = ["gate", str(ROOT / "evidence" / "toy"), "--policy", "toy"]
    done = subprocess.run(
        [sys.executable, "-c", call, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "RELEASED" in done.stdout


def test_every_entry_point_names_a_module_of_the_repository() -> None:
    for module in PROJECT["project"]["entry-points"]["husai"].values():
        package, name = module.split(".")
        assert (ROOT / "plugins" / package / f"{name}.py").is_file(), module


def test_every_dependency_with_a_pin_is_pinned_once() -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pins = [line for line in lines if line]
    assert all("==" in pin for pin in pins)
    names = {pin.partition("==")[0] for pin in pins}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["train"], *extras["report"], *extras["dev"]]
    for requirement in wanted:
        name = requirement.partition(">")[0].partition("=")[0].partition("<")[0].strip()
        assert name in names, f"{name} is not in constraints.txt"
