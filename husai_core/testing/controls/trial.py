"""The trial of a control: bases of a plain architecture, rows, tables and a small network, all copied for each call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from husai_core.control import AnyControl, Control, FittedControl, KnownControl, ModelControl, TrainedControl
from husai_core.metric import Metric
from husai_core.sae import Coder
from husai_core.settings import parse_settings
from husai_core.testing.benchmarks.trial import copied
from husai_core.testing.generators import fixed_generators
from husai_core.testing.network import HOOK, small_network
from husai_core.testing.plain import ROWS, codes, good_coders, true_directions

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from husai_core.sae import Params


class Trial:
    """Every call gets copies and fixed global generators: a fault shows in its own check only."""

    def __init__(
        self, control: AnyControl, table: Mapping[str, Any], metrics: Iterable[Metric], effect: Mapping[str, str]
    ) -> None:
        self.control, self.table, self.effect = control, table, effect
        self.metrics = {metric.name: metric for metric in metrics}

    @cached_property
    def settings(self) -> Any:
        return parse_settings(self.control.Settings, self.table, "settings")

    @cached_property
    def bases(self) -> tuple[Coder, ...]:
        """Trained ones, of seeds in no order; they stand far from their starts."""
        return good_coders()

    @cached_property
    def rows(self) -> Tensor:
        return codes(ROWS, 1) @ true_directions() + 0.2

    @property
    def tables(self) -> dict[str, Tensor]:
        import torch

        known = {"features": true_directions().clone(), "bias": torch.full((self.rows.shape[1],), 0.2)}
        needed = self.control.needs_tables if isinstance(self.control, KnownControl) else ()
        return known | {name: true_directions().clone() for name in needed if name not in known}

    @property
    def makes_parameters(self) -> bool:
        return isinstance(self.control, Control | FittedControl | KnownControl)

    def made(self, base: Coder | None = None, draw: int = 0) -> Params:
        """The parameters of the control of a copy of a base."""
        with fixed_generators():
            return cloned(self.handed(copied(base or self.bases[0]), self.rows.clone(), self.tables, draw))

    def handed(self, base: Coder, rows: Tensor, tables: Mapping[str, Tensor], draw: int) -> Params:
        """The same, made of the very tensors given."""
        import torch

        control, generator = self.control, drawn(draw)
        with torch.no_grad():
            if isinstance(control, Control):
                return control.make(base, self.settings, generator)
            if isinstance(control, FittedControl):
                return control.fit(base, rows, self.settings, generator)
            assert isinstance(control, KnownControl)
            return control.reveal(base, tables, rows, self.settings, generator)

    def written(self, draw: int = 0, *, transcoder: bool = False) -> tuple[Tensor, Tensor]:
        """The rows that a `TrainedControl` writes; what it leaves out stays NaN."""
        x = self.rows.clone()
        with fixed_generators():
            return self.write(x, self.rows[:, :7].clone() if transcoder else x, draw)

    def write(self, x: Tensor, y: Tensor, draw: int) -> tuple[Tensor, Tensor]:
        import torch

        assert isinstance(self.control, TrainedControl)
        new_x = torch.full_like(x, float("nan"))
        new_y = new_x if y is x else torch.full_like(y, float("nan"))
        self.control.write_rows(x, y, new_x, new_y, self.settings, drawn(draw))
        return new_x, new_y

    def shown(self, altered: bool = True, layers: int | None = None, settings: Any = None) -> Tensor:
        """What the small network, or the one that a `ModelControl` makes of it, shows of some tokens."""
        network: Any = small_network(layers)
        if altered:
            assert isinstance(self.control, ModelControl)
            with fixed_generators():
                network = self.control.alter(network, settings or self.settings)
        return show(network)


def show(network: Any) -> Tensor:
    import torch

    tokens = torch.arange(24).reshape(6, 4)
    with torch.no_grad():
        _, found = network.run_with_cache(tokens, names_filter=[HOOK], stop_at_layer=1)
    shown: Tensor = found[HOOK]
    return shown


def drawn(seed: int) -> Generator:
    import torch

    return torch.Generator().manual_seed(1000 + seed)


def cloned(params: Params) -> Params:
    return {name: value.clone() for name, value in params.items()}
