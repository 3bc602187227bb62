"""Schemas: every key of every document, with its form and meaning."""

from __future__ import annotations

import husai_schemas
from generator import studies
from generator.forms import rows
from generator.markdown import table

INTRODUCTION = """# Schemas

The documents that HUSAI reads and writes, in their newest versions. `husai schema show NAME` prints the JSON Schema
(`--version 1` an older one), `husai schema check FILE` holds a file to the version that it names
([versions](../explanation/versions.md)). A key that is not listed is refused. `[]` is each item of a list, `.*` each
value of a table whose keys are free.
"""


def page() -> str:
    sections = [INTRODUCTION]
    for name in husai_schemas.NAMES:
        schema = husai_schemas.load(name)
        sections.append(f"## {name}\n\n{schema['description']}{_older(name)}\n")
        if name == "policy":
            sections.append("The keys of a rule depend on its kind: see [policy language](policy-language.md).\n")
        found = rows(schema, schema)
        told = studies.completed(found) if name == "study" else found
        sections.append(table(["key", "form", "needed", "meaning"], told) + "\n")
    return "\n".join(sections)


def _older(name: str) -> str:
    """The versions before the one that the table shows."""
    *older, newest = husai_schemas.versions(name)
    return f" `{newest}`; {', '.join(f'`{version}`' for version in older)} is read, too." if older else ""
