"""The labelled sets of the package sae-probes: 113 binary ones, and some with more classes (arXiv 2502.16681)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from husai_core import TextSet, TextSource, UsageError, hookimpl
from husai_core.errors import did_you_mean
from husai_core.need import Need, require

TABLE = "probing_datasets_MASTER.csv.zst"
FILE = re.compile(r"(\d+_.+)\.csv\.zst")
INSTALL = "pip install --no-deps sae-probes==0.4.2 && pip install zstandard"  # its requirements hold back pandas


class SaeProbes(TextSource):
    name = "sae_probes"
    summary = (
        "Labelled prompts of many kinds, as the probing tasks of SAEBench use them; a part is `92_glue_sst2`, `binary` "
        "all 113 of two classes, `*` all 155"
    )
    licence = "the code MIT, the texts under the licences of their many sources"
    requires = ("zstandard",)
    install = INSTALL

    def parts(self) -> Sequence[str]:
        return sorted(_files(), key=lambda name: int(name.partition("_")[0]))

    def members(self, part: str) -> Sequence[str]:
        """Beside `*`, `binary`: what the package's own table calls binary classification."""
        return _binary() if part == "binary" and _files() else super().members(part)

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        rule = "" if _files() else "the package 'sae-probes' is not installed"
        return [Need("data", "sae-probes", not rule, rule, INSTALL if rule else "")]

    def read(self, part: str, folder: Path) -> TextSet:
        """The rows in the order of the file, repeated ones included; classes in the order of their names."""
        require(self.needs(part, folder), "texts sae_probes")
        files = _files()
        if part not in files:
            raise UsageError(f"texts sae_probes:{part}", "no such part", did_you_mean(part, files))
        rows = _rows(files[part])
        classes = sorted({row["target"] for row in rows})
        labels = tuple(classes.index(row["target"]) for row in rows)
        return TextSet(f"sae_probes:{part}", tuple(row["prompt"] for row in rows), labels, tuple(classes))


def _rows(path: Path) -> list[dict[str, str]]:
    import zstandard

    with path.open("rb") as handle:
        raw = zstandard.ZstdDecompressor().stream_reader(handle).read()
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8"), newline="")))


@cache
def _folder() -> Path | None:
    spec = find_spec("sae_probes")
    return (
        Path(next(iter(spec.submodule_search_locations))) / "data" if spec and spec.submodule_search_locations else None
    )


@cache
def _files() -> Mapping[str, Path]:
    folder = _folder()
    found = folder.glob("cleaned_data/*.csv.zst") if folder else ()
    return {match[1]: path for path in found if (match := FILE.fullmatch(path.name))}


@cache
def _binary() -> Sequence[str]:
    folder = _folder()
    rows = _rows(folder / TABLE) if folder else []
    return [Path(row["Dataset save name"]).stem for row in rows if row["Data type"] == "Binary Classification"]


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [SaeProbes()]
