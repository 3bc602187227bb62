"""Data sources: what was looked at, by digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["DataSource"]


@dataclass(frozen=True)
class DataSource:
    """Rows or documents that were looked at, by digest."""

    name: str
    digest: str
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "digest": self.digest, "rows": self.rows}
