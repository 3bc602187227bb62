"""Code that runs in the interpreter of the official program, beside the modules that HUSAI brings there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import husai_saebench.official

LOAD = """
import importlib.util as u, json, sys
spec = u.spec_from_file_location("husai_official", {init!r}, submodule_search_locations=[{folder!r}])
sys.modules["husai_official"] = module = u.module_from_spec(spec)
spec.loader.exec_module(module)
"""


@pytest.fixture
def run_officially(official: str, tmp_path: Path) -> Callable[[str], Any]:
    """What this code calls `answer` in the end, as JSON."""

    def run(code: str) -> Any:
        init = Path(husai_saebench.official.__file__)
        script = tmp_path / "officially.py"
        loaded = LOAD.format(init=str(init), folder=str(init.parent))
        script.write_text(f"{loaded}\n{code}\nopen({str(tmp_path / 'answer')!r}, 'w').write(json.dumps(answer))\n")
        about = {
            "JAXTYPING_DISABLE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(tmp_path),
        }
        done = subprocess.run([official, str(script)], capture_output=True, text=True, env=about, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads((tmp_path / "answer").read_text())

    return run
