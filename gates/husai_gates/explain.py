"""Explanations: in plain words, why a row has its status and what would change it."""

from __future__ import annotations

from collections.abc import Iterator

from husai_core.errors import UsageError, did_you_mean
from husai_gates.decision import Cell, Decision, Row
from husai_gates.finding import Finding
from husai_gates.plain_text import number
from husai_gates.reporters.text import headline, safe, strength_words
from husai_gates.rules.verdict import describe
from husai_gates.strength import POWER

_STATUS = {
    "pass": "The rule holds on every condition it talks about.",
    "fail": "The evidence is complete, and it does not show what the rule asks for.",
    "missing": "Something the rule needs is not in the bundle. What is missing never passes.",
    "invalid": "The bundle cannot be believed, so no rule is answered by it.",
    "inconclusive": "There is evidence, but it cannot answer the question in either direction.",
    "error": "Something broke, or the rule contradicts itself. Nothing is known.",
    "waived": "The rule does not hold, and the policy's owner accepted that for a time.",
    "not_applicable": "The policy itself says that the rule does not apply here.",
}

_WOULD_CHANGE = {
    "RULE-HOLDS": "A new run, or a stricter policy.",
    "RULE-FAILED": "A better dictionary; or, where the interval reaches over the threshold, more seeds.",
    "EV-ABSENT": "Running what is missing, with the same study.",
    "RULE-FAMILY": "A larger effect or more seeds: among the claims of its family this one could be luck.",
    "BASE-ABSENT": "Adding the comparator to the study and running it, or giving the last release's bundle.",
    "BASE-STALE": "The bundle of the release before this one: other weights, made earlier, and not too long ago.",
    "BASE-INVALID": "A bundle of the last release that passes its audit and was released.",
    "EV-SOURCE": "Evidence from whom the rule asks for: measured here, by the published program, or imported.",
    "EV-EXTERNAL": "The files of the other program, as it wrote them, beside the evidence that quotes them.",
    "EV-UNVERIFIED": "A digest of its weights and of its model; or evidence that says it was imported, by itself.",
    "EV-REIMPORT": "The documents that the imported files give: importing them again with 'husai import'.",
    "EV-SKIPPED": "Installing what the benchmark needs, and running it.",
    "EV-FAILED": "Repairing the benchmark, and running it.",
    "EV-UNITS": "More seeds, for one run says nothing about the next; or more parts, where the rule is about those.",
    "EV-SEEDS-MISSING": "Measuring every seed that was planned: choosing among seeds is not allowed.",
    "EV-JOINT-SEEDS": "Seeds trained without an agreement term: those drawn together cannot vouch for one another.",
    "EV-ONE-UNIT": "A rule about the difference of something trained to this control: every seed has the same one.",
    "EV-PARTS": "Observations by document or data set, the same ones of every seed; or a rule about other seeds alone.",
    "EV-EXPLORED": "A rule about the condition that the search confirms, on seeds that took no part in the choice.",
    "EV-SELECTION": "A choice that follows from what its document states, and the condition that it chose.",
    "EV-ZERO-WIDTH": "Seeds that are different runs: values equal to the last digit come from one run.",
    "CMP-SITE": "A comparator at the same site; or a rule that says by 'comparable' that sites may differ.",
    "CMP-TARGET": "A comparator that reconstructs the same thing: one of the same architecture.",
    "CMP-SCALE": "A metric without the scale of activations, such as explained_variance, where models differ; or both "
    "sides of the same width, rows and whatever else the scale of the metric depends on.",
    "CMP-BENCHMARK": "Measuring both sides with the same version and settings of the benchmark.",
    "CMP-DATA": "Measuring both sides on the same rows, known by digest.",
    "CMP-METRIC": "Measuring both sides with the same version of the metric.",
    "CMP-UNITS": "Measuring both sides on the same seeds and parts; or a rule about the shared parts that says why.",
    "CMP-BUDGET": "Training both sides with the same budget, width and sparsity; or a tolerance stated in the rule.",
    "EV-SIGNATURE": "A signature that is there and true: attesting again, or getting the attestation again.",
    "EV-SIGNER": "Signatures of enough keys that you trust; or trusting the key, once you know whose it is.",
    "EV-PREDICATE": "Attestations of the three kinds that are about a bundle, in the form that 'husai attest' writes.",
    "EV-RESOURCE": "The attestations of this very bundle; those here were signed about another.",
    "EV-INPUT-MISSING": "The whole attestation: what a signed decision rests on, and the policy it is by.",
    "EV-TIME": "Times in their order: the run starts, ends, and is signed after that.",
    "EV-VIEW": "Views as this bundle gives them: remove what was edited, or make it again.",
    "EV-REEXECUTE": "A bundle whose numbers come out when they are measured again by somebody else.",
    "EV-NOT-REPEATED": "Running it again where numbers come out as the producer's did, or with more seeds.",
    "POL-DEFECT": "Correcting the policy: it asks for a number that is known to be wrong.",
    "POL-DIRECTION": "Correcting the policy: it asks a metric for its bad side.",
    "WAIVED": "Meeting the rule, before the waiver expires.",
    "GATE-ERROR": "A repair of husai; please report it.",
}


