"""The thing judged: one sparse coder at one site, with its role, seed, budget and the digest of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from husai_core.data_source import DataSource

SUBJECT_SCHEMA = "husai:subject/v2"

Role = Literal["candidate", "baseline", "explored", "control"]
"""`explored` is a point of a search: measured so that something could be chosen, and judged by nobody."""


@dataclass(frozen=True)
class ControlOf:
    """Which control this is, and of which condition."""

    name: str
    of: str
    made_by: Mapping[str, Any]  # version, distribution, source and settings of the control's plugin; what it says below

    @property
    def deterministic(self) -> bool:
        """Whether every seed has the very same control, so that all of them are one unit."""
        return bool(self.made_by.get("deterministic"))

    @property
    def activations(self) -> tuple[DataSource, ...]:
        """The rows it was trained on and is measured on, where these are another model's and not the site's."""
        return tuple(DataSource(**source) for source in self.made_by.get("activations", ()))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ControlOf:
        made_by = {key: value for key, value in data.items() if key not in ("name", "of")}
        return cls(data["name"], data["of"], made_by)


@dataclass(frozen=True)
class Subject:
    """One coder as the bundle describes it. `condition` is shared by all seeds of one architecture and settings."""

    name: str
    condition: str
    role: Role
    site: str
    site_digest: str
    architecture: Mapping[str, Any]
    dims: Mapping[str, int]
    seed: int
    budget: Mapping[str, Any]
    weights: str | None
    control: ControlOf | None
    unverified: tuple[str, ...] = ()  # what nobody could check of a subject that only imported results speak of

    @property
    def pretrained(self) -> bool:
        """Whether it was trained elsewhere, so that nobody here knows its budget."""
        return bool(self.budget.get("pretrained"))

    @property
    def joint(self) -> bool:
        """Whether its seeds were drawn together in training, which makes them one run."""
        return not self.pretrained and self.budget["agreement"] > 0

    @property
    def identity(self) -> str:
        """What tells it from others: its weights; where nobody named those, what speaks of it, under its name."""
        return self.weights or f"{self.budget['source']} {self.name}"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Subject:
        """The subject of a valid document in the newest version; `husai_schemas.lift` brings an older one there."""
        control = data.get("control")
        return cls(
            name=data["name"],
            condition=data["condition"],
            role=data["role"],
            site=data["site"]["name"],
            site_digest=data["site"]["digest"],
            architecture=data["architecture"],
            dims=data["dims"],
            seed=data["seed"],
            budget=data["budget"],
            weights=data.get("weights"),
            control=ControlOf.from_json(control) if control else None,
            unverified=tuple(data.get("unverified", ())),
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "schema": SUBJECT_SCHEMA,
            "name": self.name,
            "condition": self.condition,
            "role": self.role,
            "site": {"name": self.site, "digest": self.site_digest},
            "architecture": dict(self.architecture),
            "dims": dict(self.dims),
            "seed": self.seed,
            "budget": dict(self.budget),
        }
        if self.weights is not None:
            data["weights"] = self.weights
        if self.unverified:
            data["unverified"] = list(self.unverified)
        if self.control:
            data["control"] = {"name": self.control.name, "of": self.control.of, **self.control.made_by}
        return data
