"""Metrics: a named quantity with unit, direction, bounds, chance level and definition version."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from husai_core.sae import Coder

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ActivationPairMetric",
    "CoderMetric",
    "Direction",
    "Metric",
    "MetricCard",
    "PairMetric",
    "Reconstruction",
    "StreamMetric",
]

Direction = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class MetricCard:
    """What a reader must know to understand a number; it travels with every measurement."""

    name: str
    version: str
    unit: str
    direction: Direction
    definition: str
    low: float | None = None
    high: float | None = None
    continuous: bool = True
    defect: str = ""  # why its value is known to be wrong; such a number is shown and never judged
    scale: tuple[str, ...] = ()  # what its values depend on beside the dictionary; every measurement states each

    def allows(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def to_json(self) -> dict[str, Any]:
        card = {
            "name": self.name,
            "version": self.version,
            "unit": self.unit,
            "direction": self.direction,
            "definition": self.definition,
            "bounds": [self.low, self.high],
            "continuous": self.continuous,
            **({"scale": list(self.scale)} if self.scale else {}),
        }
        return {**card, "defect": self.defect} if self.defect else card

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MetricCard:
        fields = {k: data[k] for k in ("name", "version", "unit", "direction", "definition", "continuous")}
        low, high = data["bounds"]
        return cls(**fields, low=low, high=high, defect=data.get("defect", ""), scale=tuple(data.get("scale", ())))


class Metric(ABC):
    """What every metric declares; a concrete one is of one of the kinds below.

    A quantity that needs what only one benchmark has is a bare Metric with a card, and that benchmark computes it.
    """

    card: ClassVar[MetricCard]
    former: ClassVar[Sequence[MetricCard]] = ()  # cards of earlier versions, which evidence may still carry
    requires: ClassVar[Sequence[str]] = ("torch",)

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def version(self) -> str:
        return self.card.version

    @property
    def summary(self) -> str:
        return self.card.definition


@dataclass(frozen=True)
class Reconstruction:
    """A slice of test rows seen through one coder."""

    target: Tensor  # (B, d_out)
    latents: Tensor  # (B, d_sae)
    output: Tensor  # (B, d_out)
    target_mean: Tensor | None = None  # (d_out,) of the targets of all rows, in float64


class StreamMetric(Metric):
    """A quantity accumulated over slices of rows, so that no benchmark holds rows x d_sae at once."""

    @abstractmethod
    def update(self, state: Any, batch: Reconstruction) -> Any:
        """The state after one more slice; `state` is None before the first. Accumulate in float64."""

    @abstractmethod
    def finish(self, state: Any) -> float:
        """The value over all slices."""


class PairMetric(Metric):
    """A quantity of two dictionaries of unit-norm or unnormalised rows (features, d_out)."""

    def prepare(self, dictionary: Tensor) -> Any:
        """What `compare` is handed of one dictionary: work that would otherwise be repeated for each of its pairs.

        What it returns is kept for all dictionaries of a condition at once, so it must not be large.
        """
        return dictionary

    @abstractmethod
    def compare(self, first: Any, second: Any) -> float:
        """The value for two dictionaries, as `prepare` left them; symmetric."""

    def chance(self, features: int, dimensions: int) -> float | None:
        """Expectation for two independent sets of random directions, where it is known."""
        return None


class ActivationPairMetric(Metric):
    """A quantity of what two coders' latents do on the same rows, accumulated over slices of them."""

    @abstractmethod
    def bytes_held(self, first: int, second: int) -> int:
        """Memory of one state at these widths; a benchmark decides by it how many pairs go together."""

    @abstractmethod
    def update(self, state: Any, first: Tensor, second: Tensor) -> Any:
        """The state after one more slice of latents (B, d_sae) of each; `state` is None before the first."""

    @abstractmethod
    def finish(self, state: Any) -> float:
        """The value over all slices; symmetric in the two coders."""


class CoderMetric(Metric):
    """A quantity of one coder's weights alone."""

    needs_initial: ClassVar[bool] = False  # True: not measured of a pretrained coder, whose start is unknown

    @abstractmethod
    def of(self, coder: Coder) -> float:
        """The value for this coder."""
