"""Links that leave the docs: the files of the repository that pages point at become part of the site.

A hook of MkDocs. A page links to a file as it lies in the repository, so that the link works there too; the site has
the file under `repository/`, Markdown as a page. A link to a folder, which a site cannot show, becomes its text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CARRIED = "repository"
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add every file that a page, or a page that is added here, points at."""
    from mkdocs.structure.files import File

    docs = Path(config.docs_dir)
    waiting = [page.src_uri for page in files.documentation_pages()]
    while waiting:
        uri = waiting.pop()
        for target in _targets(_source(docs, uri).read_text("utf-8"), uri, docs):
            if target.is_file() and not files.get_file_from_path(place := _place(target, docs)):
                files.append(File.generated(config, place, abs_src_path=str(target)))
                waiting += [place] if target.suffix == ".md" else []
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links of the repository at the places of the site."""
    docs, uri = Path(config.docs_dir), page.file.src_uri

    def placed(match: re.Match[str]) -> str:
        bang, text, link, anchor = match.groups()
        target = _target(link, uri, docs)
        if target is None or (docs in target.parents and not uri.startswith(CARRIED)):
            return match[0]
        if target.is_dir():
            return str(text)
        place = posixpath.relpath(_place(target, docs), posixpath.dirname(uri))
        return f"{bang}[{text}]({place}{anchor or ''})"

    return _LINK.sub(placed, markdown)


def _targets(markdown: str, uri: str, docs: Path) -> Iterator[Path]:
    for match in _LINK.finditer(markdown):
        if target := _target(match[3], uri, docs):
            yield target


def _target(link: str, uri: str, docs: Path) -> Path | None:
    """The file or folder that a link of a page points at; None where it leads out of the repository."""
    if "://" in link or link.startswith(("mailto:", "/")):
        return None
    target = (_source(docs, uri).parent / link).resolve()
    return target if target.exists() and docs.parent in target.parents else None


def _source(docs: Path, uri: str) -> Path:
    """Where a page of the site lies in the repository."""
    inside, _, rest = uri.partition("/")
    return docs.parent / rest if inside == CARRIED else docs / uri


def _place(target: Path, docs: Path) -> str:
    """Where a file of the repository is in the site."""
    if docs in target.parents:
        return target.relative_to(docs).as_posix()
    return f"{CARRIED}/{target.relative_to(docs.parent).as_posix()}"
