"""Settings of the official evals: by name, those of the published benchmark, or small ones that two cores manage.

A setting that is not given has the value of its profile, and evidence records what it came to. What cannot change a
number (batch sizes of the model, paths) is no setting.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar
from urllib.parse import urlsplit

from husai_core.errors import did_you_mean
from husai_saebench.space import FLOAT, VOCABULARY, Space, activations

SERVER = "OPENAI_BASE_URL"
OPENAI, PUBLISHED_JUDGE = "https://api.openai.com/v1", "gpt-4o-mini"
OFFICIAL, SMOKE = "official", "smoke"
HUB = "hub"
OWN = "husai/texts"  # what the official code calls the texts that it is handed
"""In place of text sets: the data that the published benchmark names, from the hub or a folder of the same names."""

SPARSE_PROBING_SETS = (
    "LabHC/bias_in_bios_class_set1",
    "LabHC/bias_in_bios_class_set2",
    "LabHC/bias_in_bios_class_set3",
    "canrager/amazon_reviews_mcauley_1and5",
    "canrager/amazon_reviews_mcauley_1and5_sentiment",
    "codeparrot/github-code",
    "fancyzhx/ag_news",
    "Helsinki-NLP/europarl",
)
PAIRED_SETS = ("LabHC/bias_in_bios_class_set1", "canrager/amazon_reviews_mcauley_1and5")
PERIODS = ("sotu:1790-1859", "sotu:1961-2026")
MOST_CLASSES = 5  # of a published set
ALL_PROBES, ROWS_OF_A_PROBE = 113, 3000
RAVEL_PROMPTS = "adamkarvonen/ravel_prompts"
FEW_PROBES = ("5_hist_fig_ismale", "92_glue_sst2", "139_news_class_Politics")


@dataclass(frozen=True)
class Settings:
    """Of any eval. `leave_out` names controls that are not measured; `seed` is the official random seed."""

    profile: str = SMOKE
    leave_out: tuple[str, ...] = ()
    seed: int = 42

    profiles: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    hands_over: ClassVar[bool] = True  # whether the text sets are handed over, or the official code has its own of them

    def __post_init__(self) -> None:
        if self.profile not in self.profiles:
            known = did_you_mean(self.profile, self.profiles)
            raise ValueError(f"there is no profile '{self.profile}'; {known}")
        for field in fields(self):
            if getattr(self, field.name) is None:
                object.__setattr__(self, field.name, self.profiles[self.profile][field.name])
        if not 0 <= self.seed < 2**32:
            raise ValueError("seed must be from 0 to 4294967295")
        for name, value in vars(self).items():
            least = _LEAST.get(name)
            if least is not None and any(one < least for one in (value if isinstance(value, tuple) else (value,))):
                raise ValueError(f"{name} must be at least {least}")
            if isinstance(value, tuple) and len(set(value)) < len(value):
                raise ValueError(f"{name} names something twice")

    def official(self) -> dict[str, Any]:
        """The settings as the official code calls them."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        """What the official side must know beside its own settings."""
        return {}

    def text_sets(self) -> Sequence[str]:
        """The text sets that are read."""
        return ()

    def space(self) -> Space:
        """Roughly what it takes of this machine."""
        return Space()

    def hub_sets(self) -> Sequence[str]:
        """The data sets that the official code takes by their names on the hub."""
        official = self.official()
        one = official.get("dataset", official.get("dataset_name", ""))
        names = official.get("dataset_names", [one])
        return sorted({n.partition("_class_set")[0].removesuffix("_sentiment") for n in names if "/" in n} - {OWN})


_LEAST = {
    "reconstruction_batches": 1, "variance_batches": 1, "prompts_per_batch": 1, "context_length": 8, "ks": 1,
    "train_texts": 8, "test_texts": 4, "latents": 1, "max_k": 1, "probe_epochs": 1, "words": 0, "fewest_letters": 1,
    "tokens": 1000, "latents_explained": 1, "steps": 1, "rows_per_step": 1,
    "entities": 2, "templates": 1, "prompts": 0, "pairs": 2, "pairs_per_batch": 1, "epochs": 1,
}  # fmt: skip


@dataclass(frozen=True)
class CoreSettings(Settings):
    """`texts` are documents, or `hub` for the published ones; every batch is `prompts_per_batch` contexts."""

    texts: tuple[str, ...] | None = None
    reconstruction_batches: int | None = None
    variance_batches: int | None = None
    prompts_per_batch: int | None = None
    context_length: int | None = None

    profiles = {
        OFFICIAL: {
            "texts": (HUB,),
            "reconstruction_batches": 200,
            "variance_batches": 2000,
            "prompts_per_batch": 16,
            "context_length": 128,
        },
        SMOKE: {
            "texts": ("sotu:1961-2026",),
            "reconstruction_batches": 4,
            "variance_batches": 8,
            "prompts_per_batch": 4,
            "context_length": 128,
        },
    }

    def official(self) -> dict[str, Any]:
        return {
            "n_eval_reconstruction_batches": self.reconstruction_batches,
            "n_eval_sparsity_variance_batches": self.variance_batches,
            "eval_batch_size_prompts": self.prompts_per_batch,
            "context_size": self.context_length,
            "exclude_special_tokens_from_reconstruction": True,
            # Without these two, version 0.6.0 refuses its own result.
            "compute_featurewise_density_statistics": True,
            "compute_featurewise_weight_based_metrics": True,
            "dtype": "float32",
            "dataset": "Skylion007/openwebtext" if self.texts == (HUB,) else OWN,
        }

    def space(self) -> Space:
        """Predictions of three runs of the model over a batch: as it is, with the reconstruction, with zeros."""
        tokens = (self.prompts_per_batch or 0) * (self.context_length or 0)
        return Space(memory=3 * tokens * VOCABULARY * FLOAT)

    def text_sets(self) -> Sequence[str]:
        return _handed(self.texts)


@dataclass(frozen=True)
class LabelledSettings(Settings):
    """Of an eval that reads labelled texts: the published `sets`, and how many texts of each are for what."""

    sets: tuple[str, ...] | None = None
    train_texts: int | None = None
    test_texts: int | None = None
    context_length: int | None = None

    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OFFICIAL: {"train_texts": 4000, "test_texts": 1000, "context_length": 128},
        SMOKE: {"train_texts": 160, "test_texts": 80, "context_length": 128},
    }

    def official(self) -> dict[str, Any]:
        names = [OWN] if self.text_sets() else list(self.sets or ())
        return {"dataset_names": names, "context_length": self.context_length, "llm_batch_size": 16}

    def space(self) -> Space:
        """Activations of every token: of one data set in memory, of all of them on disk."""
        classes = len(self.text_sets()) or MOST_CLASSES
        documents = classes * ((self.train_texts or 0) + (self.test_texts or 0)) // 2
        one = activations(documents * (self.context_length or 0))
        return Space(memory=2 * one, disk=one * max(1, len(self.sets or ())))


@dataclass(frozen=True)
class SparseProbingSettings(LabelledSettings):
    """`texts` are text sets, each a class of one task, or `hub` for the published `sets`."""

    texts: tuple[str, ...] | None = None
    ks: tuple[int, ...] | None = None

    profiles = {
        OFFICIAL: {
            **LabelledSettings.sizes[OFFICIAL],
            "texts": (HUB,),
            "sets": SPARSE_PROBING_SETS,
            "ks": (1, 2, 5),
        },
        SMOKE: {**LabelledSettings.sizes[SMOKE], "texts": PERIODS, "sets": (), "ks": (1, 2, 5)},
    }

    def official(self) -> dict[str, Any]:
        return {
            **super().official(),
            "probe_train_set_size": self.train_texts,
            "probe_test_set_size": self.test_texts,
            "k_values": list(self.ks or ()),
        }

    def text_sets(self) -> Sequence[str]:
        return _handed(self.texts)


@dataclass(frozen=True)
class SaeProbesSettings(Settings):
    """`sets` are those of the package sae-probes by name; none is all 113 of them."""

    sets: tuple[str, ...] | None = None
    ks: tuple[int, ...] | None = None

    hands_over = False

    profiles = {
        OFFICIAL: {"sets": (), "ks": (1, 2, 5)},
        SMOKE: {"sets": FEW_PROBES, "ks": (1, 2, 5)},
    }

    def official(self) -> dict[str, Any]:
        chosen = {"dataset_names": list(self.sets)} if self.sets else {}
        return {**chosen, "ks": list(self.ks or ())}

    def space(self) -> Space:
        return Space(disk=activations(ROWS_OF_A_PROBE * (len(self.sets or ()) or ALL_PROBES)))

    def text_sets(self) -> Sequence[str]:
        return [f"sae_probes:{name}" for name in self.sets] if self.sets else ["sae_probes:binary"]


@dataclass(frozen=True)
class AbsorptionSettings(Settings):
    """`words` of the vocabulary are looked at, drawn by the seed; 0 is all of them.

    `fewest_letters` is how many letters must have a probe that works; with fewer, the eval gives nothing.
    """

    words: int | None = None
    max_k: int | None = None
    probe_epochs: int | None = None
    fewest_letters: int | None = None

    profiles = {
        OFFICIAL: {"words": 0, "max_k": 10, "probe_epochs": 50, "fewest_letters": 20},
        SMOKE: {"words": 3000, "max_k": 3, "probe_epochs": 20, "fewest_letters": 15},
    }

    def official(self) -> dict[str, Any]:
        return {
            "max_k_value": self.max_k,
            "k_sparse_probe_num_epochs": self.probe_epochs,
            "min_feats_for_eval": self.fewest_letters,
            "llm_batch_size": 10,
            "precalc_k_sparse_probe_sae_acts": True,
        }

    def about(self) -> dict[str, Any]:
        return {"words": self.words or None}


@dataclass(frozen=True)
class ScrSettings(LabelledSettings):
    """`latents` is how many are taken out. `fast` takes them out of the means, which is exact.

    Its texts carry two labels at once, which only the published sets do: there is no text set to hand over.
    """

    latents: tuple[int, ...] | None = None
    fast: bool = True

    profiles = {
        OFFICIAL: {
            **LabelledSettings.sizes[OFFICIAL],
            "sets": PAIRED_SETS,
            "latents": (2, 5, 10, 20, 50, 100, 500),
        },
        SMOKE: {**LabelledSettings.sizes[SMOKE], "sets": PAIRED_SETS[:1], "latents": (2, 10, 50)},
    }

    def official(self) -> dict[str, Any]:
        return {
            **super().official(),
            "train_set_size": self.train_texts,
            "test_set_size": self.test_texts,
            "n_values": list(self.latents or ()),
        }

    def about(self) -> dict[str, Any]:
        return {"fast": self.fast}


@dataclass(frozen=True)
class TppSettings(ScrSettings):
    """As of SCR, on `texts`: text sets, each a class, or `hub` for the published `sets`."""

    texts: tuple[str, ...] | None = None

    profiles = {
        OFFICIAL: {**ScrSettings.profiles[OFFICIAL], "texts": (HUB,)},
        SMOKE: {**ScrSettings.profiles[SMOKE], "sets": (), "texts": PERIODS},
    }

    def text_sets(self) -> Sequence[str]:
        return _handed(self.texts)


@dataclass(frozen=True)
class AutointerpSettings(Settings):
    """How many `latents_explained` from how many `tokens` of the texts; `judge` explains and sorts, on `server`.

    The server speaks OpenAI's protocol; it is that of OPENAI_BASE_URL unless it is given. The key is no setting.
    """

    texts: tuple[str, ...] | None = None
    tokens: int | None = None
    latents_explained: int | None = None
    context_length: int | None = None
    judge: str = PUBLISHED_JUDGE
    server: str = ""

    profiles = {
        OFFICIAL: {"texts": (HUB,), "tokens": 2_000_000, "latents_explained": 1000, "context_length": 128},
        SMOKE: {"texts": ("sotu:1961-2026",), "tokens": 20_000, "latents_explained": 5, "context_length": 128},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "server", self.server or os.environ.get(SERVER) or OPENAI)
        url = urlsplit(self.server)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"server must be an http or https address, as {SERVER} must")
        if url.username or url.password or url.query or url.fragment:
            raise ValueError("server must hold no user, password, query or fragment; it is recorded in the evidence")
        if not self.judge:
            raise ValueError("judge must name a model of the server")

    def official(self) -> dict[str, Any]:
        return {
            "n_latents": self.latents_explained,
            "total_tokens": self.tokens,
            "llm_context_size": self.context_length,
            "llm_batch_size": 16,
            "dataset_name": "monology/pile-uncopyrighted" if self.texts == (HUB,) else OWN,
        }

    def about(self) -> dict[str, Any]:
        return {"judge": self.judge, "server": self.server}

    def space(self) -> Space:
        """Activations of the chosen latents on every token, in half precision."""
        return Space(memory=2 * (self.tokens or 0) * (self.latents_explained or 0))

    def text_sets(self) -> Sequence[str]:
        return _handed(self.texts)


@dataclass(frozen=True)
class MetaStructureSettings(Settings):
    """A small dictionary is trained on the decoder's rows, in `steps` of `rows_per_step` rows."""

    steps: int | None = None
    rows_per_step: int | None = None

    profiles = {OFFICIAL: {"steps": 1500, "rows_per_step": 1024}, SMOKE: {"steps": 300, "rows_per_step": 256}}

    def official(self) -> dict[str, Any]:
        return {"train_steps": self.steps, "train_batch_size": self.rows_per_step}


