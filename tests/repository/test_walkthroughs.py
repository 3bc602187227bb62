"""What tutorial and how-to pages show is what happens: every fenced block of them is run, in order, in one folder.

`sh` blocks are run by bash, stopping at the first command that fails; a `text` block after one is what it prints,
`...` for whatever. A block with a `title` is a file, written there. Every other block is refused, so that nothing
goes unrun.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_BUNDLES = ("toy", "untrained-candidate", "controls")

# What a quick walk does in place of a command: nothing, where the environment is there; a committed bundle of that
# study.
_INSTALLING = re.compile(r"^(python3 -m venv .*|\. \.venv/bin/activate|pip install .*--editable.*)$", re.MULTILINE)
_RUN = re.compile(rf"^husai run studies/({'|'.join(_BUNDLES)})\.toml --out (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its title, its text."""

    language: str
    title: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(info.split()[0] if info else "", _title(info), text) for info, text in _FENCE.findall(page)]


def walk(page: str, folder: Path, environment: Mapping[str, str], *, quick: bool) -> None:
    """Run every block of the page; an AssertionError says which did not do what the page says."""
    printed: str | None = None
    for block in blocks(page):
        if block.language == "sh":
            printed = _run(_quickened(block.text) if quick else block.text, folder, environment)
        elif block.language == "text" and printed is not None:
            _compare(printed, block.text)
            printed = None
        elif block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        else:
            raise AssertionError(f"a block of '{block.language}' has no title and is not run:\n{block.text}")


def workplace(folder: Path) -> dict[str, str]:
    """What a clone has, as far as pages use it, and an environment in which pip installs into the folder alone."""
    for name in ("studies", "gates/policies", *(f"evidence/{bundle}" for bundle in _BUNDLES)):
        shutil.copytree(ROOT / name, folder / name)
    site = folder / ".site"
    pip = {"TARGET": str(site), "NO_INDEX": "1", "NO_DEPS": "1", "NO_BUILD_ISOLATION": "0", "QUIET": "1"}
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("HUSAI_", "PIP_", "PYTHON"))},
        **{f"PIP_{key}": value for key, value in {**pip, "DISABLE_PIP_VERSION_CHECK": "1"}.items()},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HUSAI_CACHE": str(folder / ".cache"),
    }


def _title(info: str) -> str:
    found = _TITLE.search(info)
    return found[1] if found else ""


def _quickened(script: str) -> str:
    return _RUN.sub(r"mkdir -p runs && cp -r evidence/\1 \2", _INSTALLING.sub(":", script))


def _run(script: str, folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode} of\n{script}\n{done.stdout}"
    return done.stdout


def _compare(printed: str, shown: str) -> None:
    pattern = "".join(_patterns(shown))
    assert re.fullmatch(pattern, printed), f"the page shows\n{shown}\nand what is printed is\n{printed}"


def _patterns(shown: str) -> Iterator[str]:
    """A line of dots is any number of lines; dots at the end of a line are the rest of it."""
    for line in shown.splitlines():
        if line == "...":
            yield r"(?:[^\n]*\n)*?"
        else:
            yield r"[^\n]*".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    """The toy study is not run: its committed bundle stands in. `pytest -m walk` runs it.

    What git does not ignore makes a clone dirty, and then a gate says PROV-DIRTY of the reader's own bundle.
    """
    text, environment = page.read_text(), workplace(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    walk(text, tmp_path, environment, quick=True)
    ignored = {"runs", Path(environment["PYTHONPATH"]).name, Path(environment["HUSAI_CACHE"]).name}
    left = {path.name for path in tmp_path.iterdir()} - before - ignored
    assert not left or "folder outside of HUSAI's clone" in " ".join(text.split()), (
        f"the page leaves {left} in the clone"
    )


def _clone(target: Path) -> None:
    """The repository as its reader gets it; a checkout without its history is copied, without what was built in it."""
    if subprocess.run(["git", "clone", "--quiet", ROOT, target], check=False).returncode:
        built = shutil.ignore_patterns(".*venv*", ".husai", ".git", ".*_cache", "__pycache__", "build", "runs")
        shutil.copytree(ROOT, target, ignore=built, dirs_exist_ok=True)


@pytest.mark.walk
def test_the_tutorial_from_a_clone(tmp_path: Path) -> None:
    """As a reader does it: installed into an environment of its own, and trained."""
    clone = tmp_path / "husai"
    _clone(clone)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HUSAI_")}
    # Each block has a shell of its own: what `activate` would keep is given to all of them.
    folders = [clone / ".venv" / "bin", Path(sys.executable).parent, environment["PATH"]]
    environment["PATH"] = os.pathsep.join(map(str, folders))
    walk(PAGES[0].read_text(), clone, environment, quick=False)


def test_a_page_that_shows_something_else_is_found(tmp_path: Path) -> None:
    page = "```sh\necho one\necho two\n```\n\n```text\n{}\n```\n"
    for shown in ("one\ntwo", "...\ntwo", "o...\n...", "..."):
        walk(page.format(shown), tmp_path, os.environ, quick=True)
    for shown in ("one", "two", "one\ntwo\nthree", "t...\n..."):
        with pytest.raises(AssertionError, match="the page shows"):
            walk(page.format(shown), tmp_path, os.environ, quick=True)


def test_a_command_that_fails_is_found_and_a_block_that_nothing_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit 1"):
        walk("```sh\nfalse\necho\n```\n", tmp_path, os.environ, quick=True)
    with pytest.raises(AssertionError, match="is not run"):
        walk("```toml\na = 1\n```\n", tmp_path, os.environ, quick=True)
    with pytest.raises(AssertionError, match="is not run"):
        walk("```text\nprinted by nothing\n```\n", tmp_path, os.environ, quick=True)


def test_every_page_has_blocks() -> None:
    assert {page.stem for page in PAGES if not blocks(page.read_text())} == set()
