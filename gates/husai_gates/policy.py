"""The policy: what must hold, why, on which evidence, at which confidence; parsed from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import husai_schemas
from husai_core import strict_json
from husai_core.errors import UsageError, did_you_mean
from husai_core.evidence import Scalar
from husai_core.strict_toml import TomlProblem, read_toml
from husai_core.written import refuse_other_kind
from husai_gates.plain_text import plain

Kind = Literal[
    "present",
    "threshold",
    "range",
    "proportion",
    "superiority",
    "non_inferiority",
    "equivalence",
    "regression",
    "pareto",
    "qualified",
]

CHANCE = "chance"
LAST_RELEASE = "last_release"
WAIVER_DAYS = 30  # that a waiver may last, unless the policy says otherwise
SEEDS, PARTS = "seeds", "seeds_and_parts"
SHARED_PARTS = "shared_parts"
OF_THESE = ("parts", SHARED_PARTS)  # claims about these very dictionaries, whose units are parts

# What two sides must share: always, and where both were trained to be compared.
ALWAYS = ("site", "target", "benchmark", "settings", "data", "rows")
MATCHED = ("budget", "width")

Units = Literal["seeds", "seeds_and_parts", "parts", "shared_parts"]
Source = Literal["native", "official", "imported"]
MEASURED_HERE = ("native", "official")  # what counts where a rule names no source
Fixed = Literal["chance", "last_release"]


@dataclass(frozen=True)
class Who:
    """Which conditions are meant: all of a role, one by name, or the controls of that name."""

    by: Literal["role", "control", "condition"]
    name: str

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Who:
        by: Any
        ((by, name),) = table.items()
        return cls(by, name)

    def __str__(self) -> str:
        return f"{self.by} '{self.name}'"


@dataclass(frozen=True)
class Bounds:
    """Numbers of a rule about a value: for the confidence bounds, and for every single unit."""

    at_least: float | None = None
    at_most: float | None = None
    worst_at_least: float | None = None
    worst_at_most: float | None = None


@dataclass(frozen=True)
class Quantity:
    """A metric of a benchmark at a setting: one of several that a rule looks at together."""

    benchmark: str
    metric: str
    setting: Mapping[str, Scalar]


@dataclass(frozen=True)
class Rule:
    """One question to the evidence. `against` is None where nothing is compared.

    `units` says of what the claim is made: of other seeds like these, of other seeds and other parts (documents or data
    sets), or of these very dictionaries on other parts; `min_units` then counts parts. `exact` asks for the exact
    p-value as well. `paired` None leaves pairing to where units are shared.
    `comparable` None is what fits the comparator. `quantities` are those of a rule about several; the first is its own.
    `source` is who must have measured: HUSAI, the published program, or somebody elsewhere whose result was imported.
    """

    id: str
    question: str
    reason: str
    kind: Kind
    benchmark: str
    metric: str | None
    setting: Mapping[str, Scalar]
    site: str | None
    subject: Who
    confidence: float
    min_units: int
    bounds: Bounds
    against: Who | Fixed | None
    margin: float
    units: Units = "seeds"
    family: str | None = None
    exact: bool = False
    paired: bool | None = None
    comparable: tuple[str, ...] | None = None
    tolerance: Mapping[str, float] = field(default_factory=dict)
    share: float | None = None
    older: str | None = None
    max_age_days: float | None = None
    quantities: tuple[Quantity, ...] = ()
    waivable: bool = False
    source: Source | None = None

    @property
    def error(self) -> float:
        """The error of the test that decides: of one bound, or of each of the two of an equivalence."""
        error = 1 - self.confidence
        return error if self.kind == "equivalence" else error / 2

    @property
    def tested(self) -> bool:
        """Whether the rule has a p-value."""
        if self.kind in ("present", "qualified"):
            return False
        return self.kind != "threshold" or not (self.bounds.at_least is None and self.bounds.at_most is None)


@dataclass(frozen=True)
class Family:
    """Rules whose claims are made together: each must hold at this familywise error by Holm's correction."""

    name: str
    reason: str
    error: float


