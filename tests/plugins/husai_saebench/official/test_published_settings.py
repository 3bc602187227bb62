"""The profile `official` is what the installed program does when nobody says otherwise."""

from __future__ import annotations

import pytest

from husai_saebench import profiles
from husai_saebench.profiles import OFFICIAL

CODE = """
from dataclasses import asdict
from sae_bench.evals.absorption.eval_config import AbsorptionEvalConfig
from sae_bench.evals.autointerp.eval_config import AutoInterpEvalConfig
from sae_bench.evals.meta_structure.eval_config import MetaStructureEvalConfig
from sae_bench.evals.ravel.eval_config import RAVELEvalConfig
from sae_bench.evals.scr_and_tpp.eval_config import ScrAndTppEvalConfig
from sae_bench.evals.sparse_probing.eval_config import SparseProbingEvalConfig
answer = {
    "AbsorptionSettings": asdict(AbsorptionEvalConfig(model_name="x")),
    "AutointerpSettings": asdict(AutoInterpEvalConfig(model_name="x")),
    "MetaStructureSettings": asdict(MetaStructureEvalConfig()),
    "RavelSettings": asdict(RAVELEvalConfig()),
    "TppSettings": asdict(ScrAndTppEvalConfig(model_name="x", perform_scr=False)),
    "ScrSettings": asdict(ScrAndTppEvalConfig(model_name="x")),
    "SparseProbingSettings": asdict(SparseProbingEvalConfig(model_name="x")),
}
"""
OURS = {"llm_batch_size", "precalc_k_sparse_probe_sae_acts"}  # of the machine, and no number depends on them


@pytest.mark.official
def test_every_setting_is_the_default_of_the_installed_program(run_officially):
    for name, theirs in run_officially(CODE).items():
        ours = getattr(profiles, name)(profile=OFFICIAL).official()
        different = {
            key: (value, theirs[key]) for key, value in ours.items() if key not in OURS and value != theirs[key]
        }
        assert not different, name
        assert theirs["random_seed"] == profiles.Settings.seed
