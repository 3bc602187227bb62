"""Code state: evidence that may release comes from code that was committed, so that anyone can find it again."""

from __future__ import annotations

from collections.abc import Iterator

from husai_core.bundle import PROVENANCE, Snapshot
from husai_gates.finding import Finding
from husai_gates.policy import Policy


def check_code(policy: Policy, snapshot: Snapshot) -> Iterator[Finding]:
    """A run of code that nobody can find, unless the policy says that any code will do."""
    if policy.code == "any" or PROVENANCE not in snapshot.files:
        return
    code = snapshot.json(PROVENANCE)["code"]
    if code["commit"] is None or code["dirty"] is None:
        rule, step = "no git commit is known of the code of this run", "run the study in a git checkout"
        yield Finding("PROV-UNKNOWN", PROVENANCE, "$.code.commit", rule, step)
    elif code["dirty"] or code["diff"] is not None:
        rule = f"the code of this run differs from commit {code['commit'][:12]}"
        yield Finding("PROV-DIRTY", PROVENANCE, "$.code.dirty", rule, "commit, and run the study again")
