"""Peers of the gate: a good input in the format of each, and those of our threats that the format can carry.

Every trial spoils a copy of the good input. Where a peer has a seal (a manifest, a signature), a trial says whether the
seal was made again by the attacker; what a peer's format has no place for is not tried on it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "evidence" / "toy"
SCHEMA = ROOT / "schemas" / "husai_schemas" / "evidence" / "v1.schema.json"
DEEP = b"[" * 100_000 + b"]" * 100_000
DIGITS = b"7" * 5_000

Spoil = Callable[[Path], object]


@dataclass(frozen=True)
class Trial:
    """One threat, as this format can carry it."""

    threat: int
    what: str
    spoil: Spoil


@dataclass(frozen=True)
class Peer:
    """A tool, what it says it is for, and how it is asked. `make` and `command` get its folder of programs first."""

    name: str
    distribution: str
    asked: str
    make: Callable[[Path, Path], object]
    command: Callable[[Path, Path], list[str]]
    trials: tuple[Trial, ...]


def run(command: list[str], place: Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """A program in a folder, with no network to be asked."""
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=place,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds,
        env=environment,
    )


def make(command: list[str], place: Path) -> None:
    done = run(command, place)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


# --- how a file is spoilt


def raw(path: str, change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(place: Path) -> None:
        before = (place / path).read_bytes()
        after = change(before)
        assert after != before, f"nothing changed in {path}"
        (place / path).write_bytes(after)

    return spoil


def document(path: str, change: Callable[[Any], object]) -> Spoil:
    """A JSON document changed as such and written again."""
    return raw(path, lambda before: _changed(before, change))


def _changed(before: bytes, change: Callable[[Any], object]) -> bytes:
    value = json.loads(before)
    change(value)
    return json.dumps(value, indent=1).encode()


def number(path: str, change: Callable[[Any], object], word: bytes) -> Spoil:
    """A number of a JSON document written in a way that no writer of JSON would; `change` puts 123456.5 there."""
    return raw(path, lambda before: _changed(before, change).replace(b"123456.5", word, 1))


def unreadable(path: str) -> tuple[Trial, ...]:
    """What is done to the bytes of any JSON document."""
    return (
        Trial(8, "cut off in the middle", raw(path, lambda b: b[: len(b) // 2])),
        Trial(8, "empty", raw(path, lambda b: b"")),
        Trial(8, "garbage at the end", raw(path, lambda b: b + b"\n{}")),
        Trial(8, "byte order mark", raw(path, lambda b: b"\xef\xbb\xbf" + b)),
        Trial(8, "not UTF-8", raw(path, lambda b: b.replace(b'"', b'"\xff', 1))),
    )


# --- check-jsonschema with our own schema

EVIDENCE = "evidence.json"


def _observation(**keys: Any) -> Callable[[Any], object]:
    return lambda d: d["measurements"][0]["observations"][0].update(keys)


def _measurement(**keys: Any) -> Callable[[Any], object]:
    return lambda d: d["measurements"][0].update(keys)


def _copy_evidence(_: Path, place: Path) -> None:
    shutil.copy(BUNDLE / "evidence" / "reconstruction.addition.json", place / EVIDENCE)


def _value(word: bytes) -> Spoil:
    return number(EVIDENCE, _observation(value=123456.5), word)


CHECK_JSONSCHEMA = Peer(
    "check-jsonschema",
    "check-jsonschema",
    "check-jsonschema --schemafile evidence/v1.schema.json evidence.json",
    _copy_evidence,
    lambda programs, place: [str(programs / "check-jsonschema"), "--schemafile", str(SCHEMA), str(place / EVIDENCE)],
    (
        Trial(1, "a stated mean of 0.5, observations of 0.99", document(EVIDENCE, _measurement(stated={"mean": 0.5}))),
        Trial(2, "an observation edited", document(EVIDENCE, _observation(value=0.999))),
        *unreadable(EVIDENCE),
        Trial(9, "NaN", _value(b"NaN")),
        Trial(9, "Infinity", _value(b"Infinity")),
        Trial(9, "1e400", _value(b"1e400")),
        Trial(10, "a key twice", raw(EVIDENCE, lambda b: b.replace(b'"value":', b'"value": 0.1, "value":', 1))),
        Trial(11, "an integer of 5,000 digits", _value(DIGITS)),
        Trial(11, "2^53 + 1", document(EVIDENCE, lambda d: d["data"][0].update(rows=2**53 + 1))),
        Trial(12, "100,000 lists in one another", _value(DEEP)),
        Trial(13, "a number as text", document(EVIDENCE, _observation(value="0.99"))),
        Trial(13, "true as a number", document(EVIDENCE, _observation(value=True))),
        Trial(13, "null", document(EVIDENCE, _observation(value=None))),
        Trial(14, "a cosine of 1.7", document(EVIDENCE, _observation(value=1.7))),
        Trial(
            15,
            "an interval that leaves its mean out",
            document(EVIDENCE, _measurement(stated={"mean": 0.9, "low": 0.1, "high": 0.2})),
        ),
        Trial(
            16,
            "one seed",
            document(EVIDENCE, lambda d: [m.update(observations=m["observations"][:1]) for m in d["measurements"]]),
        ),
        Trial(22, "an unknown schema", document(EVIDENCE, lambda d: d.update(schema="husai:evidence/v0"))),
        Trial(22, "no schema", document(EVIDENCE, lambda d: d.pop("schema"))),
        Trial(23, "$schema of a file", document(EVIDENCE, lambda d: d.update({"$schema": "file:///etc/passwd"}))),
        Trial(
            24,
            "a line break behind a digest",
            document(EVIDENCE, lambda d: d["site"].update(digest=d["site"]["digest"] + "\n")),
        ),
        Trial(26, "a Cyrillic letter in a name", document(EVIDENCE, lambda d: d["site"].update(name="\u0430ddition"))),
        Trial(
            27,
            "the digest of another subject",
            document(EVIDENCE, lambda d: d["subjects"][0].update(digest="sha256:" + "0" * 64)),
        ),
        Trial(
            34,
            "a unit twice",
            document(
                EVIDENCE, lambda d: d["measurements"][0]["observations"].append(d["measurements"][0]["observations"][0])
            ),
        ),
        Trial(34, "a unit dropped", document(EVIDENCE, lambda d: d["measurements"][0]["observations"].pop())),
        Trial(34, "rows inflated", document(EVIDENCE, lambda d: d["data"][0].update(rows=10**6))),
        Trial(
            41,
            "a benchmark that failed, with numbers",
            document(
                EVIDENCE, lambda d: d.update(outcome={"status": "failed", "reason": "It broke.", "next_step": ""})
            ),
        ),
        Trial(53, "one seed paired with itself", document(EVIDENCE, _observation(seeds=[42, 42]))),
    ),
)


# --- inspect_ai

LOG = "log.json"
TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes
from inspect_ai.solver import solver


@solver
def answers():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", "seven")
        return state

    return solve


@task
def made_up():
    targets = ["seven", "eight", "seven", "nine"]
    samples = [Sample(id=f"q{n}", input="Say a number.", target=target) for n, target in enumerate(targets)]
    return Task(dataset=samples, solver=answers(), scorer=includes())
"""


