"""Write the generated pages of the reference: `python docs/generate.py`. Needs the light base alone, and no torch."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from generator import PAGES  # noqa: E402, the package lies beside this file and is not installed

COMMAND = "python docs/generate.py"


def render(name: str) -> str:
    """The text of one page."""
    return f"<!-- Written by: {COMMAND} -->\n\n{PAGES[name]().strip()}\n"


def stale() -> list[Path]:
    """The pages whose text is not what the code gives."""
    paths = {name: DOCS / "reference" / f"{name}.md" for name in PAGES}
    return [p for name, p in paths.items() if not p.exists() or p.read_text("utf-8") != render(name)]


def main(arguments: list[str]) -> int:
    """Write every page that is stale and say which; with `--check`, only say, and fail if there is one."""
    for path in (found := stale()):
        if arguments != ["--check"]:
            path.write_text(render(path.stem), "utf-8")
        print(f"{'stale' if arguments == ['--check'] else 'wrote'}: {path.relative_to(DOCS.parent)}")
    if found and arguments == ["--check"]:
        print(f"run: {COMMAND}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
