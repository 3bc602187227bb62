"""What the earlier scripts say of a dictionary: its width, its site, and sometimes the digest of its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from husai_core.importer import SpokenOf, digest_of, identifier
from husai_importers.reader import table, text, whole

TOOL = "husai-scripts"
NO_SEED = "its seed: the file does not say it, and it stands here as 0"


def spoken(condition: str, seed: int | None, config: Mapping[str, Any], about: Any, architecture: str = "") -> SpokenOf:
    """A dictionary by the configuration of the script, and by `sae_meta` where one is there."""
    meta = table(table(about).get("sae_meta"))
    named = text(meta.get("architecture"), text(config.get("architecture_override"), architecture or "unknown"))
    dims = {}
    for key, value in (("d_in", meta.get("d_model")), ("d_sae", meta.get("d_sae", config.get("d_sae")))):
        if number := whole(value):
            dims[key] = number
    return SpokenOf(
        condition=identifier(condition),
        seed=seed or 0,
        model=text(config.get("model_name")),
        hook=text(config.get("hook_name")),
        architecture=architecture or named,
        source=digest_of([condition, seed, about]),
        settings={key: meta[key] for key in ("k", "d_sae", "architecture") if key in meta},
        dims={**dims, "d_out": dims["d_in"]} if "d_in" in dims else dims,
        weights=_checkpoint(config.get("checkpoint_sha256")),
        unverified=() if seed is not None else (NO_SEED,),
    )


def _checkpoint(value: Any) -> str | None:
    return f"sha256:{value}" if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else None


def seed_in(name: Any) -> int | None:
    """The seed that a release or a path names, such as `topk_seed42`."""
    found = re.findall(r"seed(\d{1,9})(?!\d)", name) if isinstance(name, str) else []
    return int(found[-1]) if found and len(set(found)) == 1 else None
