"""The importer of SAEBench, held to the contract of importers on two real files."""

from pathlib import Path

from husai_core.testing.importers import importer_contract

FILES = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "files").glob("*.json"))}

test_contract = importer_contract("saebench", files=FILES)
