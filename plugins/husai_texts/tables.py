"""Tables: the rows of a file of JSON lines, JSON, CSV or Parquet, each with its place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from husai_core import Skipped, UsageError

Row = tuple[str, dict[str, Any]]  # where it stands, and its columns


def rows_of(path: Path, place: str) -> Iterator[Row]:
    """The rows of a file, read by the ending of its name."""
    if path.suffix == ".parquet":
        yield from _parquet(path, place)
        return
    try:
        raw = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(place, f"{path.name} cannot be read: {error.strerror}", "look at the file") from None
    except UnicodeDecodeError as error:
        raise UsageError(place, f"not UTF-8 at byte {error.start}", "convert it to UTF-8") from None
    yield from TEXTS[path.suffix](raw, place)


def json_lines(raw: str, place: str) -> Iterator[Row]:
    """An object per line; empty lines are passed over."""
    for number, line in enumerate(raw.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UsageError(f"{place}, line {number}", "is no JSON object", "write one object per line")
        yield f"{place}, line {number}", row


def csv_rows(raw: str, place: str) -> Iterator[Row]:
    """The first line names the columns."""
    for number, row in enumerate(csv.DictReader(io.StringIO(raw, newline="")), 1):
        yield f"{place}, row {number}", dict(row)


def json_rows(raw: str, place: str) -> Iterator[Row]:
    """A list of objects."""
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise UsageError(place, f"is no JSON: {error}", "download it again") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UsageError(place, "is no list of JSON objects", "write a list with an object per row")
    for number, row in enumerate(found, 1):
        yield f"{place}, row {number}", row


def _parquet(path: Path, place: str) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ModuleNotFoundError:
        raise Skipped(place, "'pyarrow' is needed to read Parquet, and not installed", "pip install pyarrow") from None
    try:
        found = read_table(path).to_pylist()
    except (ArrowException, OSError) as error:
        raise UsageError(place, f"{path.name} cannot be read: {error}", "download it again") from None
    for number, row in enumerate(found, 1):
        yield f"{place}, row {number}", row


TEXTS: Mapping[str, Callable[[str, str], Iterator[Row]]] = {
    ".jsonl": json_lines,
    ".json": json_rows,
    ".csv": csv_rows,
}
ENDINGS = (*TEXTS, ".parquet")
