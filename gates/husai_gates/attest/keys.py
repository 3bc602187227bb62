"""Keys: ed25519 in PEM files (PKCS8 and SPKI, as openssl writes them), by the one library that is asked for them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from husai_core.errors import UsageError

PASSPHRASE = "HUSAI_KEY_PASSPHRASE"
_NEW = "make one with 'husai attest --new-key FILE'"
_LARGEST = 64 * 1024


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are verified with. Two files of one key are one key."""

    keyid: str
    pem: bytes

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key: Any = load_pem_public_key(self.pem)
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """The key in a PEM file; a private key in its place is refused, for it should not lie where it is read."""
        ed25519, serialization = _library(path)
        raw = _pem(path)
        if b"PRIVATE KEY" in raw:
            raise UsageError(str(path), "is a private key", "trust the public one beside it, FILE.pub")
        try:
            key = serialization.load_pem_public_key(raw)
        except Exception:
            raise UsageError(str(path), "is no public key in PEM", _NEW) from None
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise UsageError(str(path), "is a key of another kind than ed25519", _NEW)
        return cls.of(key)

    @classmethod
    def of(cls, key: Any) -> PublicKey:
        """The key, named by the sha256 of its DER form."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return cls(hashlib.sha256(der).hexdigest(), pem)


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs."""

    _key: Any

    @property
    def public(self) -> PublicKey:
        return PublicKey.of(self._key.public_key())

    def sign(self, signed: bytes) -> bytes:
        signature: bytes = self._key.sign(signed)
        return signature

    @classmethod
    def read(cls, path: Path) -> PrivateKey:
        """The key in a PEM file; if that is encrypted, with the passphrase in HUSAI_KEY_PASSPHRASE."""
        ed25519, serialization = _library(path)
        raw, phrase = _pem(path), os.environ.get(PASSPHRASE)
        encrypted = b"ENCRYPTED" in raw
        if encrypted and not phrase:
            raise UsageError(str(path), "is encrypted", f"put its passphrase into {PASSPHRASE}")
        try:
            key = serialization.load_pem_private_key(raw, phrase.encode() if encrypted and phrase else None)
        except Exception:
            rule = f"does not open with the passphrase in {PASSPHRASE}" if encrypted else "is no private key in PEM"
            raise UsageError(str(path), rule, _NEW) from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise UsageError(str(path), "is a key of another kind than ed25519", _NEW)
        return cls(key)


@dataclass(frozen=True)
class Trust:
    """Who is trusted, and how many of them must have signed."""

    keys: tuple[PublicKey, ...]
    threshold: int = 1

    @classmethod
    def read(cls, paths: Sequence[Path], threshold: int | None) -> Trust | None:
        """The trust that a command line asks for; without a key there is none, and then no threshold either."""
        keys = {key.keyid: key for key in (PublicKey.read(path) for path in paths)}
        if not keys:
            if threshold is not None:
                raise UsageError("--threshold", "there is no key to count", "give --trust PUBKEY as well")
            return None
        if (threshold or 1) > len(keys):
            rule = f"asks for {threshold} signers, --trust gives {len(keys)} different keys"
            raise UsageError("--threshold", rule, "trust more keys, or ask for fewer signers")
        return cls(tuple(keys.values()), threshold or 1)


def make_key(path: Path) -> PublicKey:
    """Write a new private key, for its owner's eyes only, and its public key beside it; neither replaces a file."""
    ed25519, serialization = _library(path)
    key = ed25519.Ed25519PrivateKey.generate()
    forms = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = PublicKey.of(key.public_key())
    beside = path.with_name(f"{path.name}.pub")
    if beside.exists():
        raise UsageError(str(beside), "already exists", "choose another --new-key")
    _write_new(path, key.private_bytes(*forms), 0o600)
    _write_new(beside, public.pem, 0o644)
    return public


def _write_new(path: Path, raw: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise UsageError(str(path), "already exists", "choose another --new-key") from None
    except OSError as error:
        raise UsageError(str(path), f"cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(raw)


def _pem(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(_LARGEST)
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", "give the path of a key in PEM") from None


def _library(path: Path) -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        rule = f"keys need '{error.name}', which is not installed"
        raise UsageError(str(path), rule, "pip install 'husai[sign]'") from None
    return ed25519, serialization
