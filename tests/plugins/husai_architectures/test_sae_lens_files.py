"""Files: what we save SAELens loads, what it saves we load, and what cannot be read says so with a way out."""

from __future__ import annotations

import json

import pytest
import torch

from husai_architectures.batch_topk import BatchTopK
from husai_architectures.gated import Gated
from husai_architectures.jumprelu import JumpRelu
from husai_architectures.matryoshka_batch_topk import MatryoshkaBatchTopK
from husai_architectures.relu import Relu
from husai_architectures.topk import TopK
from husai_core import interchange

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
    coder = interchange.load_coder(tmp_path, [kind() for kind in SAVED_AS]).coder
    if type(coder.architecture) is family and topk:
        assert coder.settings.k == 3
    ours = coder.encode(x)
    torch.testing.assert_close(ours, latents, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(coder.decode(ours), expected, rtol=1e-5, atol=1e-5)


def test_older_checkpoints_hold_the_logarithm_of_the_threshold(coder_of):
    jump = coder_of(family=JumpRelu)
    tensors = dict(jump.params)
    tensors["log_threshold"] = tensors.pop("threshold").log()
    read = jump.architecture.from_sae_lens({"apply_b_dec_to_input": True}, tensors)[1]
    torch.testing.assert_close(read["threshold"], jump.params["threshold"])
    assert "threshold" not in tensors