def explain(decision: Decision, rule_id: str | None = None) -> str:
    """Every row, or the one asked for, and then the findings."""
    if rule_id is not None:
        rows = [row for row in decision.rows if row.rule == rule_id]
        if not rows:
            known = did_you_mean(rule_id, (row.rule for row in decision.rows))
            raise UsageError(decision.policy.name, f"has no rule '{safe(rule_id)}'", known)
        return "\n".join(_row(rows[0])) + "\n"
    lines = [headline(decision), ""]
    for row in decision.rows:
        lines += [*_row(row), ""]
    for finding in decision.findings:
        lines += [*_finding(finding), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(row: Row) -> list[str]:
    lines = [
        f"{safe(row.rule)}: {row.status}",
        f"  asked     {safe(row.question)}",
        f"  because   {safe(row.reason)}",
        f"  needs     {safe(row.asks)}",
        f"  seen      {safe(row.says)}",
        f"  means     {_STATUS[row.status]}",
        f"  changes   {_would_change(row)}",
    ]
    lines += [f"  strength  {words}" for words in _reach(row)]
    if row.next_step:
        lines.append(f"  next      {safe(row.next_step)}")
    return lines + [line for cell in row.cells for line in _cell(cell)]


def _reach(row: Row) -> Iterator[str]:
    """The smallest effect that would have been seen, and what the family makes of the p-value."""
    for words in strength_words(row):
        yield f"{words} (with power {POWER:g})" if words.startswith("smallest") else words


def _would_change(row: Row) -> str:
    if (row.kind, row.code) == ("equivalence", "RULE-FAILED"):
        return "More seeds, where the interval reaches over the margin; a difference that is there stays."
    if (row.kind, row.code) == ("qualified", "RULE-FAILED"):
        return "Another instrument, or more seeds: with few of them the noise is taken to be large."
    return _WOULD_CHANGE.get(row.code, "Evidence that passes the audit.")


def _cell(cell: Cell) -> list[str]:
    against = f" against {safe(cell.against)}" if cell.against else ""
    lines = [f"  - {safe(cell.condition)}{against}: {cell.status} ({safe(cell.code)})"]
    if cell.interval:
        lines.append(f"      {describe(cell.interval)}; {safe(cell.unit)}, better: {safe(cell.direction)}")
        lines += [f"      {words}" for words in _strength(cell)]
    else:
        lines.append(f"      {safe(cell.says)}")
    if cell.worst:
        seeds = " and ".join(map(str, cell.worst[0]))
        lines.append(f"      worst unit: seed {seeds} with {cell.worst[1]:.6g}")
    return lines


def _strength(cell: Cell) -> Iterator[str]:
    if cell.p is not None:
        exact = "" if cell.exact_p is None else f", exact {number(cell.exact_p)}"
        yield f"p {number(cell.p)}{exact}"
    if cell.detectable is not None:
        yield f"detectable {number(cell.detectable)}"


def _finding(finding: Finding) -> list[str]:
    lines = [
        f"{safe(finding.code)} in {safe(finding.file)}",
        f"  place     {safe(finding.path)}",
        f"  seen      {safe(finding.rule)}",
        f"  alone     would exit {int(finding.severity)}",
    ]
    return [*lines, f"  next      {safe(finding.next_step)}"] if finding.next_step else lines
