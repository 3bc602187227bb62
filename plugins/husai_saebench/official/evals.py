"""The official evals: how each is called, and what of its work belongs to the model alone and is done once for all."""

from __future__ import annotations

import functools
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from .handed import Texts, settle_words, throw_away

SHARED = "shared"  # the folder of artifacts, inside the scratch folder of whoever runs


class Eval(ABC):
    """One of them. `about` is the job: model name, hook, layer, width, seed, and the official settings."""

    cut: ClassVar[bool] = True  # whether layers above the hook may be left out
    reads_model: ClassVar[bool] = True  # whether it is handed one

    def __init__(self, about: Mapping[str, Any], texts: Texts) -> None:
        self.about, self.texts = about, texts
        self.beside: dict[str, float] = {}  # what was computed right beside what the official code gets wrong

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.about["settings"])

    @property
    def hook(self) -> dict[str, Any]:
        return {"model_name": self.about["model_name"], "hook_name": self.about["hook_name"]}

    def share(self, model: Any) -> None:  # noqa: B027, one of them shares nothing
        """What depends on no subject, done into the folder `shared`, below the current one."""

    @abstractmethod
    def run(self, name: str, sae: Any, model: Any) -> Path:
        """The official result file of one subject, in the current folder, which holds a copy of `shared`."""

    def seed(self) -> None:
        """The same random path for every subject."""
        import numpy
        import torch

        random.seed(self.about["seed"])
        numpy.random.seed(self.about["seed"] % 2**32)
        torch.manual_seed(self.about["seed"])

    def _rehearse(self, model: Any) -> None:
        self.seed()
        asked = [*self.settings.get("n_values", ()), *self.settings.get("k_values", ())]
        self.run("rehearsal", throw_away(self.about["d_in"], max([32, *asked]), self.hook), model)


class Core(Eval):
    """Splices reconstructions into the whole model, which is run for all subjects once where it is as it is."""

    cut = False

    def share(self, model: Any) -> None:
        from .memory import Memory

        Memory(model)
        self._rehearse(model)

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.core import main

        from .beside import Beside, watching

        self.texts.hand_over_stream()
        results = f"results-{name}"
        beside = Beside(sae)
        with watching(main, beside):
            main.multiple_evals([(name, sae)], output_folder=results, device="cpu", force_rerun=True, **self.settings)
        result = _only(results)
        self.beside = beside.values()
        self.texts.taken[f"tokens:{self.settings['dataset']}"] = (beside.digest, beside.contexts)
        return result


class SparseProbing(Eval):
    def share(self, model: Any) -> None:
        self._rehearse(model)

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.sparse_probing import main
        from sae_bench.evals.sparse_probing.eval_config import SparseProbingEvalConfig

        self.texts.hand_over_classes()
        config = SparseProbingEvalConfig(
            model_name=self.about["model_name"], random_seed=self.about["seed"], llm_dtype="float32", **self.settings
        )
        main.run_eval(config, [(name, sae)], "cpu", f"results-{name}", force_rerun=True, artifacts_path=SHARED)
        return _only(f"results-{name}")


class ScrOrTpp(Eval):
    perform_scr: ClassVar[bool]

    def share(self, model: Any) -> None:
        self._rehearse(model)

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.scr_and_tpp import main
        from sae_bench.evals.scr_and_tpp.eval_config import ScrAndTppEvalConfig

        self.texts.hand_over_classes()
        if self.about.get("fast"):
            from .ablation import remove_latents_by_their_means

            main.perform_feature_ablations = remove_latents_by_their_means
        config = ScrAndTppEvalConfig(
            model_name=self.about["model_name"],
            random_seed=self.about["seed"],
            llm_dtype="float32",
            perform_scr=self.perform_scr,
            **self.settings,
        )
        main.run_eval(config, [(name, sae)], "cpu", f"results-{name}", force_rerun=True, artifacts_path=SHARED)
        return _only(f"results-{name}")


class Scr(ScrOrTpp):
    perform_scr = True


class Tpp(ScrOrTpp):
    perform_scr = False


class SaeProbes(Eval):
    def share(self, model: Any) -> None:
        from sae_probes.generate_model_activations import ensure_dataset_activations
        from sae_probes.run_baselines import run_baseline_evals
        from sae_probes.utils_data import get_dataset_sizes

        self.seed()
        settings = self._config()
        if unknown := sorted(set(settings.dataset_names) - get_dataset_sizes().keys()):
            raise ValueError(f"sae-probes does not probe '{unknown[0]}'; it knows {', '.join(get_dataset_sizes())}")
        ensure_dataset_activations(
            model_name=settings.model_name,
            dataset_short_names=settings.dataset_names,
            hook_names=[self.about["hook_name"]],
            model_cache_path=settings.model_cache_path,
            device="cpu",
            max_seq_len=1024,
            model=model,
        )
        run_baseline_evals(
            model_name=settings.model_name,
            hook_name=self.about["hook_name"],
            setting="normal",
            method=settings.baseline_method,
            results_path=settings.results_path,
            model_cache_path=settings.model_cache_path,
            datasets=settings.dataset_names,
            device="cpu",
            seed=settings.random_seed,
        )

    def _config(self) -> Any:
        from sae_bench.evals.sparse_probing_sae_probes import SparseProbingSaeProbesEvalConfig

        return SparseProbingSaeProbesEvalConfig(
            model_name=self.about["model_name"],
            random_seed=self.about["seed"],
            results_path=f"{SHARED}/probes",
            model_cache_path=f"{SHARED}/activations",
            **self.settings,
        )

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.sparse_probing_sae_probes import run_eval

        run_eval(self._config(), [(name, sae)], "cpu", f"results-{name}", force_rerun=True)
        return _only(f"results-{name}")


