"""The badge: the verdict as shields.io's endpoint JSON, and as a picture that needs no server."""

from __future__ import annotations

from html import escape

from husai_core import strict_json
from husai_gates.decision import Decision
from husai_gates.reporters.text import safe

_COLORS = {"released": "brightgreen", "not_released": "red", "nothing_evaluated": "lightgrey"}
_HEX = {"brightgreen": "#2c7d16", "red": "#b3261e", "lightgrey": "#5f6368", "critical": "#8c1d18"}
_LONGEST = 40
_CHARACTER = 7  # pixels; a text that is wider is squeezed into its room
_MARGIN = 10


def render(decision: Decision) -> str:
    """The endpoint JSON; a badge that does not say released cannot be recoloured by who shows it."""
    label, message, color = _parts(decision)
    document = {
        "schemaVersion": 1,
        "label": label,
        "message": message,
        "color": color,
        "isError": decision.verdict != "released",
    }
    return strict_json.encode(document).decode()


def render_svg(decision: Decision) -> str:
    """Two boxes with words; no script, no link, nothing fetched."""
    label, message, color = _parts(decision)
    left, right = (_CHARACTER * len(text) + 2 * _MARGIN for text in (label, message))
    title = escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{title}"><title>{title}</title>'
        f'<rect width="{left}" height="20" fill="#333"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_HEX[color]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(label, _MARGIN)}{_text(message, left + _MARGIN)}</g></svg>\n"
    )


def _text(text: str, x: int) -> str:
    return f'<text x="{x}" y="14" textLength="{_CHARACTER * len(text)}">{escape(text)}</text>'


def _parts(decision: Decision) -> tuple[str, str, str]:
    name = safe(decision.policy.name)
    label = f"husai {name}"
    label = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
    return label, decision.verdict.replace("_", " "), _COLORS.get(decision.verdict, "critical")
