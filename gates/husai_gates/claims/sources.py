"""Sources: the bundles and files that claims lean on, each read and audited once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from husai_core import bundle as bundles
from husai_core import strict_json
from husai_core.bundle import Snapshot
from husai_core.errors import InvalidEvidence, UsageError
from husai_core.strict_toml import TomlProblem, read_toml
from husai_gates import policies, policy
from husai_gates.audit import AuditReport, audit, unreadable
from husai_gates.cannot_judge import CannotJudge
from husai_gates.claims.document import read_bytes
from husai_gates.claims.ledger import Ledger, Source
from husai_gates.decision import Decision
from husai_gates.judge import judge


@dataclass(frozen=True)
class Bundle:
    """A bundle as it was read, and what its audit found. Views are not compared: no claim is read from one."""

    snapshot: Snapshot
    report: AuditReport


@dataclass
class Sources:
    """What the claims of one ledger lean on; nothing is read that no claim asks for."""

    ledger: Ledger
    invalid: set[str] = field(default_factory=set)
    _bundles: dict[str, Bundle] = field(default_factory=dict)
    _files: dict[str, tuple[Any, str]] = field(default_factory=dict)
    _decisions: dict[tuple[str, str], Decision] = field(default_factory=dict)

    def bundle(self, name: str) -> Bundle:
        """The bundle of that name; one that fails its audit supports nothing."""
        if name not in self._bundles:
            self._bundles[name] = self._read(self.ledger.bundles[name])
        found = self._bundles[name]
        if not found.report.intact:
            self.invalid.add(name)
            first = min(found.report.findings, key=lambda finding: -int(finding.severity == 3))
            says = f"the bundle '{name}' fails its audit: {first.code} {first.file} {first.path}: {first.rule}"
            raise CannotJudge(
                "invalid", first.code, says, "numbers of such a bundle support nothing; run 'husai audit'"
            )
        return found

    def _read(self, source: Source) -> Bundle:
        try:
            snapshot = bundles.read(self.ledger.folder / source.path)
        except UsageError as error:
            raise UsageError(f"{self.ledger.place} $.bundles.{source.name}", error.rule, error.next_step) from None
        except InvalidEvidence as error:
            return Bundle(Snapshot(source.path, {}), unreadable(error))
        return Bundle(snapshot, audit(snapshot))

    def file(self, name: str) -> Any:
        """The document in the file of that name."""
        return self._file(name)[0]

    def _file(self, name: str) -> tuple[Any, str]:
        if name not in self._files:
            source = self.ledger.files[name]
            raw = read_bytes(self.ledger.folder / source.path, f"{self.ledger.place} $.files.{name}")
            try:
                self._files[name] = document(raw, source.path), strict_json.digest(raw)
            except InvalidEvidence as error:
                self.invalid.add(name)
                raise CannotJudge("invalid", error.code, str(error), "repair the file") from None
        return self._files[name]

    def moved(self, source: Source, kind: str) -> str | None:
        """What to say where a source is not what it was when the claims were written."""
        if source.digest is None:
            return None
        now = self._file(source.name)[1] if kind == "file" else self.bundle(source.name).report.content_digest
        if now == source.digest:
            return None
        return f"the {kind} '{source.name}' is now {now}, the claims were written of {source.digest}"

    def decision(self, name: str, policy_name: str) -> Decision:
        """The decision on a bundle by a policy, judged now and not read from the bundle."""
        key = (name, policy_name)
        if key not in self._decisions:
            found = self.bundle(name)
            beside = self.ledger.folder / policy_name
            raw, place = policies.find(beside if _is_path(policy_name) else policy_name)
            self._decisions[key] = judge(found.report, policy.load(raw, place), found.snapshot)
        return self._decisions[key]


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith(".toml")


def document(raw: bytes, place: str) -> Any:
    """The value of a JSON or TOML document, strictly read."""
    if Path(place).suffix != ".toml":
        return strict_json.parse(raw, place)
    try:
        return read_toml(raw)
    except TomlProblem as error:
        raise InvalidEvidence(error.code, f"{place} {error.path}", error.rule) from None


def follow(value: Any, pointer: str, place: str) -> Any:
    """The value that a JSON pointer leads to."""
    here = ""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        known: list[str]
        if isinstance(value, Mapping):
            known = [str(k) for k in value]
            found = key in value
        elif isinstance(value, list):
            known = []
            found = key.isascii() and key.isdigit() and str(int(key[:9])) == key and int(key) < len(value)
        else:
            known, found = [], False
        if not found:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            step = f"did you mean '{near[0]}'?" if near else f"there is: {', '.join(sorted(known)[:20]) or 'nothing'}"
            raise CannotJudge("missing", "EV-ABSENT", f"{place} has nothing at '{here}/{part}'", step)
        value = value[key] if isinstance(value, Mapping) else value[int(key)]
        here += f"/{part}"
    return value
