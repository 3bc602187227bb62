"""Transcripts: what a benchmark asked a language model and what it answered, as evidence beside the observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from husai_core.evidence import Scalar

__all__ = ["Exchange"]

TRANSCRIPT_SCHEMA = "husai:transcript/v1"


@dataclass(frozen=True)
class Exchange:
    """One question and its answer, word for word; `about` says who answered, and what the question was for."""

    about: Mapping[str, Scalar]
    prompt: str
    answer: str

    def to_json(self) -> dict[str, Any]:
        return {"about": dict(self.about), "prompt": self.prompt, "answer": self.answer}


def transcript_document(benchmark: str, site: str, exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """The JSON document of everything that one benchmark asked at one site, in the order of asking."""
    return {
        "schema": TRANSCRIPT_SCHEMA,
        "benchmark": benchmark,
        "site": site,
        "exchanges": [exchange.to_json() for exchange in exchanges],
    }


def transcript_path(evidence: str) -> str:
    """Where the transcript of an evidence document stands in a bundle."""
    return "transcripts/" + evidence.removeprefix("evidence/")
