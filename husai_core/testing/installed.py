"""The installed plugins, looked up once for all contracts of one session."""

from __future__ import annotations

from functools import lru_cache

from husai_core import plugins


def installed() -> plugins.PluginTable:
    """The table of what is declared now; it is made again where that has changed."""
    return _table(tuple(plugins.installed_entry_points()))


@lru_cache(maxsize=4)
def _table(points: tuple[plugins.EntryPoint, ...]) -> plugins.PluginTable:
    return plugins.PluginTable(points)
