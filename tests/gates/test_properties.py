"""Properties: nothing that is taken away helps, no byte goes unnoticed, no order matters, nothing crashes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import husai_gates.rules
import husai_schemas
from husai_core import strict_json
from husai_core.bundle import MANIFEST, Snapshot
from husai_core.errors import InvalidEvidence
from husai_core.testing.corpus.specimen import without_views
from husai_gates.audit import audit, inspection
from husai_gates.audit.seal import check_seal
from husai_gates.views import check_views

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def spoil_one_seed(draft: Any) -> None:
    draft.measurement("explained_variance")["observations"][2]["value"] = 0.84


@quick
@given(data=st.data())
def test_deleting_a_file_never_releases(make_draft: Any, decide: Any, seal: Any, data: Any) -> None:
    draft = make_draft()
    spoil_one_seed(draft)
    files = draft.files()
    assert decide(files).exit_code == 2
    doomed = data.draw(st.sets(st.sampled_from(sorted(files)), min_size=1, max_size=12))
    left = {path: raw for path, raw in files.items() if path not in doomed}
    assert decide(left).exit_code != 0
    assert decide(seal(left)).exit_code != 0


def test_deleting_any_single_file_and_sealing_again_never_releases(make_draft: Any, decide: Any, seal: Any) -> None:
    draft = make_draft()
    spoil_one_seed(draft)
    files = draft.files()
    for path in files:
        assert decide(seal({p: raw for p, raw in files.items() if p != path})).exit_code != 0, path


@quick
@given(data=st.data())
def test_deleting_observations_or_subjects_and_regenerating_never_releases(
    make_draft: Any, decide: Any, data: Any
) -> None:
    draft = make_draft()
    spoil_one_seed(draft)
    if data.draw(st.booleans()):
        for seed in data.draw(st.sets(st.sampled_from([1, 2, 3, 4, 5]), max_size=3)):
            draft.drop_seed(seed)
    for document in draft.evidence.values():
        for m in document["measurements"]:
            if m["condition"] == "addition.topk" and data.draw(st.booleans()):
                keep = data.draw(st.lists(st.booleans(), min_size=10, max_size=10))
                m["observations"] = [o for o, kept in zip(m["observations"], keep, strict=False) if kept]
        if data.draw(st.booleans()):
            document["measurements"] = [m for m in document["measurements"] if data.draw(st.booleans())]
    assert decide(draft.files()).exit_code != 0


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_noticed(good: Any, decide: Any, data: Any) -> None:
    path = data.draw(st.sampled_from(sorted(good)))
    at = data.draw(st.integers(0, len(good[path]) - 1))
    change = data.draw(st.integers(1, 255))
    raw = bytearray(good[path])
    raw[at] ^= change
    assert decide({**good, path: bytes(raw)}).exit_code == 3


def test_every_byte_of_the_manifest_counts(good: Any, decide: Any) -> None:
    draw = random.Random(0)
    manifest = good[MANIFEST]
    for at in draw.sample(range(len(manifest)), 8):
        for swap in (b" ", b"\n", b"0"):
            if manifest[at : at + 1] != swap:
                raw = manifest[:at] + swap + manifest[at + 1 :]
                assert decide({**good, MANIFEST: raw}).exit_code == 3, at


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=60), data=st.data())
def test_no_content_whatever_raises(good: Any, decide: Any, seal: Any, raw: bytes, data: Any) -> None:
    path = data.draw(st.sampled_from(sorted(good)))
    files = {**good, path: raw}
    for bundle in (files, seal(files)):
        report = audit(Snapshot("b", bundle))
        check_views(Snapshot("b", bundle), report)
        decide(bundle)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, data=st.data())
def test_no_value_anywhere_in_a_document_raises_or_breaks_a_check(
    good: Any, decide: Any, seal: Any, value: Any, data: Any
) -> None:
    path = data.draw(st.sampled_from([p for p in sorted(good) if p.endswith(".json") and p != MANIFEST]))
    document = json.loads(good[path])
    here = document
    while True:
        keys = sorted(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
            here = here[key]
            continue
        here[key] = value
        break
    decision = decide(seal({**good, path: json.dumps(document).encode()}))
    assert not [f for f in decision.findings if f.code == "GATE-ERROR"]


def _shuffled(value: Any, draw: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        draw.shuffle(keys)
        return {key: _shuffled(value[key], draw) for key in keys}
    if isinstance(value, list):
        items = [_shuffled(item, draw) for item in value]
        # The order of bounds and of the two seeds of a pair is the only one that is part of a value.
        if items and isinstance(items[0], dict):
            draw.shuffle(items)
        return items
    return value


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_files_keys_and_rows_changes_nothing_but_the_digest(
    make_draft: Any, decide: Any, seed: int
) -> None:
    draw = random.Random(seed)
    plain = decide(make_draft().files())
    draft = make_draft()
    draft.content()
    draft.evidence = {
        path: {**_shuffled(document, draw), "subjects": _shuffled(document["subjects"], draw)}
        for path, document in draft.evidence.items()
    }
    draft.subjects = _shuffled(draft.subjects, draw)
    files = draft.files()
    paths = list(files)
    draw.shuffle(paths)
    other = decide({path: files[path] for path in paths})
    one, two = plain.to_json(), other.to_json()
    one.pop("bundle"), two.pop("bundle")
    assert one == two


def test_the_order_of_files_changes_no_byte(good: Any, decide: Any) -> None:
    backwards = dict(reversed(list(good.items())))
    assert decide(good).to_bytes() == decide(backwards).to_bytes() == decide(good).to_bytes()


def test_the_place_of_a_bundle_is_no_part_of_its_decision(good: Any, test_policy: str) -> None:
    from husai_gates import policy
    from husai_gates.judge import judge

    chosen = policy.load(test_policy.encode(), "anywhere.toml")
    one, two = (Snapshot(place, good) for place in ("here", "there"))
    assert judge(audit(one), chosen, one).to_bytes() == judge(audit(two), chosen, two).to_bytes()


@pytest.mark.parametrize("error", [RuntimeError("boom"), RecursionError(), ZeroDivisionError(), KeyError("x")])
def test_an_exception_in_a_rule_is_an_error_row(
    good: Any, decide: Any, seal: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr("husai_gates.judge.RULES", {**husai_gates.rules.RULES, "equivalence": broken})
    decision = decide(good)
    assert decision.exit_code == 4, "a bug of ours is not called tampering"
    assert "instrument" in next(f.path for f in decision.findings if f.code == "GATE-ERROR")
    decision = decide(seal(without_views(good)))
    assert decision.exit_code == 4
    assert {row.rule: row.code for row in decision.rows if row.status != "pass"} == {"instrument": "GATE-ERROR"}


CHECKS = [
    *(f"husai_gates.audit.inspection.{name}" for name in vars(inspection) if name.startswith(("check_", "read_"))),
    "husai_gates.audit.inspection.Evidence.from_json",
    "husai_gates.audit.inspection.Subject.from_json",
    "husai_gates.audit.inspection.Plan.from_study",
    "husai_gates.judge.check_preregistration",
    "husai_gates.judge.check_code",
]


@pytest.mark.parametrize("name", CHECKS)
def test_an_exception_in_any_check_is_a_finding_and_exit_4(
    make_draft: Any, decide: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("boom")

    files = make_draft().files()
    monkeypatch.setattr(name, broken)
    decision = decide(files)
    assert decision.exit_code == 4
    assert [f.rule for f in decision.findings if f.code == "GATE-ERROR"] == [
        "a check of the bundle broke: RuntimeError: boom"
    ]
    if name.startswith("husai_gates.audit"):
        assert {row.status for row in decision.rows} <= {"error"}


def test_an_exception_in_the_views_is_a_finding_and_exit_4(
    good: Any, decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("husai_gates.views.pages", broken)
    decision = decide(good)
    assert decision.exit_code == 4
    assert {row.status for row in decision.rows} == {"error"}


@quick
@given(data=st.data())
def test_deleting_anything_in_a_document_and_sealing_again_never_releases(
    make_draft: Any, decide: Any, seal: Any, data: Any
) -> None:
    """A key, a row, a seed, a list: whatever is left out, wherever, a bundle with a bad seed stays unreleased."""
    draft = make_draft()
    spoil_one_seed(draft)
    documents = [draft.site, draft.provenance, *draft.subjects.values(), *draft.evidence.values()]
    for _ in range(data.draw(st.integers(1, 3))):
        here = data.draw(st.sampled_from(documents))
        while True:
            keys = sorted(here) if isinstance(here, dict) else list(range(len(here)))
            key = data.draw(st.sampled_from(keys))
            if isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
                here = here[key]
                continue
            del here[key]
            break
    try:
        files = draft.files()
    except KeyError:  # what the honest sealing of the draft needs is gone
        return
    assert decide(files).exit_code != 0


@pytest.mark.parametrize("number", range(6))
def test_deleting_a_rule_never_releases(draft: Any, decide: Any, number: int) -> None:
    """Not in the policy that is judged by, and not in the one that the bundle holds."""
    spoil_one_seed(draft)
    whole = draft.policy
    head, *rules = whole.split("[[rule]]")
    fewer = "[[rule]]".join([head, *rules[:number], *rules[number + 1 :]])
    assert decide(draft.files(), fewer).exit_code == 64
    draft.policy = fewer
    assert decide(draft.files(), whole).exit_code == 64


def test_every_byte_of_a_small_bundle_counts(draft: Any, seal: Any) -> None:
    """All of them, one after the other, where a flip is noticed at the latest: by the seal."""
    kept = [f"addition.topk.s{seed}" for seed in (1, 2)]
    draft.drop([name for name in draft.subjects if name not in kept])
    draft.evidence = {}
    files = draft.files()
    parsed = strict_json.parse(files[MANIFEST], MANIFEST)
    for path, raw in files.items():
        for at in range(len(raw)):
            flipped = {**files, path: raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]}
            manifest = parsed
            if path == MANIFEST:
                try:
                    manifest = strict_json.parse(flipped[MANIFEST], MANIFEST)
                except InvalidEvidence:
                    continue
                if husai_schemas.problems("manifest", manifest):
                    continue
            assert list(check_seal(flipped, manifest)), (path, at)


def test_an_unsealed_bundle_is_judged_as_the_sealed_one(draft: Any, decide: Any, test_policy: str) -> None:
    from husai_gates import policy
    from husai_gates.audit import audit_unsealed
    from husai_gates.judge import judge

    files = draft.content()
    unsealed = judge(audit_unsealed(files), policy.load(test_policy.encode(), "p"), Snapshot(".", files))
    assert unsealed.to_bytes() == decide(draft.files()).to_bytes()
