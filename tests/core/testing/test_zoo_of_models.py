"""The zoo of models: each is wrong in exactly one way, caught by the check made for it and by no other."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from husai_core import Check, Corpus, Model, Skipped
from husai_core.model import WEIGHTS_FILE, TrainedModel
from husai_core.testing.models import CHECKS, model_contracts
from husai_core.testing.network import HOOK, TOKENS, WIDTH, small_network
from husai_tests import zoo
from husai_tests.zoo import Zoo

ZOO = Zoo()
caught_by = ZOO.caught_by


@dataclass(frozen=True)
class Rows:
    rows: int = 40


class Right(TrainedModel):
    """A right one: its network keeps the norms of its embeddings at 1, which random weights do not."""

    name = "zoo"
    summary = "For tests."
    requires = ("torch",)
    Settings = Rows
    default_hook = HOOK

    def build(self, settings, seed):
        network = small_network()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            network.embed.copy_(torch.randn(TOKENS, WIDTH, generator=generator))
        return network

    def train(self, settings, seed, progress):
        network = self.build(settings, seed)
        with torch.no_grad():
            network.embed.div_(network.embed.norm(dim=-1, keepdim=True))
        progress(1.0, "done")
        return network

    def corpus(self, settings, seed):
        first = torch.arange(settings.rows)
        tokens = torch.stack([first % TOKENS, (first // TOKENS) + 3, (7 * first) % TOKENS], 1)
        cut = settings.rows * 3 // 4
        return Corpus(tokens, (1, 2), first[:cut], first[cut:])

    def self_check(self, network, settings, seed):
        off = float((network.embed.norm(dim=-1) - 1).abs().max())
        return [Check("norms are 1", off, at_most=1e-3)]

    def labels(self, settings, seed, folder, corpus, rows):
        return {"token": corpus.tokens[rows][:, list(corpus.positions)]}

    def tables(self, settings, seed, folder):
        return {"embedding": self.load(settings, seed, folder).embed.detach().clone()}

    def encode(self, settings, seed, folder, texts):
        return [[0, *(1 + len(word) for word in text.split())] for text in texts]

    def decode(self, settings, seed, folder, tokens):
        return [" ".join("x" * (token - 1) for token in run) for run in tokens]


@caught_by("settings")
class SettingsCanChange(Right):
    @dataclass
    class Settings:
        rows: int = 40


@caught_by("prepares")
class CannotLearn(Right):
    def train(self, settings, seed, progress):
        raise ValueError("accuracy 0.2 after 5 steps")


@caught_by("prepares")
class NoNetwork(Right):
    def load(self, settings, seed, folder, layers=None):
        return object()


@caught_by("hooks_exist")
class NoSuchHook(Right):
    default_hook = "blocks.9.hook_resid_post"


@caught_by("hooks_exist")
class Overflows(Right):
    """The file is sound, and what the loaded network shows is not."""

    def load(self, settings, seed, folder, layers=None):
        network = super().load(settings, seed, folder, layers)
        shown = network.run_with_cache
        network.run_with_cache = lambda tokens, **how: (None, {h: v / 0 for h, v in shown(tokens, **how)[1].items()})
        return network


@caught_by("loads_the_same")
class LoadsWithNoise(Right):
    loaded = 0

    def load(self, settings, seed, folder, layers=None):
        self.loaded += 1
        network = super().load(settings, seed, folder, layers)
        with torch.no_grad():
            network.blocks[0].add_(1e-4 * self.loaded)
        return network


@caught_by("upper_layers_left_out")
class ChangesWithoutUpperLayers(Right):
    def load(self, settings, seed, folder, layers=None):
        network = super().load(settings, seed, folder, layers)
        if layers:
            with torch.no_grad():
                network.blocks[0].mul_(1.01)
        return network


@caught_by("prepares_the_same")
class LearnsSomethingElseEachTime(Right):
    trained = 0

    def train(self, settings, seed, progress):
        self.trained += 1
        network = super().train(settings, seed, progress)
        with torch.no_grad():
            network.blocks[0].add_(0.01 * self.trained)
        return network


@caught_by("prepares_the_same")
class SplitsAnewForEachFolder(Right):
    def __init__(self):
        self.folders = []

    def tokenise(self, settings, seed, folder):
        corpus = super().tokenise(settings, seed, folder)
        if folder not in self.folders:
            self.folders.append(folder)
        turn = self.folders.index(folder)
        return Corpus(corpus.tokens.roll(turn, 0), corpus.positions, corpus.train, corpus.test)


@caught_by("global_rng_untouched")
class ReseedsTorch(Right):
    def train(self, settings, seed, progress):
        torch.manual_seed(seed)
        return super().train(settings, seed, progress)


@caught_by("global_rng_untouched")
class ShufflesWithRandom(Right):
    def corpus(self, settings, seed):
        random.random()
        return super().corpus(settings, seed)


@caught_by("progress")
class ProgressInPercent(Right):
    def train(self, settings, seed, progress):
        progress(100.0, "done")
        return super().train(settings, seed, lambda fraction, note: None)


@caught_by("seed_decides")
class IgnoresTheSeed(Right):
    def build(self, settings, seed):
        return super().build(settings, 0)


@caught_by("digests")
class InputWithoutDigest(Right):
    def inputs(self, settings):
        return {"file": "rows.npy"}


@caught_by("digests")
class ShortDigest(Right):
    def weights(self, settings, folder):
        assert (folder / WEIGHTS_FILE).exists()
        return super().weights(settings, folder)[:20]


@caught_by("corpus_shapes")
class ReadsBeyondTheRow(Right):
    def corpus(self, settings, seed):
        corpus = super().corpus(settings, seed)
        return Corpus(corpus.tokens, (1, -1), corpus.train, corpus.test)

    def labels(self, settings, seed, folder, corpus, rows):
        return {}


@caught_by("corpus_shapes")
class NothingToTestOn(Right):
    def corpus(self, settings, seed):
        corpus = super().corpus(settings, seed)
        return Corpus(corpus.tokens, corpus.positions, corpus.train, corpus.test[:0])


@caught_by("splits_are_disjoint")
class TestsOnTrainingRows(Right):
    def corpus(self, settings, seed):
        corpus = super().corpus(settings, seed)
        return Corpus(corpus.tokens, corpus.positions, torch.arange(settings.rows), corpus.test)


@caught_by("splits_share_no_content")
class RepeatsRows(Right):
    def corpus(self, settings, seed):
        corpus = super().corpus(settings, seed)
        corpus.tokens[-1] = corpus.tokens[0]
        return corpus


@caught_by("known")
class LabelsInTheOrderOfTheCorpus(Right):
    def labels(self, settings, seed, folder, corpus, rows):
        return super().labels(settings, seed, folder, corpus, rows.sort().values)


@caught_by("known")
class OneLabelPerRow(Right):
    def labels(self, settings, seed, folder, corpus, rows):
        return {"token": corpus.tokens[rows][:, 0]}


@caught_by("texts")
class PadsToTheLongest(Right):
    def encode(self, settings, seed, folder, texts):
        found = super().encode(settings, seed, folder, texts)
        longest = max(map(len, found))
        return [tokens + [0] * (longest - len(tokens)) for tokens in found]


@caught_by("texts")
class NoFirstToken(Right):
    def encode(self, settings, seed, folder, texts):
        return [tokens[1:] for tokens in super().encode(settings, seed, folder, texts)]


@caught_by("texts")
class SkipsWithoutAStep(Right):
    def encode(self, settings, seed, folder, texts):
        raise Skipped("model zoo", "it reads no text")


@caught_by("checks_hold")
class ExaminesNothing(Right):
    def self_check(self, network, settings, seed):
        return []


@caught_by("checks_hold")
class HasNotLearned(Right):
    def train(self, settings, seed, progress):
        return self.build(settings, seed)


@caught_by("checks_hold")
class ACheckWithoutABound(Right):
    def self_check(self, network, settings, seed):
        return [*super().self_check(network, settings, seed), Check("loss", 3.0)]


@caught_by("checks_can_fail")
class AlwaysSound(Right):
    def self_check(self, network, settings, seed):
        return [Check("learned", 1.0, at_least=0.9)]


def failing(model: Model) -> dict[str, str]:
    (contract,) = model_contracts(model)
    return zoo.failing(contract)


def test_a_right_one_breaks_nothing():
    assert failing(Right()) == {}


@ZOO.each()
def test_each_wrong_one_is_caught_by_its_check_and_by_no_other(check, kind):
    zoo.assert_caught(failing(kind()), check)


def test_every_check_can_fail():
    ZOO.assert_complete(CHECKS)
