"""A file of SAEBench results: one result, or a dictionary that wraps several and says how the SAE was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from husai_core.importer import SourceFile
from husai_saebench.rows import eval_of

SHARED_ID = "custom_sae"
"""What SAEBench calls every SAE that SAELens does not list: two files that say it need not mean the same one."""


@dataclass(frozen=True)
class Block:
    """One result in a file, and the key that it was filed under; a file that is one result has none."""

    key: str
    result: Mapping[str, Any]

    @property
    def kind(self) -> str | None:
        return eval_of(self.result)

    @property
    def config(self) -> Mapping[str, Any] | None:
        """The configuration of the SAE that was scored, which the older core results lack."""
        found = self.result.get("sae_cfg_dict")
        return found if isinstance(found, Mapping) else None

    @property
    def commit(self) -> str:
        found = self.result.get("sae_bench_commit_hash")
        return found if isinstance(found, str) and found else "unknown"

    @property
    def called(self) -> tuple[str, str] | None:
        """Release and id, where they name an SAE that everybody can look up."""
        release = self.result.get("sae_lens_release_id", self.result.get("sae_set"))
        own = self.result.get("sae_lens_id", self.result.get("sae_id"))
        if isinstance(release, str) and isinstance(own, str) and own not in ("", SHARED_ID):
            return release, own
        return None

    def place(self, below: str = "$") -> str:
        """A JSON path in the file, from one in the result."""
        return f"$['{self.key}']{below.removeprefix('$')}" if self.key else below


@dataclass(frozen=True)
class Training:
    """What a run dictionary says of how its SAE was trained."""

    key: str
    config: Mapping[str, Any]
    final: Mapping[str, Any]

    def differences(self, config: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        """Where the configuration of a scored SAE is not that of the trained one: key, trained, scored."""
        for theirs, ours in (("d_sae", "dict_size"), ("d_in", "activation_dim"), ("hook_layer", "layer"), ("k", "k")):
            if _number(config.get(theirs)) and _number(self.config.get(ours)) and config[theirs] != self.config[ours]:
                yield theirs, self.config[ours], config[theirs]
        one, other = self.config.get("lm_name"), config.get("model_name")
        if isinstance(one, str) and isinstance(other, str) and one.split("/")[-1] != other.split("/")[-1]:
            yield "model_name", one, other

    def contradictions(self) -> Iterator[tuple[str, str, Any, Any]]:
        """What the run says twice, and differently, of its own training."""
        same = (("lr", "learning_rate"), ("steps", "training_steps"), ("dict_size", "dict_size"), ("layer", "layer"))
        for one, other in same:
            if (
                _number(self.config.get(one))
                and _number(self.final.get(other))
                and self.config[one] != self.final[other]
            ):
                yield one, other, self.config[one], self.final[other]


@dataclass(frozen=True)
class Run:
    """One file, taken apart."""

    file: SourceFile
    blocks: tuple[Block, ...]
    training: Training | None
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, file: SourceFile) -> Run:
        document = file.document
        if is_result(document):
            return cls(file, (Block("", document),), None, ())
        blocks = tuple(Block(key, value) for key, value in document.items() if is_result(value))
        trainings = [Training(k, v["config"], _mapping(v.get("final_info"))) for k, v in document.items() if _trains(v)]
        training = trainings[0] if len(trainings) == 1 else None
        read = {block.key for block in blocks} | ({training.key} if training else set())
        return cls(file, blocks, training, tuple(key for key in document if key not in read))


def is_result(value: Any) -> bool:
    """Whether something is one result, of an eval that is known or not."""
    if not isinstance(value, Mapping):
        return False
    if "eval_type_id" in value:
        return isinstance(value["eval_type_id"], str) and isinstance(value.get("eval_result_metrics"), Mapping)
    return eval_of(value) is not None


def is_run(value: Any) -> bool:
    """Whether something is one result or wraps some."""
    return is_result(value) or (isinstance(value, Mapping) and any(is_result(block) for block in value.values()))


def _trains(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("config"), Mapping) and not is_result(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
