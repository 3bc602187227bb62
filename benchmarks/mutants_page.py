"""The page docs/mutation.md, from what `mutants.py` measured: python benchmarks/mutants_page.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "mutants.json"
PAGE = ROOT / "docs" / "mutation.md"
FATES = ("mutants", "killed", "timeouts", "equivalent", "survived")

HEAD = """# Faults that no test would notice

The judge, the rules and the statistics are tried with one planted fault at a time: a comparison turned or moved by
one, `and` for `or`, a condition negated or a clause of it dropped, an early return, a raise or a call removed, a number
off by one, arithmetic exchanged, a loop that does not run. The tests that run the mutated line are run until one fails:
the mutant is killed. One that hangs is stopped by the clock. What is left is a hole in the tests, or no fault at all.

    python benchmarks/mutants.py --out benchmarks/mutants.json    # needs cosmic-ray and coverage
    python benchmarks/mutants_page.py                             # this page

Where a module can be spoilt is asked of {tool}. It has no operator for removed statements and returns, dropped
clauses and filters, or `in`, so these are the script's own. Left out are mutants that are the same program (in
annotations, or `strict` of a `zip` whose sides are as long), decorators, and strings, which are words to a reader or
keys that a schema holds. Every mutant met the
tests that run its line: those of its own module, and then some of every file in turn, up to {seconds:g} s of them.
What survived those is called a survivor, though more time might have killed it.
"""


def page(result: dict[str, Any]) -> str:
    """The whole page."""
    modules = result["modules"]
    total = {fate: sum(_count(module, fate) for module in modules.values()) for fate in FATES}
    lines = [HEAD.format(tool=result["tool"], seconds=result["seconds"]), _totals(total, len(modules)), ""]
    lines += [f"| module | {' | '.join(FATES)} |", f"|---|{'---:|' * len(FATES)}"]
    for name, module in modules.items():
        lines.append(f"| `{name}.py` | {' | '.join(str(_count(module, fate)) for fate in FATES)} |")
    lines += ["", "## No fault at all", "", "These mutants are the same program to whoever uses it.", ""]
    lines += [_entry(name, one, one["why"]) for name, m in modules.items() for one in m["equivalent"]] or ["None."]
    lines += ["", "## Survivors", "", "No test among those tried notices these.", ""]
    lines += [_entry(name, one, one.get("why", "")) for name, m in modules.items() for one in m["survived"]] or [
        "None."
    ]
    if result["not_reached"]:
        lines += ["", "## Not tried", "", ", ".join(f"`{name}.py`" for name in result["not_reached"]) + "."]
    return "\n".join(lines) + "\n"


def _totals(total: dict[str, int], modules: int) -> str:
    return (
        f"Of {total['mutants']} mutants of {modules} modules {total['killed']} were killed and {total['timeouts']} "
        f"stopped by the clock; {total['equivalent']} are no faults; {total['survived']} survived."
    )


def _count(module: dict[str, Any], fate: str) -> int:
    found = module[fate]
    return int(found if isinstance(found, int) else len(found))


def _entry(name: str, one: dict[str, Any], why: str) -> str:
    before, _, after = one["mutant"].partition(" => ")
    return f"- `{name}.py`: `{before}` → `{after}` ({one['operator']})" + (f". {why}" if why else "")


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(RESULT.read_text())))
