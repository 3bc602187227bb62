"""Text sets from a file of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from husai_core import TextSet, TextSource, UsageError, hookimpl
from husai_core.need import Need
from husai_texts.tables import csv_rows, json_lines

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
        readers = {".jsonl": json_lines, ".csv": csv_rows}
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


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [TextFile()]
