"""The site has every page, and takes the files along that pages point at."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def links() -> ModuleType:
    spec = importlib.util.spec_from_file_location("husai_docs_links", DOCS / "generator" / "links.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_once() -> None:
    named = re.findall(r"^ +- (?:[^#:\n]+: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize(
    ("page", "written", "on_the_site"),
    [
        ("policies.md", "[a](../gates/policies/toy.toml)", "[a](repository/gates/policies/toy.toml)"),
        ("howto/add-a-policy.md", "[a](../../claims.toml)", "[a](../repository/claims.toml)"),
        ("index.md", "[a](../evidence/toy/report.md#plots)", "[a](repository/evidence/toy/report.md#plots)"),
        ("repository/benchmarks/first_gate.md", "[a](../docs/tutorial.md)", "[a](../../tutorial.md)"),
        ("policies.md", "[the folder](../evidence/replication)", "the folder"),
        ("policies.md", "[a](audit.md#how-closely)", "[a](audit.md#how-closely)"),
        ("policies.md", "[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
        ("policies.md", "[a](../nothing/here.md)", "[a](../nothing/here.md)"),
        ("policies.md", "[a](../../../../../etc/hostname)", "[a](../../../../../etc/hostname)"),
    ],
)
def test_a_link_out_of_the_docs_leads_to_what_was_taken_along(page: str, written: str, on_the_site: str) -> None:
    where = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert links().on_page_markdown(written, where, SimpleNamespace(docs_dir=str(DOCS)), None) == on_the_site
