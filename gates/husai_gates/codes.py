"""Codes: what each code of a row, a finding or a claim means, and what would change it; the only list of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from husai_core.errors import ExitCode, UsageError, did_you_mean
from husai_gates.finding import severity

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "RULE": "Answers of a rule",
        "WAIVED": "Rows that were waived",
        "CMP": "Two sides that do not compare",
        "BASE": "The last release, and other comparators",
        "EV": "Evidence",
        "PROV": "Provenance",
        "POL": "Policies",
        "WAIVER": "Waivers",
        "CLAIM": "Claims of a text (`husai claims check`)",
        "PLUGIN": "Plugins",
        "GATE": "The gate itself",
    }
)
"""What the codes of each prefix are about, in the order of the documentation."""

ANSWERS = ("RULE", "WAIVED", "CMP", "BASE", "CLAIM", "PLUGIN")
"""Prefixes of codes that are no findings, so that they have no exit code of their own."""

ONLY_ROWS = (
    "EV-EXPLORED",
    "EV-JOINT-SEEDS",
    "EV-ONE-UNIT",
    "EV-PARTS",
    "EV-SOURCE",
    "EV-UNITS",
    "EV-ZERO-WIDTH",
)
"""Codes of evidence that a row has and no finding: the rule has no answer, and nothing is wrong with the bundle."""


class Code(NamedTuple):
    """What was seen, and what would change it."""

    meaning: str
    remedy: str


_AGAIN = "The files as husai wrote them: run the study again, or get the bundle again from who made it."
_PLAN = "Running the study as it was written; or a new bundle of the study as it is now."

CODES: Mapping[str, Code] = MappingProxyType(
    {
        "RULE-HOLDS": Code("The rule holds on this condition.", "A new run, or a stricter policy."),
        "RULE-FAILED": Code(
            "The evidence is complete, and the bound of the interval, or the worst unit, is on the wrong side.",
            "A better dictionary; or, where the interval reaches over the threshold, more seeds.",
        ),
        "RULE-FAMILY": Code(
            "The rule would hold alone, and does not after the correction for the number of claims in its family.",
            "A larger effect or more seeds: among the claims of its family this one could be luck.",
        ),
        "WAIVED": Code(
            "The rule does not hold, and a waiver accepts that for a time.",
            "Meeting the rule, before the waiver expires.",
        ),
        "CMP-SITE": Code(
            "The two sides are of different models, hook points or data.",
            "A comparator at the same site; or a rule that says by 'comparable' that sites may differ.",
        ),
        "CMP-TARGET": Code(
            "The two sides reconstruct different things: one chooses its own target.",
            "A comparator that reconstructs the same thing: one of the same architecture.",
        ),
        "CMP-SCALE": Code(
            "The metric has another scale on the two sides: of the activations, the width, or what its card names.",
            "A metric without the scale of activations, such as explained_variance, where models differ; or both "
            "sides of the same width, rows and whatever else the scale of the metric depends on.",
        ),
        "CMP-BENCHMARK": Code(
            "The two sides were measured with another version, source or setting of the benchmark.",
            "Measuring both sides with the same version and settings of the benchmark.",
        ),
        "CMP-DATA": Code(
            "The two sides were measured on other rows, or on rows that nobody knows by digest.",
            "Measuring both sides on the same rows, known by digest.",
        ),
        "CMP-METRIC": Code(
            "The two sides have metrics of one name whose cards differ.",
            "Measuring both sides with the same version of the metric.",
        ),
        "CMP-SOURCE": Code(
            "The two numbers of a claim come from measurements that cannot be paired.",
            "Taking both numbers from one measurement, or from one file.",
        ),
        "CMP-UNITS": Code(
            "One side has seeds or parts that the other lacks.",
            "Measuring both sides on the same seeds and parts; or a rule about the shared parts that says why.",
        ),
        "CMP-BUDGET": Code(
            "The two sides differ in training budget, width or sparsity, or one of these is unknown.",
            "Training both sides with the same budget, width and sparsity; or a tolerance stated in the rule.",
        ),
        "BASE-ABSENT": Code(
            "What the rule compares with is not there: a control, a baseline, a condition, or the last release.",
            "Adding the comparator to the study and running it, or giving the last release's bundle.",
        ),
        "BASE-STALE": Code(
            "The bundle given as the last release is this one, newer than this one, or too old.",
            "The bundle of the release before this one: other weights, made earlier, and not too long ago.",
        ),
        "BASE-INVALID": Code(
            "The bundle given as the last release does not pass its audit, or was not released.",
            "A bundle of the last release that passes its audit and was released.",
        ),
        "EV-ABSENT": Code(
            "Something that was planned, or that a rule asks for, was not measured or is not in the bundle.",
            "Running what is missing, with the same study.",
        ),
        "EV-ARCHIVE": Code(
            "The zip is damaged, or says two things: two headers that disagree, a name twice, hidden bytes.",
            "An archive made by 'husai pack', or the bundle as a folder.",
        ),
        "EV-BIG-INT": Code(
            "An integer beyond 2^53, which other readers of JSON would round.", "Writing the number as a string."
        ),
        "EV-CHANCE": Code(
            "One quantity has several chance levels, or one where there can be none.",
            "Measuring again: chance depends on the dimensions alone.",
        ),
        "EV-CI-INCOHERENT": Code(
            "A stated interval contradicts itself: its ends, its mean, its units or its width.",
            "Stating what the observations give, or nothing.",
        ),
        "EV-CI-METHOD": Code(
            "A stated interval is narrower than the seeds allow.",
            "An interval over seeds, as the gate computes it; or none, for the gate makes its own.",
        ),
        "EV-DATA": Code(
            "The rows that were measured are unknown to the site, are those of training, or are not described.",
            "Measuring on the held-out rows of the site.",
        ),
        "EV-DEPTH": Code("A document is nested deeper than any of ours.", _AGAIN),
        "EV-DIGEST": Code(
            "A file is not the one that was sealed: its sha256 is not the one that the manifest states.", _AGAIN
        ),
        "EV-DUP-KEY": Code("A key stands twice in one object, so that two readers would read two things.", _AGAIN),
        "EV-DUP-MEASUREMENT": Code("One quantity of one condition was measured twice.", "Keeping one of the two."),
        "EV-DUP-UNIT": Code(
            "One run is counted as two: a seed twice, or the same weights or values under two seeds or conditions.",
            "Training every planned seed by itself.",
        ),
        "EV-EXPLORED": Code(
            "The rule is about a point of a search, which was looked at to choose among many.",
            "A rule about the condition that the search confirms, on seeds that took no part in the choice.",
        ),
        "EV-EXTERNAL": Code(
            "A file of another program that the evidence quotes is missing, changed, or quoted by nothing.",
            "The files of the other program, as it wrote them, beside the evidence that quotes them.",
        ),
        "EV-FAILED": Code("The benchmark broke, so there is no number.", "Repairing the benchmark, and running it."),
        "EV-FILE-MISSING": Code(
            "The manifest, or a file that it lists, is not there.",
            f"The folder that holds manifest.json, if another was given. {_AGAIN}",
        ),
        "EV-IDENT": Code(
            "A name has characters that can be mistaken for others, or a line break behind it.",
            "Names of plain ASCII letters, digits, '_', '-' and '.'.",
        ),
        "EV-IMPOSSIBLE": Code(
            "Numbers that cannot all be true of one dictionary.",
            "Measuring again; a benchmark that gives them has a bug.",
        ),
        "EV-INPUT-MISSING": Code(
            "A signed decision rests on something that is not there: an attestation, or the policy.",
            "The whole attestation: what a signed decision rests on, and the policy it is by.",
        ),
        "EV-JOINT-SEEDS": Code(
            "The seeds were trained to agree with one another, and the rule takes their agreement for evidence.",
            "Seeds trained without an agreement term: those drawn together cannot vouch for one another.",
        ),
        "EV-JSON": Code("A file is no JSON: truncated, doubled, commented, or not UTF-8.", _AGAIN),
        "EV-METRIC": Code(
            "A metric is described in two ways, or otherwise than HUSAI ships it.",
            "Measuring with the version of the metric that the evidence names.",
        ),
        "EV-MODEL-CHECK": Code(
            "The model under the dictionary fails its own check, or the check is one that nothing can fail.",
            "Training the model further, or a check that can fail.",
        ),
        "EV-NAME": Code(
            "A file of evidence is called otherwise than its benchmark and site.",
            "The name that husai gave it, and sealing the bundle again.",
        ),
        "EV-NAME-COLLISION": Code("Two files have names that are one on some file systems.", "Renaming one of them."),
        "EV-NONFINITE": Code(
            "NaN, an infinity, or a number too large for a float.", "Recording why there is no value, instead of one."
        ),
        "EV-NOT-REGULAR": Code("A pipe, a device, or a folder or file that cannot be read.", "Regular files only."),
        "EV-NOT-REPEATED": Code(
            "A unit could not be run again in a way that tells anything.",
            "Running it again where numbers come out as the producer's did, or with more seeds.",
        ),
        "EV-ONE-UNIT": Code(
            "The control is the same for every seed, so that there is no spread over seeds.",
            "A rule about the difference of something trained to this control: every seed has the same one.",
        ),
        "EV-OUTCOME": Code(
            "A benchmark that failed or was skipped has numbers, or one that completed has none.",
            "Running the benchmark again.",
        ),
        "EV-PARTS": Code(
            "The rule is about other texts or data sets, and the metric was not observed by part.",
            "Observations by document or data set, the same ones of every seed; or a rule about other seeds alone.",
        ),
        "EV-PATH": Code(
            "A file name leads out of the bundle, is absolute or hidden, or lies too deep.",
            "Names below the bundle, of letters, digits, '_', '-' and '.'.",
        ),
        "EV-PICKLE": Code(
            "A file holds, or is, a pickle, which can run code when it is opened.",
            "Weights as safetensors; 'husai convert' writes them.",
        ),
        "EV-PICTURE": Code("A plot is no plain picture.", "Drawing it again, with 'husai redraw'."),
        "EV-PLAN": Code("What ran is not what the study in the bundle says.", _PLAN),
        "EV-PREDICATE": Code(
            "An attestation of another kind, or with fields that its decision does not give.",
            "Attestations of the three kinds that are about a bundle, in the form that 'husai attest' writes.",
        ),
        "EV-RANGE": Code(
            "A value lies outside the bounds of its metric, or cannot be computed with.",
            "Measuring again; or a card of the metric whose bounds are right.",
        ),
        "EV-RECOMPUTE": Code(
            "A stated mean is not that of the observations.", "Stating what the observations give, or nothing."
        ),
        "EV-REEXECUTE": Code(
            "A unit that was run again gave other numbers, or other weights where they had to be the same.",
            "A bundle whose numbers come out when they are measured again by somebody else.",
        ),
        "EV-REIMPORT": Code(
            "The imported files, read again, do not say what the bundle says.",
            "The documents that the imported files give: importing them again with 'husai import'.",
        ),
        "EV-RESOURCE": Code(
            "An attestation is about another bundle, or about another state of this one.",
            "The attestations of this very bundle; those here were signed about another.",
        ),
        "EV-ROW-COUNT": Code(
            "Evidence states another number of rows than the site has.", "Measuring on the rows of the site."
        ),
        "EV-SCHEMA": Code(
            "A document names no schema, or another version than this husai reads.",
            "Of a newer version, a newer husai; of none that there is, a bundle that says which it is.",
        ),
        "EV-SEEDS-MISSING": Code(
            "A planned seed was not trained or not measured.",
            "Measuring every seed that was planned: choosing among seeds is not allowed.",
        ),
        "EV-SEEDS-UNPLANNED": Code("There is a seed that the study did not plan.", _PLAN),
        "EV-SELECTION": Code(
            "A choice contradicts itself, or the condition is not the one that was chosen.",
            "A choice that follows from what its document states, and the condition that it chose.",
        ),
        "EV-SELECTION-ABSENT": Code(
            "The study names a search or a choice whose document is not in the bundle.",
            "Running the study again, with the document of the choice beside it.",
        ),
        "EV-SELECTION-NONE": Code(
            "A search found no point that satisfies its constraints, so nothing was confirmed.",
            "A study whose search has an eligible point.",
        ),
        "EV-SELECTION-SEEDS": Code(
            "A seed, or the very weights, that took part in the choice also confirm it.",
            "Confirming the choice on seeds that took no part in it.",
        ),
        "EV-SIGNATURE": Code(
            "A signature is missing although a key is trusted, is broken, or is not by the key that it names.",
            "A signature that is there and true: attesting again, or getting the attestation again.",
        ),
        "EV-SIGNER": Code(
            "Too few of the trusted keys signed, or a key signed under another name.",
            "Signatures of enough keys that you trust; or trusting the key, once you know whose it is.",
        ),
        "EV-SKIPPED": Code(
            "The benchmark was skipped, for the reason that its evidence gives.",
            "Installing what the benchmark needs, and running it.",
        ),
        "EV-SOURCE": Code(
            "The number was measured by somebody else than the rule asks for.",
            "Evidence from whom the rule asks for: measured here, by the published program, or imported.",
        ),
        "EV-STALE": Code(
            "The evidence has the names of these subjects and the digests of others, such as those of an earlier run.",
            "Running the benchmark on the subjects of this bundle.",
        ),
        "EV-SUBJECT": Code(
            "A dictionary is not what it is called, or the evidence about it is of another one.",
            "Running the study again, so that subjects, weights and evidence are of one run.",
        ),
        "EV-SYMLINK": Code("A link, symbolic or hard.", "The files themselves in the place of links."),
        "EV-TIME": Code(
            "Times that cannot be: finished before it started, in the future, or signed before it was made.",
            "Times in their order: the run starts, ends, and is signed after that.",
        ),
        "EV-TOML": Code("A file is no TOML.", "Correcting the file at the place that is named."),
        "EV-TOO-LARGE": Code("A file or a bundle beyond the limits of what is read.", "A smaller bundle."),
        "EV-TRANSCRIPT": Code(
            "What was asked of a language model is missing, changed, or of another benchmark.",
            "Running the benchmark again; what was answered before is kept.",
        ),
        "EV-TYPE": Code(
            "A document has not the form that its schema gives: a wrong type, a missing key, one too many.",
            "The form that 'husai schema show NAME' prints.",
        ),
        "EV-UNIT-SET": Code(
            "The observations are not those of every seed, or not of every pair of seeds.",
            "Observations of every planned seed, or of every pair of them.",
        ),
        "EV-UNITS": Code(
            "Too few seeds, or parts, for an interval.",
            "More seeds, for one run says nothing about the next; or more parts, where the rule is about those.",
        ),
        "EV-UNKNOWN-FILE": Code("A file of a kind that no bundle has.", "Removing it, and sealing the bundle again."),
        "EV-UNLISTED": Code("A file or folder that the manifest does not list.", "Removing it."),
        "EV-UNPLANNED": Code("Something is in the bundle that the study did not ask for.", _PLAN),
        "EV-UNVERIFIED": Code(
            "Something has no digest, or says that it was not verified, in a bundle that was measured here.",
            "A digest of its weights and of its model; or evidence that says it was imported, by itself.",
        ),
        "EV-VIEW": Code(
            "A decision, a report or another view is not the one that this bundle gives.",
            "Views as this bundle gives them: remove what was edited, or make it again.",
        ),
        "EV-WEIGHTS": Code(
            "Weights that are damaged, hold no numbers, or are of another size than their subject.",
            "The weights of this run, as safetensors.",
        ),
        "EV-ZERO-WIDTH": Code(
            "Seeds that do not differ at all, to the last digit, in a metric whose card calls it continuous.",
            "Seeds that are different runs. If they are, the metric moves in steps: a new version of it whose "
            "MetricCard says continuous=False.",
        ),
        "PROV-DIRTY": Code(
            "The code that ran was not all committed.",
            'Committing, and running the study again; or a policy with code = "any".',
        ),
        "PROV-UNKNOWN": Code(
            "Nobody knows which code ran: it was no git checkout.",
            'Running from a git checkout; or a policy with code = "any".',
        ),
        "POL-DEFECT": Code(
            "The rule asks for a metric whose card says why its value is wrong.",
            "Correcting the policy: it asks for a number that is known to be wrong.",
        ),
        "POL-DIRECTION": Code(
            "The rule asks a metric for its bad side, or for a side that it has not.",
            "Correcting the policy: it asks a metric for its bad side.",
        ),
        "POL-IMPOSSIBLE": Code("The rule asks for a number that the metric cannot reach.", "Correcting the number."),
        "POL-PREREG-MISMATCH": Code(
            "The policy is not the one that was fixed in the bundle before the run.",
            "Judging by the policy that the study names; or a new run under the new policy.",
        ),
        "POL-WEAKENED": Code(
            "The policy asks for less than it did, or for something that cannot be shown to be as strict.",
            "A policy at least as strict; or approving the change as one of its own.",
        ),
        "WAIVER-EXPIRED": Code("The time of the waiver is over.", "Meeting the rule; or a new waiver, approved again."),
        "WAIVER-NOT-YET": Code("The time of the waiver has not begun.", "Waiting for it, or meeting the rule."),
        "WAIVER-SUBJECT": Code(
            "The waiver was granted for other weights.", "A waiver for these weights, approved by somebody else."
        ),
        "WAIVER-FLOOR": Code(
            "What was measured is, or may be, worse than the waiver accepts.", "Something better than its floor."
        ),
        "WAIVER-INTEGRITY": Code(
            "The row is invalid or broke: no exception is made from integrity.", "A bundle that can be believed."
        ),
        "WAIVER-FORBIDDEN": Code("The policy does not let this rule be waived.", "Removing the waiver."),
        "WAIVER-LIFETIME": Code("The waiver lasts longer than the policy allows.", "A shorter waiver."),
        "WAIVER-UNMATCHED": Code(
            "There is no such rule, or it is not about that condition.", "Correcting the waiver, or removing it."
        ),
        "CLAIM-SUPPORTED": Code("The evidence gives what the text says.", "Another text, or other evidence."),
        "CLAIM-CONTRADICTED": Code(
            "The evidence gives another number, direction, unit, word or subject.",
            "Correcting the text: 'husai claims render' writes the numbers.",
        ),
        "CLAIM-UNSUPPORTED": Code(
            "Nothing was measured there, or noise covers what is said.",
            "Evidence for the claim, or a text that claims less.",
        ),
        "CLAIM-STALE": Code(
            "The phrase is gone from the text, or the evidence is not the pinned one.",
            "Correcting claims.toml, or pinning the evidence that is there.",
        ),
        "CLAIM-INCOMPARABLE": Code(
            "The two sides of a comparison were not measured alike.",
            "A comparison of numbers that were measured alike; the report names what differs.",
        ),
        "CLAIM-COMPARATOR": Code(
            "The number is of a condition with another role than the claim says.",
            "Naming the role that the condition has, or a condition with that role.",
        ),
        "PLUGIN-DUP": Code(
            "Two plugins claim one name of one kind, so neither is used.",
            "Renaming one, or uninstalling its distribution.",
        ),
        "PLUGIN-VERSION": Code(
            "A plugin was built for another version of HUSAI, so its modules are not imported.",
            "Installing the plugin for this version, or the HUSAI that it was built for.",
        ),
        "GATE-ERROR": Code(
            "A check or a rule broke: nothing is known of what it would have said.",
            "A repair of husai; please report it.",
        ),
        "GATE-VACUOUS": Code(
            "Nothing was evaluated: an empty bundle, a policy without rules, or nothing but waivers.",
            "A bundle with evidence, and a policy with rules that apply.",
        ),
    }
)


def group_of(code: str) -> str:
    """The prefix of a code, which says what it is about."""
    return code.partition("-")[0]


def exit_of(code: str) -> ExitCode | None:
    """The exit code that this code leads to by itself, as a finding or as a row that has no answer.

    None for the answer of a rule or a claim, which its status decides.
    """
    if code in ONLY_ROWS:
        return ExitCode.NOT_RELEASED
    return None if group_of(code) in ANSWERS else severity(code)


def account(code: str) -> str:
    """What `husai explain CODE` prints."""
    if code not in CODES:
        raise UsageError("husai explain", f"no code '{code}'", did_you_mean(code, CODES))
    meaning, remedy = CODES[code]
    leads_to = exit_of(code)
    heading = code if leads_to is None else f"{code} (exit {int(leads_to)})"
    return f"{heading}\n  means     {meaning}\n  changes   {remedy}\n"