def _evaluate(programs: Path, place: Path) -> None:
    """A log that inspect_ai wrote itself, of four samples half of which are right."""
    (place / "task.py").write_text(TASK)
    made = ["--model", "mockllm/model", "--log-format", "json", "--log-dir", "logs", "--display", "none"]
    make([str(programs / "inspect"), "eval", "task.py", *made], place)
    (written,) = (place / "logs").glob("*.json")
    written.rename(place / LOG)
    shutil.rmtree(place / "logs")


def _accuracy(value: Any) -> Callable[[Any], object]:
    return lambda d: d["results"]["scores"][0]["metrics"]["accuracy"].update(value=value)


def _headline(word: bytes) -> Spoil:
    return number(LOG, _accuracy(123456.5), word)


def _one_sample(d: Any) -> None:
    d["samples"] = d["samples"][:1]
    d["reductions"][0]["samples"] = d["reductions"][0]["samples"][:1]
    d["results"] |= {"total_samples": 1, "completed_samples": 1}
    d["results"]["scores"][0]["scored_samples"] = 1
    d["eval"]["dataset"] |= {"samples": 1, "sample_ids": ["q0"]}
    _accuracy(1.0)(d)


def _results(**keys: Any) -> Callable[[Any], object]:
    return lambda d: d["results"].update(keys)


