"""What people write: studies, policies, waivers and ledgers of claims; one given for another is named as what it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import husai_schemas
from husai_core.errors import UsageError

WRITTEN: Mapping[str, str] = MappingProxyType(
    {
        "study": "a study is run: 'husai run FILE'",
        "policy": "a policy judges a bundle: 'husai gate BUNDLE --policy FILE'",
        "waivers": "waivers go with a policy: 'husai gate BUNDLE --policy POLICY --waivers FILE'",
        "claims": "a ledger of claims is checked: 'husai claims check FILE'",
    }
)
"""The schemas of what people write, as opposed to evidence, each with what is done with it."""


def refuse_other_kind(data: Mapping[str, Any], wanted: str, place: str) -> None:
    """Stop at a document that names another schema of HUSAI, before any of its keys is called unknown."""
    named = husai_schemas.name_of(data)
    if named not in (None, wanted):
        step = WRITTEN.get(str(named), f"give a file whose schema is husai:{wanted}")
        raise UsageError(f"{place} $.schema", f"this is a husai:{named}, not a husai:{wanted}", step)
