"""`husai import`: results of other programs become an evidence bundle that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from husai_core.cli.arguments import PATH
from husai_core.errors import ExitCode, InvalidEvidence, UsageError, one_line

if TYPE_CHECKING:
    from husai_core.importer import Note, SourceFile
    from husai_core.subject import Role


class _Named(click.ParamType):  # type: ignore[type-arg]
    """A condition and its role, as NAME=ROLE."""

    name = "name=role"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        from husai_core.importing import GIVEN_ROLES

        condition, _, role = str(value).rpartition("=")
        if not condition or role not in GIVEN_ROLES:
            self.fail(f"'{value}' is no NAME=ROLE; roles: {', '.join(GIVEN_ROLES)}", param, ctx)
        return condition, role


@click.command("import")
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, required=True, help="Bundle folder to write.")
@click.option(
    "--as", "roles", type=_Named(), multiple=True, help="What NAME is judged as: candidate (default) or baseline."
)
def command(files: tuple[Path, ...], out: Path, roles: tuple[tuple[str, Role], ...]) -> int:
    """Read result FILES of SAEBench, SAELens, lm-evaluation-harness or HUSAI's earlier scripts, and write a bundle.

    Every file is recognised by its content and kept in the bundle as it is. What is no finite number becomes no number,
    and what nobody could check is said; see docs/importers.md. No rule counts any of it that does not ask for it by
    source = "imported".
    """
    from husai_core import bundle, strict_json
    from husai_core.importing import conditions, import_files
    from husai_core.plugins import PluginTable
    from husai_core.provenance import now, provenance
    from husai_core.standing import refuse_unwritable
    from husai_gates.views import make_views

    if out.exists():
        raise UsageError(str(out), "already exists", "choose another --out, or remove it yourself")
    refuse_unwritable(out)
    if twice := sorted({name for name, _ in roles if [n for n, _ in roles].count(name) > 1}):
        raise UsageError(f"--as {twice[0]}", "is given twice", "give every name one role")
    started = now()
    documents, notes = import_files(read_files(files), PluginTable(), dict(roles))
    made = provenance(started, None, 1, None, len(files), 0)
    whole = {**documents, bundle.PROVENANCE: strict_json.encode(made)}
    _refuse_unsound(whole)
    bundle.write({**whole, **make_views(whole)}, out)
    click.echo(f"bundle: {out}")
    for name, role in sorted(conditions(documents).items()):
        click.echo(f"{role:<10}{name}")
    _say(notes)
    return ExitCode.RELEASED


def _refuse_unsound(files: Mapping[str, bytes]) -> None:
    """Files that contradict one another, such as two results of one dictionary under two names, make no bundle."""
    from husai_gates.audit import audit_unsealed

    report = audit_unsealed(files)
    if not report.intact:
        first = report.findings[0]
        step = "import the files into bundles of their own"
        raise InvalidEvidence(first.code, f"{first.file} {first.path}", first.rule, step)


def read_files(files: Sequence[Path]) -> list[SourceFile]:
    """The files under names that a bundle can keep, each once."""
    from husai_core.importer import source_file

    found: list[SourceFile] = []
    for path in files:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise UsageError(str(path), f"cannot be read: {error.strerror}", "give the path of a result file") from None
        name = _free(_kept_as(path.stem), _kept_as(path.parent.name), {file.name for file in found})
        if any(file.raw == raw for file in found):
            raise UsageError(str(path), "is given twice, under two names", "give every file once")
        found.append(source_file(name, raw, str(path)))
    return found


def _kept_as(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", ".", text).lstrip(".-")[:80] or "result"


def _free(name: str, folder: str, taken: Iterable[str]) -> str:
    """A name that no other file has, by its folder or by a number; case is none to tell them by."""
    used = {other.casefold() for other in taken}
    tries = [name, f"{folder}.{name}", *(f"{name}.{number}" for number in range(2, len(used) + 3))]
    return next(one for one in tries if one.casefold() not in used)


def _say(notes: Sequence[Note]) -> None:
    if notes:
        click.echo(f"{len(notes)} things to know:")
    for note in notes:
        click.echo(one_line(f"  {note.file} {note.place}"))
        click.echo(one_line(f"    {note.rule}"))
        click.echo(one_line(f"    next: {note.next_step}"))