INSPECT = Peer(
    "inspect_ai",
    "inspect-ai",
    "inspect log dump log.json",
    _evaluate,
    lambda programs, place: [str(programs / "inspect"), "log", "dump", str(place / LOG)],
    (
        Trial(1, "accuracy of 0.99, samples of 0.5", document(LOG, _accuracy(0.99))),
        Trial(
            2,
            "the score of a sample edited",
            document(LOG, lambda d: d["samples"][1]["scores"]["includes"].update(value="C")),
        ),
        Trial(6, "no samples", document(LOG, lambda d: d.pop("samples"))),
        Trial(6, "no results", document(LOG, lambda d: d.pop("results"))),
        Trial(
            7,
            "no samples and no scores",
            document(
                LOG,
                lambda d: (d.update(samples=[]), d["results"].update(scores=[], total_samples=0, completed_samples=0)),
            ),
        ),
        *unreadable(LOG),
        Trial(9, "NaN", _headline(b"NaN")),
        Trial(9, "Infinity", _headline(b"Infinity")),
        Trial(9, "1e400", _headline(b"1e400")),
        Trial(10, "a key twice", raw(LOG, lambda b: b.replace(b'"value": 0.5', b'"value": 0.5, "value": 0.99', 1))),
        Trial(11, "an integer of 5,000 digits", _headline(DIGITS)),
        Trial(
            12,
            "100,000 lists in one another",
            number(LOG, lambda d: d["samples"][0]["metadata"].update(x=123456.5), DEEP),
        ),
        Trial(13, "a number as text", document(LOG, _accuracy("0.99"))),
        Trial(13, "true as a number", document(LOG, _accuracy(True))),
        Trial(13, "null", document(LOG, _accuracy(None))),
        Trial(14, "an accuracy of 1.7", document(LOG, _accuracy(1.7))),
        Trial(16, "one sample", document(LOG, _one_sample)),
        Trial(22, "an unknown version", document(LOG, lambda d: d.update(version=99))),
        Trial(34, "a sample deleted", document(LOG, lambda d: d["samples"].pop())),
        Trial(34, "a sample twice", document(LOG, lambda d: d["samples"].append(d["samples"][0]))),
        Trial(34, "counts inflated", document(LOG, _results(total_samples=4000, completed_samples=4000))),
        Trial(41, "an evaluation that failed, with results", document(LOG, lambda d: d.update(status="error"))),
        Trial(
            42,
            "finished before it started",
            document(LOG, lambda d: d["stats"].update(completed_at="2001-01-01T00:00:00+00:00")),
        ),
    ),
)


# --- BagIt


def _bag(programs: Path, place: Path) -> None:
    shutil.copytree(BUNDLE, place / "bag")
    make([str(programs / "bagit.py"), "--sha256", "--quiet", "bag"], place)


PAYLOAD = "bag/data/evidence/reconstruction.addition.json"
MANIFEST = "bag/manifest-sha256.txt"


def _reseal(place: Path) -> None:
    """The tag manifest as someone makes it again who changed a tag file."""
    import hashlib

    names = ("bag-info.txt", "bagit.txt", "manifest-sha256.txt")
    lines = [f"{hashlib.sha256((place / 'bag' / name).read_bytes()).hexdigest()} {name}\n" for name in names]
    (place / "bag" / "tagmanifest-sha256.txt").write_text("".join(lines))


def _listed(line: str) -> Spoil:
    """Another line in the manifest, sealed again."""

    def spoil(place: Path) -> None:
        raw(MANIFEST, lambda b: b + line.encode() + b"\n")(place)
        _reseal(place)

    return spoil


def _outside(place: Path) -> str:
    """The digest of a file outside, so that nothing but its place is wrong."""
    import hashlib

    (place / "outside.txt").write_text("outside\n")
    return hashlib.sha256(b"outside\n").hexdigest()


def _leads_out(name: Callable[[Path], str]) -> Spoil:
    return lambda place: _listed(f"{_outside(place)}  {name(place)}")(place)


def _linked(folder: str, path: str) -> Spoil:
    """A file in its place as a link to the same bytes outside."""

    def spoil(place: Path) -> None:
        (place / folder / path).rename(place / "elsewhere")
        (place / folder / path).symlink_to(place / "elsewhere")

    return spoil


def _piped(path: str) -> Spoil:
    """A pipe in the place of a file; who opens it waits for ever."""

    def spoil(place: Path) -> None:
        (place / path).unlink()
        os.mkfifo(place / path)

    return spoil


def _swapped(one: str, other: str) -> Spoil:
    def spoil(place: Path) -> None:
        first, second = (place / one).read_bytes(), (place / other).read_bytes()
        (place / one).write_bytes(second)
        (place / other).write_bytes(first)

    return spoil


