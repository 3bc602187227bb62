"""Codes of rows, findings and claims, with the exit code of a finding."""

from __future__ import annotations

from generator.markdown import code as as_code
from generator.markdown import table
from husai_gates.codes import CODES, GROUPS, ONLY_ROWS, exit_of, group_of

INTRODUCTION = """# Codes

Every row of a decision, every finding of an audit and every verdict on a claim has a code. `husai explain CODE`
prints what stands here. A finding leads to an exit code by itself; of several, the gravest decides ([exit
codes](exit-codes.md)). The code of a row says why it has its status. A finding of a code that is not listed exits
with 3, as the gravest. These codes of evidence are of rows alone, and bar the release without saying that anything is
wrong with the bundle: {only_rows}.
"""


def page() -> str:
    sections = [INTRODUCTION.format(only_rows=", ".join(map(as_code, ONLY_ROWS)))]
    for group, title in GROUPS.items():
        names = [name for name in CODES if group_of(name) == group]
        found = any(exit_of(name) is not None for name in names)
        head = ["code", *(["exit"] if found else []), "what was seen", "what would change it"]
        rows = [
            [as_code(name), *([int(exit_of(name) or 0)] if found else []), CODES[name].meaning, CODES[name].remedy]
            for name in names
        ]
        sections.append(f"## {title}\n\n{table(head, rows)}\n")
    return "\n".join(sections)
