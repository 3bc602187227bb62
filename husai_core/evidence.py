"""Evidence: what was seen. Observations with their units, never means, intervals or verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum
from typing import Any, Literal

from husai_core.data_source import DataSource
from husai_core.external import NATIVE, RecordedExternal
from husai_core.metric import MetricCard

__all__ = ["Measurement", "Observation", "Outcome", "Scalar"]

EVIDENCE_SCHEMA = "husai:evidence/v1"

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Observation:
    """One finite value of one independent unit: a seed, or a pair of seeds.

    `part` names one of several things that were looked at within the unit, a document or a data set. Parts are no
    replicates: every unit has the same ones, and what is judged is their mean.
    """

    seeds: tuple[int, ...]
    value: float
    part: str = ""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"seeds": list(self.seeds), "value": self.value}
        return {**data, "part": self.part} if self.part else data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Observation:
        return cls(tuple(data["seeds"]), float(data["value"]), data.get("part", ""))


@dataclass(frozen=True)
class Measurement:
    """A metric of one condition (all seeds of one architecture and settings at one site).

    `scale` has what the card says that values depend on, such as the width; what differs in it is never compared.
    """

    metric: str
    condition: str
    observations: tuple[Observation, ...]
    setting: Mapping[str, Scalar] = field(default_factory=dict)
    chance: float | None = None
    scale: Mapping[str, Scalar] = field(default_factory=dict)

    def to_json(self, card: MetricCard) -> dict[str, Any]:
        data: dict[str, Any] = {
            "metric": card.to_json(),
            "condition": self.condition,
            "setting": dict(self.setting),
            "observations": [o.to_json() for o in self.observations],
        }
        if self.chance is not None:
            data["chance"] = self.chance
        return {**data, "scale": dict(self.scale)} if self.scale else data


@dataclass(frozen=True)
class RecordedMeasurement:
    """A measurement as read back, with the card it travelled with and what its producer stated, if anything."""

    card: MetricCard
    condition: str
    setting: Mapping[str, Scalar]
    observations: tuple[Observation, ...]
    chance: float | None
    stated: Mapping[str, float]
    scale: Mapping[str, Scalar] = field(default_factory=dict)

    def by_unit(self) -> Mapping[tuple[int, ...], float]:
        """The value of every unit: the one observed, or the mean over its parts."""
        return self._by_unit

    @cached_property
    def _by_unit(self) -> dict[tuple[int, ...], float]:
        found: dict[tuple[int, ...], list[float]] = {}
        for observation in self.observations:
            found.setdefault(tuple(sorted(observation.seeds)), []).append(observation.value)
        return {unit: v[0] if len(v) == 1 else fsum(v) / len(v) for unit, v in found.items()}

    def by_part(self) -> dict[tuple[int, ...], dict[str, float]]:
        """The values of every unit by part."""
        found: dict[tuple[int, ...], dict[str, float]] = {}
        for observation in self.observations:
            found.setdefault(tuple(sorted(observation.seeds)), {})[observation.part] = observation.value
        return found

    def parts(self) -> frozenset[str]:
        """What was looked at within the units; one empty name where a unit is one value."""
        return frozenset(observation.part for observation in self.observations)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RecordedMeasurement:
        return cls(
            card=MetricCard.from_json(data["metric"]),
            condition=data["condition"],
            setting=data["setting"],
            observations=tuple(Observation.from_json(o) for o in data["observations"]),
            chance=data.get("chance"),
            stated=data.get("stated", {}),
            scale=data.get("scale", {}),
        )


@dataclass(frozen=True)
class Outcome:
    """Whether a benchmark completed, and the reason and way out when it did not."""

    status: Literal["completed", "skipped", "failed"]
    reason: str = ""
    next_step: str = ""

    def to_json(self) -> dict[str, str]:
        if self.status == "completed":
            return {"status": self.status}
        return {"status": self.status, "reason": self.reason, "next_step": self.next_step}


@dataclass(frozen=True)
class Origin:
    """Which plugin, from which distribution and source text, produced something."""

    name: str
    version: str
    distribution: str
    source: str  # sha256 of the plugin's module

    def to_json(self) -> dict[str, str]:
        return {
            "name": self.name,
            "version": self.version,
            "distribution": self.distribution,
            "source": self.source,
        }


@dataclass(frozen=True)
class Evidence:
    """One benchmark at one site: who was measured, on what data, with which settings, and what came out."""

    benchmark: Origin
    settings: Mapping[str, Any]
    metrics: Mapping[str, Origin]  # who made each metric that was measured
    site: str
    site_digest: str
    data: tuple[DataSource, ...]
    texts: tuple[DataSource, ...]
    subjects: Mapping[str, str]  # subject name -> digest of its document
    outcome: Outcome
    measurements: tuple[RecordedMeasurement, ...]
    external: RecordedExternal | None = None

    @property
    def source(self) -> str:
        """Whether HUSAI measured it, the published program did, or somebody elsewhere."""
        return self.external.kind if self.external else NATIVE

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        return cls(
            benchmark=Origin(**data["benchmark"]),
            settings=data["settings"],
            metrics={m["name"]: Origin(**m) for m in data["metrics"]},
            site=data["site"]["name"],
            site_digest=data["site"]["digest"],
            data=tuple(DataSource(**d) for d in data["data"]),
            texts=tuple(DataSource(**d) for d in data.get("texts", ())),
            subjects={s["name"]: s["digest"] for s in data["subjects"]},
            outcome=Outcome(**data["outcome"]),
            measurements=tuple(RecordedMeasurement.from_json(m) for m in data["measurements"]),
            external=RecordedExternal.from_json(data["external"]) if "external" in data else None,
        )


def evidence_document(
    *,
    benchmark: Origin,
    settings: Mapping[str, Any],
    site: Mapping[str, str],
    data: Sequence[DataSource],
    texts: Sequence[DataSource],
    subjects: Sequence[Mapping[str, str]],
    outcome: Outcome,
    measurements: Sequence[Measurement],
    metrics: Mapping[str, tuple[Origin, MetricCard]],
    transcript: Mapping[str, Any] | None = None,
    external: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The JSON document of one benchmark at one site."""
    return {
        "schema": EVIDENCE_SCHEMA,
        "benchmark": benchmark.to_json(),
        "settings": dict(settings),
        "metrics": [metrics[name][0].to_json() for name in sorted({m.metric for m in measurements})],
        "site": dict(site),
        "data": [d.to_json() for d in data],
        **({"texts": [d.to_json() for d in texts]} if texts else {}),
        "subjects": [dict(s) for s in subjects],
        "outcome": outcome.to_json(),
        **({"transcript": dict(transcript)} if transcript else {}),
        **({"external": dict(external)} if external else {}),
        "measurements": [m.to_json(metrics[m.metric][1]) for m in measurements],
    }