def _bagged_again(change: Spoil) -> Spoil:
    """A payload file changed, and both manifests made again."""

    def spoil(place: Path) -> None:
        import hashlib

        change(place)
        path = place / PAYLOAD
        digest, name = hashlib.sha256(path.read_bytes()).hexdigest(), PAYLOAD.removeprefix("bag/")
        lines = (place / MANIFEST).read_text().splitlines()
        kept = [f"{digest}  {name}" if line.endswith(f"  {name}") else line for line in lines]
        (place / MANIFEST).write_text("\n".join(kept) + "\n")
        raw("bag/bag-info.txt", lambda b: b.replace(b"Payload-Oxum", b"Was-Oxum"))(place)
        _reseal(place)

    return spoil


def _digit(path: str) -> Spoil:
    return raw(path, lambda b: b.replace(b"0.9", b"0.8", 1))


OTHER = "evidence/consistency.addition.json"

BAGIT = Peer(
    "bagit",
    "bagit",
    "bagit.py --validate bag",
    _bag,
    lambda programs, place: [str(programs / "bagit.py"), "--validate", str(place / "bag")],
    (
        Trial(2, "a payload file edited", _digit(PAYLOAD)),
        Trial(2, "bag-info.txt edited", raw("bag/bag-info.txt", lambda b: b + b"Contact-Name: x\n")),
        Trial(3, "a payload file edited, both manifests made again", _bagged_again(_digit(PAYLOAD))),
        Trial(4, "two payload files exchanged", _swapped(PAYLOAD, f"bag/data/{OTHER}")),
        Trial(5, "a payload file that no manifest lists", lambda p: (p / "bag/data/extra.json").write_text("{}")),
        Trial(5, "a file beside the payload that no manifest lists", lambda p: (p / "bag/extra.json").write_text("{}")),
        Trial(6, "a payload file is missing", lambda p: (p / PAYLOAD).unlink()),
        Trial(
            7,
            "no payload and an empty manifest",
            lambda p: (
                shutil.rmtree(p / "bag/data"),
                (p / "bag/data").mkdir(),
                (p / MANIFEST).write_text(""),
                raw("bag/bag-info.txt", lambda b: b.replace(b"Payload-Oxum", b"Was-Oxum"))(p),
                _reseal(p),
            ),
        ),
        Trial(8, "the manifest cut off within a line", lambda p: (raw(MANIFEST, lambda b: b[:-40])(p), _reseal(p))),
        Trial(8, "the manifest not UTF-8", lambda p: (raw(MANIFEST, lambda b: b + b"\xff\xfe\n")(p), _reseal(p))),
        Trial(10, "a file twice in the manifest, with two digests", _listed("0" * 64 + "  data/provenance.json")),
        Trial(18, "../ in the manifest", _leads_out(lambda p: "data/../../outside.txt")),
        Trial(18, "an absolute path in the manifest", _leads_out(lambda p: str(p / "outside.txt"))),
        Trial(19, "a payload file is a link to the same bytes outside", _linked("bag", PAYLOAD.removeprefix("bag/"))),
        Trial(19, "a payload file is a pipe", _piped(PAYLOAD)),
        Trial(
            22,
            "an unknown version",
            lambda p: (raw("bag/bagit.txt", lambda b: b.replace(b"0.97", b"9.97"))(p), _reseal(p)),
        ),
        Trial(31, "the manifest of tag files deleted", lambda p: (p / "bag/tagmanifest-sha256.txt").unlink()),
        Trial(31, "the manifest of payload files deleted", lambda p: (p / MANIFEST).unlink()),
        Trial(
            51,
            "names that differ in case alone",
            lambda p: (
                (p / "bag/data/STUDY.toml").write_text("outside\n"),
                _listed(f"{_outside(p)}  data/STUDY.toml")(p),
                raw("bag/bag-info.txt", lambda b: b.replace(b"Payload-Oxum", b"Was-Oxum"))(p),
                _reseal(p),
            ),
        ),
    ),
)


# --- model-signing


def _keys(programs: Path, place: Path, name: str) -> None:
    """A pair of keys by the library that model-signing itself rests on."""
    code = (
        "import sys\n"
        "from cryptography.hazmat.primitives import serialization as s\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        "k = ec.generate_private_key(ec.SECP256R1())\n"
        "open(sys.argv[1], 'wb').write(k.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))\n"
        "o = k.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)\n"
        "open(sys.argv[1] + '.pub', 'wb').write(o)\n"
    )
    make([str(programs / "python"), "-c", code, name], place)


