"""A causal language model from a folder: converted exactly, cut above the hook, refused when it knows no language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from husai_core import EvaluationError, UsageError
from husai_models.huggingface import HuggingFace, HuggingFaceSettings, husai_models
from husai_models.language_model import next_token_loss

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXT = {"text": "prose.jsonl", "context_length": 12, "tokens": 300}
HOOKS = ["blocks.0.hook_resid_post", "blocks.1.attn.hook_z", "blocks.1.hook_resid_mid"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Two threads that wait for each other on a loaded machine take a minute over what one does in a second."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ignore(fraction: float, note: str) -> None:
    """Progress that nobody listens to."""


def document(start: int, length: int) -> str:
    """Each letter decides the next, so there is something to know; where repeats begin depends on the start."""
    places = [start % 26]
    for _ in range(length - 1):
        places.append((7 * places[-1] + 3 + (len(places) % 5 == 0) * start) % 26)
    return "".join(LETTERS[place] for place in places)


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama that has learned the language, one that has not, and the text."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("study")
    texts = [document(n, 120) for n in range(26)]
    (folder / "prose.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, **{c: i + 1 for i, c in enumerate(LETTERS)}}, unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")
    shape = LlamaConfig(
        vocab_size=27, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=32, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = LlamaForCausalLM(shape)
        for name in ("untrained", "llama-trained"):  # a path with "llama" in it must not decide what is loaded
            network.save_pretrained(folder / name)
            fast.save_pretrained(folder / name)
            if name == "untrained":
                rows = torch.tensor([[0, *(LETTERS.index(c) + 1 for c in t[:11])] for t in texts])
                optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
                for _ in range(60):
                    optimiser.zero_grad()
                    network(rows, labels=rows).loss.backward()
                    optimiser.step()
        network.save_pretrained(folder / "llama-trained")
    return folder


@pytest.fixture(scope="module")
def model(study_folder: Path) -> HuggingFace:
    return husai_models()[0].beside(study_folder)


@pytest.fixture(scope="module")
def prepared(model: HuggingFace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    model.prepare(HuggingFaceSettings(model="llama-trained", **TEXT), 0, folder, ignore)
    return folder


SETTINGS = HuggingFaceSettings(model="llama-trained", **TEXT)


def test_logits_are_those_of_transformers(model, prepared, study_folder):
    from transformers import AutoModelForCausalLM

    tokens = model.tokenise(SETTINGS, 0, prepared).tokens[:4]
    theirs = AutoModelForCausalLM.from_pretrained(study_folder / "llama-trained", dtype=torch.float32)
    with torch.no_grad():
        assert torch.allclose(model.load(SETTINGS, 0, prepared)(tokens), theirs(tokens).logits, atol=1e-4)
        hidden = theirs(tokens, output_hidden_states=True).hidden_states[1]
        _, shown = model.load(SETTINGS, 0, prepared, 1).run_with_cache(tokens, names_filter=HOOKS[:1], stop_at_layer=1)
    assert torch.allclose(shown[HOOKS[0]], hidden, atol=1e-4)


def test_layers_above_the_hook_are_not_even_built_and_the_activations_are_the_same(model, prepared):
    tokens = model.tokenise(SETTINGS, 0, prepared).tokens[:3]
    whole, cut = model.load(SETTINGS, 0, prepared), model.load(SETTINGS, 0, prepared, 2)
    assert (whole.cfg.n_layers, cut.cfg.n_layers) == (3, 2)
    assert not hasattr(cut.unembed, "W_U")
    with torch.no_grad():
        all_of_it = whole.run_with_cache(tokens, names_filter=HOOKS)[1]
        part_of_it = cut.run_with_cache(tokens, names_filter=HOOKS, stop_at_layer=2)[1]
    for hook in HOOKS:
        assert torch.equal(all_of_it[hook], part_of_it[hook]), hook


def test_it_predicts_held_out_text_and_not_shuffled_text(model, prepared):
    corpus = model.tokenise(SETTINGS, 0, prepared)
    checks = model.examine(model.load(SETTINGS, 0, prepared), corpus, SETTINGS, 0)
    assert [check.name for check in checks] == ["heldout_loss", "shuffled_loss_margin"]
    assert all(check.holds for check in checks), checks
    assert checks[0].at_most == pytest.approx(3.2, abs=0.2)  # about ln 26


def test_an_untrained_network_fails_both_checks(model, tmp_path):
    settings = HuggingFaceSettings(model="untrained", **TEXT)
    model.prepare(settings, 0, tmp_path, ignore)
    corpus = model.tokenise(settings, 0, tmp_path)
    assert not any(check.holds for check in model.examine(model.load(settings, 0, tmp_path), corpus, settings, 0))


def test_a_stated_bound_replaces_the_frequencies(model, prepared):
    settings = HuggingFaceSettings(model="llama-trained", loss_at_most=0.01, **TEXT)
    corpus = model.tokenise(settings, 0, prepared)
    loss, _ = model.examine(model.load(settings, 0, prepared), corpus, settings, 0)
    assert loss.at_most == 0.01
    assert not loss.holds


def test_the_loss_is_that_of_transformers(model, prepared, study_folder):
    from transformers import AutoModelForCausalLM

    tokens = model.tokenise(SETTINGS, 0, prepared).tokens[:20]
    theirs = AutoModelForCausalLM.from_pretrained(study_folder / "llama-trained", dtype=torch.float32)
    with torch.no_grad():
        expected = float(theirs(tokens, labels=tokens).loss)
    assert next_token_loss(model.load(SETTINGS, 0, prepared), tokens) == pytest.approx(expected, abs=1e-5)


def test_text_settings_do_not_convert_the_model_again_and_its_files_do(model, study_folder, tmp_path):
    longer = HuggingFaceSettings(model="llama-trained", **{**TEXT, "tokens": 500, "context_length": 20})
    assert model.prepared_for(SETTINGS, 0) == model.prepared_for(longer, 1)
    untrained = HuggingFaceSettings(model="untrained", **TEXT)
    assert model.prepared_for(SETTINGS, 0) != model.prepared_for(untrained, 0)
    assert set(model.inputs(SETTINGS)) >= {"model/model.safetensors", "model/config.json", "prose.jsonl"}


def test_a_conversion_that_computes_something_else_is_refused(model, tmp_path, monkeypatch):
    from husai_models import language_model

    true = language_model.convert

    def wrong(network, place):
        config, weights = true(network, place)
        return config, {**weights, "blocks.1.attn.W_Q": 2 * weights["blocks.1.attn.W_Q"]}

    monkeypatch.setattr(language_model, "convert", wrong)
    with pytest.raises(EvaluationError, match=r"its logits are off by .* at most 0.001"):
        model.prepare(SETTINGS, 0, tmp_path, ignore)


def test_a_name_without_a_revision_and_a_folder_without_a_model_are_refused(model, study_folder):
    (study_folder / "empty").mkdir(exist_ok=True)
    for name, message in (("acme/absent", r"is no folder beside the study.*set revision"), ("empty", "no config.json")):
        with pytest.raises(UsageError, match=message):
            model.inputs(HuggingFaceSettings(model=name, **TEXT))


def test_a_name_that_cannot_be_had_gives_the_way_out(model, tmp_path, monkeypatch):
    import transformers

    def fail(*arguments, **options):
        assert options["revision"] == "a" * 40
        raise OSError("We couldn't connect\nat length")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", fail)
    settings = HuggingFaceSettings(model="acme/absent", revision="a" * 40, **TEXT)
    with pytest.raises(EvaluationError, match=r"'acme/absent': cannot be had: We couldn't connect \(hf download acme"):
        model.prepare(settings, 0, tmp_path, ignore)


def test_a_pickle_is_never_loaded(model, study_folder, tmp_path):
    pickled = study_folder / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_bytes((study_folder / "untrained" / "config.json").read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04nothing good")
    with pytest.raises(EvaluationError, match=r"save it there as safetensors"):
        model.prepare(HuggingFaceSettings(model="pickled", **TEXT), 0, tmp_path, ignore)
    other = HuggingFaceSettings(model="gelu-1l", revision="a" * 40, **TEXT)
    with pytest.raises(UsageError, match="published as a pickle, which is never loaded"):
        model.prepare(other, 0, tmp_path, ignore)


@pytest.mark.parametrize("wrong", [{"model": ""}, {"revision": "main"}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HuggingFaceSettings(**{"model": "x", **wrong})
