"""Multiplicity: rules of one family hold together only if each does by Holm's correction.

A rule's p-value is the largest of its cells: the rule says that all of them hold, so the one that is least sure
decides, and no correction is due among them. A rule of the family without a pass counts with p = 1, so that nothing
that is taken away makes the others look better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from husai_gates.decision import InFamily, Row
from husai_gates.holm import adjusted
from husai_gates.plain_text import number
from husai_gates.policy import Family, Policy


def corrected(policy: Policy, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows, those of families with their adjusted p-values, and failed where these are too large."""
    found = {row.rule: row for family in policy.families for row in _judged(family, policy, rows)}
    return tuple(found.get(row.rule, row) for row in rows)


def _judged(family: Family, policy: Policy, rows: tuple[Row, ...]) -> Iterator[Row]:
    names = {rule.id for rule in policy.members(family.name)}
    members = [row for row in rows if row.rule in names]
    p_values = {row.rule: _p(row) for row in members}
    for name, p in adjusted(p_values).items():
        row = next(row for row in members if row.rule == name)
        place = InFamily(family.name, p_values[name], p, family.error, len(members))
        if row.status == "pass" and not p <= family.error:
            says = (
                f"p is {number(p)} after Holm's correction for {len(members)} rules, not at most {number(family.error)}"
            )
            yield dataclasses.replace(row, family=place, status="fail", code="RULE-FAMILY", says=f"{says}; {row.says}")
        else:
            yield dataclasses.replace(row, family=place)


def _p(row: Row) -> float:
    values = [cell.p for cell in row.cells]
    known = [value for value in values if value is not None]
    return max(known) if row.status == "pass" and values and len(known) == len(values) else 1.0
