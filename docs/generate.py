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


def main() -> None:
    """Write every page whose text differs, and say which."""
    for name in PAGES:
        path = DOCS / "reference" / f"{name}.md"
        text = render(name)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
