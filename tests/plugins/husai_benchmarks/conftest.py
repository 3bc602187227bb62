"""Whole runs on the tiny model, audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from husai_core import bundle
from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable, installed_entry_points
from husai_core.study import parse_study
from husai_core.testing import tiny
from husai_gates.audit import audit


class Silent:
    """A listener that hears nothing."""

    def start(self, label: str, number: int, total: int) -> None: ...

    def progress(self, fraction: float, note: str) -> None: ...

    def finish(self, label: str, *, cached: bool, seconds: float) -> None: ...

    def warn(self, text: str) -> None: ...


@pytest.fixture
def run_study(tmp_path: Path) -> Callable[..., Mapping[str, bytes]]:
    """The files of the bundle of a study that lies in `tmp_path`; the audit must find it sound."""

    def run(study: str, out: str = "out") -> Mapping[str, bytes]:
        table = PluginTable([*installed_entry_points(), tiny.ENTRY_POINT])
        plan = make_plan(parse_study(study.encode(), str(tmp_path / "study.toml")), table)
        run_plan(plan, tmp_path / out, Cache(tmp_path / "cache"), Silent(), 1, None, lambda files: {})
        snapshot = bundle.read(tmp_path / out)
        assert audit(snapshot).findings == ()
        return snapshot.files

    return run
