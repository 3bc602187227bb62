"""Small studies of the tiny model, as text, and their run in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from husai_core.engine import make_plan, run_plan
from husai_core.engine.cache import Cache
from husai_core.plugins import EntryPoint, PluginTable, installed_entry_points
from husai_core.study import parse_study
from husai_core.testing import tiny
from husai_core.testing.log import Log


def small_study(
    name: str, *tables: str, width: int = 8, seeds: Sequence[int] = (1, 2, 3), steps: int = 4, site: str = ""
) -> str:
    """A study at one site, and what `tables` add to it; `site` is more of the site's own table."""
    head = f"""
schema = "husai:study/v1"
name = "{name}"
question = "Does it work?"

[[site]]
name = "site"
model = "tiny"
settings = {{ width = {width} }}
{site}

[training]
seeds = {list(seeds)}
steps = {steps}
batch_size = 16
learning_rate = 1e-3
"""
    return "\n".join([head, *tables])


def sae(architecture: str, d_sae: int, k: int | None = None, *, name: str = "", role: str = "candidate") -> str:
    """The table of a dictionary, which is called as its architecture unless it is given a name."""
    settings = "" if k is None else f"settings = {{ k = {k} }}\n"
    return (
        f'[[sae]]\nname = "{name or architecture}"\narchitecture = "{architecture}"\nrole = "{role}"\n'
        f"d_sae = {d_sae}\n{settings}"
    )


def run_study(text: str, folder: Path, out: str = "out", cache: str = "cache", also: Sequence[EntryPoint] = ()) -> Log:
    """Run a study that lies in `folder`, and say what was done; `also` are plugins beside those that are installed."""
    table, log = PluginTable([*installed_entry_points(), tiny.ENTRY_POINT, *also]), Log()
    plan = make_plan(parse_study(text.encode(), str(folder / "study.toml")), table)
    run_plan(plan, folder / out, Cache(folder / cache), log, 1, None, lambda files: {})
    return log
