"""Batches: row numbers in an order that a seed decides and that can be taken up again anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from husai_core.errors import EvaluationError

if TYPE_CHECKING:
    from torch import Tensor


class Batches:
    """Endless batches of row numbers: every epoch a new permutation, a short tail dropped."""

    def __init__(self, rows: int, size: int, seed: int) -> None:
        import torch

        if rows < size:
            raise EvaluationError(
                "training", f"a batch of {size} rows cannot be taken from {rows} training rows", "lower batch_size"
            )
        self.rows, self.size = rows, size
        self._generator = torch.Generator().manual_seed(seed)
        self._begin_epoch()

    def next(self) -> Tensor:
        """The row numbers of the next batch."""
        if self._at + self.size > self.rows:
            self._begin_epoch()
        batch = self._order[self._at : self._at + self.size]
        self._at += self.size
        return batch

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs: how the epoch began, and how far it is."""
        import torch

        return {"generator": self._epoch_began_with, "at": torch.tensor(self._at)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on where the batches that gave this state stood."""
        self._generator.set_state(state["generator"])
        self._begin_epoch()
        self._at = int(state["at"])

    def _begin_epoch(self) -> None:
        import torch

        self._epoch_began_with = self._generator.get_state()
        self._order = torch.randperm(self.rows, generator=self._generator)
        self._at = 0