def _sign(programs: Path, place: Path, key: str, model: str, signature: str) -> None:
    arguments = ["--private_key", key, "--signature", signature, model]
    make([str(programs / "model_signing"), "sign", "key", *arguments], place)


def _signed(programs: Path, place: Path) -> None:
    """Our bundle signed; and, for the trials, the same edited and signed by the same and by another key."""
    shutil.copytree(BUNDLE, place / "model")
    shutil.copytree(BUNDLE, place / "other")
    _digit("other/evidence/reconstruction.addition.json")(place)
    for key in ("key", "stranger"):
        _keys(programs, place, key)
    _sign(programs, place, "key", "model", "signature")
    _sign(programs, place, "key", "other", "signature of other")
    _sign(programs, place, "stranger", "model", "signature of stranger")


SIGNED = "model/evidence/reconstruction.addition.json"


def _instead(name: str) -> Spoil:
    return lambda place: (place / name).replace(place / "signature")


def _payload(change: Callable[[bytes], bytes]) -> Callable[[Any], object]:
    """The payload edited, its signature kept."""

    def edit(d: Any) -> None:
        envelope = d["dsseEnvelope"]
        envelope["payload"] = base64.b64encode(change(base64.b64decode(envelope["payload"]))).decode()

    return edit


def _forged(place: Path) -> None:
    """What a holder of no key can do: another digest in the payload, to fit an edited file."""
    import hashlib

    old = hashlib.sha256((place / SIGNED).read_bytes()).hexdigest().encode()
    _digit(SIGNED)(place)
    new = hashlib.sha256((place / SIGNED).read_bytes()).hexdigest().encode()
    document("signature", _payload(lambda b: b.replace(old, new)))(place)


def _in_our_name(place: Path) -> None:
    """A stranger's signature that says it is by our key."""
    ours = json.loads((place / "signature").read_bytes())["verificationMaterial"]["publicKey"]
    _instead("signature of stranger")(place)
    document("signature", lambda d: d["verificationMaterial"].update(publicKey=ours))(place)


def _made_again(place: Path) -> None:
    shutil.rmtree(place / "model")
    (place / "other").rename(place / "model")
    _instead("signature of stranger")(place)


MODEL_SIGNING = Peer(
    "model-signing",
    "model-signing",
    "model_signing verify key --public_key key.pub --signature signature model",
    _signed,
    lambda programs, place: [
        str(programs / "model_signing"),
        "verify",
        "key",
        "--public_key",
        "key.pub",
        "--signature",
        "signature",
        "model",
    ],
    (
        Trial(2, "a file edited", _digit(SIGNED)),
        Trial(3, "a file edited, everything signed again by another key", _made_again),
        Trial(4, "two files exchanged", _swapped(SIGNED, f"model/{OTHER}")),
        Trial(5, "a file that was not signed", lambda p: (p / "model/extra.json").write_text("{}")),
        Trial(5, "a file that was not signed, called .gitignore", lambda p: (p / "model/.gitignore").write_text("x")),
        Trial(6, "a file is missing", lambda p: (p / SIGNED).unlink()),
        Trial(7, "no file at all", lambda p: (shutil.rmtree(p / "model"), (p / "model").mkdir())),
        *unreadable("signature"),
        Trial(
            10,
            "a key twice in the signature",
            raw("signature", lambda b: b.replace(b'"payloadType"', b'"payloadType":"x","payloadType"', 1)),
        ),
        Trial(12, "100,000 lists in one another as signature", raw("signature", lambda b: DEEP)),
        Trial(19, "a file is a link to the same bytes outside", _linked("model", SIGNED.removeprefix("model/"))),
        Trial(19, "a file is a pipe", _piped(SIGNED)),
        Trial(29, "the signature of another model by the same key", _instead("signature of other")),
        Trial(30, "signed by another key", _instead("signature of stranger")),
        Trial(30, "signed by another key in the name of ours", _in_our_name),
        Trial(
            30,
            "another payload type",
            document("signature", lambda d: d["dsseEnvelope"].update(payloadType="text/plain")),
        ),
        Trial(
            30,
            "another predicate type in the payload",
            document("signature", _payload(lambda b: b.replace(b"model_signing", b"model_singing"))),
        ),
        Trial(30, "another digest in the payload", _forged),
        Trial(
            30, "the signatures taken away", document("signature", lambda d: d["dsseEnvelope"].update(signatures=[]))
        ),
        Trial(31, "the signature deleted", lambda p: (p / "signature").unlink()),
        Trial(
            51, "names that differ in case alone", lambda p: shutil.copy(p / "model/study.toml", p / "model/STUDY.toml")
        ),
    ),
)


