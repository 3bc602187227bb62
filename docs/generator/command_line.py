"""The command line: every command with its arguments and options, as click knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from generator.markdown import code, table
from husai_core.cli import cli

INTRODUCTION = """# Command line

Every command has `--help`. What a command says to the shell is in [exit codes](exit-codes.md).

An error is one line: the place, the rule and the next step. One that nobody foresaw names the plugin that it came
through, with file and line, or is an internal error of HUSAI to be reported; with `HUSAI_TRACEBACK=1` in the
environment the whole way to it is shown.
"""


def page() -> str:
    root = click.Context(cli, info_name="husai")
    sections = [INTRODUCTION, _options(root)]
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        assert command is not None
        sections.extend(_sections(command, click.Context(command, parent=root, info_name=name)))
    return "\n\n".join(section for section in sections if section)


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    help_text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    depth = "#" * (context.command_path.count(" ") + 1)
    yield f"{depth} {context.command_path}\n\n```text\n{usage}\n```\n\n{help_text}"
    yield _options(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _sections(inner, click.Context(inner, parent=context, info_name=name))


def _options(context: click.Context) -> str:
    options = [p for p in context.command.get_params(context) if isinstance(p, click.Option) and "--help" not in p.opts]
    rows = [(code(", ".join([*o.opts, *o.secondary_opts])), _value(o, context), o.help or "") for o in options]
    return table(["option", "value", "what it does"], rows) if rows else ""


def _value(option: click.Option, context: click.Context) -> str:
    if option.is_flag or option.count:
        return ""
    kind = option.type
    if isinstance(kind, click.Choice):
        text = ", ".join(code(choice) for choice in kind.choices)
    else:
        text = code(option.metavar or option.make_metavar(context))
    notes = ["required"] if option.required else []
    notes += ["may be repeated"] if option.multiple else []
    if option.show_default and option.default and not callable(option.default):
        default = option.default if isinstance(option.default, list | tuple) else [option.default]
        notes.append(f"default {', '.join(map(code, default))}")
    return "; ".join([text, *notes])
