"""Which blocks of result files are about the same dictionary, and what they say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from husai_core.importer import Note, SpokenOf, digest_of, identifier
from husai_saebench.rows import config_of
from husai_saebench.runs import SHARED_ID, Block, Run

UNKNOWN = "unknown"
TELLING = ("model_name", "hook_name", "hook_layer", "d_in", "d_sae", "architecture", "activation_fn_str", "k")
"""What of a configuration tells one SAE from another; precision or device do not."""

_THERE = {"file": "most blocks of the file have", "called": "most results of that name have"}
_ANOTHER = "judge nothing by it; find the result of the trained SAE, or measure it again"


@dataclass(frozen=True)
class About:
    """A dictionary, and the blocks about it, each with the run that it stands in."""

    spoken: SpokenOf
    blocks: tuple[tuple[Run, Block], ...]


def dictionaries(runs: Sequence[Run]) -> tuple[list[About], list[Note]]:
    """Blocks joined by a name that everybody can look up, or because one file holds them for one configuration."""
    notes: list[Note] = []
    groups: dict[tuple[str, ...], list[tuple[Run, Block]]] = {}
    named: dict[tuple[str, str], list[Block]] = {}
    for run in runs:
        for block in run.blocks if run.training is None else ():
            if block.called:
                named.setdefault(block.called, []).append(block)
    usual = {called: _usual(blocks) for called, blocks in named.items()}
    for run in runs:
        own = _usual(run.blocks)
        for block in run.blocks:
            groups.setdefault(_key(run, block, own, usual, notes), []).append((run, block))
    found = []
    others: dict[str, int] = {}
    for key, blocks in groups.items():
        run = blocks[0][0]
        name = identifier(".".join(key[1:3]) if key[0] == "called" else run.file.name)
        if key[0] == "other":
            others[name] = others.get(name, 0) + 1
            name = f"{name}.other{others[name]}"
        found.append(About(_spoken(name, key[0], run, [block for _, block in blocks]), tuple(blocks)))
    return found, notes


def _usual(blocks: Sequence[Block]) -> Mapping[str, Any]:
    """What the configurations of most blocks say of the SAE, where no training says it."""
    told = [_telling(block) for block in blocks if block.config is not None]
    digests = [digest_of(one) for one in told]
    return max(told, key=lambda one: (digests.count(digest_of(one)), digest_of(one))) if told else {}


def _telling(block: Block) -> dict[str, Any]:
    return {key: (block.config or {}).get(key) for key in TELLING}


def _key(
    run: Run,
    block: Block,
    own: Mapping[str, Any],
    usual: Mapping[tuple[str, str], Mapping[str, Any]],
    notes: list[Note],
) -> tuple[str, ...]:
    """What a block is filed under: a name, its file, or its file and the configuration that does not belong there."""
    file = run.file.name
    if run.training is not None:
        key: tuple[str, ...] = ("file", file)
        differing = list(_differences(run, block))
    else:
        key = ("called", *block.called) if block.called else ("file", file)
        expected = usual[block.called] if block.called else own
        found = _telling(block) if block.config is not None else expected
        differing = [(name, value, found.get(name)) for name, value in expected.items() if found.get(name) != value]
    if not differing:
        return key
    there = "trained was" if run.training is not None else _THERE[key[0]]
    listed = "; ".join(f"{name} is {scored}, {there} {usually}" for name, usually, scored in differing)
    rule = (
        f"is evidence of another SAE than the rest {'of the file' if key[0] == 'file' else 'under its name'}: {listed}"
    )
    notes.append(Note(file, block.place("$.sae_cfg_dict" if block.config else "$"), rule, _ANOTHER))
    return ("other", file, digest_of(block.config if block.config is not None else block.result))


def _differences(run: Run, block: Block) -> Iterator[tuple[str, Any, Any]]:
    """Against how the SAE of the file was trained, as far as the block says anything of its own."""
    if run.training is None:
        return
    if block.config is not None:
        yield from run.training.differences(block.config)
    k = run.training.config.get("k")
    active = _active(block)
    top_k = "topk" in str(run.training.config.get("trainer_class", "")).lower()
    if top_k and isinstance(k, int) and active is not None and active > k * 1.01:
        yield "l0", f"at most k = {k}", active


def _active(block: Block) -> float | None:
    """The mean number of active latents, which core alone reports."""
    if block.kind != "core":
        return None
    metrics = block.result.get("eval_result_metrics", block.result.get("metrics"))
    sparsity = metrics.get("sparsity") if isinstance(metrics, Mapping) else None
    found = sparsity.get("l0") if isinstance(sparsity, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _spoken(name: str, kind: str, run: Run, blocks: Sequence[Block]) -> SpokenOf:
    """The dictionary, by its configuration and, where the blocks are of the trained one, by its training."""
    config: Mapping[str, Any] = next((b.config for b in blocks if b.config is not None), {})
    training = run.training if kind == "file" else None
    trained: Mapping[str, Any] = training.config if training else {}
    seed = trained.get("seed")
    known = isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= 2**53
    unverified = [] if known else ["its seed: the files do not say it, and it stands here as 0"]
    if any(_shared(block) for block in blocks):
        unverified.append(f"that all results are of one SAE: SAEBench calls every one of its kind '{SHARED_ID}'")
    if any(block.config is None for block in blocks):
        unverified.append("that the core result is of this SAE: it says nothing of its configuration")
    model = _first(
        config.get("model_name"), trained.get("lm_name"), *(config_of(b.result).get("model_name") for b in blocks)
    )
    architecture = _first(config.get("architecture"), trained.get("dict_class"))
    return SpokenOf(
        condition=name,
        seed=seed if known else 0,  # type: ignore[arg-type]
        model=model,
        hook=_first(config.get("hook_name"), trained.get("submodule_name")),
        architecture=architecture,
        source=digest_of([trained, config, sorted(digest_of(b.result) for b in blocks)]),
        settings={**config, **(training.final if training else {}), **trained},
        dims=_dims(config, trained),
        explored=kind == "other",
        unverified=tuple(unverified),
    )


def _shared(block: Block) -> bool:
    return SHARED_ID in (block.result.get("sae_lens_id"), block.result.get("sae_id"))


def _dims(config: Mapping[str, Any], trained: Mapping[str, Any]) -> dict[str, int]:
    """Width and depth, where the files say them."""
    found = {}
    for key, other in (("d_in", "activation_dim"), ("d_sae", "dict_size")):
        value = config.get(key, trained.get(other))
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 2**53:
            found[key] = value
    return {**found, "d_out": found["d_in"]} if "d_in" in found else found


def _first(*values: Any) -> str:
    return next((value for value in values if isinstance(value, str) and value), UNKNOWN)
