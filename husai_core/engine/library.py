"""The library: text sets as a study names them, `source:part`, from whichever plugin has them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from husai_core.errors import Skipped, UsageError, did_you_mean
from husai_core.plugins import PluginTable
from husai_core.texts import TextSet, TextSource


class Library:
    """Text sets by name. A source that is known and not installed is skipped, one that nobody has is a mistake."""

    def __init__(self, plugins: PluginTable, folder: Path) -> None:
        self._plugins, self._folder = plugins, folder
        self._read = lru_cache(maxsize=None)(self._uncached)

    def refuse_unknown_source(self, name: str, place: str) -> None:
        """An error when no plugin offers, or would offer, the source of this name."""
        source, colon, part = name.partition(":")
        known = {plugin.name for plugin in self._plugins.all() if plugin.kind in ("texts", "module")}
        if not (colon and part):
            raise UsageError(place, f"'{name}' names no text set", "write it as source:part")
        if source not in known:
            offered = {plugin.name for plugin in self._plugins.all() if plugin.kind == "texts"}
            raise UsageError(place, f"no source of texts '{source}' is installed", did_you_mean(source, offered))

    def read(self, name: str) -> TextSet:
        """The text set of this name; every task that asks gets the same one."""
        return self._read(name)

    def members(self, name: str) -> list[str]:
        """The names of the sets behind one that stands for several, such as `source:*`; else that name alone."""
        source, _, part = name.partition(":")
        found = [f"{source}:{member}" for member in self._source(name).members(part)]
        if not found:
            raise Skipped(f"texts {name}", "no part of it is installed", self._source(name).install)
        return found

    def _uncached(self, name: str) -> TextSet:
        found = self._source(name).read(name.partition(":")[2], self._folder)
        if not found.texts:
            raise UsageError(f"texts {name}", "it has no documents", "give another part")
        return found

    def _source(self, name: str) -> TextSource:
        try:
            source: TextSource = self._plugins.get("texts", name.partition(":")[0], f"texts {name}").item
        except UsageError as error:
            raise Skipped(error.place, error.rule, error.next_step) from None
        return source
