"""Studies: what the reading of a study adds to its schema, seen by reading the smallest one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from husai_core.errors import UsageError
from husai_core.study import Study, parse_study

Row = tuple[str, str, str, str]
WIDTH = "d_sae = 8\n"
SMALLEST = f"""
schema = "husai:study/v1"
name = "smallest"
question = "What does a study say that leaves out what it may?"
[[site]]
name = "site"
model = "model"
[training]
seeds = [1, 2]
steps = 1
batch_size = 1
learning_rate = 1.0
[[sae]]
name = "sae"
architecture = "architecture"
role = "candidate"
{WIDTH}[[sae]]
name = "swept"
architecture = "architecture"
role = "candidate"
sweep = {{ d_sae = [8, 16] }}
[[search]]
name = "search"
sae = "swept"
seeds = [3, 4]
benchmark = "benchmark"
metric = "metric"
[[benchmark]]
name = "benchmark"
"""


def completed(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of the schema, with the defaults of what may be left out and the width that no schema asks for."""
    defaults = _defaults(parse_study(SMALLEST.encode(), "the smallest study"))
    for path, form, needed, meaning in rows:
        key = path.strip("`")
        if key == "sae[].d_sae":
            _require_width()
            needed = "yes, unless `pretrained` is given or `sweep` holds it"
        if key in defaults:
            form += f"; default `{json.dumps(defaults[key])}`"
        yield path, form, needed, meaning


def _defaults(study: Study) -> dict[str, object]:
    recipe = next(sae.recipe for sae in study.saes if hasattr(sae, "recipe"))
    return {
        "site[].model_seed": study.sites[0].model_seed,
        "training.data_order_seed": recipe.data_order_seed,
        "training.dead_after_steps": recipe.dead_after_steps,
        "training.decay_share": recipe.decay_share,
        "training.match_every": recipe.match_every,
        "sae[].agreement": recipe.agreement,
        "search[].confidence": study.searches[0].confidence,
    }


def _require_width() -> None:
    """Let the page not say what is no longer so."""
    try:
        parse_study(SMALLEST.replace(WIDTH, "").encode(), "the smallest study")
    except UsageError as error:
        if "d_sae" in error.rule:
            return
        raise
    raise SystemExit("a study without d_sae is read now: say so in docs/generator/studies.py")
