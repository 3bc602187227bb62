"""The cards of the metrics that HUSAI ships, so that a reader without plugins knows what their names mean."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any


@functools.cache
def metric_cards() -> dict[str, dict[str, dict[str, Any]]]:
    """Cards by name and version. A new version of a definition is added; an old one is never changed."""
    text = resources.files("husai_schemas").joinpath("metric_cards.json").read_text("utf-8")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for card in json.loads(text):
        found.setdefault(card["name"], {})[card["version"]] = card
    return found
