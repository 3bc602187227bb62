"""Room for an official eval: as much as the machine or its container has, and told in one unit."""

from __future__ import annotations

from pathlib import Path

from husai_saebench import space
from husai_saebench.space import Space, free_memory, space_needs


def test_a_container_that_allows_less_than_the_machine_has_is_what_counts(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(space, "_LIMITS", ())
    machine = free_memory()
    assert machine > 0
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(space, "_LIMITS", (str(limit),))
    for text, expected in (("max\n", machine), ("12345\n", 12345)):
        limit.write_text(text)
        assert abs(free_memory() - expected) < 2**31


def test_what_does_not_fit_is_missing_with_a_way_out_and_only_an_estimate(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(space, "free_memory", lambda: 3 * 2**30)
    monkeypatch.setattr(space.tempfile, "gettempdir", lambda: str(tmp_path))
    (memory,) = space_needs(Space(memory=2 * 2**30))
    assert memory.present
    assert memory.detail == "about 3.0 GiB at width 768, 3.0 GiB free"
    memory, disk = space_needs(Space(memory=2**40, disk=2**60))
    for need in (memory, disk):
        assert need.estimate
        assert not need.present
        assert "profile 'smoke'" in need.fix
    assert str(tmp_path) in disk.what
