"""Claims: numbers in prose, each tied to a pointer into evidence, and what the evidence says of them."""

from husai_gates.claims.checking import check
from husai_gates.claims.coverage import unclaimed
from husai_gates.claims.ledger import Ledger, load, parse
from husai_gates.claims.rendering import render, write
from husai_gates.claims.reporters import REPORTERS
from husai_gates.claims.verdict import CODES, Judgement, Verdict

__all__ = [
    "CODES",
    "REPORTERS",
    "Judgement",
    "Ledger",
    "Verdict",
    "check",
    "load",
    "parse",
    "render",
    "unclaimed",
    "write",
]
