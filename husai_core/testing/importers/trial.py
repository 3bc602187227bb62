"""The trial of an importer: sample files as its program wrote them, and the same ones spoilt in one place each."""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from husai_core.metric import MetricCard
from husai_core.testing.generators import fixed_generators

MOST_PLACES = 60  # of a file that are spoilt, spread over all that there are


class Trial:
    """Every call gets files of its own."""

    def __init__(self, importer: Any, samples: Mapping[str, bytes], cards: Mapping[str, MetricCard]) -> None:
        self.importer, self.samples, self.cards = importer, samples, cards

    @property
    def files(self) -> list[Any]:
        """The samples, as the command hands them over."""
        read = importlib.import_module("husai_core.importer").source_file
        return [read(name, raw, name) for name, raw in self.samples.items()]

    def read(self, files: Sequence[Any]) -> Any:
        with fixed_generators():
            return self.importer.read(files)

    @cached_property
    def found(self) -> Any:
        """What it makes of the samples."""
        return self.read(self.files)

    def spoilt(self, replacement: Any) -> Iterator[tuple[str, list[Any]]]:
        """The samples with one number replaced in each turn, by where it stands; `...` takes any key out instead."""
        import dataclasses

        for number, file in enumerate(self.files):
            places = [
                place for place in _places(file.document) if replacement is ... or _is_number(file.document, place)
            ]
            for place in places[:: max(1, math.ceil(len(places) / MOST_PLACES))]:
                document = copy.deepcopy(file.document)
                inside = _at(document, place[:-1])
                if replacement is ...:
                    del inside[place[-1]]
                else:
                    inside[place[-1]] = replacement
                files = self.files
                files[number] = dataclasses.replace(file, document=document)
                yield f"{file.name} {'.'.join(map(str, place))}", files


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _at(document: Any, path: Sequence[Any]) -> Any:
    for key in path:
        document = document[key]
    return document


def _is_number(document: Any, path: Sequence[Any]) -> bool:
    value = _at(document, path)
    return isinstance(value, int | float) and not isinstance(value, bool)
