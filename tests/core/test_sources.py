import importlib
import sys
from pathlib import Path

import pytest

from husai_core.sources import source_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "acme_plugin"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "main.py").write_text("from acme_plugin.shared import x\nfrom . import other\n")
    (folder / "shared.py").write_text("from acme_plugin import deep\nx = 1\n")
    (folder / "deep.py").write_text("import acme_plugin.main\ny = 2\n")
    (folder / "other.py").write_text("")
    (folder / "stranger.py").write_text("")
    return folder


def _digest() -> str:
    for name in [n for n in sys.modules if n.partition(".")[0] == "acme_plugin"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("acme_plugin.main")
    assert spec
    return source_digest(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("name", ["main", "shared", "deep", "other", "__init__"])
def test_an_edit_to_anything_a_plugin_imports_from_its_package_changes_its_digest(package: Path, name: str) -> None:
    before = _digest()
    with (package / f"{name}.py").open("a") as handle:
        handle.write("# edited\n")
    assert _digest() != before


def test_an_edit_to_a_neighbour_it_does_not_import_changes_nothing(package: Path) -> None:
    before = _digest()
    (package / "stranger.py").write_text("# edited\n")
    assert _digest() == before


def test_nothing_of_another_package_is_imported(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = tmp_path / "acme_heavy"
    heavy.mkdir()
    (heavy / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (heavy / "part.py").write_text("")
    (package / "main.py").write_text("def f():\n    from acme_heavy.part import x\n    import acme_heavy.part\n")
    _digest()
    assert "acme_heavy" not in sys.modules
