"""`husai audit`: is a bundle whole, consistent and untampered?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from husai_core.cli.arguments import PATH, SIZE, WORD, Whole, read_trust
from husai_core.cli.output import ReportFile, report
from husai_core.errors import UsageError

if TYPE_CHECKING:
    from husai_gates.audit import AuditReport
    from husai_gates.pipeline import Audited

_OPTIONS = {"seed": "draw"}  # where an option is not called as what it is kept as
FORMS = ("text", "json", "markdown", "github", "summary", "junit", "sarif")


@click.command("audit")
@click.argument("bundle", type=PATH)
@click.option("--policy", type=WORD, help="Also hold it to what this policy asks of how it was made.")
@click.option("--format", "form", type=click.Choice(FORMS), default="text", show_default=True)
@click.option("--out", type=PATH, help="Write there instead of to standard output.")
@click.option(
    "--report", "files", type=ReportFile(FORMS), multiple=True, help="Write this form to FILE as well; may be repeated."
)
@click.option(
    "--trust", type=PATH, multiple=True, help="A public key that must have signed the bundle; may be repeated."
)
@click.option("--threshold", type=Whole(1), help="How many of the trusted keys must have signed [default: 1].")
@click.option("--reexecute", "count", type=Whole(1), help="Run N units of the evidence again, and compare.")
@click.option("--draw", "seed", type=Whole(0), help="Which units: a number of your own [default: drawn now].")
@click.option("--retrain", is_flag=True, help="Train again, also where the bundle holds the weights.")
@click.option("--exact", is_flag=True, help="This machine computes as the producer's: other digests are findings.")
@click.option(
    "--cache", type=PATH, help="Where what was run again is kept [default: husai/audit in your own cache folder]."
)
@click.option("--study-folder", type=PATH, help="The folder from which paths in the study are meant [default: here].")
@click.option("--threads", type=Whole(1), help="CPU threads [default: as many as the bundle says it had].")
@click.option(
    "--products",
    type=click.Choice(("torch", "oneDNN")),
    help="Who multiplies large matrices [default: as the bundle says, else torch].",
)
@click.option("--activations-cap", type=SIZE, help="Bytes that stored activations may take [default: 20GiB].")
def command(
    bundle: Path,
    policy: str | None,
    form: str,
    out: Path | None,
    files: tuple[tuple[str, Path], ...],
    trust: tuple[Path, ...],
    threshold: int | None,
    count: int | None,
    **wishes: Any,
) -> int:
    """Check BUNDLE: manifest, digests, schemas, finite numbers, identity of subjects, recomputed values and views.

    Imported files are read again, and must give what the bundle quotes of them.

    With --policy, also whether that policy was fixed before the run, and whether the code was committed if it asks so.
    With --reexecute N, N units are also run again from the study in the bundle, and compared (see docs/audit.md).
    """
    from husai_gates.pipeline import audited, held_to
    from husai_gates.reporters.findings import AUDIT_REPORTERS

    if count is None and (given := [name for name, value in wishes.items() if value not in (None, False)]):
        option = _OPTIONS.get(given[0], given[0]).replace("_", "-")
        raise UsageError(f"--{option}", "says how units are run again, and none are", "add --reexecute N")
    whole = audited(bundle, read_trust(trust, threshold))
    whole = replace(whole, report=_read_again(whole))
    found = whole.report if count is None else _run_again(whole, bundle, count, wishes)
    found = found if policy is None else held_to(found, whole.snapshot, policy)
    report(AUDIT_REPORTERS, found, form, out, files, bundle)
    return int(found.exit_code)


def _read_again(whole: Audited) -> AuditReport:
    """With what imported files give when they are read again; most bundles imported none, and load nothing for it."""
    from husai_core.external import IMPORTED_FOLDER

    if not any(path.startswith(IMPORTED_FOLDER) for path in whole.snapshot.files):
        return whole.report
    from husai_core.cli.reimport import with_reimport

    return with_reimport(whole)


def _run_again(whole: Audited, bundle: Path, count: int, wishes: Mapping[str, Any]) -> AuditReport:
    from husai_core.cli.reexecution import Wish, with_reexecution
    from husai_core.engine.store import DEFAULT_CAP

    asked = {
        **wishes,
        "study_folder": wishes["study_folder"] or Path(),
        "activations_cap": wishes["activations_cap"] or DEFAULT_CAP,
    }
    return with_reexecution(whole, Wish(count, **asked), bundle)