@dataclass(frozen=True)
class Policy:
    """A parsed policy with the digest of the bytes it came from.

    `confidence` is that of two-sided t intervals. A rule that needs one bound takes one end of such an
    interval, so its one-sided error is (1 - confidence) / 2. Equivalence is two one-sided tests, each at
    error 1 - confidence, which is the two-sided interval of confidence 1 - 2 (1 - confidence). A family's error
    is (1 - confidence) / 2 where it states none; a rule in it must hold at its own error as well.
    """

    name: str
    version: str
    purpose: str
    digest: str
    confidence: float
    min_units: int
    preregistered: bool
    code: Literal["clean", "any"]
    rules: tuple[Rule, ...]
    families: tuple[Family, ...] = ()
    waiver_days: int = WAIVER_DAYS

    def members(self, family: str) -> list[Rule]:
        """The rules of a family."""
        return [rule for rule in self.rules if rule.family == family]


def load(raw: bytes, place: str) -> Policy:
    """The policy in these bytes; the first thing wrong is a UsageError with its place."""
    try:
        data = read_toml(raw)
    except TomlProblem as error:
        raise UsageError(f"{place} {error.path}", error.rule) from None
    refuse_other_kind(data, "policy", place)
    _refuse_unknown_keys(data, place)
    if problems := husai_schemas.problems("policy", data):
        raise UsageError(f"{place} {problems[0].path}", plain(problems[0].rule), "see 'husai schema show policy'")
    rules = tuple(_rule(table, data) for table in data.get("rule", ()))
    _refuse_repeated_ids(rules, place)
    families = tuple(_family(table, data) for table in data.get("family", ()))
    _check_families(families, rules, place)
    _check_rules(rules, place)
    return Policy(
        name=data["name"],
        version=plain(data["version"]),
        purpose=plain(data["purpose"]),
        digest=strict_json.digest(raw),
        confidence=float(data["confidence"]),
        min_units=data["min_units"],
        preregistered=data.get("preregistered", False),
        code=data.get("code", "clean"),
        rules=rules,
        families=families,
        waiver_days=data.get("waiver_days", WAIVER_DAYS),
    )


def _refuse_unknown_keys(data: Mapping[str, Any], place: str) -> None:
    """Before anything else, because a misspelt key is best answered with the nearest one."""
    schema = husai_schemas.load("policy")
    _refuse_unknown(data, schema["properties"], f"{place} $")
    families = data.get("family", ())
    for index, family in enumerate(families if isinstance(families, list) else ()):
        if isinstance(family, dict):
            _refuse_unknown(family, schema["$defs"]["family"]["properties"], f"{place} $.family[{index}]")
    rules = data.get("rule", ())
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        here = f"{place} $.rule[{index}]"
        if not isinstance(rule, dict) or not isinstance(rule.get("kind"), str):
            continue
        kinds = schema["properties"]["rule"]["items"]["properties"]["kind"]["enum"]
        if rule["kind"] not in kinds:
            known = did_you_mean(plain(rule["kind"]), kinds)
            raise UsageError(f"{here}.kind", f"no kind of rule '{plain(rule['kind'])}'", known)
        _refuse_unknown(rule, schema["$defs"][rule["kind"]]["properties"], here)


