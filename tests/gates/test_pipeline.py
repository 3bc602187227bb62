"""The pipeline: bundles on disk, by name of policy, without any heavy library, and fast."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from husai_core.errors import UsageError
from husai_gates.pipeline import audit_folder, gate
from husai_gates.reporters.findings import AUDIT_REPORTERS

HEAVY = [
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "statsmodels",
    "matplotlib",
    "transformer_lens",
    "rich",
    "click",
]
PLUGINS = [
    "husai_models",
    "husai_texts",
    "husai_architectures",
    "husai_metrics",
    "husai_benchmarks",
    "husai_controls",
    "husai_replication",
]


@pytest.fixture
def folder(good: Any, tmp_path: Path) -> Path:
    target = tmp_path / "bundle"
    for path, raw in good.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(raw)
    return target


def test_a_good_bundle_is_sound_and_released(folder: Path) -> None:
    report = audit_folder(folder)
    assert (report.exit_code, report.findings, report.assurance) == (0, (), "recomputed")
    assert "SOUND" in AUDIT_REPORTERS["text"](report)
    assert '"exit_code": 0' in AUDIT_REPORTERS["json"](report)
    assert gate(folder, str(folder / "policy" / "test.toml")).exit_code == 0


@pytest.mark.parametrize("make", [lambda p: p.symlink_to("/etc/passwd"), os.mkfifo], ids=["link", "pipe"])
def test_a_link_or_a_pipe_is_a_finding(folder: Path, make: Any) -> None:
    make(folder / "evidence" / "more.json")
    report = audit_folder(folder)
    assert report.exit_code == 3
    assert {f.code for f in report.findings} <= {"EV-SYMLINK", "EV-NOT-REGULAR"}
    assert "INVALID" in AUDIT_REPORTERS["text"](report)
    decision = gate(folder, str(folder / "policy" / "test.toml"))
    assert decision.exit_code == 3
    assert {row.status for row in decision.rows} == {"invalid"}


def test_an_empty_folder_is_vacuous_and_none_is_a_usage_error(tmp_path: Path) -> None:
    assert audit_folder(tmp_path).exit_code == 5
    with pytest.raises(UsageError):
        audit_folder(tmp_path / "none")


def _isolated(code: str, blocked: list[str]) -> subprocess.CompletedProcess[str]:
    block = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {blocked!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(
        [sys.executable, "-c", block + code], capture_output=True, text=True, env=environment, check=False
    )


def test_the_gate_runs_while_everything_heavy_and_every_plugin_is_blocked(folder: Path) -> None:
    blocked = [*HEAVY, *PLUGINS]
    code = (
        "from pathlib import Path\nfrom husai_gates.pipeline import gate\n"
        f"sys.exit(int(gate(Path({str(folder)!r}), "
        f"{str(folder / 'policy' / 'test.toml')!r}).exit_code))\n"
    )
    done = _isolated(code, blocked)
    assert done.returncode == 0, done.stderr


_EVERY_KIND = """
schema = "husai:policy/v1"
name = "every-kind"
version = "1"
purpose = "Every kind of rule once."
confidence = 0.95
min_units = 3

[[family]]
name = "claims"
reason = "Each is quoted by itself."
"""
_KINDS = {
    "present": "",
    "threshold": 'metric = "explained_variance"\nat_least = 0.9\nfamily = "claims"',
    "range": 'metric = "l0"\nat_least = 7\nat_most = 9\nfamily = "claims"',
    "proportion": 'metric = "explained_variance"\nat_least = 0.9\nshare = 0.3\nexact = true',
    "superiority": 'metric = "explained_variance"\nover = { role = "baseline" }\npaired = false',
    "non_inferiority": 'metric = "explained_variance"\nto = { role = "baseline" }\nmargin = 0.01',
    "equivalence": 'metric = "explained_variance"\nto = { condition = "addition.relu" }\nmargin = 0.05\n'
    'subject = { condition = "addition.topk" }',
    "regression": 'metric = "explained_variance"\nmargin = 0.01',
    "pareto": 'over = { role = "baseline" }\nmetrics = [\n{ benchmark = "reconstruction", metric = "dead_fraction" },\n'
    '{ benchmark = "reconstruction", metric = "explained_variance" }]',
    "qualified": 'metric = "explained_variance"\nbad = { control = "random_decoder" }\nat_least = 1',
}


def test_every_kind_of_rule_is_judged_while_everything_heavy_is_blocked(folder: Path, tmp_path: Path) -> None:
    from husai_gates.rules import RULES

    assert set(_KINDS) == set(RULES)
    rules = [
        f'[[rule]]\nid = "{kind}"\nquestion = "?"\nreason = "So."\nkind = "{kind}"\n'
        + ("" if kind == "pareto" else 'benchmark = "reconstruction"\n')
        + f"{keys}\n"
        for kind, keys in _KINDS.items()
    ]
    (tmp_path / "p.toml").write_text("\n".join([_EVERY_KIND, *rules]))
    code = (
        "from pathlib import Path\nfrom husai_gates.pipeline import gate\n"
        f"decision = gate(Path({str(folder)!r}), {str(tmp_path / 'p.toml')!r})\n"
        "print([(row.kind, row.status) for row in decision.rows if row.status != 'pass'])\n"
    )
    done = _isolated(code, [*HEAVY, *PLUGINS])
    assert done.stdout.strip() == "[('regression', 'missing')]", done.stdout + done.stderr


def test_every_module_imports_while_everything_heavy_is_blocked() -> None:
    import husai_gates

    assert husai_gates.__file__
    root = Path(husai_gates.__file__).parent
    names = [".".join(("husai_gates", *p.relative_to(root).with_suffix("").parts)) for p in sorted(root.rglob("*.py"))]
    code = "".join(f"import {name.removesuffix('.__init__')}\n" for name in names)
    code += "assert 'jsonschema' not in sys.modules, 'jsonschema is loaded when it is needed'\n"
    done = _isolated(code, [*HEAVY, *PLUGINS])
    assert done.returncode == 0, done.stderr
