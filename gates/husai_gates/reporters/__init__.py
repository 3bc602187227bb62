"""Reporters: views of a decision, chosen by name. Each makes hostile words harmless in its own language."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from husai_gates.decision import Decision
from husai_gates.reporters import github, json, markdown, text

REPORTERS: Mapping[str, Callable[[Decision], str]] = {
    "text": text.render,
    "json": json.render,
    "markdown": markdown.render,
    "github": github.render,
}

__all__ = ["REPORTERS"]
