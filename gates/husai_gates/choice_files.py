"""Choice files: the documents that a study names, held to it before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import husai_schemas
from husai_core import strict_json
from husai_core.errors import UsageError
from husai_core.strict_toml import read_toml
from husai_gates.audit.chosen import choice_path, contradictions, differences, entry_of, shared
from husai_gates.audit.plan import Plan

_AGAIN = "choose again with 'husai select'"


def read_choices(study: bytes, place: Path) -> dict[str, bytes]:
    """The documents by their path in the bundle. A mistake is found before the training, not after."""
    data = read_toml(study)
    plan = Plan.from_study(data)
    found: dict[str, bytes] = {}
    for index, sae in enumerate(data["sae"]):
        if "chosen_by" in sae:
            here = f"{place} $.sae[{index}].chosen_by"
            raw = _read(place.parent / sae["chosen_by"], here)
            for condition in (name for name, named in plan.chosen_by.items() if named == sae["name"]):
                document = husai_schemas.lift("choice", strict_json.parse(raw, sae["chosen_by"]))
                _refuse(document, condition, plan, here)
            found[choice_path(sae["name"])] = raw
    return found


def _read(path: Path, here: str) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        rule = f"{path} cannot be read: {error.strerror}"
        raise UsageError(here, rule, "make it with: husai select BUNDLE... --policy POLICY --out FILE") from None
    for problem in husai_schemas.problems("choice", strict_json.parse(raw, str(path))):
        raise UsageError(f"{path} {problem.path}", problem.rule, _AGAIN)
    return raw


def _refuse(document: Any, condition: str, plan: Plan, here: str) -> None:
    for rule, step in _problems(document, condition, plan):
        raise UsageError(here, rule, step)


def _problems(document: Any, condition: str, plan: Plan) -> Iterator[tuple[str, str]]:
    for place, rule in contradictions(document):
        yield f"{place} {rule}", _AGAIN
    planned, entry = plan.conditions[condition], entry_of(document)
    if entry is None:
        yield "nothing was chosen: everything that was compared fails a rule", "train something that fails none"
        return
    for place, asked, shown in differences(planned, entry):
        rule = f"'{entry['label']}' was chosen with {place.removeprefix('$.')} {shown}, not {asked}"
        yield rule, "train what was chosen"
    if seeds := shared(document, planned.seeds):
        yield f"seeds {', '.join(map(str, seeds))} took part in the choice", "train it on fresh seeds"
