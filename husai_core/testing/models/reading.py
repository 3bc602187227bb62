"""Rows and texts: a corpus whose two sides have nothing in common, and what is known of it."""

from __future__ import annotations

from husai_core.errors import Skipped as Inapplicable
from husai_core.testing.comparison import must_be_finite, must_be_same
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.generators import fixed_generators
from husai_core.testing.models.trial import SEED, TEXTS, Trial


@check(after=("prepares",))
def corpus_shapes(trial: Trial) -> None:
    """Tokens are whole numbers from 0 on (rows, length), positions lie within them, and splits are row numbers."""
    import torch

    corpus = trial.corpus
    if corpus.tokens.dim() != 2 or corpus.tokens.dtype != torch.int64 or int(corpus.tokens.min()) < 0:
        raise Broken(
            f"tokens are {tuple(corpus.tokens.shape)} of {corpus.tokens.dtype}, the least {corpus.tokens.min()}"
        )
    length = corpus.tokens.shape[1]
    if not corpus.positions or len(set(corpus.positions)) < len(corpus.positions):
        raise Broken(f"the positions {corpus.positions} are none, or not all different")
    if not all(0 <= position < length for position in corpus.positions):
        raise Broken(f"the positions {corpus.positions} are not all within {length} tokens")
    for name in ("train", "test"):
        rows = getattr(corpus, name)
        if not len(rows):
            raise Broken(f"there are no {name} rows")
        if int(rows.min()) < 0 or int(rows.max()) >= len(corpus.tokens):
            raise Broken(f"a {name} row is not one of {len(corpus.tokens)}")


@check(after=("corpus_shapes",))
def splits_are_disjoint(trial: Trial) -> None:
    """No row is in train and test, and none twice in either."""
    corpus = trial.corpus
    train, test = corpus.train.tolist(), corpus.test.tolist()
    if both := set(train) & set(test):
        raise Broken(f"{len(both)} rows are in train and in test, row {min(both)} the first")
    for name, rows in (("train", train), ("test", test)):
        if len(set(rows)) < len(rows):
            raise Broken(f"a row stands in {name} twice")


@check(after=("corpus_shapes", "splits_are_disjoint"))
def splits_share_no_content(trial: Trial) -> None:
    """No test row has the very tokens of a training row: a dictionary would be tested on what it was trained on."""
    corpus = trial.corpus
    known = set(map(tuple, corpus.tokens[corpus.train].tolist()))
    shared = sum(tuple(row) in known for row in corpus.tokens[corpus.test].tolist())
    if shared:
        raise Broken(f"{shared} of {len(corpus.test)} test rows stand in train as well")


@check(after=("corpus_shapes",))
def known(trial: Trial) -> None:
    """Labels are (rows, positions, ...) of the rows asked for, tables are finite, both the same on every call."""
    model, corpus = trial.model, trial.corpus
    rows = corpus.test[: min(5, len(corpus.test))].flip(0)
    with fixed_generators():
        labels, again = (model.labels(trial.settings, SEED, trial.folder, corpus, rows) for _ in range(2))
        tables = model.tables(trial.settings, SEED, trial.folder)
        whole = model.labels(trial.settings, SEED, trial.folder, corpus, corpus.test)
    shape = (len(rows), len(corpus.positions))
    for name, label in labels.items():
        if tuple(label.shape[:2]) != shape:
            raise Broken(f"the label {name} is {tuple(label.shape)} for {shape[0]} rows at {shape[1]} positions")
        must_be_same(again[name], label, f"the label {name} differs between two calls")
        must_be_same(
            whole[name][: len(rows)].flip(0), label, f"the label {name} of a row depends on the others asked for"
        )
    for name, table in tables.items():
        must_be_finite(table, f"the table {name}")
    if not labels and not tables:
        raise Skipped("it knows nothing of its rows or of itself")


@check(after=("prepares",))
def texts(trial: Trial) -> None:
    """A text becomes whole numbers, whatever texts it comes with; all begin with one token, and tokens have a text."""
    model = trial.model
    with fixed_generators():
        try:
            together = model.encode(trial.settings, SEED, trial.folder, TEXTS)
        except Inapplicable as why:
            if not why.next_step.strip():
                raise Broken(f"encode is skipped without a next step: {why}") from why
            raise Skipped("it reads no text") from why
        alone = [model.encode(trial.settings, SEED, trial.folder, [text])[0] for text in TEXTS]
        if [list(one) for one in together] != [list(one) for one in alone]:
            raise Broken("a text has other tokens beside others than alone")
        if not all(one and all(isinstance(token, int) and token >= 0 for token in one) for one in together):
            raise Broken(f"not all tokens are whole numbers from 0 on: {together!r:.80}")
        if len({one[0] for one in together}) != 1:
            raise Broken(f"texts begin with the tokens {sorted({one[0] for one in together})}, not all with the same")
        try:
            written = model.decode(trial.settings, SEED, trial.folder, [one[1:] for one in together])
        except Inapplicable:
            return
    if len(written) != len(together) or not all(isinstance(text, str) for text in written):
        raise Broken(f"{len(together)} runs of tokens are written as {written!r:.80}")


CHECKS = (corpus_shapes, splits_are_disjoint, splits_share_no_content, known, texts)
