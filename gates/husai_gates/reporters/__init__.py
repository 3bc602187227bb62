"""Reporters: views of a decision, chosen by name. Each makes hostile words harmless in its own language.

A reporter is loaded when it is used: a gate that prints text loads no XML.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from husai_gates.decision import Decision


def _named(module: str, function: str = "render") -> Callable[[Decision], str]:
    def render(decision: Decision) -> str:
        found = getattr(importlib.import_module(f"husai_gates.reporters.{module}"), function)
        text: str = found(decision)
        return text

    return render


REPORTERS: Mapping[str, Callable[[Decision], str]] = {
    "text": _named("text"),
    "json": _named("json"),
    "markdown": _named("markdown"),
    "github": _named("github"),
    "summary": _named("step_summary"),
    "junit": _named("junit"),
    "sarif": _named("sarif"),
    "badge": _named("badge"),
    "badge-svg": _named("badge", "render_svg"),
}

__all__ = ["REPORTERS"]
