"""Every plugin module can be imported where torch, scipy and TransformerLens are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import husai_metrics

PROBE = """
import importlib, sys
for absent in ("torch", "scipy", "numpy", "transformer_lens"):
    sys.modules[absent] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_plugins_import_without_their_heavy_libraries():
    root = Path(husai_metrics.__file__).parent.parent
    modules = [".".join(f.relative_to(root).with_suffix("").parts) for f in sorted(root.glob("husai_*/**/*.py"))]
    assert len(modules) > 20
    done = subprocess.run([sys.executable, "-c", PROBE, *modules], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
