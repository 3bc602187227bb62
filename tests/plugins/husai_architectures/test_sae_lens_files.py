"""Files: what we save SAELens loads, what it saves we load, and what cannot be read says so with a way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from husai_architectures.batch_topk import BatchTopK
from husai_architectures.gated import Gated
from husai_architectures.jumprelu import JumpRelu
from husai_architectures.matryoshka_batch_topk import MatryoshkaBatchTopK
from husai_architectures.relu import Relu
from husai_architectures.topk import TopK
from husai_core import interchange
from husai_core.errors import UsageError

SAVED_AS = {
    Relu: "standard",
    TopK: "topk",
    BatchTopK: "jumprelu",
    MatryoshkaBatchTopK: "jumprelu",
    JumpRelu: "jumprelu",
    Gated: "gated",
}
TRAINED_AS = {
    Relu: "StandardTrainingSAE",
    TopK: "TopKTrainingSAE",
    BatchTopK: "BatchTopKTrainingSAE",
    MatryoshkaBatchTopK: "MatryoshkaBatchTopKTrainingSAE",
    JumpRelu: "JumpReLUTrainingSAE",
    Gated: "GatedTrainingSAE",
}
FAMILIES = pytest.mark.parametrize("family", SAVED_AS)
APPLY = pytest.mark.parametrize("apply_b_dec_to_input", [True, False])


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    return json.loads((folder / "cfg.json").read_bytes()), load_file(folder / "sae_weights.safetensors")


@FAMILIES
@APPLY
def test_sae_lens_loads_what_we_save(sae_lens, coder_of, rows, tmp_path, family, apply_b_dec_to_input):
    coder, x = coder_of(family=family, apply_b_dec_to_input=apply_b_dec_to_input), rows(60, 8)
    coder.architecture.calibrate(coder.params, x, coder.settings)
    files = interchange.saved_files(coder, "model", "hook")
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        theirs = sae_lens.SAE.load_from_disk(tmp_path)
        latents = theirs.encode(x)
        output = theirs.decode(latents)
    assert theirs.cfg.architecture() == SAVED_AS[family]
    torch.testing.assert_close(coder.encode(x), latents, rtol=0, atol=1e-5)
    torch.testing.assert_close(coder.decode(coder.encode(x)), output, rtol=0, atol=1e-5)

    again = interchange.read_params(coder.architecture, files)
    assert again.keys() == coder.params.keys()
    assert all(torch.equal(again[name], value) for name, value in coder.params.items())
    settings, _ = coder.architecture.from_sae_lens(json.loads(files["cfg.json"]), coder.params)
    assert settings["apply_b_dec_to_input"] == apply_b_dec_to_input
    assert settings.get("k") == getattr(coder.settings, "k", None)
    assert settings.get("prefixes") == (
        None if family is not MatryoshkaBatchTopK else tuple(w / 24 for w in coder.settings.widths(24))
    )


@pytest.mark.parametrize("save", ["save_model", "save_inference_model"])
@pytest.mark.parametrize(
    ("family", "rescale"), [*((f, False) for f in SAVED_AS), *((f, True) for f in SAVED_AS if issubclass(f, TopK))]
)
def test_we_load_what_sae_lens_saves(sae_lens, rows, tmp_path, family, save, rescale):
    """Training checkpoints and inference models, with and without pre-activations scaled by decoder norms."""
    topk = issubclass(family, TopK)
    name = TRAINED_AS[family]
    extra = {"k": 3, "rescale_acts_by_decoder_norm": rescale} if topk else {}
    extra |= {"matryoshka_widths": [6, 24]} if family is MatryoshkaBatchTopK else {}
    x = rows(60, 8)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        theirs = getattr(sae_lens, name)(getattr(sae_lens, f"{name}Config")(d_in=8, d_sae=24, **extra))
        for value in theirs.parameters():
            value += 0.3 * torch.rand_like(value)
        if hasattr(theirs, "topk_threshold"):
            theirs.topk_threshold += 0.7
        getattr(theirs, save)(tmp_path)
        theirs.save_inference_model(tmp_path / "inference")
        loaded = sae_lens.SAE.load_from_disk(tmp_path / "inference")
        latents = loaded.encode(x)
        expected = loaded.decode(latents)
    settings, params = family().from_sae_lens(*read_folder(tmp_path))
    chosen = family.Settings(**settings)
    if topk:
        assert chosen.k == 3
    ours = family().encode(params, x, chosen)
    torch.testing.assert_close(ours, latents, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(family().decode(params, ours, chosen), expected, rtol=1e-5, atol=1e-5)


def test_decoder_norms_are_folded_exactly(sae_lens, coder_of, rows):
    coder, x = coder_of(), rows(60, 8)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        theirs = sae_lens.TopKSAE(sae_lens.TopKSAEConfig(d_in=8, d_sae=24, k=4, rescale_acts_by_decoder_norm=True))
        theirs.load_state_dict(coder.params)
        latents = theirs.encode(x)
        output = theirs.decode(latents)
    settings, params = coder.architecture.from_sae_lens(theirs.cfg.to_dict(), coder.params)
    chosen = coder.architecture.Settings(**settings)
    ours = coder.architecture.encode(params, x, chosen)
    torch.testing.assert_close(ours, latents)
    torch.testing.assert_close(coder.architecture.decode(params, ours, chosen), output)


def test_older_checkpoints(coder_of):
    """TopK was an activation function before version 6, and JumpReLU trained the logarithm of its threshold."""
    topk = coder_of()
    old = {"architecture": "standard", "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 5}}
    assert topk.architecture.from_sae_lens(old, topk.params)[0]["k"] == 5
    jump = coder_of(family=JumpRelu)
    tensors = {k: v.bfloat16() for k, v in jump.params.items()}
    tensors["log_threshold"] = tensors.pop("threshold").float().log()
    read = jump.architecture.from_sae_lens({"architecture": "jumprelu"}, tensors)[1]
    torch.testing.assert_close(read["threshold"], jump.params["threshold"].bfloat16().float())
    assert {v.dtype for v in read.values()} == {torch.float32}
    assert "threshold" not in tensors


@pytest.mark.parametrize(
    ("family", "changed", "message"),
    [
        (Relu, {"architecture": "gated"}, r"architecture: 'gated' is not read here \(known: standard\)"),
        (Relu, {"activation_fn": "tanh-relu"}, r"activation_fn: 'tanh-relu' .*'relu'"),
        (Relu, {"normalize_activations": "layer_norm"}, r"normalize_activations: 'layer_norm' .*= 'none'"),
        (Relu, {"normalize_activations": "constant_norm_rescale"}, r"'constant_norm_rescale' .*= 'none'"),
        (TopK, {"normalize_activations": "expected_average_only_in"}, r"fold_activation_norm_scaling_factor"),
        (Relu, {"normalize_activations": True}, r"fold_activation_norm_scaling_factor"),
        (Gated, {"normalize_activations": "covariance_whitening"}, r"fold_activation_whitening"),
        (Relu, {"finetuning_scaling_factor": True}, r"finetuning_scaling_factor: a factor on every latent"),
        (TopK, {"k": 2.5}, r"k: 2.5 is not a whole number"),
        (TopK, {"k": None}, r"k: None is not a whole number"),
        (BatchTopK, {"metadata": {}}, r"trained as 'jumprelu', not as 'batchtopk' \(read it as 'jumprelu'\)"),
    ],
)
def test_what_changes_the_numbers_is_refused(coder_of, family, changed, message):
    coder = coder_of(family=family)
    keys: Mapping[str, Any] = coder.architecture.to_sae_lens(coder.params, coder.settings)[0]
    with pytest.raises(UsageError, match=message):
        coder.architecture.from_sae_lens({**keys, **changed}, coder.params)


def test_missing_and_foreign_tensors_are_named(coder_of):
    coder = coder_of(family=Relu)
    rest = {k: v for k, v in coder.params.items() if k != "b_enc"}
    with pytest.raises(UsageError, match="b_enc: this tensor is missing"):
        coder.architecture.from_sae_lens({}, rest)
    with pytest.raises(UsageError, match="W_skip: this tensor has no part"):
        coder.architecture.from_sae_lens({}, {**coder.params, "W_skip": torch.zeros(8, 8)})
