"""Assignment: the one-to-one matching of two sets that is worth most, exact at any width.

Up to `DENSE` columns every similarity is handed to one solver. Beyond it, a matching among each row's best partners is
found first, and linear-programming duality then proves it best among all pairs: with a price for every column, a
row's surplus is its match's worth less that match's price. If no pair anywhere is worth more than its row's surplus and
its column's price together, no other matching is worth more. Pairs that break this are added, each row's worst
offenders first, and the matching is found anew, until none does.

There is no width limit; `benchmarks/assignment.json` says what it costs. Dictionaries whose features nearly all point
one way take longest, as they do with any exact solver: the time may grow with the cube of the width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

DENSE = 4096
PARTNERS = 64  # best partners of each row that are looked at first
BLOCK = 512  # rows whose similarities with everything are held at once
SLACK = 1e-10  # the proof is in floating point: the mean of the matching is best to within this

Similarities = Callable[["Tensor"], "Tensor"]
"""From row numbers (B,) to similarities (B, columns), all in [-1, 1], in float64."""


def best_mean(similarities: Similarities, rows: int, columns: int) -> float:
    """Mean similarity of the best matching; there are no more rows than columns, and each row has a partner."""
    import torch

    if columns <= DENSE:
        from scipy.optimize import linear_sum_assignment

        matrix = similarities(torch.arange(rows)).cpu().numpy()
        return float(matrix[linear_sum_assignment(matrix, maximize=True)].mean())
    return _Candidates(similarities, rows, columns).best_mean()


class _Candidates:
    """The pairs that a matching may use so far."""

    def __init__(self, similarities: Similarities, rows: int, columns: int) -> None:
        import numpy
        import torch

        self.similarities, self.rows, self.columns = similarities, rows, columns
        self.bar = numpy.full(rows, -numpy.inf)  # no pair of the row that is left out is worth more
        keep = min(PARTNERS, columns)
        numbers, partners, worth = [], [], []
        for block in torch.arange(rows).split(BLOCK):
            found = similarities(block)
            values, indices = found.topk(keep, dim=1)
            own = found.gather(1, block.to(found.device).unsqueeze(1))  # with pair (i, i) there always is a matching
            if keep < columns:
                self.bar[block.numpy()] = values[:, -1].cpu().numpy()
            numbers.append(numpy.repeat(block.numpy(), keep + 1))
            partners.append(torch.cat([indices.cpu(), block.unsqueeze(1)], 1).flatten().numpy())
            worth.append(torch.cat([values, own], 1).flatten().cpu().numpy())
        self.pairs = _Pairs(*map(numpy.concatenate, (numbers, partners, worth)), columns)

    def best_mean(self) -> float:
        while True:
            matched, surplus, prices = self.pairs.matching(self.rows)
            if not self._add_better_pairs(surplus, prices):
                return float(matched.mean())

    def _add_better_pairs(self, surplus: Any, prices: Any) -> bool:
        """Whether a pair that was left out could make the matching better; prices are never negative."""
        import numpy
        import torch

        found = []
        open_rows = torch.from_numpy(numpy.flatnonzero(self.bar > surplus + SLACK))
        for block in open_rows.split(BLOCK):
            worth = self.similarities(block)
            offer = torch.from_numpy(surplus[block.numpy(), None] + prices).to(worth.device)
            excess, j = (worth - offer).topk(min(PARTNERS, self.columns), dim=1)
            i, place = numpy.nonzero(excess.cpu().numpy() > SLACK)
            partners = j.cpu().numpy()[i, place]
            found.append((block.numpy()[i], partners, worth.cpu().numpy()[i, partners]))
        if not any(len(worth) for _, _, worth in found):
            return False
        numbers, partners, worth = (numpy.concatenate(parts) for parts in zip(*found, strict=True))
        return self.pairs.add(numbers, partners, worth)


class _Pairs:
    """Pairs of a row and a column with their worth, sorted by column, each once."""

    def __init__(self, rows: Any, columns: Any, worth: Any, width: int) -> None:
        self.width = width
        self._keep(rows, columns, worth)

    def _keep(self, rows: Any, columns: Any, worth: Any) -> None:
        import numpy

        key, first = numpy.unique(columns * self.width + rows, return_index=True)  # there are no more rows than columns
        self.count = len(key)
        self.rows, self.columns, self.worth = rows[first], columns[first], worth[first]

    def add(self, rows: Any, columns: Any, worth: Any) -> bool:
        """Whether any of these was not there before."""
        import numpy

        before = self.count
        parts = zip((self.rows, self.columns, self.worth), (rows, columns, worth), strict=True)
        self._keep(*(numpy.concatenate(pair) for pair in parts))
        return self.count > before

    def matching(self, rows: int) -> tuple[Any, Any, Any]:
        """The best matching of these pairs: each row's worth, its surplus, and the columns' prices that prove it."""
        import numpy
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import min_weight_full_bipartite_matching

        # Costs of 1 to 3: scipy takes a zero for a pair that is not there.
        costs = csr_array((2 - self.worth, (self.rows, self.columns)), shape=(rows, self.width))
        numbers, partners = min_weight_full_bipartite_matching(costs)
        partner = numpy.empty(rows, dtype=int)
        partner[numbers] = partners
        mine = self.columns == partner[self.rows]
        matched = numpy.empty(rows)
        matched[self.rows[mine]] = self.worth[mine]
        gain = self.worth - matched[self.rows]
        starts = numpy.flatnonzero(numpy.diff(self.columns, prepend=-1))
        named = self.columns[starts]
        prices = numpy.zeros(self.width)
        for _ in range(self.width + 1):  # Bellman-Ford: a best matching has no cycle of gain, so prices settle
            raised = numpy.maximum(prices[named], numpy.maximum.reduceat(gain + prices[partner[self.rows]], starts))
            settled = (raised <= prices[named] + SLACK / 100).all()
            prices[named] = raised
            if settled:
                break
        free = numpy.delete(prices, partner)
        if not settled or (free > SLACK).any():  # a cycle, or a path to an unused column, that gains
            raise ArithmeticError("no prices prove the matching: it is not the best among its own pairs")
        prices[numpy.setdiff1d(numpy.arange(self.width), partner)] = 0
        return matched, matched - prices[partner], prices
