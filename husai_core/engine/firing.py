"""Which latents were active lately, and so which are dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Firing:
    """`dead` (seeds, d_sae) marks latents silent for `window` steps; None until the window has passed once."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.dead: Tensor | None = None
        self.noted: Tensor | None = None
        self._last_active: Tensor | None = None

    def note(self, fired: Tensor) -> None:
        """`fired` (seeds, d_sae) were active at this step."""
        self.noted = fired

    def finish(self, step: int) -> None:
        """Take in what was noted at this step, if anything was."""
        import torch

        if self.noted is None:
            return
        if self._last_active is None:
            self._last_active = torch.zeros_like(self.noted, dtype=torch.long)
        self._last_active[self.noted] = step
        if step >= self.window:
            self.dead = step - self._last_active >= self.window
        self.noted = None

    def state(self) -> dict[str, Tensor]:
        state = {"last_active": self._last_active, "dead": self.dead}
        return {name: value for name, value in state.items() if value is not None}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._last_active, self.dead = state.get("last_active"), state.get("dead")
