"""Plugins that HUSAI ships, by kind, with their settings."""

from __future__ import annotations

import dataclasses
import inspect

from generator.markdown import code, table
from husai_core.plugins import KINDS, Plugin, PluginTable

INTRODUCTION = """# Plugins

What comes with HUSAI, by kind. `husai plugins` lists what is installed where you are, that of others included, and
what is missing for it. Metrics have a page of their own: [metrics](metrics.md).
"""


def shipped() -> list[Plugin]:
    """HUSAI's own plugins; whether their libraries are installed does not matter here."""
    ours = [plugin for plugin in PluginTable().all() if plugin.distribution.startswith("husai ")]
    broken = [plugin for plugin in ours if plugin.item is None]
    if broken:
        raise SystemExit(f"{broken[0].name}: {broken[0].problem} ({broken[0].next_step})")
    return ours


def page() -> str:
    sections, found = [INTRODUCTION], shipped()
    for kind in KINDS:
        if kind != "metrics":
            rows = [_row(plugin) for plugin in found if plugin.kind == kind]
            sections.append(f"## {kind.capitalize()}\n\n{table(['name', 'what it is', 'settings', 'needs'], rows)}\n")
    return "\n".join(sections)


def _row(plugin: Plugin) -> tuple[str, str, str, str]:
    needs = ", ".join(code(name) for name in plugin.item.requires)
    return code(plugin.name), plugin.item.summary, _settings(plugin), needs


def _settings(plugin: Plugin) -> str:
    settings = inspect.getattr_static(type(plugin.item), "Settings", None)
    if settings is None:
        return ""
    if not inspect.isclass(settings):  # made from whatever is installed, which a page cannot know
        return "those of the installed library"
    return ", ".join(map(_setting, dataclasses.fields(settings)))


def _setting(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return code(f"{field.name} = {field.default!r}")
    if field.default_factory is not dataclasses.MISSING:
        return code(f"{field.name} = {field.default_factory()!r}")
    return f"{code(field.name)} (needed)"
