"""JSON Schemas (2020-12) of everything HUSAI reads and writes, and validation that never leaves the machine."""

from husai_schemas.metric_cards import metric_cards
from husai_schemas.migrations import lift
from husai_schemas.registry import (
    NAMES,
    Problem,
    from_a_newer_husai,
    load,
    name_of,
    newest,
    problems,
    version_of,
    versions,
)

__all__ = [
    "NAMES",
    "Problem",
    "from_a_newer_husai",
    "lift",
    "load",
    "metric_cards",
    "name_of",
    "newest",
    "problems",
    "version_of",
    "versions",
]
