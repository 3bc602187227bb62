"""Imports point one way, the light base stays light, and the plain folders are no packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    "husai_schemas": ROOT / "schemas" / "husai_schemas",
    "husai_core": ROOT / "husai_core",
    "husai_gates": ROOT / "gates" / "husai_gates",
    **{folder.name: folder for folder in (ROOT / "plugins").glob("husai_*")},
}
PLUGIN_PACKAGES = {name for name in ROOMS if ROOMS[name].parent.name == "plugins"}
HEAVY = ["torch", "numpy", "scipy", "pandas", "statsmodels", "matplotlib", "transformer_lens", "rich"]


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.level:  # what another interpreter runs is known there by another name
                assert path.parent.name == "official", f"{path}: relative import"
                continue
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _husai_imports(folder: Path) -> dict[Path, set[str]]:
    """By module; templates of plugin packages are data."""
    modules = [path for path in folder.rglob("*.py") if "templates" not in path.relative_to(folder).parts]
    return {path: {name for name in _imported(path) if name.startswith("husai_")} for path in modules}


def test_schemas_import_nothing_of_ours() -> None:
    for path, names in _husai_imports(ROOMS["husai_schemas"]).items():
        assert all(name.startswith("husai_schemas") for name in names), path


def test_the_core_imports_schemas_only_and_its_command_line_and_its_corpus_alone_join_the_rooms() -> None:
    for path, names in _husai_imports(ROOMS["husai_core"]).items():
        allowed = ("husai_core", "husai_schemas", *(("husai_gates",) if path.parent.name in ("cli", "corpus") else ()))
        assert all(name.startswith(allowed) for name in names), f"{path} imports {names}"


def test_the_gate_imports_the_documents_of_the_core_and_no_engine_or_plugin() -> None:
    allowed = ("husai_gates", "husai_schemas", "husai_core")
    forbidden = ("husai_core.engine", "husai_core.cli", "husai_core.plugins", "husai_core.hookspecs")
    for path, names in _husai_imports(ROOMS["husai_gates"]).items():
        assert all(name.startswith(allowed) for name in names), f"{path} imports {names}"
        assert not any(name.startswith(forbidden) for name in names), f"{path} imports {names}"


@pytest.mark.parametrize("package", sorted(PLUGIN_PACKAGES))
def test_plugins_import_the_core_and_never_one_another(package: str) -> None:
    for path, names in _husai_imports(ROOMS[package]).items():
        assert all(name.startswith(("husai_core", package)) for name in names), f"{path} imports {names}"
        assert not any(name.startswith(("husai_core.engine", "husai_core.cli")) for name in names), path


def _without(modules: list[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter in which importing any of these modules raises."""
    block = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {modules!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    return subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True, cwd="/", check=False)


def test_the_core_imports_without_torch() -> None:
    done = _without(HEAVY, "import husai_core, husai_core.cli")
    assert done.returncode == 0, done.stderr


def test_gate_and_audit_import_neither_torch_nor_numpy_nor_any_plugin() -> None:
    commands = "import husai_core.cli.gate, husai_core.cli.audit, husai_core.cli.explain\n"
    modules = [
        "husai_gates." + ".".join(p.relative_to(ROOMS["husai_gates"]).with_suffix("").parts).removesuffix(".__init__")
        for p in ROOMS["husai_gates"].rglob("*.py")
        if p.name != "__init__.py"
    ]
    done = _without([*HEAVY, *PLUGIN_PACKAGES], commands + "".join(f"import {m}\n" for m in modules))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["plugins"], 0), (["gate", "evidence/toy", "--policy", "toy"], 0), (["audit", "evidence/toy"], 0)],
)
def test_the_light_commands_run_without_torch(arguments: list[str], code: int) -> None:
    call = f"import os; os.chdir({str(ROOT)!r}); from husai_core.cli import invoke; sys.exit(invoke({arguments!r}))"
    done = _without(["torch", "safetensors", "transformer_lens", "matplotlib"], call)
    assert done.returncode == code, done.stdout + done.stderr
    if arguments == ["plugins"]:
        assert "needs 'torch'" in done.stdout


def test_asking_for_training_without_torch_names_the_extra() -> None:
    call = (
        f"import os; os.chdir({str(ROOT)!r}); from husai_core.cli import invoke\n"
        "sys.exit(invoke(['run', 'studies/toy.toml', '--plan']))"
    )
    done = _without(["torch"], call)
    assert done.returncode == 64
    assert "pip install 'husai[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_converting_without_torch_names_the_extra() -> None:
    call = "from husai_core.cli import invoke\nsys.exit(invoke(['convert', 'nowhere', 'new']))"
    done = _without(["torch"], call)
    assert done.returncode == 64
    assert "pip install 'husai[train]'" in done.stderr


@pytest.mark.parametrize("folder", ["plugins", "schemas", "gates", "tests", "evidence", "benchmarks", "docs"])
def test_the_plain_folders_are_not_importable(folder: str) -> None:
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({folder!r}) is not None)"
    assert subprocess.run([sys.executable, "-c", code], cwd="/", check=False).returncode == 0
