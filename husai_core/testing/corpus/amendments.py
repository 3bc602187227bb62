"""Cases of amendments: a policy that asks for less than the one before it."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable

from husai_core.testing.corpus.case import Family
from husai_core.testing.corpus.judging import Outcome
from husai_core.testing.corpus.specimen import Document, Good, NotApplicable
from husai_core.testing.corpus.toml import write_toml


class Amended:
    """A policy and the one that takes its place, as `husai policy lint` compares them."""

    def __init__(self, good: Good) -> None:
        self.old: Document = tomllib.loads(good.policy.decode())
        self.new = copy.deepcopy(self.old)

    def rule(self, *kinds: str, key: str = "") -> Document:
        """A rule of the new policy, of one of these kinds, which says this."""
        for rule in self.new["rule"]:
            if (not kinds or rule["kind"] in kinds) and (not key or key in rule):
                found: Document = rule
                return found
        raise NotApplicable(f"the policy has no rule of {' or '.join(kinds)} with {key}".removesuffix(" with "))

    def ask(self) -> Outcome:
        from husai_core.errors import ExitCode
        from husai_gates.policy import load
        from husai_gates.strictness import weakened

        found = list(weakened(load(write_toml(self.old), "old"), load(write_toml(self.new), "new")))
        code = ExitCode.USAGE if found else ExitCode.RELEASED
        text = "\n".join(f"{finding.path}: {finding.rule}" for finding in found)
        return Outcome(int(code), frozenset(finding.code for finding in found), text)


FAMILY = Family(Amended)


def _weaker(name: str, says: str, change: Callable[[Amended], object]) -> None:
    def spoil(p: Amended) -> None:
        change(p)

    FAMILY.add(name, 33, says, "POL-WEAKENED", 64, "asked", spoil)


def _lower(key: str, by: float) -> Callable[[Amended], None]:
    def change(p: Amended) -> None:
        p.rule(key=key)[key] += by

    return change


def _forget(key: str, *kinds: str) -> Callable[[Amended], None]:
    def change(p: Amended) -> None:
        del p.rule(*kinds, key=key)[key]

    return change


def _another_control(p: Amended) -> None:
    for rule in p.new["rule"]:
        over = rule.get("over")
        if isinstance(over, dict) and "control" in over:
            over["control"] = "acme"
            return
    raise NotApplicable("no rule compares with a control")


def _not_preregistered(p: Amended) -> None:
    if not p.new.get("preregistered"):
        raise NotApplicable("the policy was not fixed before the run")
    p.new["preregistered"] = False


def _waivable(p: Amended) -> None:
    for rule in p.new["rule"]:
        if "family" not in rule and not rule.get("waivable"):
            rule["waivable"] = True
            return
    raise NotApplicable("every rule is of a family or waivable")


def _rule_gone(p: Amended) -> None:
    if len(p.new["rule"]) < 2:
        raise NotApplicable("the policy has one rule")
    gone = p.new["rule"].pop()
    if "family" in gone:
        raise NotApplicable("the last rule is of a family")


_weaker("policy asks one question less", "A rule that is gone.", _rule_gone)
_weaker("policy with a lower floor", "A floor that is lower.", _lower("at_least", -0.001))
_weaker("policy with a higher ceiling", "A ceiling that is higher.", _lower("at_most", 0.001))
_weaker("policy without the worst seed", "The floor of the worst seed is gone.", _forget("worst_at_least"))
_weaker(
    "policy with a larger margin", "What may be lost is more.",
    lambda p: p.rule("non_inferiority", "equivalence", key="margin").update(margin=1e6),
)  # fmt: skip
_weaker("policy with a smaller gain", "What must be gained is less.", _forget("margin", "superiority"))
_weaker("policy with less confidence", "Intervals that hold less often.", lambda p: p.new.update(confidence=0.6))
_weaker("policy with fewer seeds", "Fewer seeds will do.", lambda p: p.new.update(min_units=2))
_weaker("policy with longer waivers", "Waivers that last longer.", lambda p: p.new.update(waiver_days=365))
_weaker("policy not fixed before the run", "A policy that may come after the run.", _not_preregistered)
_weaker("policy with a rule to be waived", "A rule that can now be waived.", _waivable)
_weaker("policy with another control", "A rule that compares with another control.", _another_control)
_weaker(
    "policy with another metric", "A rule about another metric.", lambda p: p.rule(key="metric").update(metric="acme")
)
_weaker(
    "policy with another setting",
    "A rule about another setting.",
    lambda p: p.rule(key="metric").update(setting={"acme": 1}),
)
_weaker(
    "policy with a rule of another name",
    "A rule under another name, which may ask anything.",
    lambda p: p.rule().update(id="acme"),
)
