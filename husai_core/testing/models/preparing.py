"""Preparing and loading: what was prepared comes back, the same every time, at hook points that exist."""

from __future__ import annotations

import re

from husai_core import strict_json
from husai_core.errors import HusaiError
from husai_core.model import TrainedModel
from husai_core.testing.comparison import must_be_close, must_be_finite, must_be_same
from husai_core.testing.contract import Broken, Skipped, check
from husai_core.testing.models.trial import ROWS_SHOWN, SEED, Trial
from husai_core.testing.settings_rule import must_be_settings

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@check()
def settings(trial: Trial) -> None:
    """`Settings` is a frozen dataclass of values that a study file can hold: written and read back, they are equal."""
    must_be_settings(trial.model.Settings, trial.settings)


@check(after=("settings",))
def prepares(trial: Trial) -> None:
    """`prepare` fills an empty folder from which `load` gives a network and `tokenise` its rows."""
    try:
        network, corpus = trial.network(), trial.corpus
    except (HusaiError, ValueError) as error:
        raise Broken(f"{error} (give `settings=` or `beside=` that suit it)") from error
    for member in ("cfg", "hook_dict", "run_with_cache"):
        if not hasattr(network, member):
            raise Broken(f"the network has no '{member}'")
    if not isinstance(network.cfg.n_layers, int):
        raise Broken(f"cfg.n_layers is {network.cfg.n_layers!r}")
    if not len(corpus.tokens):
        raise Broken("the corpus has no rows")


@check(after=("prepares",))
def hooks_exist(trial: Trial) -> None:
    """At `default_hook`, one of `hook_dict`, the network shows finite activations (rows, length, width)."""
    network, hook = trial.network(), trial.model.default_hook
    if hook not in network.hook_dict:
        raise Broken(f"there is no hook point '{hook}' among {', '.join(sorted(network.hook_dict)[:6])}, ...")
    shown = trial.shown(network)
    expected = (min(ROWS_SHOWN, len(trial.corpus.tokens)), trial.corpus.tokens.shape[1])
    if tuple(shown.shape[:2]) != expected or shown.dim() != 3:
        raise Broken(f"it shows {tuple(shown.shape)} for tokens {expected}")
    must_be_finite(shown[:, list(trial.corpus.positions)], "what it shows at the positions of the corpus")


@check(after=("hooks_exist",))
def loads_the_same(trial: Trial) -> None:
    """Loaded twice, a network shows the same to the last bit."""
    must_be_same(trial.shown(trial.network()), trial.shown(trial.network()), "loaded twice, it shows something else")


@check(after=("hooks_exist", "loads_the_same"))
def upper_layers_left_out(trial: Trial) -> None:
    """Without the layers above the hook, left out by `load` or by `stop_at_layer`, it shows the same there."""
    number = re.match(r"blocks\.(\d+)\.", trial.model.default_hook)
    if not number:
        raise Skipped("its default hook is of no layer")
    layers = int(number[1]) + 1
    whole = trial.shown(trial.network())
    must_be_close(trial.shown(trial.network(), layers), whole, 1e-5, f"with stop_at_layer = {layers} what it shows")
    must_be_close(
        trial.shown(trial.network(layers=layers), layers), whole, 1e-5, f"loaded with layers = {layers} what it shows"
    )


@check(after=("hooks_exist", "loads_the_same"))
def prepares_the_same(trial: Trial) -> None:
    """Prepared again by the same settings and seed, it has the same digest, rows and activations."""
    folder = trial.again[0]
    if trial.again[1]:
        raise Skipped("it draws from a global generator: see 'global_rng_untouched'")
    one, other = (trial.model.weights(trial.settings, place) for place in (trial.folder, folder))
    if one != other:
        raise Broken(f"its digest is {one[:16]}..., then {other[:16]}...")
    corpus = trial.tokenised(folder)
    for name in ("tokens", "train", "test"):
        must_be_same(getattr(corpus, name), getattr(trial.corpus, name), f"the {name} of the corpus differ")
    must_be_same(trial.shown(trial.network(folder)), trial.shown(trial.network()), "it shows something else")


@check(after=("prepares",))
def global_rng_untouched(trial: Trial) -> None:
    """Preparing, loading and tokenising draw from no global generator, and reseed none."""
    if changed := trial.again[1]:
        raise Broken(f"it changes the global generator of {changed[0]}")


@check(after=("prepares",))
def progress(trial: Trial) -> None:
    """Progress is told as a share of the work, from 0 to 1."""
    if wrong := [fraction for fraction in trial.again[2] if not 0 <= fraction <= 1]:
        raise Broken(f"it says {wrong[0]!r}")


@check(after=("hooks_exist", "loads_the_same"))
def seed_decides(trial: Trial) -> None:
    """Of a model that is trained here, another seed gives another start."""
    model = trial.model
    if not isinstance(model, TrainedModel):
        raise Skipped("it is not trained here")
    one, same, other = (trial.shown(model.build(trial.settings, seed)) for seed in (SEED, SEED, SEED + 1))
    must_be_same(same, one, "built twice with one seed, it shows something else")
    if one.equal(other):
        raise Broken("built with seeds 0 and 1 it shows the same: pass the seed to what draws")


@check(after=("prepares",))
def digests(trial: Trial) -> None:
    """What it depends on is plain JSON, and its inputs and weights are named by a sha256 digest."""
    model = trial.model
    strict_json.encode(dict(model.prepared_for(trial.settings, SEED)))
    named = {**model.inputs(trial.settings), "the weights": model.weights(trial.settings, trial.folder)}
    for name, digest in named.items():
        if not DIGEST.fullmatch(digest):
            raise Broken(f"the digest of {name} is {digest!r:.80}, not sha256: and 64 hexadecimal digits")


CHECKS = (
    settings,
    prepares,
    hooks_exist,
    loads_the_same,
    upper_layers_left_out,
    prepares_the_same,
    global_rng_untouched,
    progress,
    seed_decides,
    digests,
)
