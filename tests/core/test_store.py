"""The store of activations: the same bytes however it was interrupted, nothing unnoticed, nothing beyond the cap."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from husai_core import strict_json
from husai_core.engine import activations
from husai_core.engine.activations import NetworkPass, layers_needed
from husai_core.engine.store import ActivationStore, Hooks, Shape
from husai_core.errors import UsageError
from husai_core.model import Corpus

A, B = ("a",), ("b",)
BOTH = ("a", "b")
KEYS = {A: "aa-one", B: "bb-two", BOTH: "cc-both"}
SHAPES = {"test": (5, 2), "train": (23, 4)}  # rows, rows per shard


class Counting:
    """A pass whose values say where they stand; it dies before the shard number `dies_at`."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.dies_at, self.made = dies_at, list[tuple[str, int]]()

    def shapes(self, hooks: Hooks) -> Mapping[str, Shape]:
        return {split: Shape(rows, 3 * len(hooks), shard) for split, (rows, shard) in SHAPES.items()}

    def rows(self, split: str, shard: int, hooks: Sequence[Hooks]) -> Iterator[Mapping[Hooks, torch.Tensor]]:
        if len(self.made) == self.dies_at:
            raise KeyboardInterrupt
        self.made.append((split, shard))
        for half in torch.arange(*self.shapes(A)[split].span(shard)).split(2):
            one = {h: half[:, None] + torch.tensor([0.25, 0.5, ord(h)]) for h in BOTH}
            yield {side: torch.cat([one[h] for h in side], -1) for side in hooks}


def _ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


def _bytes(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.suffix in (".npy", ".json")}


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("whole")
    assert ActivationStore(root).fill(KEYS, Counting, _ignore)
    return _bytes(root)


@pytest.fixture
def root() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


def test_what_is_stored_is_what_was_read_under_the_digest_of_its_file(root: Path) -> None:
    store = ActivationStore(root)
    store.fill(KEYS, Counting, _ignore)
    stored = store.open(KEYS[BOTH])["train"]
    rows = activations.load(stored.path)
    assert stored.rows == len(rows) == 23
    assert rows[7].tolist() == [7.25, 7.5, 7 + ord("a"), 7.25, 7.5, 7 + ord("b")]
    assert stored.digest == strict_json.digest(stored.path.read_bytes())
    numpy.save(root / "same.npy", rows.numpy())
    assert (root / "same.npy").read_bytes() == stored.path.read_bytes()


def test_two_hooks_in_one_pass_are_two_separate_passes(root: Path, whole: dict[str, bytes]) -> None:
    for hooks, key in KEYS.items():
        ActivationStore(root).fill({hooks: key}, Counting, _ignore)
    assert _bytes(root) == whole


def test_a_full_store_begins_no_pass(root: Path) -> None:
    ActivationStore(root).fill(KEYS, Counting, _ignore)

    def refuse() -> Counting:
        raise AssertionError("a pass was begun")

    assert not ActivationStore(root).fill(KEYS, refuse, _ignore)


