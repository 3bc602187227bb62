"""The labelled sets of the package sae-probes: 113 binary ones, and some with more classes (arXiv 2502.16681)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from husai_core import Skipped, TextSet, TextSource, UsageError, hookimpl
from husai_core.errors import did_you_mean

FILE = re.compile(r"(\d+_.+)\.csv\.zst")
INSTALL = "pip install --no-deps sae-probes==0.4.2 && pip install zstandard"  # its requirements hold back pandas


class SaeProbes(TextSource):
    name = "sae_probes"
    summary = "Labelled prompts of many kinds, as the probing tasks of SAEBench use them; a part is `56_wikidatasex`."
    licence = "the code MIT, the texts under the licences of their many sources"
    requires = ("zstandard",)
    install = INSTALL

    def parts(self) -> Sequence[str]:
        return sorted(_files(), key=lambda name: int(name.partition("_")[0]))

    def read(self, part: str, folder: Path) -> TextSet:
        """The rows in the order of the file, repeated ones included; classes in the order of their names."""
        import zstandard

        files = _files()
        if not files:
            raise Skipped("texts sae_probes", "the package 'sae-probes' is not installed", INSTALL)
        if part not in files:
            raise UsageError(f"texts sae_probes:{part}", "no such part", did_you_mean(part, files))
        with files[part].open("rb") as handle:
            raw = zstandard.ZstdDecompressor().stream_reader(handle).read()
        rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8"), newline="")))
        classes = sorted({row["target"] for row in rows})
        labels = tuple(classes.index(row["target"]) for row in rows)
        return TextSet(f"sae_probes:{part}", tuple(row["prompt"] for row in rows), labels, tuple(classes))


@cache
def _files() -> Mapping[str, Path]:
    spec = find_spec("sae_probes")
    if spec is None or not spec.submodule_search_locations:
        return {}
    root = Path(next(iter(spec.submodule_search_locations))) / "data" / "cleaned_data"
    return {match[1]: path for path in root.glob("*.csv.zst") if (match := FILE.fullmatch(path.name))}


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [SaeProbes()]
