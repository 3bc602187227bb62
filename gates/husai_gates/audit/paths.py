"""Paths: where the document of a thing stands in a bundle."""

from __future__ import annotations


def path_of(subject: str) -> str:
    """Where the document of a subject stands."""
    return f"subjects/{subject}.json"


def evidence_path(benchmark: str, site: str) -> str:
    """Where the evidence of a benchmark at a site stands when an engine writes it."""
    return f"evidence/{benchmark}.{site}.json"
