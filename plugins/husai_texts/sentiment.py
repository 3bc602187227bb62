"""Sentiment in four domains, rated by twenty people each: the data behind VADER (Hutto & Gilbert, ICWSM 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from husai_core import TextSet, TextSource, UsageError, hookimpl
from husai_core.errors import did_you_mean
from husai_core.need import Need
from husai_texts.vader_archive import FILES, INSTALL, LICENCE, archive_needs, rated

NEUTRAL = 1.0  # people rate from -4 to 4; a mean nearer to zero than this is neither class


class Sentiment(TextSource):
    name = "sentiment"
    summary = (
        "Sentences of films, products, editorials and tweets, negative (mean rating of at most -1) or positive (at "
        "least 1); a part is movie, amazon, nyt or tweets."
    )
    licence = LICENCE
    install = INSTALL

    def parts(self) -> Sequence[str]:
        return list(FILES)

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        return archive_needs(folder)

    def read(self, part: str, folder: Path) -> TextSet:
        """The sentences in the order of the file, those with a mean rating between -1 and 1 left out."""
        place = f"texts sentiment:{part}"
        if part not in FILES:
            raise UsageError(place, "no such domain", did_you_mean(part, FILES))
        kept = [(text, rating) for _, rating, text in rated(part, folder, place) if abs(rating) >= NEUTRAL]
        labels = tuple(int(rating > 0) for _, rating in kept)
        return TextSet(f"sentiment:{part}", tuple(text for text, _ in kept), labels, ("negative", "positive"))


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [Sentiment()]
