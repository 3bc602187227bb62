"""Names of evidence: a file says by its name which benchmark and site it is of, and its document says the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from husai_core.evidence import Evidence
from husai_gates.finding import Finding


def check_names(evidence: Mapping[str, Evidence]) -> Iterator[Finding]:
    """Evidence under the name of another; a group, such as a search, may follow the benchmark and the site."""
    for path, document in sorted(evidence.items()):
        wanted = f"evidence/{document.benchmark.name}.{document.site}"
        if not path.startswith((f"{wanted}.json", f"{wanted}.")):
            rule = f"the evidence of '{document.benchmark.name}' at '{document.site}' stands in '{wanted}.json'"
            yield Finding("EV-NAME", path, "$.benchmark.name", rule, "rename it, and seal the bundle again")
