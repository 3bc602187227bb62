"""Text sets from a file of the user's own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from husai_core import Need, TextSet, TextSource, UsageError, hookimpl

TEXT, LABEL = "text", "label"


class TextFile(TextSource):
    name = "file"
    summary = "A .jsonl or .csv file with the column `text` and, for labelled sets, `label`; the part is its path."
    licence = "the user's own"

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        if not part:
            return []
        found = (folder / part).is_file()
        rule = "" if found else "there is no such file beside the study"
        return [Need("data", part, found, rule, "" if found else f"put it at {part}, beside the study")]

    def read(self, part: str, folder: Path) -> TextSet:
        """Classes are the different labels in the order of their names."""
        place, path = f"texts file:{part}", folder / part
        try:
            raw = path.read_text("utf-8")
        except OSError as error:
            step = "the path is meant from the folder of the study"
            raise UsageError(place, f"cannot be read: {error.strerror}", step) from None
        except UnicodeDecodeError as error:
            raise UsageError(place, f"not UTF-8 at byte {error.start}", "convert it to UTF-8") from None
        readers = {".jsonl": _json_lines, ".csv": _csv_rows}
        if path.suffix not in readers:
            raise UsageError(place, f"'{path.suffix}' is no kind of file that is read here", "give .jsonl or .csv")
        texts: list[str] = []
        labels: list[str] = []
        for where, row in readers[path.suffix](raw, place):
            if not isinstance(row.get(TEXT), str) or not row[TEXT].strip():
                raise UsageError(where, f"has no text under '{TEXT}'", f"name the column '{TEXT}'")
            if (LABEL in row) != bool(labels) and texts:
                raise UsageError(where, f"some rows have a '{LABEL}', some have not", "label all of them, or none")
            texts.append(row[TEXT])
            labels += [str(row[LABEL])] if LABEL in row else []
        classes = sorted(set(labels))
        return TextSet(f"file:{part}", tuple(texts), tuple(map(classes.index, labels)), tuple(classes))


def _json_lines(raw: str, place: str) -> Iterator[tuple[str, dict[str, object]]]:
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


def _csv_rows(raw: str, place: str) -> Iterator[tuple[str, dict[str, object]]]:
    for number, row in enumerate(csv.DictReader(io.StringIO(raw, newline="")), 1):
        yield f"{place}, row {number}", dict(row)


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [TextFile()]
