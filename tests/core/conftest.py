from collections.abc import Callable
from pathlib import Path

import pytest

from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import PluginTable, installed_entry_points
from husai_core.study import parse_study
from husai_core.testing import tiny
from husai_core.testing.log import Log

TINY_STUDY = """
schema = "husai:study/v1"
name = "tiny"
question = "Does the machinery work?"

[[site]]
name = "site"
model = "tiny"

[training]
seeds = [3, 1, 2]
steps = 40
batch_size = 32
learning_rate = 1e-2
dead_after_steps = 10

[[sae]]
name = "topk"
architecture = "topk"
role = "candidate"
d_sae = 24
settings = { k = 4 }

[[sae]]
name = "relu"
architecture = "relu"
role = "baseline"
d_sae = 24

[[control]]
name = "untrained"

[[control]]
name = "random_decoder"

[[benchmark]]
name = "reconstruction"

[[benchmark]]
name = "consistency"

[bundle]
weights = true
"""


@pytest.fixture(scope="session")
def plugins() -> PluginTable:
    return PluginTable([*installed_entry_points(), tiny.ENTRY_POINT])


@pytest.fixture(scope="session")
def tiny_study() -> str:
    return TINY_STUDY


@pytest.fixture
def run_tiny(tmp_path: Path, plugins: PluginTable) -> Callable[..., Log]:
    """Run the tiny study (with replacements made in its text) into a folder below tmp_path."""

    def run(out: str = "out", cache: str = "cache", views=lambda files: {}, **replace: str) -> Log:  # type: ignore[no-untyped-def]
        text = TINY_STUDY
        for old, new in replace.items():
            assert old in text
            text = text.replace(old, new)
        log = Log()
        plan = make_plan(parse_study(text.encode(), str(tmp_path / "tiny.toml")), plugins)
        run_plan(plan, tmp_path / out, Cache(tmp_path / cache), log, 1, None, views)
        return log

    return run
