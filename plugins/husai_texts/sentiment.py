"""Sentiment in four domains, rated by twenty people each: the data behind VADER (Hutto & Gilbert, ICWSM 2014)."""

from __future__ import annotations

import io
import math
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from husai_core import Need, TextSet, TextSource, UsageError, hookimpl, require
from husai_core.errors import did_you_mean

ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
WITHIN = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FILES = {
    "movie": "movieReviewSnippets_GroundTruth.txt",
    "amazon": "amazonReviewSnippets_GroundTruth.txt",
    "nyt": "nytEditorialSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
}
FOLDER = "HUSAI_DATA"  # the environment variable that names a folder of downloaded data
INSTALL = "pip download --no-deps --no-binary :all: vaderSentiment==3.3.2"  # the wheel leaves the data out
NEUTRAL = 1.0  # people rate from -4 to 4; a mean nearer to zero than this is neither class


class Sentiment(TextSource):
    name = "sentiment"
    summary = (
        "Sentences of films, products, editorials and tweets, negative (mean rating of at most -1) or positive (at "
        "least 1); a part is movie, amazon, nyt or tweets."
    )
    licence = "MIT, with the request to cite Hutto & Gilbert 2014"
    install = f"{INSTALL}  # beside the study, or in the folder that ${FOLDER} names"

    def parts(self) -> Sequence[str]:
        return list(FILES)

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        named = os.environ.get(FOLDER)
        found = (Path(named or folder) / ARCHIVE).is_file()
        rule = "" if found else f"there is no {ARCHIVE} {f'in ${FOLDER}' if named else 'beside the study'}"
        return [Need("data", ARCHIVE, found, rule, "" if found else self.install)]

    def read(self, part: str, folder: Path) -> TextSet:
        """The sentences in the order of the file, those with a mean rating between -1 and 1 left out."""
        place = f"texts sentiment:{part}"
        if part not in FILES:
            raise UsageError(place, "no such domain", did_you_mean(part, FILES))
        require(self.needs(part, folder), place)
        root = Path(os.environ.get(FOLDER) or folder)
        texts, labels = [], []
        for number, line in enumerate(_table(root / ARCHIVE, part, place).splitlines(), 1):
            fields = line.split("\t")
            try:
                rating, text = float(fields[1]), fields[2].strip()
            except (IndexError, ValueError):
                rating, text = math.nan, ""
            if not (math.isfinite(rating) and text):
                rule = f"line {number} of {FILES[part]} has no rating and text"
                raise UsageError(place, rule, f"download {ARCHIVE} again")
            if abs(rating) >= NEUTRAL:
                texts.append(text)
                labels.append(int(rating > 0))
        return TextSet(f"sentiment:{part}", tuple(texts), tuple(labels), ("negative", "positive"))


def _table(archive: Path, part: str, place: str) -> str:
    """One file of the archive within the archive; nothing is unpacked to disk."""
    try:
        with tarfile.open(archive) as outer:
            within = io.BytesIO(_member(outer, WITHIN))
        with tarfile.open(fileobj=within) as inner:
            return _member(inner, f"hutto_ICWSM_2014/{FILES[part]}").decode("utf-8")
    except (tarfile.TarError, OSError, EOFError, KeyError, UnicodeDecodeError) as error:
        raise UsageError(place, f"{archive.name} cannot be read: {error}", f"download it again: {INSTALL}") from None


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    handle = archive.extractfile(name)
    if handle is None:
        raise KeyError(f"{name} is no file")
    return handle.read()


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [Sentiment()]
