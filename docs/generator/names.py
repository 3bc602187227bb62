"""Public names: what a plugin may import, module by module, with signature and first sentence.

Read off the source and not by importing it, because some of the modules need torch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import husai_core
from generator.markdown import code, table
from husai_core.public import MODULES

INTRODUCTION = """# Public names

What a plugin may import and rely on; how long, says [Stability](../stability.md). Everything else in `husai_core` may
change from one version to the next. `husai_core` itself has what most plugins need; what belongs to one kind of plugin
alone is in the module of its noun.
"""
_ROOT = Path(husai_core.__file__).parents[1]
_Definition = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


def page() -> str:
    return "\n".join([INTRODUCTION, *(_section(module) for module in MODULES)])


def _section(module: str) -> str:
    tree = _parsed(module)
    rows = [_row(*_defined(name, module), home=module) for name in _public(tree)]
    return "\n".join([f"## {module}", "", _sentence(tree), "", table(["name", "defined in", "what it is"], rows), ""])


def _parsed(module: str) -> ast.Module:
    path = _ROOT / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(source.read_text("utf-8"))


def _public(tree: ast.Module) -> list[str]:
    (listed,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__")
    names: list[str] = ast.literal_eval(listed)
    return names


def _defined(name: str, module: str) -> tuple[str, str, _Definition]:
    """A name, the module where it is defined, and its definition there; imports are followed."""
    for node in ast.walk(tree := _parsed(module)):
        if isinstance(node, ast.ImportFrom) and name in (alias.name for alias in node.names) and node.level == 0:
            assert node.module
            return _defined(name, node.module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return name, module, node
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in (ast.unparse(t) for t in _targets(node)):
            return name, module, node
    raise LookupError(f"{module} says that '{name}' is public and does not define it")


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _row(name: str, module: str, node: _Definition, home: str) -> tuple[str, str, str]:
    """One name; the signature stands where it is public beside what it is about, and not again under `husai_core`."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return code(f"{name} = {ast.unparse(node.value)}" if node.value else name), code(module), ""
    shown = "" if home == "husai_core" and module in MODULES else _signature(node)
    return code(f"{name}{shown}"), code(module), _sentence(node)


def _signature(node: ast.ClassDef | ast.FunctionDef) -> str:
    if isinstance(node, ast.FunctionDef):
        returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"({ast.unparse(node.args)}){returned}"
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return f"({', '.join(_fields(node))})"
    bases = ", ".join(map(ast.unparse, node.bases))
    return f"({bases})" if bases else ""


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for field in node.body:
        if isinstance(field, ast.AnnAssign):
            yield ast.unparse(field)


def _sentence(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n\n")[0]
