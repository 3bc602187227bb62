"""Writing what a command was asked to write, and never over something else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from husai_core.errors import UsageError, did_you_mean

SUMMARY = "GITHUB_STEP_SUMMARY"  # the file that a step of GitHub Actions writes its summary to


class ReportFile(click.ParamType):  # type: ignore[type-arg]
    """A form and the file that it goes to, such as junit=results.xml."""

    name = "form=file"

    def __init__(self, forms: Sequence[str]) -> None:
        self._forms = forms

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        form, equals, path = str(value).partition("=")
        if not equals or not path:
            self.fail(f"{value!r} is no FORM=FILE, such as junit=results.xml", param, ctx)
        if form not in self._forms:
            self.fail(f"there is no form '{form}'; {did_you_mean(form, self._forms)}", param, ctx)
        return form, Path(path)


def write_new(path: Path, content: str | bytes) -> None:
    """Write a file that does not exist yet."""
    try:
        with path.open("xb") as handle:
            handle.write(content.encode() if isinstance(content, str) else content)
    except FileExistsError:
        raise UsageError(str(path), "already exists", "choose another file, or remove it yourself") from None
    except OSError as error:
        raise UsageError(str(path), f"cannot be written: {error.strerror}") from None


def report(
    reporters: Mapping[str, Callable[[Any], str]],
    judged: Any,
    form: str,
    out: Path | None,
    files: Sequence[tuple[str, Path]],
    bundle: Path,
) -> None:
    """One judgement in every form that was asked for. On GitHub Actions, `github` writes the job summary as well."""
    targets = [path for _, path in files] + ([out] if out else [])
    for path in targets:
        if path.resolve().is_relative_to(bundle.resolve()):
            raise UsageError(str(path), "lies in the bundle, which would then hold an unlisted file", "choose another")
        if targets.count(path) > 1:
            raise UsageError(str(path), "is to be written twice", "give every form its own file")
    for name, path in files:
        write_new(path, reporters[name](judged))
    if out:
        write_new(out, reporters[form](judged))
    else:
        click.echo(reporters[form](judged), nl=False)
    summary = os.environ.get(SUMMARY)
    if form == "github" and summary:
        with open(summary, "a", encoding="utf-8") as handle:
            handle.write(reporters["summary"](judged))