@dataclass(frozen=True)
class RavelSettings(Settings):
    """So many `entities` and `templates`, drawn from `prompts` of all (0 is all); pairs are trained on in batches."""

    entities: int | None = None
    templates: int | None = None
    prompts: int | None = None
    pairs: int | None = None
    pairs_per_batch: int | None = None
    epochs: int | None = None

    profiles = {
        OFFICIAL: {
            "entities": 500,
            "templates": 90,
            "prompts": 0,
            "pairs": 5000,
            "pairs_per_batch": 64,
            "epochs": 2,
        },
        SMOKE: {"entities": 40, "templates": 8, "prompts": 400, "pairs": 100, "pairs_per_batch": 8, "epochs": 1},
    }

    def official(self) -> dict[str, Any]:
        return {
            "top_n_entities": self.entities,
            "top_n_templates": self.templates,
            "full_dataset_downsample": self.prompts or None,
            "num_pairs_per_attribute": self.pairs,
            "llm_batch_size": self.pairs_per_batch,
            "num_epochs": self.epochs,
        }

    def hub_sets(self) -> Sequence[str]:
        return [RAVEL_PROMPTS]


@dataclass(frozen=True)
class NotDrivenSettings(Settings):
    """Of an eval that HUSAI cannot run, whatever its settings."""

    profiles = {OFFICIAL: {}, SMOKE: {}}

    def official(self) -> dict[str, Any]:
        return {}


def _handed(texts: Sequence[str] | None) -> Sequence[str]:
    return [name for name in texts or () if name != HUB]
