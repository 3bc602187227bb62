"""What nobody can check of a metric is said by the audit, and does not bar anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from husai_core.cli import invoke


def test_a_metric_of_a_third_party_is_named_as_not_proven(draft: Any, tmp_path: Path, capsys: Any) -> None:
    for measurement in draft.reconstruction["measurements"]:
        if measurement["metric"]["name"] == "l0":
            measurement["metric"] |= {"name": "acme_count", "direction": "higher", "bounds": [None, None]}
    draft.reconstruction["metrics"][2]["name"] = "acme_count"
    for path, raw in draft.files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(raw)
    assert invoke(["audit", str(tmp_path)]) == 0
    assert "their makers' word, and not proven: acme_count." in capsys.readouterr().out
    assert invoke(["audit", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_proven"] == ["acme_count"]


def test_of_metrics_that_husai_ships_nothing_is_left_open(draft: Any) -> None:
    from husai_gates.audit import audit_unsealed

    assert audit_unsealed(draft.content()).unproven == ()
