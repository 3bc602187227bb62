"""Controls: coders whose score we know how to expect. The kinds differ in what a control is made from.

A `Control` is made from its base alone, a `FittedControl` also from the training rows, and a `KnownControl` also from
what the model knows of itself. For the other two the base's recipe is run again: a `TrainedControl` says on which other
rows, a `ModelControl` on the rows of which other network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from husai_core.sae import Coder

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.model import Network
    from husai_core.sae import Params

__all__ = ["AnyControl", "Control", "FittedControl", "KnownControl", "ModelControl", "TrainedControl"]


class AnyControl(ABC):
    """What every control says about itself.

    A control is made for each seed of its base, so differences to it can be paired by seed. It has the shapes of its
    base and is run by the base's architecture.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    expectation: ClassVar[str]
    trained: ClassVar[bool] = True  # False: it has seen no training step, and its budget says so
    needs_initial: ClassVar[bool] = False  # True: it is made from initial weights, which a pretrained coder has not
    needs_recipe: ClassVar[bool] = False  # True: its base's recipe is run again, which a pretrained coder has not
    autoencoders_only: ClassVar[bool] = False  # True: what is read must be what is reconstructed
    deterministic: ClassVar[bool] = False  # True: every seed has the same one, so its seeds are one unit to the gate
    requires: ClassVar[Sequence[str]] = ("torch",)
    Settings: ClassVar[type]


class Control(AnyControl):
    """A pure function: the base is left as it was, and the same seed gives the same control."""

    @abstractmethod
    def make(self, base: Coder, settings: Any, generator: Generator) -> Params:
        """Parameters of the control, of the same shapes as the base's."""


class FittedControl(AnyControl):
    """A control that looks at the activations, and takes no step of training."""

    trained = False

    @abstractmethod
    def fit(self, base: Coder, rows: Tensor, settings: Any, generator: Generator) -> Params:
        """Parameters of the control; `rows` (N, d_in) is memory-mapped, so read it in slices and leave it as it is."""


class KnownControl(AnyControl):
    """A control that is told what the model knows of itself; refused at a site whose model does not know it."""

    trained = False
    needs_tables: ClassVar[Sequence[str]]

    @abstractmethod
    def reveal(
        self, base: Coder, tables: Mapping[str, Tensor], rows: Tensor, settings: Any, generator: Generator
    ) -> Params:
        """Parameters of the control; `tables` has those that were asked for and maybe more, `rows` as in `fit`."""


class TrainedControl(AnyControl):
    """The base's own recipe, seeds and starts on other rows, so that the budget is the same by construction.

    It is measured on the site's rows, and what inference needs, such as a threshold, is set on those.
    """

    needs_recipe = True

    @abstractmethod
    def write_rows(
        self, x: Tensor, y: Tensor, new_x: Tensor, new_y: Tensor, settings: Any, generator: Generator
    ) -> None:
        """Fill `new_x` (N, d_in) and `new_y` (N, d_out) from what was read and what was to be written.

        All four are memory-mapped. Of an autoencoder `y` is `x` itself, and `new_y` is `new_x`. The rows are drawn
        once for all seeds, as the base's rows are the same for all seeds.
        """


class ModelControl(AnyControl):
    """The base's own recipe and seeds on the activations of another network: the same tokens, at the same hooks.

    It belongs to that network: it starts from the mean of those activations, its thresholds are set on them, and a
    benchmark measures it on them (`Task.own_rows`). One network serves all seeds, as the site's own does.
    """

    needs_recipe = True

    @abstractmethod
    def alter(self, network: Network, settings: Any) -> Network:
        """The other network, decided by the site's own and the settings alone; the one given may be changed.

        The engine may have left out layers above the hooks; what remains must come out the same.
        """
