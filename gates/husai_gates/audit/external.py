"""External results: the files of another program are in the bundle as it wrote them, and belong to some evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from husai_core import strict_json
from husai_core.evidence import Evidence
from husai_core.external import IMPORTED_FOLDER, external_path
from husai_gates.audit.layout import kind_of
from husai_gates.finding import Finding

_AGAIN = "run the study or the import again"


def check_external(files: Mapping[str, bytes], evidence: Mapping[str, Evidence]) -> Iterator[Finding]:
    """Evidence and result files that do not belong together."""
    claimed = set()
    for path, document in sorted(evidence.items()):
        if document.external is None:
            continue
        if document.outcome.status == "completed" and not document.external.files:
            rule = f"says that {document.external.tool} measured it, and keeps none of its files"
            yield Finding("EV-EXTERNAL", path, "$.external.files", rule, _AGAIN)
        for index, (where, stated) in enumerate(document.external.files.items()):
            place = f"$.external.files[{index}]"
            claimed.add(where)
            own = external_path(document.benchmark.name, document.site, "")
            shared = (IMPORTED_FOLDER,) if document.external.kind == "imported" else ()
            if not where.startswith((own, *shared)):
                yield Finding("EV-EXTERNAL", path, place, f"{where} is not where files of this evidence stand", _AGAIN)
            if where not in files:
                yield Finding("EV-EXTERNAL", path, place, f"the bundle has no {where}", _AGAIN)
            elif strict_json.digest(files[where]) != stated:
                yield Finding("EV-EXTERNAL", path, f"{place}.digest", f"is not that of {where}", _AGAIN)
    for path in sorted(files):
        if kind_of(path) == "external" and path not in claimed:
            yield Finding("EV-EXTERNAL", path, "$", "no evidence says that it quotes this file", _AGAIN)
