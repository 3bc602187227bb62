"""The gate as a step of GitHub Actions: inputs from the environment; annotations, job summary, reports and outputs.

Only the standard library is used, because it must be able to say that HUSAI could not be installed. It fails closed:
`decision` is `error` from the first moment on, and is anything else only when every report and output was written.
"""

from __future__ import annotations

import html
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DECISIONS = {0: "released", 2: "not_released", 3: "invalid", 4: "error", 5: "nothing_evaluated", 64: "policy_error"}
ERROR = 4
REPORTS = {"junit": "junit.xml", "sarif": "results.sarif", "json": "decision.json", "markdown": "decision.md"}


class CannotGate(Exception):
    """Why there is no decision; `code` is what the step exits with."""

    def __init__(self, code: int, says: str) -> None:
        self.code, self.says = code, says
        super().__init__(says)


@dataclass(frozen=True)
class Inputs:
    """What the workflow asked for; `python` is the interpreter that HUSAI was installed for."""

    python: str
    bundle: str
    policy: str
    options: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Inputs:
        def given(name: str) -> str:
            return environment.get(f"GATE_{name.upper()}", "").strip()

        for name in ("bundle", "policy"):
            if not given(name):
                raise CannotGate(64, f"the input '{name}' is empty; is a variable of the workflow unset?")
        options = [f"--{name}={given(name)}" for name in ("baseline", "waivers", "threshold") if given(name)]
        options += [f"--trust={line.strip()}" for line in given("trust").splitlines() if line.strip()]
        return cls(given("python"), given("bundle"), given("policy"), tuple(options))


def gate(inputs: Inputs, folder: Path) -> int:
    """The verdict's exit code, after annotations and summary were written by `husai gate` and reports into `folder`."""
    if not Path(inputs.python).is_file():
        raise CannotGate(ERROR, "HUSAI is not installed; look at the step before")
    if not Path(inputs.bundle).exists():
        raise CannotGate(ERROR, f"there is no bundle at {inputs.bundle}; did the step that makes it fail?")
    reports = [f"--report={form}={folder / name}" for form, name in REPORTS.items()]
    # -I: nothing in the checkout, which a pull request may have written, is imported in HUSAI's place.
    command = [inputs.python, "-I", "-m", "husai_core", "gate", f"--policy={inputs.policy}", "--format=github"]
    try:
        done = subprocess.run(
            [*command, *inputs.options, *reports, "--", inputs.bundle], capture_output=True, check=False
        )
    except OSError as error:
        raise CannotGate(ERROR, f"HUSAI could not be started: {error.strerror}") from None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode not in DECISIONS:
        raise CannotGate(ERROR, f"HUSAI crashed with exit code {done.returncode}: {_last_line(said)}")
    lacking = [name for name in REPORTS.values() if not (folder / name).is_file() or not (folder / name).stat().st_size]
    if lacking:
        code = done.returncode or ERROR
        raise CannotGate(code, _last_line(said) or f"HUSAI said nothing, and wrote no {', '.join(lacking)}")
    decision = json.loads((folder / REPORTS["json"]).read_text("utf-8"))
    stated = (decision.get("exit_code"), decision.get("verdict"))
    if stated != (done.returncode, DECISIONS[done.returncode]):
        raise CannotGate(ERROR, f"HUSAI left with exit code {done.returncode}, its decision says {stated[0]}")
    sys.stdout.write(done.stdout.decode("utf-8", "replace"))  # the annotations, each made harmless by the reporter
    _quote(said)
    return done.returncode


def main(environment: Mapping[str, str]) -> int:
    """Gate, and say so in every place that a workflow looks at."""
    try:
        outputs = Outputs(environment)
        outputs.write({"exit-code": str(ERROR), "decision": DECISIONS[ERROR]})
        folder = Path(tempfile.mkdtemp(prefix="husai-gate-", dir=environment.get("RUNNER_TEMP") or None))
        try:
            code = gate(Inputs.read(environment), folder)
        except CannotGate as refused:
            _say_why(refused, environment)
            outputs.write({"exit-code": str(refused.code), "decision": DECISIONS[refused.code]})
            return refused.code
        paths = {form: str(folder / name) for form, name in REPORTS.items()}
        outputs.write({"exit-code": str(code), "decision": DECISIONS[code], "reports": str(folder), **paths})
        return code
    except Exception as error:
        _annotate(f"the gate did not come to an end: {type(error).__name__}: {error}")
        return ERROR


class Outputs:
    """The file in which a step leaves its outputs; of two values of one name the later one holds."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._path = environment.get("GITHUB_OUTPUT", "")

    def write(self, values: Mapping[str, str]) -> None:
        """Every value between delimiters that nobody can guess."""
        if not self._path:
            raise ValueError("GITHUB_OUTPUT is not set, so nobody could read the decision")
        fence = f"husai_{secrets.token_hex(16)}"
        with open(self._path, "a", encoding="utf-8") as handle:
            handle.writelines(f"{name}<<{fence}\n{value}\n{fence}\n" for name, value in values.items())


def _say_why(refused: CannotGate, environment: Mapping[str, str]) -> None:
    """An annotation and a summary of what came instead of a decision."""
    _annotate(refused.says)
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        said = html.escape(_printable(refused.says)).replace("`", "&#96;").replace("@", "&#64;")
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(f"\n**HUSAI: no decision, and so no release** (exit {refused.code})\n\n<pre>{said}</pre>\n\n")


def _annotate(text: str) -> None:
    escaped = _printable(text).replace("%", "%25").replace("##[", "# #[")
    print(f"::error title=HUSAI::{escaped}", flush=True)


def _quote(text: str) -> None:
    """Show text in the log while the runner obeys no command in it."""
    if text.strip():
        fence = secrets.token_hex(16)
        print(f"::stop-commands::{fence}\n{text.rstrip().replace('##[', '# #[')}\n::{fence}::", flush=True)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("husai: ") if lines else ""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


if __name__ == "__main__":
    sys.exit(main(os.environ))
