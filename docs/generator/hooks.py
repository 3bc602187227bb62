"""Hooks: each with its signature, and what the class that it returns asks of a plugin."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from generator.markdown import code, table
from husai_core import hookspecs

INTRODUCTION = """# Hooks

A plugin is a module named by an entry point of the group `husai` that defines one or more of these, marked with
`husai_core.hookimpl`. What is held against a plugin is in [Writing a plugin](../plugins.md).
"""
_HOME = {"Model": "model", "Architecture": "sae", "AnyControl": "control", "Metric": "metric"}
_HOME |= {"TextSource": "texts", "Benchmark": "benchmark", "Importer": "importer"}


def page() -> str:
    names = [name for name in vars(hookspecs) if name.startswith("husai_")]
    return "\n".join([INTRODUCTION, *(_section(name) for name in names)])


def _section(name: str) -> str:
    hook = getattr(hookspecs, name)
    signature = str(inspect.signature(hook)).replace("'", "")
    (returned,) = re.findall(r"Sequence\[(\w+)\]", signature)
    lines = [f"## {name}", "", f"`{name}{signature}`", "", inspect.cleandoc(hook.__doc__), ""]
    module = importlib.import_module(f"husai_core.{_HOME[returned]}")
    base = getattr(module, returned)
    for kind in (base, *_kinds(base, module)):
        lines += [f"### {kind.__module__}.{kind.__name__}", "", _first_paragraph(kind), ""]
        if members := list(_members(kind)):
            lines += [table(["member", "needed", "what it says"], members), ""]
    return "\n".join(lines)


def _kinds(base: type, module: Any) -> list[type]:
    """The classes of the same module that a plugin subclasses instead."""
    return [c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, base) and c is not base]


def _members(kind: type) -> Iterator[tuple[str, str, str]]:
    for name, annotation in inspect.get_annotations(kind).items():
        default = f" = {vars(kind)[name]!r}" if name in vars(kind) else ""
        yield code(f"{name}: {_plain(annotation)}{default}"), "" if default else "yes", ""
    for name, member in vars(kind).items():
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        signature = str(inspect.signature(member)).replace("'", "")
        needed = "yes" if getattr(member, "__isabstractmethod__", False) else ""
        yield code(f"{name}{signature}"), needed, inspect.cleandoc(member.__doc__ or "").partition("\n\n")[0]


def _plain(annotation: object) -> str:
    return re.sub(r"^ClassVar\[(.*)\]$", r"\1", str(annotation))


def _first_paragraph(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
