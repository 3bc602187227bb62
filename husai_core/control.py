"""Controls: coders whose score we know how to expect, made from a base coder and a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from husai_core.sae import Coder

if TYPE_CHECKING:
    from torch import Generator

    from husai_core.sae import Params


class Control(ABC):
    """A pure function: the base is left as it was, and the same seed gives the same control.

    A control is made for each seed of its base, so differences to it can be paired by seed.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    expectation: ClassVar[str]
    trained: ClassVar[bool] = True  # False: it has seen no training step, and its budget says so
    needs_initial: ClassVar[bool] = False  # True: it is made from initial weights, which a pretrained coder has not
    requires: ClassVar[Sequence[str]] = ("torch",)
    Settings: ClassVar[type]

    @abstractmethod
    def make(self, base: Coder, settings: Any, generator: Generator) -> Params:
        """Parameters of the control, of the same shapes as the base's."""
