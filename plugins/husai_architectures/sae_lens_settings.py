"""SAELens settings: the fields of the configurations that the installed SAELens registers for training.

`family` picks one; of the rest only that family's fields may be given, and those left out take its defaults. Not
offered: what the site decides (widths, numbers' type, device, metadata), and the normalising and reshaping of
activations, which SAELens does outside the part that is trained here.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
import warnings
from collections.abc import Mapping
from typing import Any

from husai_core.errors import did_you_mean

NOT_OFFERED = ("d_in", "d_sae", "dtype", "device", "metadata", "normalize_activations", "reshape_activations")
_PLAIN = (bool, int, float, str, type(None))


def families() -> Mapping[str, tuple[Any, Any]]:
    """Training class and configuration class by the name under which SAELens registers them."""
    import sae_lens  # registers on import
    from sae_lens.registry import SAE_TRAINING_CLASS_REGISTRY

    assert sae_lens.__version__
    registered: Mapping[str, tuple[Any, Any]] = SAE_TRAINING_CLASS_REGISTRY
    return registered


@functools.cache
def settings_class() -> type:
    """A frozen dataclass: `family`, and every field of any registered family, None where it is another's."""
    kinds: dict[str, Any] = {}
    for _, config in families().values():
        for name, hint in _offered(config).items():
            kinds[name] = typing.Union[kinds.get(name), _kind(hint)]  # noqa: UP007, built from values
    fields: list[Any] = [("family", str)]
    fields += [(name, kind, dataclasses.field(default=None)) for name, kind in kinds.items()]
    namespace = {"__post_init__": _complete, "__doc__": families.__doc__, "__module__": __name__}
    return dataclasses.make_dataclass("SaeLensSettings", fields, namespace=namespace, frozen=True)


def configuration(settings: Any, d_in: int, d_sae: int, dtype: str, device: str) -> Any:
    """SAELens's own configuration of the family, at these widths."""
    config = families()[settings.family][1]
    chosen = {name: getattr(settings, name) for name in _offered(config)}
    return _made(config, chosen, d_in=d_in, d_sae=d_sae, dtype=dtype, device=device)


def _complete(self: Any) -> None:
    """Hold the settings to the family and fill in its defaults, so that evidence records what was used."""
    if self.family not in families():
        raise ValueError(f"SAELens registers no family '{self.family}' for training; {_near(self.family, families())}")
    config = families()[self.family][1]
    offered = _offered(config)
    given = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "family"}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in offered:
            raise ValueError(f"SAELens's {self.family} has no setting '{name}'; {_near(name, offered)}")
        allowed = typing.get_args(offered[name]) if typing.get_origin(offered[name]) is typing.Literal else (value,)
        if value not in allowed:
            raise ValueError(f"{name} is none of SAELens's: {_near(str(value), allowed)}")
        if isinstance(value, float) and float not in (offered[name], *typing.get_args(offered[name])):
            raise ValueError(f"{name} of SAELens's {self.family} must be a whole number, not {value}")
    made = _made(config, given, d_in=1, d_sae=1)
    for name in offered:
        value = getattr(made, name)
        value = tuple(value) if isinstance(value, list) else value
        if name in given and value != given[name]:
            raise ValueError(f"SAELens's {self.family} makes {name} {value}, whatever is asked for")
        object.__setattr__(self, name, value)


def _offered(config: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(config)
    names = [f.name for f in dataclasses.fields(config) if f.name not in NOT_OFFERED]
    return {name: hints[name] for name in names if _kind(hints[name]) is not None}


def _kind(hint: Any) -> Any:
    """The type that a study file can hold for it; None where there is no such."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return type(inner[0])
    if origin is list and inner[0] in _PLAIN:
        return tuple[inner[0], ...]  # type: ignore[valid-type]
    if origin in (typing.Union, types.UnionType):
        return hint if all(member in _PLAIN for member in inner) else None
    return hint if hint in _PLAIN else None


def _made(config: Any, chosen: Mapping[str, Any], **rest: Any) -> Any:
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it would say is checked by `_complete`
        return config(**lists, **rest)


def _near(wrong: str, known: Any) -> str:
    return did_you_mean(wrong, [str(name) for name in known])
