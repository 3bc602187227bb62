"""Which source text a result came from, so that edited code is never answered from a cache."""

from __future__ import annotations

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from husai_core import strict_json


def source_digest(module: ModuleType) -> str:
    """The digest of a module's text and of every module of its own package that it imports, however indirectly."""
    if not getattr(module, "__file__", None):
        return strict_json.digest(module.__name__.encode())
    texts: dict[str, str] = {}
    _collect(module.__name__, Path(str(module.__file__)), texts)
    return strict_json.digest(strict_json.encode(texts))


def _collect(name: str, path: Path, texts: dict[str, str]) -> None:
    if name in texts or path.suffix != ".py":
        return
    raw = path.read_bytes()
    texts[name] = strict_json.digest(raw)
    package = name.partition(".")[0]
    for imported in _imported_modules(raw, name):
        if imported.partition(".")[0] != package or imported in texts:
            continue
        spec = importlib.util.find_spec(imported)
        if spec and spec.origin:
            _collect(imported, Path(spec.origin), texts)


def _imported_modules(raw: bytes, importer: str) -> list[str]:
    package = importer.partition(".")[0]
    found: set[str] = set()
    for base, names in _import_statements(raw, importer):
        found.add(base)
        if base.partition(".")[0] == package:  # looking for a module inside another package would import that package
            found |= {f"{base}.{name}" for name in names if _is_module(f"{base}.{name}")}
    return sorted(found)


@lru_cache(maxsize=1024)
def _import_statements(raw: bytes, importer: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Every module that a text names, with the names taken from it; plugins of one package share most of theirs."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(raw)):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = importer.split(".")[: -node.level]
                base = ".".join([*parent, base] if base else parent)
            found.append((base, tuple(alias.name for alias in node.names)))
    return tuple(found)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return False
