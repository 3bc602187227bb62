"""The importer of SAEBench, held to the contract of importers on the files it brings along and on two real ones."""

from pathlib import Path

from husai_core.testing import importer_contract

FILES = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "files").glob("*.json"))}

test_contract = importer_contract("saebench")
test_contract_on_whole_runs = importer_contract("saebench", files=FILES)
