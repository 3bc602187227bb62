"""The policy language: the kinds of rules, and the keys of each."""

from __future__ import annotations

import husai_schemas
from generator.forms import Schema, form, resolved, rows
from generator.markdown import code, table
from husai_gates.rules import RULES

INTRODUCTION = """# Policy language

A policy is a TOML file. What the kinds of rules mean, with an example of each, is in [Writing a
policy](../policies.md); this page lists every key. What is not listed is refused.
"""
HEAD = ["key", "form", "needed", "meaning"]


def page() -> str:
    schema = husai_schemas.load("policy")
    kinds = {kind: resolved({"$ref": f"#/$defs/{kind}"}, schema) for kind in RULES}
    shared = set.intersection(*(set(kind["properties"]) for kind in kinds.values()))
    sections = [INTRODUCTION, "## The file", table(HEAD, rows(schema, schema)), "## Keys of every rule"]
    sections.append(table(HEAD, _keys(kinds["present"], schema, only=shared)))
    for name, kind in kinds.items():
        sections += [f"## `{name}`", _sentence(kind.get("description", ""))]
        own = [*_keys(kind, schema, but=shared)]
        sections.append(table(HEAD, own) if own else "It has no keys of its own.")
    return "\n\n".join(section for section in sections if section)


def _keys(
    kind: Schema, root: Schema, only: set[str] | None = None, but: set[str] | frozenset[str] = frozenset()
) -> list[tuple[str, str, str, str]]:
    found = []
    for key, value in kind["properties"].items():
        if key in but or (only is not None and key not in only):
            continue
        own = resolved(value, root)
        needed = "yes" if key in kind["required"] else ""
        found.append((code(key), form(own, root), needed, own.get("description", "")))
    return found


def _sentence(text: str) -> str:
    """A description, which may be what an error says of the whole rule, as a sentence."""
    if text.startswith("must "):
        text = f"A rule of this kind {text}"
    return text if not text or text.endswith(".") else f"{text}."