@given(deaths=st.lists(st.integers(0, 8), max_size=4))
@settings(max_examples=25)
def test_killed_after_any_shards_and_resumed_the_bytes_are_the_same(deaths: list[int], whole: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made: list[tuple[str, int]] = []
        for death in [*deaths, None]:
            source = Counting(death)
            try:
                ActivationStore(Path(folder)).fill(KEYS, lambda source=source: source, _ignore)
            except KeyboardInterrupt:
                assert not any(Path(folder).rglob("whole.json"))
            made += source.made
        assert _bytes(Path(folder)) == whole
        assert len(made) == len(set(made)) == 9, "a finished shard was made again"


class Dying(Counting):
    """A pass in a process that is killed in the middle of its sixth shard."""

    def rows(self, split: str, shard: int, hooks: Sequence[Hooks]) -> Iterator[Mapping[Hooks, torch.Tensor]]:
        for rows in super().rows(split, shard, hooks):
            yield rows
            if len(self.made) == 6:
                os.kill(os.getpid(), signal.SIGKILL)


def test_killed_by_a_signal_in_the_middle_of_a_shard_it_goes_on_from_there(root: Path, whole: dict[str, bytes]) -> None:
    if (child := os.fork()) == 0:
        ActivationStore(root).fill(KEYS, Dying, _ignore)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    source = Counting()
    ActivationStore(root).fill(KEYS, lambda: source, _ignore)
    assert len(source.made) == 4
    assert _bytes(root) == whole


@given(data=st.data())
@settings(max_examples=40)
def test_a_flipped_byte_is_found_and_its_shard_alone_made_again(data: st.DataObject, whole: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ActivationStore(Path(folder)).fill(KEYS, Counting, _ignore)
        name = data.draw(st.sampled_from(sorted(n for n in whole if n.endswith(".npy"))))
        at = data.draw(st.integers(0, len(whole[name]) - 1))
        raw = bytearray(whole[name])
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
        (Path(folder) / name).write_bytes(raw)
        store, source = ActivationStore(Path(folder)), Counting()
        assert store.fill(KEYS, lambda: source, _ignore)
        assert _bytes(Path(folder)) == whole
        in_header = at < len(whole[name]) - len(whole[name]) % 64 and at < 128
        assert len(source.made) == len(store.changed) == (0 if in_header else 1)


@given(data=st.data())
@settings(max_examples=30)
def test_no_damage_to_the_record_goes_unnoticed(data: st.DataObject, whole: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ActivationStore(Path(folder)).fill(KEYS, Counting, _ignore)
        path = data.draw(st.sampled_from(sorted(Path(folder).rglob("whole.json"))))
        raw = bytearray(path.read_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(raw)
        ActivationStore(Path(folder)).fill(KEYS, Counting, _ignore)
        assert _bytes(Path(folder)) == whole


def test_a_record_of_fewer_rows_than_the_array_has_is_made_again(root: Path, whole: dict[str, bytes]) -> None:
    ActivationStore(root).fill(KEYS, Counting, _ignore)
    record = root / "aa" / KEYS[A] / "whole.json"
    about = json.loads(record.read_bytes())
    about["train"]["rows"] -= 1
    record.write_bytes(strict_json.encode(about))
    assert ActivationStore(root).fill(KEYS, Counting, _ignore)
    assert _bytes(root) == whole


@pytest.mark.parametrize("damage", ["truncate", "delete", "torn line", "no record"])
def test_other_damage_is_worked_around(root: Path, whole: dict[str, bytes], damage: str) -> None:
    ActivationStore(root).fill(KEYS, Counting, _ignore)
    folder = root / "aa" / KEYS[A]
    train, record = folder / "train.npy", folder / "shards.jsonl"
    match damage:
        case "truncate":
            os.truncate(train, 150)
        case "delete":
            train.unlink()
        case "torn line":
            (folder / "whole.json").unlink()
            os.truncate(record, record.stat().st_size - 9)
        case "no record":
            (folder / "whole.json").unlink()
            record.unlink()
    ActivationStore(root).fill(KEYS, Counting, _ignore)
    assert _bytes(root) == whole


def test_the_cap_refuses_before_anything_is_written(root: Path) -> None:
    needed = (5 + 23) * 3 * 4
    with pytest.raises(
        UsageError, match=rf"would take {needed} bytes, 0 are stored already, the cap is {needed - 1}"
    ) as e:
        ActivationStore(root, cap=needed - 1).fill({A: "aa"}, Counting, _ignore)
    assert "--activations-cap or HUSAI_ACTIVATIONS_CAP" in e.value.next_step
    assert not list(root.rglob("*.npy"))
    assert ActivationStore(root, cap=needed).fill({A: "aa"}, Counting, _ignore)


def test_what_is_stored_already_counts_against_the_cap_and_what_is_finished_does_not_count_twice(root: Path) -> None:
    ActivationStore(root).fill({A: "aa"}, Counting, _ignore)
    used = ActivationStore(root).bytes_used()
    with pytest.raises(UsageError, match=rf"{used} are stored already"):
        ActivationStore(root, cap=used + 300).fill({B: "bb"}, Counting, _ignore)
    assert not ActivationStore(root, cap=1).fill({A: "aa"}, Counting, _ignore)


def test_a_full_disk_refuses_before_anything_is_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"would take 336 bytes, the disk has 1 free"):
        ActivationStore(root).fill({A: "aa"}, Counting, _ignore)
    assert not list(root.rglob("*.npy"))


class Layers:
    """A network that counts how many of its layers ran and how many tokens it saw at once."""

    def __init__(self, layers: int) -> None:
        self.cfg = type("Cfg", (), {"n_layers": layers})()
        self.hook_dict = {f"blocks.{n}.hook_resid_post": None for n in range(layers)} | {"ln_final": None}
        self.stops, self.most = set[int | None](), 0

    def run_with_cache(
        self, tokens: torch.Tensor, *, names_filter: list[str], stop_at_layer: int | None
    ) -> tuple[None, dict[str, torch.Tensor]]:
        self.stops.add(stop_at_layer)
        self.most = max(self.most, tokens.numel())
        return None, {hook: torch.stack([tokens, tokens + len(hook)], -1).float() for hook in names_filter}


def test_one_pass_stops_above_the_highest_hook_and_sees_few_tokens_at_once(root: Path) -> None:
    network = Layers(9)
    tokens = torch.arange(600 * 100).view(600, 100)
    corpus = Corpus(tokens, (1, 99), torch.arange(500), torch.arange(500, 600))
    low, high = ("blocks.2.hook_resid_post",), ("blocks.4.hook_resid_post",)
    store = ActivationStore(root)
    store.fill({low: "low", high: "high"}, lambda: NetworkPass(network, corpus, [*low, *high]), _ignore)
    assert network.stops == {5}
    assert network.most <= activations.TOKENS_AT_ONCE
    rows = activations.load(store.open("high")["test"].path)
    assert rows[:, 0].tolist() == tokens[500:, [1, 99]].flatten().tolist()


@pytest.mark.parametrize(
    ("hooks", "layers"),
    [
        (["blocks.0.hook_resid_pre"], 1),
        (["blocks.3.attn.hook_z", "blocks.11.hook_mlp_out"], 12),
        (["hook_embed"], 0),
        (["blocks.1.hook_resid_post", "ln_final.hook_normalized"], None),
    ],
)
def test_how_many_layers_a_hook_needs(hooks: list[str], layers: int | None) -> None:
    assert layers_needed(hooks) == layers
