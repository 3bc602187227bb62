"""Where in a plugin an unexpected exception arose, so that it is not taken for one of HUSAI's."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from husai_core.plugins import Plugin

OWN = "husai "  # how the distribution of every plugin that is HUSAI's own begins


@dataclass(frozen=True)
class Line:
    """One line of a plugin. The file has its name alone: what is said of it may go into evidence."""

    module: str
    file: str
    number: int
    owner: str = ""  # the `name` of the object whose method it is in

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


def last_line(error: BaseException, modules: Iterable[str]) -> Line | None:
    """The last line that an exception passed in one of these modules, or beside one in its package."""
    wanted = set(modules)
    packages = {module.partition(".")[0] for module in wanted} - {"husai_core"}  # whose tests bring a plugin, too
    found = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module in wanted or module.partition(".")[0] in packages:
            owner = getattr(frame.f_locals.get("self"), "name", "")
            found = Line(module, Path(frame.f_code.co_filename).name, number, owner if isinstance(owner, str) else "")
    return found


def blame(error: BaseException) -> str | None:
    """Which installed plugin an exception came through, where, and what to do; None if only HUSAI's own."""
    from husai_core import plugins

    points = [point for point in plugins.installed_entry_points() if not point.distribution.startswith(OWN)]
    line = last_line(error, (point.module for point in points))
    if line is None:
        return None
    package = line.module.partition(".")[0]
    owner = next(point.distribution for point in points if point.module.partition(".")[0] == package)
    check = _check_of(line, plugins.PluginTable().all())
    traced = "set HUSAI_TRACEBACK=1 to see the way there"
    return (
        f"the plugin module {line.module} of {owner} broke at {line}: {type(error).__name__}: {error} "
        f"({f'{check}, or ' if check else ''}{traced})"
    )


def _check_of(line: Line, plugins: Iterable[Plugin]) -> str:
    """The command that holds the plugin to its contract, where it is plain which of the module's plugins it is."""
    from husai_core.testing.proving import FIRST

    package = line.module.partition(".")[0]
    offered = [p for p in plugins if p.kind in FIRST]
    near = [p for p in offered if p.module.partition(".")[0] == package]
    near = [p for p in near if p.module == line.module] or near
    near = [p for p in near if p.name == line.owner] or near
    if len(near) != 1:
        return ""
    others = [p for p in offered if p.name == near[0].name]
    kind = f" --kind {near[0].kind.removesuffix('s')}" if len(others) > 1 else ""
    return f"husai plugins check {near[0].name}{kind}"
