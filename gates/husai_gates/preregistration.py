"""Preregistration: a policy that says it was fixed before the run must lie in the bundle, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from husai_core import strict_json
from husai_core.errors import UsageError
from husai_gates import policy as policies
from husai_gates.audit.layout import kind_of
from husai_gates.finding import Finding
from husai_gates.policy import Policy


def check_preregistration(policy: Policy, files: Mapping[str, bytes]) -> Iterator[Finding]:
    """A finding if the policy is preregistered and is not the one policy of the bundle, unless that is empty."""
    held = {path: raw for path, raw in sorted(files.items()) if kind_of(path) == "policy"}
    if files and policy.preregistered and [strict_json.digest(raw) for raw in held.values()] != [policy.digest]:
        given = f"{policy.name} {policy.version}"
        rule = f"you gave {given}, which says it was fixed before the run; the bundle holds {_holding(held, given)}"
        step = "run the study again with this policy"
        if len(held) == 1:
            step += f", or judge by the one in the bundle: husai gate BUNDLE --policy BUNDLE/{min(held)}"
        yield Finding("POL-PREREG-MISMATCH", "policy", "$.preregistered", rule, step)


def _holding(held: Mapping[str, bytes], given: str) -> str:
    if len(held) > 1:
        return f"{len(held)} policies, of which a reader could pick one"
    if not held:
        return "none"
    ((path, raw),) = held.items()
    try:
        theirs = policies.load(raw, path)
    except UsageError:
        return f"another one, {path}"
    name = f"{theirs.name} {theirs.version}"
    return f"another one, which also calls itself {name}" if name == given else name
