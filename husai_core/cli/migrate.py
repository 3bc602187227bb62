"""`husai schema migrate`: documents of an older version, written in the newest one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from husai_core.cli.arguments import PATH
from husai_core.errors import EvaluationError, ExitCode, HusaiError, InvalidEvidence, UsageError, did_you_mean, one_line

if TYPE_CHECKING:
    from husai_core.bundle import Snapshot
    from husai_gates.audit import AuditReport

_OTHER_OUT = "choose another --out, or remove it yourself"


@click.command("migrate")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--out", type=PATH, help="A folder for the new files; of a bundle, the new bundle: a folder or a .zip.")
def command(paths: tuple[Path, ...], out: Path | None) -> int:
    """Write PATHS in the newest versions of their schemas: documents, or one bundle, a folder or a zip.

    A document is rewritten in its place unless --out names a folder; if one of several is not valid, none is touched.
    A bundle is never changed: --out gets a new one, with the references, manifest and views made again and without
    attestations. It is audited before and after, and what is not sound is not migrated.
    """
    if out is not None and (holder := _bundle_around(out / "new")):
        raise UsageError(
            str(out), f"lies in the bundle {holder}, which would then hold unlisted files", "choose another"
        )
    if any(_is_bundle(path) for path in paths):
        if len(paths) > 1:
            raise UsageError("husai schema migrate", "a bundle is migrated by itself", "give one bundle at a time")
        return _migrate_bundle(paths[0], out)
    return _migrate_documents(paths, out)


def _is_bundle(path: Path) -> bool:
    from husai_core.archive import is_archive

    try:
        if path.is_dir():
            return True
        with path.open("rb") as handle:
            return path.suffix == ".zip" or is_archive(handle.read(4))
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}") from None


# --- documents


@dataclass(frozen=True)
class _Rewritten:
    """A document in the newest version, and where it is to be written; without bytes it already is of that version."""

    path: Path
    target: Path
    said: str
    says: str
    raw: bytes | None


def _migrate_documents(paths: Sequence[Path], out: Path | None) -> int:
    found: list[_Rewritten] = []
    worst = ExitCode.RELEASED
    for path in paths:
        try:
            found.append(_rewritten(path, out))
        except HusaiError as error:  # one that is wrong hides no other, and keeps all from being written
            worst = max(worst, error.exit_code)
            click.echo(f"husai: {one_line(error)}", err=True)
    if worst:
        return worst
    targets = [each.target.resolve() for each in found]
    for each in found:
        if targets.count(each.target.resolve()) > 1:
            raise UsageError(str(each.target), "would be written twice", "give files of different names")
        if each.raw is not None and out is not None and each.target.exists():
            raise UsageError(str(each.target), "already exists", _OTHER_OUT)
    for each in found:
        if each.raw is None:
            click.echo(one_line(f"{each.path}: already the newest, {each.says}"))
            continue
        _write(each.target, each.raw, new=out is not None)
        where = "" if out is None else f", written to {each.target}"
        click.echo(one_line(f"{each.path}: {each.said} is now {each.says}{where}"))
    return 0


def _rewritten(path: Path, out: Path | None) -> _Rewritten:
    import husai_schemas
    from husai_core import strict_json
    from husai_core.cli.schema import named_schema, read_document

    document = read_document(path)
    name = named_schema(document)
    if name is None:
        known = did_you_mean(str(document.get("schema") if isinstance(document, dict) else ""), husai_schemas.NAMES)
        raise InvalidEvidence("EV-SCHEMA", f"{path} $.schema", "names no schema of HUSAI", known)
    for problem in husai_schemas.problems(name, document):
        place = f"{path} {problem.path}"
        raise InvalidEvidence("EV-SCHEMA", place, problem.rule, f"mend it first; see 'husai schema show {name}'")
    newest = husai_schemas.lift(name, document)
    target = path if out is None else out / path.name
    if newest is document:
        return _Rewritten(path, target, document["schema"], document["schema"], None)
    if path.suffix == ".toml":
        raise UsageError(str(path), "is TOML of an older version, which is not rewritten here", "edit it by hand")
    if out is None and (holder := _bundle_around(path)):
        rule = f"lies in the bundle {holder}, whose manifest would no longer fit it"
        raise UsageError(str(path), rule, f"husai schema migrate {holder} --out NEW")
    return _Rewritten(path, target, document["schema"], newest["schema"], strict_json.encode(newest))


def _bundle_around(path: Path) -> Path | None:
    """The bundle that a file is part of, by the manifest above it; other programs have files of that name, too."""
    from husai_core.bundle import MANIFEST, MAX_FOLDER_DEPTH

    for folder in path.resolve().parents[: MAX_FOLDER_DEPTH + 1]:
        if (folder / MANIFEST).is_file() and b'"husai:manifest/' in (folder / MANIFEST).read_bytes():
            return folder
    return None


def _write(target: Path, raw: bytes, new: bool) -> None:
    """In one step, so that an interruption leaves the old document or the new one."""
    from husai_core.cli.output import write_new

    try:
        if new:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_new(target, raw)
            return
        target = target.resolve()
        staging = target.with_name(f".{target.name}.partial-{os.getpid()}")
        write_new(staging, raw)
        shutil.copymode(target, staging)
        os.replace(staging, target)
    except OSError as error:
        raise UsageError(str(target), f"cannot be written: {error.strerror}") from None


# --- bundles


def _migrate_bundle(path: Path, out: Path | None) -> int:
    from husai_core import bundle as bundles
    from husai_core.bundle import MANIFEST, PROVENANCE
    from husai_core.cli.derived import derived
    from husai_core.provenance import remade
    from husai_gates.migration import migrate

    whole = bundles.read(path)
    if MANIFEST not in whole.files:
        raise UsageError(str(path), f"has no {MANIFEST}", "give a bundle, or the documents one by one")
    before, snapshot, attestations = _audited(whole, path)
    migration = migrate(snapshot.files)
    if not migration.lifted:
        click.echo(f"{path}: already the newest, all {len(snapshot.files)} files; nothing is written")
        return 0
    if out is None:
        raise UsageError(str(path), "is a bundle, which is never changed in its place", "give --out NEW")
    if out.exists():
        raise UsageError(str(out), "already exists", _OTHER_OUT)
    files = {**migration.files}
    if PROVENANCE in files:
        files[PROVENANCE] = remade(files[PROVENANCE], before.content_digest)
    files |= derived(files)
    files[MANIFEST] = bundles.manifest_of(files)
    _refuse_another_outcome(path, before, snapshot, files)
    _write_bundle(files, out)
    _say(path, out, migration.lifted, migration.referring)
    gone = sorted(snapshot.files.keys() - files.keys())
    if gone:
        click.echo(f"left out, because they show the old ones: {', '.join(gone)}", err=True)
    if attestations:
        count = f"{len(attestations)} attestation{'s' if len(attestations) > 1 else ''}"
        click.echo(f"left out, because they are of other bytes: {count}; sign the new bundle anew", err=True)
    return 0


def _audited(whole: Snapshot, path: Path) -> tuple[AuditReport, Snapshot, Mapping[str, bytes]]:
    """What `husai audit` says of a bundle; what it does not believe would look sound once all digests are new."""
    from husai_core.cli.reimport import with_reimport
    from husai_gates.attest.files import separate
    from husai_gates.finding import believable
    from husai_gates.pipeline import inspected
    from husai_gates.reporters.text import finding_lines

    found = inspected(whole)
    report = with_reimport(found)
    if not believable(report.findings):
        for line in finding_lines(report.findings):
            click.echo(line, err=True)
        worst = next((f for f in report.findings if f.severity == ExitCode.INVALID), report.findings[0])
        rule = "cannot be believed, so it is not migrated: that would seal it anew"
        raise InvalidEvidence(worst.code, f"{path} {worst.file}", rule, f"see 'husai audit {path}'")
    return report, found.snapshot, separate(whole)[1]


def _refuse_another_outcome(path: Path, before: AuditReport, old: Snapshot, files: Mapping[str, bytes]) -> None:
    """The new bundle must audit and be decided as the old one; anything else is a mistake of a migration."""
    from husai_core.bundle import Snapshot
    from husai_gates.decision import Decision
    from husai_gates.last_release import DECISION
    from husai_gates.pipeline import inspected

    def outcome(decision: bytes | None, report: AuditReport) -> Any:
        found = {(finding.code, finding.file, finding.path) for finding in report.findings}
        if decision is None:
            return found
        held = Decision.from_json(Snapshot(".", {DECISION: decision}).json(DECISION))
        return found, held.verdict, [(row.rule, row.status, row.code) for row in held.rows]

    after = inspected(Snapshot(str(path), files)).report
    both = DECISION in old.files and DECISION in files
    mine, theirs = (found.get(DECISION) if both else None for found in (old.files, files))
    if outcome(mine, before) != outcome(theirs, after) or (DECISION in old.files and not both):
        raise EvaluationError(str(path), "would be decided otherwise once migrated", "report this as a bug of husai")


def _write_bundle(files: Mapping[str, bytes], out: Path) -> None:
    from husai_core import bundle as bundles
    from husai_core.archive import write_archive
    from husai_core.cli.output import write_new

    if out.suffix == ".zip":
        write_new(out, write_archive(files))
    else:
        bundles.write({path: raw for path, raw in files.items() if path != bundles.MANIFEST}, out)


def _say(path: Path, out: Path, lifted: Mapping[str, tuple[str, str]], referring: Sequence[str]) -> None:
    for said, says in sorted(set(lifted.values())):
        count = list(lifted.values()).count((said, says))
        click.echo(f"{path}: {count} of {said} {'is' if count == 1 else 'are'} now {says}")
    click.echo(f"{out}: {len(lifted)} documents lifted, {len(referring)} that name them by digest, views made again")
