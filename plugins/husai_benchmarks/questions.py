"""Questions: how a language model is asked to describe a latent, and to judge a passage by a description."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from husai_benchmarks.contexts import Context, Contrast

LONGEST_DESCRIPTION = 400  # characters
DESCRIPTION_TOKENS, VERDICT_TOKENS = 60, 4

Decode = Callable[[Sequence[Sequence[int]]], list[str]]


def plain(context: Context, decode: Decode) -> str:
    """The passage on one line."""
    return " ".join(decode([context.tokens])[0].split())


def marked(context: Context, decode: Decode) -> str:
    """The passage on one line, its strongest token between << and >>."""
    if context.peak is None:
        return plain(context, decode)
    before, peak, after = decode(
        [context.tokens[: context.peak], context.tokens[context.peak :][:1], context.tokens[context.peak + 1 :]]
    )
    space = " " if peak[:1].isspace() else ""
    return " ".join(f"{before}{space}<<{peak.strip()}>>{after}".split())


def describe(shown: Contrast, decode: Decode) -> str:
    """The prompt that asks what the passages have in common."""
    on = [f"{n}. {marked(context, decode)}" for n, context in enumerate(shown.high, 1)]
    off = [f"{n}. {plain(context, decode)}" for n, context in enumerate(shown.silent, 1)]
    return "\n".join(
        [
            "A detector fires in the passages of list A, most strongly at the token between << and >>.",
            "It is silent in the passages of list B.",
            "",
            "List A:",
            *on,
            "",
            "List B:",
            *off,
            "",
            "What do the passages of list A share that those of list B lack? Answer with one short phrase and no more.",
        ]
    )


def description_in(answer: str) -> str:
    """The first line of an answer that says anything, shortened."""
    lines = [" ".join(line.split()) for line in answer.splitlines() if line.strip()]
    return lines[0][:LONGEST_DESCRIPTION] if lines else ""


def judge(description: str, context: Context, decode: Decode) -> str:
    """The prompt that asks whether a description fits a passage. Nothing marks where the latent is strongest."""
    return "\n".join(
        [
            f"A detector fires on: {description}",
            "",
            f"Passage: {plain(context, decode)}",
            "",
            "Does the detector fire on this passage? Answer yes or no.",
        ]
    )


def verdict_in(answer: str) -> bool | None:
    """What an answer says by its first word, None where that is neither yes nor no."""
    words = answer.split()
    first = words[0].strip(".,;:!*\"'`").casefold() if words else ""
    return {"yes": True, "no": False}.get(first)
