"""A printed number: what a text claims by writing it, with the digits that it has and no more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

MINUS = "−–-"  # the hyphen last, so that it means itself in a character class
_WORDS = (  # in their order
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SEPARATOR = r"(?:,|\{,\}|\\,|[\u00a0\u2009\u202f])"
# Every part has a bounded length, so that no text takes more than linear time.
NUMBER = (
    rf"(?:(?<![\w)\]])(?:\$-\$|[+±{MINUS}])|(?<!\w)(?<!\d[.,])(?<![^\w)\]][{MINUS}])(?<![{MINUS}]\$))"
    rf"(?:\d{{1,3}}(?:{_SEPARATOR}\d{{3}}){{1,8}}(?!\d)|\d{{1,40}})(?:\.\d{{1,40}})?"
    rf"(?:[eE][+-]?\d{{1,3}}|\s?(?:×|\\times|\\cdot)\s?10(?:\^\{{?[-−]?\d{{1,3}}\}}?|[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,3}}))?"
    r"(?:[kKMB](?![A-Za-z]))?(?!\d)(?![.,]\d)(?![eE][+-]?\d)"
)
WORD = r"(?<!\w)(?i:" + "|".join(sorted((*_WORDS, "none"), key=len, reverse=True)) + r")(?!\w)"
_PARTS = re.compile(
    rf"(?P<sign>\$-\$|[+±{MINUS}])?(?P<digits>\d[\d.]*(?:{_SEPARATOR}\d{{3}})*(?:\.\d+)?)"
    r"(?:[eE](?P<e>[+-]?\d+)|\s?(?:×|\\times|\\cdot)\s?10(?:\^\{?(?P<ten>[-−]?\d+)\}?|(?P<super>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)))?"
    r"(?P<suffix>[kKMB])?"
)
_SUFFIX = {"k": 3, "K": 3, "M": 6, "B": 9}
_PERCENT = re.compile(r"[\s~]*(?:\\?%|percent\b|per cent\b|percentage points\b)")
_ABOUT = re.compile(r"(?:≈|~|≃|\\approx|\\sim|\b[Aa]bout|\b[Rr]oughly|\b[Ss]ome|\b[Nn]early|\b[Aa]lmost)[\s$]*$")
_BOUND = re.compile(r"(?<![^\s($])(<=|>=|≤|≥|\\leq?|\\geq?|&lt;|&gt;|<|>)[\s$]*$")
_BOUNDS = {"≤": "<=", "\\le": "<=", "\\leq": "<=", "≥": ">=", "\\ge": ">=", "\\geq": ">=", "&lt;": "<", "&gt;": ">"}


@dataclass(frozen=True)
class Printed:
    """A number as printed. It claims everything that rounds to its digits: `value` give or take half a `step`."""

    text: str
    value: Decimal
    step: Decimal
    percent: bool = False
    bound: str = ""

    def agrees(self, value: float) -> bool:
        """Whether the value rounds to the digits that are printed; at a tie either neighbour is right."""
        true = Decimal(repr(float(value)))
        if self.bound:
            return {"<": true < self.value, "<=": true <= self.value, ">": true > self.value, ">=": true >= self.value}[
                self.bound
            ]
        slack = self.step * Decimal("5e-10") + abs(true) * Decimal("1e-15")
        return abs(true - self.value) <= self.step / 2 + slack

    @property
    def decimals(self) -> int:
        """How many digits stand after the point."""
        exponent = self.step.normalize().as_tuple().exponent
        return max(0, -exponent) if isinstance(exponent, int) else 0


def read(text: str, before: str = "", after: str = "", lead: str = "") -> Printed:
    """The number that stands as `text` between two pieces of text; what is no number is a ValueError.

    It is a bound only if `lead`, what its claim says comes right before it, ends in a sign such as <: in a document
    the same sign may end a tag or begin a quotation.
    """
    percent = _PERCENT.match(after) is not None
    bound = _BOUND.search(lead)
    sign = _BOUNDS.get(bound[1], bound[1]) if bound else ""
    if text.lower() == "none":
        return Printed(text, Decimal(0), Decimal(1), percent, sign)
    if text.lower() in _WORDS:
        return Printed(text, Decimal(_WORDS.index(text.lower())), Decimal(1), percent, sign)
    match = _PARTS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text[:60]}' is no number")
    digits = re.sub(_SEPARATOR, "", match["digits"])
    if digits.count(".") > 1 or digits.endswith("."):
        raise ValueError(f"'{text[:60]}' is no number")
    exponent = int((match["e"] or match["ten"] or match["super"] or "0").replace("−", "-").translate(_SUPERSCRIPT))
    exponent += _SUFFIX.get(match["suffix"] or "", 0)
    value, step = Decimal(digits), Decimal(1).scaleb(-len(digits.partition(".")[2]))
    if _ABOUT.search(before) and "." not in digits and value:
        step = Decimal(1).scaleb(len(digits) - len(digits.rstrip("0")))
    negative = bool(match["sign"]) and match["sign"] not in "+±"
    return Printed(text, (-value if negative else value).scaleb(exponent), step.scaleb(exponent), percent, sign)


def write(value: float, decimals: int, like: str = "") -> str:
    """The value at that many decimals, rounded half to even, in the manner of a number that stands there."""
    rounded = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals))
    grouping = re.search(rf"\d({_SEPARATOR})\d{{3}}", like)
    text = f"{abs(rounded):,f}".replace(",", grouping[1] if grouping else "")
    plus = "+" if like.startswith("+") else ""
    minus = next((c for c in like[:1] if c in MINUS), "-")
    if like.startswith("±"):
        return f"±{text}"
    return f"{minus if rounded < 0 else plus}{text}"
