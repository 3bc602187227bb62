"""Imported bundles: what lacks a digest stands apart from what was measured here, and only there needs no study."""

from __future__ import annotations

from typing import Any

import pytest

import husai_schemas
from husai_core.subject import Subject
from husai_gates.audit.imported import is_import
from husai_gates.condition import Condition
from husai_gates.waivers import digest_of

SOURCE = "sha256:" + "1" * 64


def spoken_of(name: str = "run", weights: str | None = None, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema": "husai:subject/v2",
        "name": f"{name}.s42",
        "condition": name,
        "role": "candidate",
        "site": {"name": "gemma", "digest": SOURCE},
        "architecture": {"name": "topk", "settings": {"k": 320}},
        "dims": {"d_sae": 18432},
        "seed": 42,
        "budget": {"pretrained": True, "format": "imported", "source": SOURCE, "changes": []},
        "unverified": ["its weights"],
        **changes,
    }
    return {**document, "weights": weights} if weights else document


def test_a_subject_that_is_only_spoken_of_is_read_back_as_it_was_written() -> None:
    for document in (spoken_of(), spoken_of(weights=SOURCE), spoken_of(dims={})):
        assert husai_schemas.problems("subject", document) == []
        assert Subject.from_json(document).to_json() == document


@pytest.mark.parametrize(
    "changes",
    [
        {"unverified": []},
        {"role": "control"},
        {"budget": {"steps": 10, "batch_size": 1, "rows_seen": 10, "learning_rate": 0.1, "data_order_seed": 0}},
        {"architecture": {"name": "topk", "settings": {}, "source": SOURCE}},
        {"dims": {"d_sae": 0}},
    ],
)
def test_what_is_only_spoken_of_can_say_no_more_than_that(changes: dict[str, Any]) -> None:
    assert husai_schemas.problems("subject", spoken_of(**changes))


def test_without_saying_so_nothing_may_lack_its_digest() -> None:
    bare = spoken_of()
    del bare["unverified"]
    assert husai_schemas.problems("subject", bare)


def test_waivers_and_copies_tell_two_apart_that_name_no_weights() -> None:
    one, other = (Subject.from_json(spoken_of(name)) for name in ("one", "other"))
    assert one.identity != other.identity
    conditions = [Condition(subject.condition, (subject,)) for subject in (one, other)]
    assert digest_of(conditions[0]) != digest_of(conditions[1])
    assert Subject.from_json(spoken_of(weights=SOURCE)).identity == SOURCE


def test_a_bundle_is_an_import_only_if_all_of_it_is() -> None:
    class Evidence:
        source = "imported"

    subjects = {"run.s42": Subject.from_json(spoken_of())}
    sites = {"gemma": {"unverified": ["its model"]}}
    evidence: Any = {"evidence/a.gemma.run.json": Evidence()}
    files = {"evidence/a.gemma.run.json": b"", "subjects/run.s42.json": b"", "sites/gemma.json": b""}
    assert is_import(files, subjects, sites, evidence)
    assert not is_import({**files, "study.toml": b""}, subjects, sites, evidence)
    assert not is_import({**files, "evidence/broken.json": b""}, subjects, sites, evidence)
    assert not is_import(files, subjects, sites, {})
    assert not is_import(files, subjects, {"gemma": {}}, evidence)
    native: Any = Evidence()
    native.source = "native"
    assert not is_import(files, subjects, sites, {"evidence/a.gemma.run.json": native})
    known = {**spoken_of(weights=SOURCE)}
    del known["unverified"]
    assert not is_import(files, {"run.s42": Subject.from_json({**known})}, sites, evidence)
