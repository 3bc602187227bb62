"""The archive behind VADER (Hutto & Gilbert, ICWSM 2014): texts in four domains, each rated by twenty people."""

from __future__ import annotations

import io
import math
import os
import tarfile
from pathlib import Path

from husai_core import UsageError
from husai_core.need import Need, require

ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
WITHIN = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FILES = {
    "movie": "movieReviewSnippets_GroundTruth.txt",
    "amazon": "amazonReviewSnippets_GroundTruth.txt",
    "nyt": "nytEditorialSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
}
FOLDER = "HUSAI_DATA"  # the environment variable that names a folder of downloaded data
DOWNLOAD = "pip download --no-deps --no-binary :all: vaderSentiment==3.3.2"  # the wheel leaves the data out
INSTALL = f"{DOWNLOAD}  # beside the study, or in the folder that ${FOLDER} names"
LICENCE = "MIT, with the request to cite Hutto & Gilbert 2014"


def archive_needs(folder: Path) -> list[Need]:
    """The archive, in the folder of the environment or else in this one."""
    named = os.environ.get(FOLDER)
    found = (Path(named or folder) / ARCHIVE).is_file()
    rule = "" if found else f"there is no {ARCHIVE} {f'in ${FOLDER}' if named else 'beside the study'}"
    return [Need("data", ARCHIVE, found, rule, "" if found else INSTALL)]


def rated(domain: str, folder: Path, place: str) -> list[tuple[str, float, str]]:
    """Every text of a domain in the order of its file: identifier, mean rating from -4 to 4, text."""
    require(archive_needs(folder), place)
    root = Path(os.environ.get(FOLDER) or folder)
    found = []
    for number, line in enumerate(_table(root / ARCHIVE, domain, place).splitlines(), 1):
        fields = line.split("\t")
        try:
            rating, text = float(fields[1]), fields[2].strip()
        except (IndexError, ValueError):
            rating, text = math.nan, ""
        if not (math.isfinite(rating) and text):
            rule = f"line {number} of {FILES[domain]} has no rating and text"
            raise UsageError(place, rule, f"download {ARCHIVE} again")
        found.append((fields[0], rating, text))
    return found


def _table(archive: Path, domain: str, place: str) -> str:
    """One file of the archive within the archive; nothing is unpacked to disk."""
    try:
        with tarfile.open(archive) as outer:
            within = io.BytesIO(_member(outer, WITHIN))
        with tarfile.open(fileobj=within) as inner:
            return _member(inner, f"hutto_ICWSM_2014/{FILES[domain]}").decode("utf-8")
    except (tarfile.TarError, OSError, EOFError, KeyError, UnicodeDecodeError) as error:
        raise UsageError(place, f"{archive.name} cannot be read: {error}", f"download it again: {DOWNLOAD}") from None


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    handle = archive.extractfile(name)
    if handle is None:
        raise KeyError(f"{name} is no file")
    return handle.read()