def _refuse_unknown(table: Mapping[str, Any], known: Mapping[str, Any], place: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(place, f"unknown key '{plain(key)}'", did_you_mean(key, known))


def _refuse_repeated_ids(rules: tuple[Rule, ...], place: str) -> None:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.id in seen:
            raise UsageError(f"{place} $.rule[{index}].id", f"the id '{rule.id}' stands twice", "rename one of them")
        seen.add(rule.id)


def _check_families(families: tuple[Family, ...], rules: tuple[Rule, ...], place: str) -> None:
    """Every family is declared once and has two members or more, each of which has a p-value to correct."""
    names = [family.name for family in families]
    for index, name in enumerate(names):
        here = f"{place} $.family[{index}].name"
        if name in names[:index]:
            raise UsageError(here, f"the family '{name}' stands twice", "rename one of them")
        if sum(rule.family == name for rule in rules) < 2:
            raise UsageError(
                here, f"fewer than two rules are in the family '{name}'", f'write family = "{name}" in them'
            )
    for index, rule in enumerate(rules):
        if rule.family is None:
            continue
        here = f"{place} $.rule[{index}].family"
        if rule.family not in names:
            raise UsageError(here, f"there is no [[family]] '{rule.family}'", did_you_mean(rule.family, names))
        if not rule.tested:
            says = f"the rule '{rule.id}' has no p-value, so there is nothing to correct"
            raise UsageError(here, says, "give it a bound, or take it out of the family")


_OF_THESE_KINDS = ("superiority", "non_inferiority", "equivalence")


def _check_rules(rules: tuple[Rule, ...], place: str) -> None:
    """What a schema cannot say of the keys of one rule."""
    for index, rule in enumerate(rules):
        here, bounds = f"{place} $.rule[{index}]", rule.bounds
        if rule.kind == "range" and not (bounds.at_least or 0.0) < (bounds.at_most or 0.0):
            raise UsageError(here, "at_least must be below at_most", "correct the range")
        compares = isinstance(rule.against, Who) or rule.against == LAST_RELEASE
        if not compares and (rule.paired is not None or rule.comparable is not None or rule.tolerance):
            says = f"against {rule.against} there is nothing to pair or to match"
            raise UsageError(here, says, "remove 'paired', 'comparable' and 'tolerance'")
        for key in rule.tolerance:
            wanted = key if key in ("width", "sparsity") else "budget"
            if wanted not in _compared(rule):
                says = f"a tolerance for '{key}', but '{wanted}' is not among the comparable keys"
                raise UsageError(f"{here}.tolerance", says, f"add '{wanted}' to comparable, or remove the tolerance")
        if rule.max_age_days is not None and rule.against != LAST_RELEASE:
            says = "only the last release has an age"
            raise UsageError(f"{here}.max_age_days", says, "remove it, or compare with the last release")
        if rule.waivable and rule.family is not None:
            says = "a rule of a family fails by the others' p-values too, which no waiver is about"
            raise UsageError(f"{here}.waivable", says, "take it out of the family, or do not call it waivable")
        if rule.exact and rule.units != SEEDS:
            raise UsageError(f"{here}.exact", "an exact p-value is over seeds alone", "remove 'exact' or 'units'")
        if rule.units in OF_THESE and (rule.kind not in _OF_THESE_KINDS or not isinstance(rule.against, Who)):
            says = f'units = "{rule.units}" is for a difference of two conditions: {", ".join(_OF_THESE_KINDS)}'
            raise UsageError(f"{here}.units", says, "compare with a condition, or judge it over seeds")
        if rule.units == SHARED_PARTS and rule.source != "imported":
            says = "parts that one side lacks are left out only of what was imported: here they can be measured"
            raise UsageError(f"{here}.units", says, 'judge units = "parts", or say source = "imported"')
        if rule.units in OF_THESE and rule.paired is not None:
            raise UsageError(f"{here}.paired", "over parts, sides are paired by part", "remove 'paired' or 'units'")


def _compared(rule: Rule) -> tuple[str, ...]:
    """The keys that the rule compares, as far as the policy alone can tell."""
    if rule.comparable is not None:
        return rule.comparable
    matched = isinstance(rule.against, Who) and rule.against.by != "control"
    return (*ALWAYS, *MATCHED) if matched else ALWAYS


def _family(table: Mapping[str, Any], policy: Mapping[str, Any]) -> Family:
    return Family(table["name"], plain(table["reason"]), float(table.get("error", (1 - policy["confidence"]) / 2)))


def _rule(table: Mapping[str, Any], policy: Mapping[str, Any]) -> Rule:
    against = table.get("over", table.get("to", table.get("bad")))
    older = None
    if table["kind"] == "regression":
        older, against = (against or {}).get("condition"), LAST_RELEASE
    quantities = tuple(Quantity(q["benchmark"], q["metric"], q.get("setting", {})) for q in table.get("metrics", ()))
    own = quantities[0] if quantities else None
    comparable = table.get("comparable")
    return Rule(
        id=table["id"],
        question=plain(table["question"]),
        reason=plain(table["reason"]),
        kind=table["kind"],
        benchmark=own.benchmark if own else table["benchmark"],
        metric=own.metric if own else table.get("metric"),
        setting=own.setting if own else table.get("setting", {}),
        site=table.get("site"),
        subject=Who.from_table(table.get("subject", table.get("good", {"role": "candidate"}))),
        confidence=float(table.get("confidence", policy["confidence"])),
        min_units=table.get("min_units", policy["min_units"]),
        bounds=Bounds(**{key: table[key] for key in vars(Bounds()) if key in table}),
        against=Who.from_table(against) if isinstance(against, dict) else against,
        margin=float(table.get("margin", 0)),
        units=table.get("units", SEEDS),
        family=table.get("family"),
        exact=table.get("exact", False),
        paired=table.get("paired"),
        comparable=None if comparable is None else tuple(comparable),
        tolerance={key: float(value) for key, value in table.get("tolerance", {}).items()},
        share=table.get("share"),
        older=older,
        max_age_days=table.get("max_age_days"),
        quantities=quantities,
        waivable=table.get("waivable", False),
        source=table.get("source"),
    )
