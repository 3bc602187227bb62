"""`husai convert`: another library's checkpoint in SAELens's layout, with what became of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
import torch

from husai_core.cli import invoke
from husai_core.interchange import load_coder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A TopK of dictionary_learning, in half precision."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"encoder.weight": (10, 6), "encoder.bias": (10,), "decoder.weight": (6, 10), "b_dec": (6,)}
    state = {name: torch.randn(*shape, generator=generator).half() for name, shape in shapes.items()}
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": "AutoEncoderTopK", "k": 3}}))
    torch.save({**state, "k": torch.tensor(3)}, folder / "ae.pt")
    return folder


def test_it_writes_what_sae_lens_reads_and_says_what_it_changed(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numpy.save(tmp_path / "rows.npy", numpy.random.default_rng(0).normal(size=(20, 6)))
    dest = tmp_path / "below" / "ours"
    assert invoke(["convert", str(source), str(dest), "--check", str(tmp_path / "rows.npy")]) == 0
    out = capsys.readouterr().out
    assert "topk, d_in 6, d_sae 10, d_out 6, from dictionary_learning, sha256:" in out
    assert "float16 widened to float32" in out
    assert "20 rows: l0 " in out
    assert "read again it differs by at most 0;" in out
    assert sorted(path.name for path in dest.iterdir()) == ["cfg.json", "sae_weights.safetensors"]
    assert list(dest.parent.iterdir()) == [dest]
    config = json.loads((dest / "cfg.json").read_bytes())
    assert (config["architecture"], config["k"], config["dtype"]) == ("topk", 3, "float32")


@pytest.mark.peers
def test_the_result_loads_in_sae_lens(source: Path, tmp_path: Path) -> None:
    sae_lens = pytest.importorskip("sae_lens", reason="needs sae_lens (see the extra 'bench')")
    from husai_architectures.topk import TopK

    assert invoke(["convert", str(source), str(tmp_path / "ours")]) == 0
    rows = torch.randn(16, 6, generator=torch.Generator().manual_seed(1))
    theirs, ours = sae_lens.SAE.load_from_disk(tmp_path / "ours"), load_coder(source, [TopK()]).coder
    torch.testing.assert_close(ours.encode(rows), theirs.encode(rows), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.decode(ours.encode(rows)), theirs(rows), atol=1e-5, rtol=1e-5)


def test_the_plan_of_a_study_says_how_its_checkpoints_are_read(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study.toml"
    study.write_text(
        """
schema = "husai:study/v1"
name = "existing"
question = "May it be released?"
site = [{ name = "addition", model = "modular_addition" }]
training = { seeds = [7] }
sae = [{ name = "theirs", pretrained = "theirs", role = "candidate" }]
benchmark = [{ name = "reconstruction" }]
"""
    )
    assert invoke(["run", str(study), "--plan"]) == 0
    out = capsys.readouterr().out
    assert "candidate addition.theirs: topk, d_sae 10, pretrained" in out
    assert f"{source}: dictionary_learning; " in out
    assert "float16 widened to float32" in out


def _text(path: Path) -> None:
    path.write_text("1 2 3")


def _save(array: object) -> object:
    return lambda path: numpy.save(path, array, allow_pickle=True)


BAD_ROWS = {
    "text": (_text, "is no array of numbers"),
    "another width": (_save(numpy.zeros((4, 5))), "expected numbers in (rows, d_in)"),
    "no rows": (_save(numpy.zeros((0, 6))), "expected numbers in (rows, d_in)"),
    "words": (_save(numpy.array([["a"] * 6])), "expected numbers in (rows, d_in)"),
    "a pickle": (_save(numpy.array([{}], dtype=object)), "is no array of numbers"),
    "NaN": (_save(numpy.full((4, 6), numpy.nan)), "not finite"),
    "nothing": (lambda path: None, "cannot be read"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_one_line_and_nothing_is_written(
    case: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, says = BAD_ROWS[case]
    make(tmp_path / "rows.npy")  # type: ignore[operator]
    assert invoke(["convert", str(source), str(tmp_path / "ours"), "--check", str(tmp_path / "rows.npy")]) == 64
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "ours").exists()


def test_nothing_is_overwritten_and_a_bad_source_writes_nothing(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ours").mkdir()
    assert invoke(["convert", str(source), str(tmp_path / "ours")]) == 64
    assert "already exists" in capsys.readouterr().err
    assert list((tmp_path / "ours").iterdir()) == []
    assert invoke(["convert", str(tmp_path / "ours"), str(tmp_path / "new")]) == 64
    assert "holds no weights" in capsys.readouterr().err
    assert invoke(["convert", str(source), str(tmp_path / "new"), "--architecture", "topc"]) == 64
    assert "did you mean 'topk'?" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
