"""What keeps an official eval from running: seen on these versions, and said with them, for others may differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from husai_core.need import Need

_IMPORT = "run it by its own command where it can run, and bring its result in with 'husai import'"


@dataclass(frozen=True)
class Obstacle:
    """One of them. With other versions than those it was seen with, it is tried where it ran with some at all."""

    rule: str
    next_step: str
    broke_with: Mapping[str, str]
    ran_with: Mapping[str, str] = field(default_factory=dict)

    def need(self, versions: Mapping[str, str]) -> Need:
        """Whether these versions have it."""
        here = {name: versions.get(name, "none") for name in self.broke_with}
        what = _listed(here)
        if self.ran_with and here == {name: self.ran_with[name] for name in self.broke_with}:
            return Need("version", what, True, f"it ran with {_listed(self.ran_with)}")
        if here == self.broke_with:
            return Need("version", what, False, f"{self.rule}, as was seen with {what}", self.next_step)
        seen = f"was seen with {_listed(self.broke_with)}"
        seen += f", and nobody looked at {what}" if "none" not in here.values() else ""
        if self.ran_with:
            return Need("version", what, True, f"it may be that {self.rule}, which {seen}")
        return Need("version", what, False, f"{self.rule}, which {seen}", self.next_step)


def version_needs(kind: str, versions: Mapping[str, str]) -> list[Need]:
    """What of an eval is known to break. Nothing is said of versions that are not there, but of what nobody drives."""
    known = OBSTACLES.get(kind, ())
    return [one.need(versions) for one in known if not one.ran_with or one.broke_with.keys() <= versions.keys()]


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


OBSTACLES: Mapping[str, tuple[Obstacle, ...]] = {
    "ravel": (
        Obstacle(
            "it takes the first document of a batch for the batch, because layers no longer give tuples, and stops "
            "with 'too many indices for tensor of dimension 2'",
            "an environment of its own with 'sae-bench==0.6.0' 'transformers==4.57.3' 'transformer-lens==2.16.1' "
            "'huggingface_hub==0.36.0', whose python HUSAI_SAEBENCH_PYTHON names",
            broke_with={"sae-bench": "0.6.0", "transformers": "5.23.0"},
            ran_with={"sae-bench": "0.6.0", "transformers": "4.57.3", "transformer-lens": "2.16.1"},
        ),
    ),
    "unlearning": (
        Obstacle(
            "it knows two models, gemma-2-2b-it and gemma-2-9b-it, and reads a gated corpus from "
            "sae_bench/evals/unlearning/data/bio-forget-corpus.jsonl below the current folder, which its package "
            "lacks: HUSAI does not drive it",
            f"get the corpus cais/wmdp-bio-forget-corpus; {_IMPORT}",
            broke_with={"sae-bench": "0.6.0"},
        ),
    ),
    "mdl": (
        Obstacle(
            "it imports loguru, which its package does not require, and then stops with 'NameError: name 'config' is "
            "not defined' unless it is run as a script; later it asks for CUDA: HUSAI does not drive it",
            "leave it out, or report it to SAEBench; its result follows no schema and cannot be imported either",
            broke_with={"sae-bench": "0.6.0"},
        ),
    ),
}