# --- ro-crate-py

METADATA = "crate/ro-crate-metadata.json"
CRATE = """
import sys
from rocrate.rocrate import ROCrate

crate = ROCrate()
for name in ("reconstruction", "consistency"):
    crate.add_file(f"{sys.argv[1]}/{name}.addition.json", f"evidence/{name}.addition.json", properties={"rows": 696})
crate.write("crate")
"""
COPY = """
import pathlib
import sys
from rocrate.rocrate import ROCrate

try:
    ROCrate(sys.argv[1]).write(sys.argv[2])
except RecursionError:
    raise
except Exception as error:
    print(f"refused: {type(error).__name__}: {error}")
    sys.exit(1)
beside = sorted(path.name for path in pathlib.Path(sys.argv[2]).parent.iterdir() if path.name != "copy")
if beside:
    print("note: written beside the copy: " + ", ".join(beside))
"""


def _crate(programs: Path, place: Path) -> None:
    make([str(programs / "python"), "-c", CRATE, str(BUNDLE / "evidence")], place)


def _renamed(name: Callable[[Path], str]) -> Spoil:
    """A file of the crate under another @id, where there is a file, too."""

    def spoil(place: Path) -> None:
        (place / "outside.txt").write_text("outside\n")
        old, new = "evidence/reconstruction.addition.json", name(place)
        raw(METADATA, lambda b: b.replace(old.encode(), new.encode()))(place)

    return spoil


ROCRATE = Peer(
    "ro-crate-py",
    "rocrate",
    "ROCrate('crate').write('copies/copy'); any exception but a RecursionError counts as stopped",
    _crate,
    lambda programs, place: [str(programs / "python"), "-c", COPY, "crate", "copies/copy"],
    (
        Trial(2, "a file edited", _digit("crate/evidence/reconstruction.addition.json")),
        Trial(4, "two files exchanged", _swapped("crate/evidence/reconstruction.addition.json", f"crate/{OTHER}")),
        Trial(5, "a file that the metadata does not list", lambda p: (p / "crate/extra.json").write_text("{}")),
        Trial(6, "a listed file is missing", lambda p: (p / "crate/evidence/reconstruction.addition.json").unlink()),
        Trial(6, "no metadata", lambda p: (p / METADATA).unlink()),
        Trial(
            7,
            "a crate of no files",
            document(
                METADATA,
                lambda d: (
                    d.update({"@graph": [e for e in d["@graph"] if e["@id"] in ("./", "ro-crate-metadata.json")]}),
                    [e.pop("hasPart", None) for e in d["@graph"]],
                ),
            ),
        ),
        *unreadable(METADATA),
        Trial(9, "NaN", number(METADATA, lambda d: d["@graph"][0].update(rows=123456.5), b"NaN")),
        Trial(9, "1e400", number(METADATA, lambda d: d["@graph"][0].update(rows=123456.5), b"1e400")),
        Trial(10, "a key twice", raw(METADATA, lambda b: b.replace(b'"@type"', b'"@type": "x", "@type"', 1))),
        Trial(
            11, "an integer of 5,000 digits", number(METADATA, lambda d: d["@graph"][0].update(rows=123456.5), DIGITS)
        ),
        Trial(
            12, "100,000 lists in one another", number(METADATA, lambda d: d["@graph"][0].update(rows=123456.5), DEEP)
        ),
        Trial(18, "../ in an @id", _renamed(lambda p: "../outside.txt")),
        Trial(
            19, "a file is a link to the same bytes outside", _linked("crate", "evidence/reconstruction.addition.json")
        ),
        Trial(19, "a file is a pipe", _piped("crate/evidence/reconstruction.addition.json")),
        Trial(22, "an unknown version", raw(METADATA, lambda b: b.replace(b"ro/crate/1.", b"ro/crate/9."))),
        Trial(34, "an entity twice", document(METADATA, lambda d: d["@graph"].append(dict(d["@graph"][-1])))),
    ),
)

PEERS = (INSPECT, CHECK_JSONSCHEMA, BAGIT, ROCRATE, MODEL_SIGNING)
