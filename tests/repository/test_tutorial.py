"""The tutorial about plugins, carried out: its commands with their exit codes, its edits, and what is printed."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.templates

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```(sh|python|text)\n(.*?)^```", (ROOT / "docs" / "tutorial-plugin.md").read_text(), re.MULTILINE | re.DOTALL
)
OFFLINE = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]


class Reader:
    """Somebody who types what the page shows."""

    def __init__(self, home: Path) -> None:
        self.folder, self.site, self.printed = home, home / "site", ""

    def types(self, line: str) -> None:
        command, _, remark = line.partition("#")
        program, *arguments = shlex.split(command)
        if program == "cd":
            self.folder /= arguments[0]
            return
        if program == "pip":  # the same package, without the package index
            arguments = ["pip", "install", *OFFLINE, "--target", str(self.site), "."]
        elif program == "husai":
            arguments = ["husai_core", *arguments]
        else:
            assert (program, arguments.pop(0)) == ("python", "-m")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "HUSAI_", "PYTEST_"))}
        environment |= {"PYTHONPATH": str(self.site), "HUSAI_CACHE": str(self.site / "cache"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.printed = done.stdout
        expected = int(remark.removeprefix(" exit code")) if remark else 0
        assert done.returncode == expected, f"{line}\n{done.stdout}{done.stderr}"

    def edits(self, block: str) -> None:
        """Put what the block defines or assigns in the place of what has that name."""
        head, _, new = block.partition("\n")
        file = self.folder / head.removeprefix("# ")
        name = re.search(r"^ *(?:def )?(\w+)", new).group(1)  # type: ignore[union-attr]
        lines = file.read_text().splitlines(keepends=True)
        (node,) = (
            node
            for node in ast.walk(ast.parse("".join(lines)))
            if (isinstance(node, ast.FunctionDef) and node.name == name)
            or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name)
        )
        lines[node.lineno - 1 : node.end_lineno] = [new]
        file.write_text("".join(lines))


def test_the_tutorial_is_true(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building a package needs hatchling (pip install 'husai[dev]')")
    reader = Reader(tmp_path)
    assert [kind for kind, _ in BLOCKS].count("sh") == 4
    for kind, block in BLOCKS:
        if kind == "sh":
            said = ""
            for line in block.splitlines():
                reader.types(line)
                said += reader.printed
            reader.printed = said
        elif kind == "python":
            reader.edits(block)
        else:
            for line in block.splitlines():
                assert line.startswith("  seen:") or line in reader.printed
