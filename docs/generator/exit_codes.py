"""Exit codes, with what each says and which of several is taken."""

from __future__ import annotations

from generator.markdown import table
from husai_core.errors import ExitCode
from husai_gates.finding import PRECEDENCE

INTRODUCTION = """# Exit codes

Every command answers the shell with one of these. Only 0 releases: a step of a pipeline that looks at nothing but
success and failure is right.
"""


def page() -> str:
    rows = [(int(code), code.name.lower().replace("_", " "), code.meaning) for code in ExitCode]
    order = ", ".join(str(int(code)) for code in PRECEDENCE)
    return f"""{INTRODUCTION}
{table(["code", "name", "meaning"], rows)}

Where several apply, the first of these is the answer: {order}; 0 only where none does. Which finding leads to which
is in [codes](codes.md).
"""
