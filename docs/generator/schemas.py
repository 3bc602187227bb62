"""Schemas: every key of every document, with its form and meaning."""

from __future__ import annotations

import husai_schemas
from generator.forms import rows
from generator.markdown import table

INTRODUCTION = """# Schemas

The documents that HUSAI reads and writes. `husai schema show NAME` prints the JSON Schema, `husai schema check FILE`
holds a file to the one that it names. A key that is not listed is refused. `[]` is each item of a list, `.*` each
value of a table whose keys are free.
"""


def page() -> str:
    sections = [INTRODUCTION]
    for name in husai_schemas.NAMES:
        schema = husai_schemas.load(name)
        sections.append(f"## {name}\n\n{schema['description']}\n")
        if name == "policy":
            sections.append("The keys of a rule depend on its kind: see [policy language](policy-language.md).\n")
        sections.append(table(["key", "form", "needed", "meaning"], rows(schema, schema)) + "\n")
    return "\n".join(sections)
