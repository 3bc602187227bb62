"""The prose is held to the code: what README and docs show is what the commands print."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from husai_core import hookspecs
from husai_core.cli import invoke
from husai_core.errors import ExitCode

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", [n for n in vars(hookspecs) if n.startswith("husai_")])
def test_every_hook_stands_in_the_docs_with_its_signature(name: str) -> None:
    signature = str(inspect.signature(getattr(hookspecs, name))).replace("'", "")
    assert f"`{name}{signature}`" in (ROOT / "docs" / "plugins.md").read_text()


def test_every_rule_of_the_contracts_stands_in_the_docs() -> None:
    from husai_core.testing import architectures, benchmarks, controls, importers, metrics, models

    for page, suites in (
        ("plugins.md", [architectures]),
        ("contracts.md", [benchmarks, metrics, controls, models, importers]),
    ):
        rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]+) \|$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
        assert rows == [(check.name, check.rule) for suite in suites for check in suite.CHECKS], page


@pytest.mark.parametrize(("page", "count"), [("plugins.md", 2), ("contracts.md", 5)])
def test_the_contracts_of_the_docs_are_contracts(page: str, count: int) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert len(blocks) == count
    for code in blocks:
        names: dict[str, object] = {}
        exec(code, names)
        assert callable(names["test_contract"])


def test_the_settings_of_benchmarks_in_the_docs_are_settings() -> None:
    from husai_core.plugins import PluginTable
    from husai_core.settings import parse_settings

    table = PluginTable()
    for page in (ROOT / "docs").glob("*.md"):
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
            for chosen in tomllib.loads(block).get("benchmark", ()):
                benchmark = table.get("benchmarks", chosen["name"], page.name).item
                parse_settings(benchmark.Settings, chosen.get("settings", {}), page.name)


def test_the_readme_lists_every_exit_code_of_a_verdict() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode} - {int(ExitCode.INTERRUPTED)}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gate", "evidence/toy", "--policy", "toy"], 0),
        (["gate", "evidence/untrained-candidate", "--policy", "toy", "--format", "github"], 2),
    ],
)
def test_the_readme_shows_what_the_gate_prints(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert invoke(arguments) == code
    assert capsys.readouterr().out.strip() in README, "copy the output of: husai " + " ".join(arguments)


def test_the_rules_in_the_readme_are_in_the_policy() -> None:
    (shown,) = (b for b in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "[[rule]]" in b)
    for rule in shown.strip().split("\n\n"):
        assert rule in (ROOT / "gates" / "policies" / "toy.toml").read_text()


def test_the_rules_of_the_docs_are_rules() -> None:
    from husai_gates import policy
    from husai_gates.rules import RULES

    page = (ROOT / "docs" / "policies.md").read_text()
    toy = (ROOT / "gates" / "policies" / "toy.toml").read_text()
    rules = "\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    assert len(policy.load(f"{toy.partition('[[rule]]')[0]}\n{rules}".encode(), "docs").rules) == 9
    (kinds,) = re.findall(r"^## Kinds of rules\n(.*?)^### ", page, re.MULTILINE | re.DOTALL)
    assert re.findall(r"^\| `(\w+)` \| ", kinds, re.MULTILINE) == list(RULES)


def test_the_choice_in_the_docs_is_what_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the committed bundles without their views, which say nothing about a choice."""
    from husai_core import bundle

    page = (ROOT / "docs" / "selection.md").read_text()
    (command,) = re.findall(r"^`husai (select .+)` says:$", page, re.MULTILINE)
    for name in re.findall(r"evidence/\S+", command):
        kept = bundle.read(ROOT / name).files
        bundle.write(
            {p: raw for p, raw in kept.items() if p != bundle.MANIFEST and not bundle.is_view(p)}, tmp_path / name
        )
    monkeypatch.chdir(tmp_path)
    assert invoke(command.split()) == 0
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert capsys.readouterr().out == shown, f"copy the output of: husai {command}"


def test_who_is_told_to_install_husai_by_name_is_told_that_it_is_not_on_the_package_index_yet() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "husai_core" / "templates").rglob("*.md")]
    by_name = re.compile(r"\bpip (?:install|wheel|download)\b[^`\n]*[ '\"](husai\b(?!-)[^`\n]*)")
    told = {page: text for page in pages if by_name.search(text := page.read_text())}
    assert {"README.md", "signatures.md", "run-offline.md"} <= {page.name for page in told}
    for page, text in told.items():
        assert re.search(r"until (?:it|HUSAI) is on\s+the\s+package\s+index", text, re.IGNORECASE), page


def test_every_relative_link_of_the_docs_leads_somewhere() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "benchmarks/README.md",
    ]:
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_ten_line_plugin_of_the_readme_is_ten_lines_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from husai_core.plugins import EntryPoint, PluginTable

    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "husai_decoder_norm.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    table = PluginTable([EntryPoint("decoder_norm", "husai_decoder_norm", "acme 1.0")])
    metric = table.get("metrics", "decoder_norm", "here").item

    import torch

    from husai_core import Coder, Dims

    dims = Dims(4, 3, 4)
    weights = {"W_dec": 2 * torch.eye(3, 4)}
    assert metric.of(Coder(None, None, dims, 0, weights, weights)) == pytest.approx(2.0)  # type: ignore[arg-type]
