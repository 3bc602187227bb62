"""Pairs of product reviews with opposite opinions: a small set of contrasts, and not the stories of CE-Bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from husai_core import TextSet, TextSource, UsageError, hookimpl
from husai_core.errors import did_you_mean
from husai_core.need import Need
from husai_core.texts import TextPair
from husai_texts.vader_archive import INSTALL, LICENCE, archive_needs, rated

PART = "amazon"
OPINION = 0.5  # mean rating over the sentences of a review, from -4 to 4; nearer to zero it says neither

# Reviews are numbered through all products, which the file does not name. Their texts do: these are the last ones.
LAST_OF = {
    98: "a DVD player, Apex AD2600",
    142: "a camera, Canon PowerShot G3",
    175: "a camera, Nikon Coolpix 4300",
    215: "a mobile phone, Nokia 6610",
    309: "a music player, Creative Nomad Jukebox Zen Xtra",
}


@dataclass(frozen=True)
class Review:
    """The sentences of one review joined again, and what its raters thought of them on average."""

    text: str
    rating: float


class ReviewPairs(TextSource):
    name = "review_pairs"
    summary = (
        "Pairs of customer reviews of one product, the first in favour and the second against; a part is amazon. A "
        "stand-in for the published stories of CE-Bench, on which no published number rests."
    )
    licence = LICENCE
    install = INSTALL

    def parts(self) -> Sequence[str]:
        return [PART]

    def needs(self, part: str, folder: Path) -> Sequence[Need]:
        return archive_needs(folder)

    def read(self, part: str, folder: Path) -> TextSet:
        """Within each product, the nth review in favour (at least 0.5) and the nth against it; each is in one pair."""
        place = f"texts review_pairs:{part}"
        if part != PART:
            raise UsageError(place, "no such part", did_you_mean(part, [PART]))
        texts: list[str] = []
        pairs: list[TextPair] = []
        for product, reviews in _by_product(rated(PART, folder, place), place).items():
            favour = [review.text for review in reviews if review.rating >= OPINION]
            against = [review.text for review in reviews if review.rating <= -OPINION]
            for both in zip(favour, against, strict=False):  # of the more frequent opinion the rest is left out
                pairs.append(TextPair(len(texts), len(texts) + 1, product))
                texts += both
        return TextSet(f"review_pairs:{part}", tuple(texts), pairs=tuple(pairs))


def _by_product(sentences: Sequence[tuple[str, float, str]], place: str) -> Mapping[str, Sequence[Review]]:
    """Reviews in the order of the file; a sentence is called `review_sentence`."""
    of_review: dict[int, list[tuple[float, str]]] = {}
    for name, rating, text in sentences:
        review, _, number = name.partition("_")
        if not (review.isdecimal() and number.isdecimal() and 0 < int(review) <= max(LAST_OF)):
            rule = f"the sentence '{name}' is of no review from 1 to {max(LAST_OF)}"
            raise UsageError(place, rule, f"get the data of version 3.3.2: {INSTALL}")
        of_review.setdefault(int(review), []).append((rating, text))
    found: dict[str, list[Review]] = {product: [] for product in LAST_OF.values()}
    for review, parts in of_review.items():
        product = LAST_OF[min(last for last in LAST_OF if review <= last)]
        found[product].append(Review(" ".join(text for _, text in parts), fmean(rating for rating, _ in parts)))
    return found


@hookimpl
def husai_texts() -> Sequence[TextSource]:
    return [ReviewPairs()]