class Absorption(Eval):
    """Reads `resid_post` of the hook's layer, whatever the hook is called: refused before it comes here."""

    def share(self, model: Any) -> None:
        from sae_bench.evals.absorption.common import load_or_train_probe

        settle_words(self.about["words"], self.about["seed"])
        self.seed()
        config = self._config()
        load_or_train_probe(
            model=model,
            layer=self.about["layer"],
            probes_dir=Path(SHARED) / "probes",
            base_template=config.prompt_template,
            pos_idx=config.prompt_token_pos,
            device="cpu",
        )

    def _config(self) -> Any:
        from sae_bench.evals.absorption.eval_config import AbsorptionEvalConfig

        return AbsorptionEvalConfig(
            model_name=self.about["model_name"], random_seed=self.about["seed"], llm_dtype="float32", **self.settings
        )

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.absorption import main

        settle_words(self.about["words"], self.about["seed"])
        # Else it writes into its own installation, where the next subject of the same name would find it.
        probes, probing = Path(SHARED) / "probes", Path("k_sparse_probing").absolute()
        main.run_k_sparse_probing_experiment = functools.partial(
            main.run_k_sparse_probing_experiment, probes_dir=probes, experiment_dir=probing
        )
        main.run_feature_absortion_experiment = functools.partial(
            main.run_feature_absortion_experiment,
            probes_dir=probes,
            sparse_probing_experiment_dir=probing,
            experiment_dir=Path("feature_absorption").absolute(),
        )
        os.makedirs("results", exist_ok=True)
        main.run_eval(self._config(), [(name, sae)], "cpu", "results", force_rerun=True)
        return _only("results")


class Autointerp(Eval):
    """Has a language model on a server explain latents. The key comes by the environment, and goes nowhere else."""

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.autointerp import main
        from sae_bench.evals.autointerp.eval_config import AutoInterpEvalConfig

        self.texts.hand_over_tokens()
        main.OpenAI = self._client
        config = AutoInterpEvalConfig(
            model_name=self.about["model_name"], random_seed=self.about["seed"], llm_dtype="float32", **self.settings
        )
        key = os.environ["OPENAI_API_KEY"]
        main.run_eval(config, [(name, sae)], "cpu", key, "results", force_rerun=True, artifacts_path=SHARED)
        return _only("results")

    def _client(self, api_key: str) -> Any:
        """The official code writes the name of the model into every question; it is asked for by the setting's."""
        from openai import OpenAI

        client = OpenAI(api_key=api_key, base_url=self.about["server"])
        asked = client.chat.completions.create

        def ask(**question: Any) -> Any:
            return asked(**{**question, "model": self.about["judge"]})

        client.chat.completions.create = ask
        return client


class MetaStructure(Eval):
    """Reads the decoder alone; its own command sets the seed, so whoever calls the function must."""

    reads_model = False

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.meta_structure import main
        from sae_bench.evals.meta_structure.eval_config import MetaStructureEvalConfig

        config = MetaStructureEvalConfig(random_seed=self.about["seed"], **self.settings)
        main.run_eval(config, [(name, sae)], "cpu", "results", force_rerun=True)
        return _only("results")


class Ravel(Eval):
    """Fetches one of the two models that it knows by itself, and the prompts where they do not lie in the mirror."""

    reads_model = False

    def run(self, name: str, sae: Any, model: Any) -> Path:
        from sae_bench.evals.ravel import main
        from sae_bench.evals.ravel.eval_config import RAVELEvalConfig

        prompts, base = self.about["prompts"], Path("artifacts", "base")
        if prompts:
            base.mkdir(parents=True)
            for file in sorted(Path(prompts).glob("*.json")):
                (base / file.name).symlink_to(file)
        config = RAVELEvalConfig(
            model_name=self.about["published_name"],
            random_seed=self.about["seed"],
            llm_dtype="float32",
            artifact_dir="artifacts",
            **self.settings,
        )
        main.run_eval(config, [(name, sae)], "cpu", "results", force_rerun=True, artifacts_path="artifacts")
        read = [file.read_text() for file in sorted(base.glob("*.json"))]
        self.texts.note("hub:adamkarvonen/ravel_prompts", read)
        return _only("results")


EVALS: Mapping[str, type[Eval]] = {
    "core": Core,
    "sparse_probing": SparseProbing,
    "sparse_probing_sae_probes": SaeProbes,
    "absorption": Absorption,
    "scr": Scr,
    "tpp": Tpp,
    "autointerp": Autointerp,
    "meta_structure": MetaStructure,
    "ravel": Ravel,
}


def _only(folder: str) -> Path:
    """The one result that the official code left there."""
    found = sorted(Path(folder).rglob("*_eval_results.json"))
    if len(found) != 1:
        raise RuntimeError("it ended without a result file")
    return found[0]
