"""Documents: what is called a name is an identifier, and a text set is named as a study names it."""

from __future__ import annotations

from typing import Any

import pytest


def texts(name: str) -> list[dict[str, Any]]:
    return [{"name": name, "digest": "sha256:" + "0" * 64, "rows": 7}]


def test_a_text_set_may_be_named_by_a_path(draft: Any, decide: Any) -> None:
    draft.reconstruction["texts"] = texts("file:More Texts/a.jsonl")
    decision = decide(draft.files())
    assert (decision.exit_code, decision.findings) == (0, ())


@pytest.mark.parametrize("name", ["nowhere", "file:", "File:a.jsonl", "file:a\n", "file:a.jsonl\n"])
def test_a_text_set_without_source_and_part_is_refused(draft: Any, decide: Any, name: str) -> None:
    draft.reconstruction["texts"] = texts(name)
    decision = decide(draft.files())
    assert decision.exit_code == 3
    assert {f.path for f in decision.findings} == {"$.texts[0].name"}


def test_a_setting_may_be_called_like_an_identifier_and_hold_words(draft: Any, decide: Any) -> None:
    for document in draft.reconstruction["measurements"]:
        document["setting"] = {"of": "this run"}
    assert "EV-IDENT" not in {f.code for f in decide(draft.files()).findings}
