"""A choice document as text for a terminal: the verdict, a table of what was compared, and how sure the choice is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from husai_gates.plain_text import number
from husai_gates.reporters.text import safe

Document = Mapping[str, Any]


def render(document: Document) -> str:
    """Verdict, objectives, the compared, the left out, and the sensitivity to the weights."""
    policy = document["policy"]
    lines = [
        headline(document),
        f"policy  {safe(policy['name'])} {safe(policy['version'])} {policy['digest']}",
        f"bundles {len(document['bundles'])}",
        "",
        *(f"[{index}] {words}" for index, words in enumerate(map(objective_words, document["objectives"]), 1)),
        *(["", *_columns([head(document), *rows(document)])] if document["compared"] else []),
    ]
    if document["left_out"]:
        lines += ["", "left out:"]
        lines += [f"  {safe(left['label'])}: {left['code']}: {safe(left['reason'])}" for left in document["left_out"]]
    if said := list(sensitivity_lines(document)):
        lines += ["", "how sure:", *(f"  {line}" for line in said)]
    return "\n".join(lines) + "\n"


def headline(document: Document) -> str:
    """What was chosen, from how many."""
    compared, chosen = document["compared"], document["result"]["chosen"]
    if not compared:
        return f"NOTHING COMPARED: {len(document['left_out'])} left out"
    if chosen is None:
        return f"NOTHING CHOSEN: each of {len(compared)} compared fails a rule"
    equal = document["result"]["equal"]
    tied = f"; {', '.join(equal)} score the same; the digest of the weights decides" if equal else ""
    return f"CHOSEN: {chosen} of {len(compared)} compared, {len(document['left_out'])} left out{tied}"


def objective_words(objective: Document) -> str:
    """A metric, where it is measured, its better side and its weight."""
    setting = ", ".join(f"{key} = {value}" for key, value in sorted(objective["setting"].items()))
    where = safe(f"{objective['benchmark']} {objective['metric']}" + (f" at {setting}" if setting else ""))
    end = {"higher": "more is better, by the lower bound", "lower": "less is better, by the upper bound"}
    return f"{where}: {end.get(objective['direction'], 'measured by nobody')}; weight {number(objective['weight'])}"


def head(document: Document) -> list[str]:
    """The heads of the table of what was compared."""
    return [
        "condition",
        "standing",
        "score",
        "seeds",
        *(f"[{i}]" for i, _ in enumerate(document["objectives"], 1)),
        "fails",
    ]


def rows(document: Document) -> list[list[str]]:
    """One row per compared condition: contenders by score, then the others by name."""
    result = document["result"]
    scores = {found["label"]: found["score"] for found in result["contenders"]}
    order = {label: place for place, label in enumerate(scores)}
    ordered = sorted(document["compared"], key=lambda entry: (order.get(entry["label"], len(order)), entry["label"]))
    masters = {found["label"]: found["by"] for found in result["dominated"]}
    return [_row(entry, document, scores.get(entry["label"]), masters.get(entry["label"])) for entry in ordered]


def _row(entry: Document, document: Document, score: float | None, master: str | None) -> list[str]:
    ends = ["high" if objective["direction"] == "lower" else "low" for objective in document["objectives"]]
    standing = f"dominated by {master}" if master else "front"
    return [
        entry["label"],
        "chosen" if entry["label"] == document["result"]["chosen"] else standing,
        "" if score is None else number(score),
        str(len(entry["seeds"])),
        *(number(found[end]) for end, found in zip(ends, entry["intervals"], strict=True)),
        ", ".join(f"{failed['rule']} ({failed['code']})" for failed in entry["fails"]),
    ]


def sensitivity_lines(document: Document) -> Iterator[str]:
    """What other weights would have chosen; nothing where nothing was."""
    found = document["sensitivity"]
    if found is None:
        return
    chosen, objectives = document["result"]["chosen"], document["objectives"]
    drawn = found["weights"]
    shares = sorted(drawn["chosen"], key=lambda of: (-of["of_draws"], of["label"]))
    listing = ", ".join(f"{safe(of['label'])} {100 * of['of_draws'] / drawn['draws']:.1f} %" for of in shares)
    yield f"of all weights: {listing}"
    others = [f"[{w['objective'] + 1}] {safe(w['chosen'])}" for w in found["without"] if w["chosen"] != chosen]
    if found["without"]:
        yield f"without one metric: {', '.join(others)}" if others else "without any one metric: the same choice"
    if near := found["nearest"]:
        metric = safe(objectives[near["objective"]]["metric"])
        yield (
            f"nearest change: {safe(near['chosen'])} draws level at weight {number(near['to'])} of "
            f"[{near['objective'] + 1}] {metric}, which has {number(near['from'])}"
        )
    else:
        yield "no weight, changed alone, would change the choice"


def _columns(table: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns as wide as their widest."""
    shown = [[safe(cell) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
