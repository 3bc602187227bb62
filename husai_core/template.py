"""Templates: complete plugin packages that `husai new` copies under a name of the author's own.

Each is a real package called `myplugin`; naming it is replacing that word, in files and in their paths.
"""

from __future__ import annotations

import builtins
import importlib.util
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import husai_core
from husai_core.errors import UsageError
from husai_core.plugins import PluginTable

KINDS = ("architecture", "benchmark", "metric")
MOST_LETTERS = 40
_FOLDER = Path(__file__).parent / "templates"
_COMMON = "common"
_NAME, _CLASS = "myplugin", "MyPlugin"
_LEFT_BY_TOOLS = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}
_FORM = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Package:
    """A plugin package that is not written yet: its files by their path."""

    kind: str
    name: str
    files: Mapping[str, str]

    @property
    def distribution(self) -> str:
        return "husai-" + self.name.replace("_", "-")

    @property
    def module(self) -> str:
        return f"husai_{self.name}"

    def write(self, parent: Path) -> Path:
        """Write it into a folder of its own, which must not exist yet."""
        folder = parent / self.distribution
        if not parent.is_dir():
            raise UsageError(str(parent), "is no folder", "make it first, or leave --folder away")
        try:
            folder.mkdir()
        except FileExistsError:
            step = "choose another name or --folder, or remove it yourself"
            raise UsageError(str(folder), "exists already", step) from None
        except OSError as error:
            raise UsageError(str(folder), f"cannot be made: {error.strerror}", "choose another --folder") from None
        for path, text in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder


def package(kind: str, name: str, plugins: PluginTable) -> Package:
    """The package of that kind and name; refused where the name is no identifier, or somebody has it."""
    _refuse_form(name)
    _refuse_taken(name, plugins)
    files = {}
    for source in (_COMMON, kind):
        for path in sorted((_FOLDER / source).rglob("*")):
            if path.is_file() and not _LEFT_BY_TOOLS & set(path.parts):
                named = _named(path.relative_to(_FOLDER / source).as_posix(), name)
                files[named] = _named(path.read_text("utf-8"), name)
    return Package(kind, name, files)


def _named(text: str, name: str) -> str:
    hyphenated = name.replace("_", "-")
    return text.replace(f"husai-{_NAME}", f"husai-{hyphenated}").replace(_NAME, name).replace(_CLASS, _title(name))


def _title(name: str) -> str:
    """What its class is called."""
    return "".join(part.capitalize() for part in name.split("_"))


def _refuse_form(name: str) -> None:
    place = f"husai new, name '{name}'"
    if not _FORM.fullmatch(name) or len(name) > MOST_LETTERS:
        rule = f"must be lower-case letters, digits and single underscores, begin with a letter, at most {MOST_LETTERS}"
        suggested = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip(
            "_0123456789"
        )
        step = f"for example '{suggested[:MOST_LETTERS].strip('_')}'" if suggested else "for example 'mytopk'"
        raise UsageError(place, rule, step)
    title = _title(name)
    if keyword.iskeyword(name) or keyword.iskeyword(title) or hasattr(builtins, title):
        raise UsageError(place, "is a word of Python", f"for example 'my_{name}'")
    if title in husai_core.__all__:
        raise UsageError(place, f"its class would be called as husai_core.{title} is", f"for example 'my_{name}'")


def _refuse_taken(name: str, plugins: PluginTable) -> None:
    place, step = f"husai new, name '{name}'", f"choose another, for example 'my_{name}'"
    for plugin in plugins.all():
        if plugin.name == name:
            what = "a plugin that cannot be used" if plugin.kind == "module" else f"one of the {plugin.kind}"
            raise UsageError(place, f"is taken by {plugin.distribution} ({plugin.module}): {what}", step)
    if importlib.util.find_spec(f"husai_{name}") is not None:
        raise UsageError(place, f"a module 'husai_{name}' is installed already", step)
