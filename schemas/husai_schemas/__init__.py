"""JSON Schemas (2020-12) of everything HUSAI reads and writes, and validation that never leaves the machine."""

from husai_schemas.metric_cards import metric_cards
from husai_schemas.registry import NAMES, Problem, load, problems

__all__ = ["NAMES", "Problem", "load", "metric_cards", "problems"]
