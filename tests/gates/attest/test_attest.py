"""`husai attest`, `husai verify` and `--trust`, as their users meet them."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from husai_core.cli import invoke
from husai_core.strict_json import digest
from husai_gates.attest.files import path_for
from husai_gates.attest.keys import PublicKey


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = invoke([str(a) for a in arguments])
    output = capsys.readouterr()
    assert "Traceback" not in output.out + output.err
    return code, output.out + output.err


def statements(folder: Path) -> list[dict[str, Any]]:
    import base64

    lines = [line for path in sorted((folder / "attestations").iterdir()) for line in path.read_text().splitlines()]
    return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines]


def test_a_new_key_is_for_its_owner_alone_and_replaces_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, says = run(capsys, "attest", "--new-key", tmp_path / "key")
    assert code == 0
    assert PublicKey.read(tmp_path / "key.pub").keyid in says
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    before = (tmp_path / "key").read_bytes()
    assert run(capsys, "attest", "--new-key", tmp_path / "key")[0] == 64
    assert (tmp_path / "key").read_bytes() == before
    (tmp_path / "key.pub").unlink()
    assert run(capsys, "attest", "--new-key", tmp_path / "key")[0] == 64
    assert run(capsys, "attest", "--new-key", tmp_path / "none" / "key")[0] == 64


def test_signed_verified_and_gated(folder: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, says = run(capsys, "attest", folder, "--key", keys / "ours")
    assert code == 0
    assert "decision 'released' by test" in says
    (path,) = (folder / "attestations").iterdir()
    assert f"attestations/{path.name}" == path_for(path.read_bytes())
    keyid = PublicKey.read(keys / "ours.pub").keyid
    code, says = run(capsys, "verify", folder, "--trust", keys / "ours.pub")
    assert (code, says.splitlines()[0]) == (0, "VERIFIED: released (exit 0)")
    assert keyid in says
    code, says = run(capsys, "verify", folder, "--trust", keys / "ours.pub", "--format", "json")
    assert json.loads(says)["decisions"] == [
        {
            "policy": {"name": "test", "digest": digest((folder / "policy" / "test.toml").read_bytes())},
            "signers": [keyid],
            "verdict": "released",
        }
    ]
    policy = folder / "policy" / "test.toml"
    code, says = run(capsys, "gate", folder, "--policy", policy, "--trust", keys / "ours.pub")
    assert code == 0
    assert f"signed  by {keyid}" in says
    code, says = run(capsys, "gate", folder, "--policy", policy, "--format", "json", "--trust", keys / "ours.pub")
    assert json.loads(says)["attested_by"] == [keyid]
    assert run(capsys, "audit", folder, "--trust", keys / "ours.pub")[0] == 0


def test_without_trust_nothing_is_proven_and_it_is_said(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = signed / "policy" / "test.toml"
    for form in ("text", "markdown", "github", "junit", "sarif"):
        code, says = run(capsys, "gate", signed, "--policy", policy, "--format", form)
        assert code == 0
        assert "NOT-PROVEN" in says, form
    code, says = run(capsys, "audit", signed)
    assert code == 0
    assert "NOT-PROVEN" in says
    assert "signatures in attestations" in says


def test_the_statements_are_those_of_in_toto_and_slsa(signed: Path) -> None:
    bundle, result, summary = statements(signed)
    assert {s["_type"] for s in (bundle, result, summary)} == {"https://in-toto.io/Statement/v1"}
    manifest = json.loads((signed / "manifest.json").read_bytes())
    files = {item["name"]: item["digest"]["sha256"] for item in bundle["subject"]}
    assert files.pop("manifest.json") == digest((signed / "manifest.json").read_bytes()).removeprefix("sha256:")
    assert files == {path: entry["sha256"].removeprefix("sha256:") for path, entry in manifest["files"].items()}
    assert result["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert result["predicate"]["result"] == "PASSED"
    assert len(result["predicate"]["passedTests"]) == 6
    assert result["predicate"]["failedTests"] == result["predicate"]["warnedTests"] == []
    predicate = summary["predicate"]
    assert summary["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["verifiedLevels"] == ["HUSAI_RELEASED"]
    assert predicate["resourceUri"] == manifest["content_digest"]
    assert len(predicate["inputAttestations"]) == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", predicate["timeVerified"])
    assert predicate["husai:decision/v1"] == json.loads((signed / "decision.json").read_bytes())


def test_a_decision_against_release_is_signed_as_failed_and_verifies_as_such(
    draft: Any, write: Any, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft.measurement("explained_variance")["observations"][2]["value"] = 0.84
    draft.views = True
    folder = write(draft.files(), tmp_path / "bundle")
    assert run(capsys, "attest", folder, "--key", keys / "ours")[0] == 0
    _, result, summary = statements(folder)
    assert summary["predicate"]["verificationResult"] == "FAILED"
    assert summary["predicate"]["verifiedLevels"] == ["FAILED"]
    assert result["predicate"]["failedTests"] == ["explains", "not-worse"]
    code, says = run(capsys, "verify", folder, "--trust", keys / "ours.pub")
    assert (code, says.splitlines()[0]) == (2, "VERIFIED: not released (exit 2)")


def test_a_bundle_that_says_nothing_of_its_times_is_signed_as_not_released(
    draft: Any, write: Any, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seal: Any
) -> None:
    files = {path: raw for path, raw in draft.files().items() if path != "provenance.json"}
    folder = write(seal(files), tmp_path / "bundle")
    assert run(capsys, "attest", folder, "--key", keys / "ours")[0] == 0
    assert run(capsys, "verify", folder, "--trust", keys / "ours.pub")[0] == 2
    assert statements(folder)[1]["predicate"]["failedTests"] == ["finding EV-ABSENT"]


def test_a_file_is_no_folder_to_sign_in(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bundle.zip").write_bytes(b"PK")
    code, says = run(capsys, "attest", tmp_path / "bundle.zip", "--key", keys / "ours")
    assert (code, "no folder to write attestations to" in says) == (64, True)


def test_a_bundle_without_a_policy_is_signed_alone_and_that_is_no_release(
    draft: Any, write: Any, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seal: Any
) -> None:
    files = {path: raw for path, raw in draft.files().items() if not path.startswith("policy/")}
    folder = write(seal(files), tmp_path / "bundle")
    code, says = run(capsys, "attest", folder, "--key", keys / "ours")
    assert code == 0
    assert "no decision" in says
    code, says = run(capsys, "verify", folder, "--trust", keys / "ours.pub")
    assert (code, says.splitlines()[0][:7]) == (5, "NOTHING")
    assert says.splitlines()[-1].endswith(f"sign the decision: husai attest {folder} --key FILE --policy NAME")
    policy = tmp_path / "other.toml"
    policy.write_text(draft.policy.replace("preregistered = true", "preregistered = false"))
    assert run(capsys, "gate", folder, "--policy", policy, "--trust", keys / "ours.pub")[0] == 0
    assert run(capsys, "attest", folder, "--key", keys / "ours", "--policy", policy)[0] == 0
    code, says = run(capsys, "verify", folder, "--trust", keys / "ours.pub")
    assert code == 3
    assert "EV-INPUT-MISSING" in says
    assert run(capsys, "verify", folder, "--trust", keys / "ours.pub", "--policy", policy)[0] == 0
    code, says = run(capsys, "audit", folder, "--trust", keys / "ours.pub")
    assert code == 0, "whoever lacks that policy is not told of tampering"
    assert f"signed decision by the policy {digest(policy.read_bytes())}" in says
    policy.write_text(policy.read_text() + "\n# another\n")
    assert run(capsys, "verify", folder, "--trust", keys / "ours.pub", "--policy", policy)[0] == 3


def test_two_keys_sign_and_the_threshold_counts_them(
    signed: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["--trust", keys / "ours.pub", "--trust", keys / "second.pub", "--threshold", 2]
    code, says = run(capsys, "verify", signed, *both)
    assert code == 3
    assert "EV-SIGNER" in says
    assert run(capsys, "attest", signed, "--key", keys / "second")[0] == 0
    assert run(capsys, "verify", signed, *both)[0] == 0
    assert run(capsys, "gate", signed, "--policy", signed / "policy" / "test.toml", *both)[0] == 0
    assert len(list((signed / "attestations").iterdir())) == 2
    assert run(capsys, "verify", signed, "--trust", keys / "second.pub")[0] == 0


def test_two_who_vouch_for_the_bundle_are_not_two_who_released_it(
    signed: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], test_policy: str
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(test_policy.replace("preregistered = true", "preregistered = false"))
    assert run(capsys, "attest", signed, "--key", keys / "second", "--policy", other)[0] == 0
    both = ["--trust", keys / "ours.pub", "--trust", keys / "second.pub"]
    assert run(capsys, "verify", signed, *both, "--policy", other)[0] == 0
    assert run(capsys, "verify", signed, *both, "--policy", other, "--threshold", 2)[0] == 3
    code, says = run(capsys, "verify", signed, *both, "--threshold", 2)
    assert code == 3
    assert "is not at hand" in says
    policy = signed / "policy" / "test.toml"
    assert run(capsys, "gate", signed, "--policy", policy, *both, "--threshold", 2)[0] == 0


def test_an_explanation_says_what_would_change_an_attestation(
    signed: Path, make_draft: Any, write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = make_draft(views=True)
    draft.provenance["packages"]["numpy"] = "2.0"
    folder = write(draft.files(), tmp_path / "later")
    (path,) = (signed / "attestations").iterdir()
    write({f"attestations/{path.name}": path.read_bytes()}, folder)
    code, says = run(capsys, "explain", folder, "--policy", folder / "policy" / "test.toml")
    assert code == 0
    assert "The attestations of this very bundle; those here were signed about another." in says


def test_one_key_is_one_signer_however_often_it_is_trusted(
    signed: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = ["--trust", keys / "ours.pub", "--trust", keys / "ours.pub"]
    code, says = run(capsys, "verify", signed, *twice, "--threshold", 2)
    assert code == 64
    assert "gives 1 different keys" in says


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["attest"], "'BUNDLE' is missing"),
        (["attest", "BUNDLE"], "'--key' is missing"),
        (["attest", "BUNDLE", "--new-key", "x"], "stands alone"),
        (["attest", "BUNDLE", "--key", "none"], "cannot be read"),
        (["attest", "BUNDLE", "--key", "KEYS/ours.pub"], "is no private key"),
        (["attest", "none", "--key", "KEYS/ours"], "there is no bundle here"),
        (["attest", "BUNDLE", "--key", "KEYS/ours", "--policy", "toi"], "did you mean 'toy'"),
        (["attest", "BUNDLE", "--key", "KEYS/ours"], "is signed by this key already"),
        (["verify", "BUNDLE"], "Missing option '--trust'"),
        (["verify", "BUNDLE", "--trust", "KEYS/ours"], "is a private key"),
        (["verify", "BUNDLE", "--trust", "BUNDLE/manifest.json"], "is no public key"),
        (["verify", "BUNDLE", "--trust", "BUNDLE"], "cannot be read"),
        (["verify", "BUNDLE", "--trust", "KEYS/ours.pub", "--threshold", "0"], "0 is not in the range"),
        (["gate", "BUNDLE", "--policy", "toy", "--threshold", "1"], "there is no key to count"),
        (["audit", "BUNDLE", "--threshold", "1"], "there is no key to count"),
    ],
)
def test_a_mistake_is_a_usage_error(
    arguments: list[str], says: str, signed: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [a.replace("BUNDLE", str(signed)).replace("KEYS", str(keys)) for a in arguments]
    before = sorted(signed.rglob("*"))
    code, output = run(capsys, *given)
    assert code == 64
    assert says in output
    assert len(output.splitlines()) == 1
    assert sorted(signed.rglob("*")) == before


def test_what_the_audit_refuses_is_not_signed(folder: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "evidence" / "consistency.addition.json"
    path.write_bytes(path.read_bytes() + b" ")
    code, says = run(capsys, "attest", folder, "--key", keys / "ours")
    assert code == 3
    assert "EV-DIGEST" in says
    assert not (folder / "attestations").exists()


def test_nobody_signs_before_the_run_has_finished(
    draft: Any, write: Any, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=2)  # the audit allows for clocks that differ
    draft.provenance |= {
        "started": f"{soon - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}",
        "finished": f"{soon:%Y-%m-%dT%H:%M:%SZ}",
    }
    folder = write(draft.files(), tmp_path / "bundle")
    code, says = run(capsys, "attest", folder, "--key", keys / "ours")
    assert code == 64
    assert "after now" in says


def test_an_encrypted_key_opens_with_its_passphrase_and_not_without(
    folder: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key((keys / "ours").read_bytes(), None)
    locked = tmp_path / "locked"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open")))
    code, says = run(capsys, "attest", folder, "--key", locked)
    assert (code, "HUSAI_KEY_PASSPHRASE" in says) == (64, True)
    monkeypatch.setenv("HUSAI_KEY_PASSPHRASE", "close")
    assert run(capsys, "attest", folder, "--key", locked)[0] == 64
    monkeypatch.setenv("HUSAI_KEY_PASSPHRASE", "open")
    assert run(capsys, "attest", folder, "--key", locked)[0] == 0
    assert run(capsys, "verify", folder, "--trust", keys / "ours.pub")[0] == 0


def test_a_key_of_another_kind_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = generate_private_key(SECP256R1())
    (tmp_path / "k").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "k.pub").write_bytes(public)
    for arguments in (["attest", folder, "--key", tmp_path / "k"], ["verify", folder, "--trust", tmp_path / "k.pub"]):
        code, says = run(capsys, *arguments)
        assert (code, "another kind than ed25519" in says) == (64, True)


BLOCK = (
    "import sys\n"
    "class Block:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.partition('.')[0] == 'cryptography':\n"
    "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
    "sys.meta_path.insert(0, Block())\n"
    "from husai_core.cli import invoke\n"
    "sys.exit(invoke(sys.argv[1:]))\n"
)


def test_only_keys_need_the_library_and_then_it_is_named(signed: Path, keys: Path) -> None:
    def blocked(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BLOCK, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert blocked("gate", signed, "--policy", signed / "policy" / "test.toml").returncode == 0
    done = blocked("verify", signed, "--trust", keys / "ours.pub")
    assert done.returncode == 64
    assert "pip install 'husai[sign]'" in done.stderr


def test_a_migrated_bundle_has_other_bytes_and_so_no_attestations(
    draft: Any, write: Any, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("husai_gates.plots.make_plots", lambda files: {})
    for subject in draft.subjects.values():
        subject["schema"] = "husai:subject/v1"
        del subject["budget"]["agreement"], subject["budget"]["decay_share"]
    draft.views = True
    old = write(draft.files(), tmp_path / "old")
    assert run(capsys, "attest", old, "--key", keys / "ours")[0] == 0
    assert run(capsys, "verify", old, "--trust", keys / "ours.pub")[0] == 0
    code, says = run(capsys, "schema", "migrate", old, "--out", tmp_path / "new")
    assert code == 0
    assert "because they are of other bytes: 1 attestation; sign the new bundle anew" in says
    assert not (tmp_path / "new" / "attestations").exists()
    assert run(capsys, "audit", tmp_path / "new")[0] == 0
    assert run(capsys, "audit", tmp_path / "new", "--trust", keys / "ours.pub")[0] == 3
