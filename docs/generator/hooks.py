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


# What the attributes say that every kind has, or whose class says nothing beside them.
_ATTRIBUTES = {
    "name": "What a study, a policy and the evidence call it: small letters and digits, then also `_.-`.",
    "version": "Raised by its author whenever its results may differ; evidence records it.",
    "summary": "One sentence for lists such as that of `husai plugins`.",
    "requires": "Libraries that must be there; of one that is not, `husai plugins` says the command that brings it.",
    "Settings": "A frozen dataclass: its fields are the keys of `settings` in a study, with their types and defaults.",
    "default_hook": "The hook point that is read where a site of a study names none.",
    "predicts_next": "True: at each position of the corpus the network predicts the token after it.",
    "traits": "What it promises of its latents; the contract holds it to them.",
    "expectation": "What is to be seen of it, in words, of at least one metric that is installed.",
    "needs_tables": "The names of the tables (`Model.tables`) that it is made from.",
    "card": "Its name, version, unit, better side, meaning and bounds, as evidence records them.",
    "samples": "The folder beside its module with files as the program wrote them; its contract is proven on these.",
}
_COMMENTED = re.compile(r"^    (\w+): [^#\n]*?  # (.+)$", re.MULTILINE)


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
    told = {**_ATTRIBUTES, **dict(_COMMENTED.findall(inspect.getsource(kind)))}
    for name, annotation in inspect.get_annotations(kind).items():
        default = f" = {vars(kind)[name]!r}" if name in vars(kind) else ""
        yield code(f"{name}: {_plain(annotation)}{default}"), "" if default else "yes", _sentence(told.get(name, ""))
    for name, member in vars(kind).items():
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        signature = str(inspect.signature(member)).replace("'", "")
        needed = "yes" if getattr(member, "__isabstractmethod__", False) else ""
        yield code(f"{name}{signature}"), needed, (inspect.getdoc(getattr(kind, name)) or "").partition("\n\n")[0]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}." if text else ""


def _plain(annotation: object) -> str:
    return re.sub(r"^ClassVar\[(.*)\]$", r"\1", str(annotation))


def _first_paragraph(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
