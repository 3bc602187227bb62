"""The command line: one small module per subcommand, loaded only when it is asked for."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any

import click

import husai_core
from husai_core.cli.arguments import refuse_repeats
from husai_core.errors import ExitCode, HusaiError, did_you_mean, one_line

COMMANDS = {
    "run": "Run a study and write its evidence bundle.",
    "import": "Turn results of other programs into a bundle that says so.",
    "select": "Choose a release candidate from the conditions of several bundles.",
    "gate": "Judge a bundle by a policy; the exit code is the verdict.",
    "policy": "Say what a policy asks for, or in what it asks for less than it did.",
    "audit": "Check that a bundle is whole, consistent and untampered.",
    "redraw": "Make the decision, report and pictures of a bundle again.",
    "attest": "Sign a bundle and the decision on it.",
    "verify": "Check the signatures in a bundle and everything they are about.",
    "explain": "Say in plain words why a rule has its status.",
    "claims": "Hold the numbers of a text to evidence, or fill them in.",
    "show": "Say what is in a bundle.",
    "pack": "Write a bundle as one zip, which gate and audit read as it is.",
    "doctor": "Say what can run on this machine, and the command that brings what is missing.",
    "new": "Write a plugin package to begin with: an architecture, a benchmark or a metric.",
    "plugins": "List every plugin with its origin, version and status, or check one.",
    "schema": "Show a schema, or check a file against one.",
    "convert": "Turn a checkpoint of another library into SAELens's layout.",
    "completion": "Print the shell completion script.",
}

_CALLED_OTHERWISE = {"import": "importing"}  # `import` is a word of the language

SHORT_LIVED = frozenset({"gate", "audit", "explain"})


def module_of(command: str) -> str:
    """Where a subcommand lives."""
    return f"husai_core.cli.{_CALLED_OTHERWISE.get(command, command)}"


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(module_of(cmd_name)).command
        assert isinstance(command, click.Command)
        return refuse_repeats(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(husai_core.__version__, prog_name="husai")
def cli() -> None:
    """HUSAI decides whether a sparse autoencoder may be released.

    Exit codes: 0 released or done, 2 not released, 3 evidence invalid, 4 error, 5 nothing evaluated, 64 usage,
    130 interrupted.

    An error is one line. Where it was not foreseen, HUSAI_TRACEBACK=1 in the environment shows the whole way to it.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in SHORT_LIVED:
        gc.disable()  # a process that reads, judges and ends leaves nothing worth looking for
    sys.exit(invoke(arguments))


def invoke(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one line."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        # A shell asks for completion without arguments. With some, no variable of the environment may answer instead
        # of the command; "=" can be the name of none.
        completion = "=" if given else "_HUSAI_COMPLETE"
        code: Any = cli.main(given, prog_name="husai", complete_var=completion, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return int(code or 0)
    except SystemExit as stop:
        return ExitCode.ERROR if stop.code and given else int(stop.code or 0)
    except click.UsageError as error:
        place = error.ctx.command_path if error.ctx else "husai"
        help_hint = f"see '{place} --help'"
        return _fail(f"{place}: {one_line(error.format_message())} ({help_hint})", ExitCode.USAGE)
    except click.exceptions.Exit as done:
        return done.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _fail(
            "interrupted; what was finished is kept, the same command goes on from there", ExitCode.INTERRUPTED
        )
    except HusaiError as error:
        return _fail(one_line(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except OSError as error:
        return _fail(one_line(f"{error.filename or 'output'}: {error.strerror or error}"), ExitCode.ERROR)
    except Exception as error:
        if os.environ.get("HUSAI_TRACEBACK"):
            raise
        return _fail(one_line(_unexpected(error)), ExitCode.ERROR)


def _unexpected(error: Exception) -> str:
    """Whose mistake it is that nobody foresaw: that of a plugin which the exception came through, or HUSAI's."""
    from husai_core.fault import blame

    internal = f"internal error: {type(error).__name__}: {error} (set HUSAI_TRACEBACK=1 to see where, and report it)"
    return blame(error) or internal


def _fail(text: str, code: int) -> int:
    click.echo(f"husai: {text}", err=True)
    return int(code)
