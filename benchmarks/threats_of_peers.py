"""Which of the threats in docs/threats.md each peer stops, measured by running the peers on spoilt inputs.

    python -m venv PEERS && PEERS/bin/pip install inspect-ai check-jsonschema bagit rocrate model-signing
    python benchmarks/threats_of_peers.py --peers PEERS/bin --out benchmarks/threats_of_peers.json
    python benchmarks/threats_of_peers.py --render

The first runs every trial as a process of its own in a copy of the peer's good input, which must pass, and our own
corpus on the toy bundle; the second writes the tables of docs/peers.md from the committed result. A trial is `stopped`
(an exit code other than 0 and a message), `traceback` (an uncaught exception reached the user), `hung` (no answer in 30
seconds) or `passed` (exit code 0).
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from peer_formats import PEERS, ROOT, Peer, run

RESULT, PAGE, THREATS = (
    ROOT / "benchmarks" / "threats_of_peers.json",
    ROOT / "docs" / "peers.md",
    ROOT / "docs" / "threats.md",
)
SECONDS = 30
OUTCOMES = ("stopped", "traceback", "hung", "passed")
POLICY = "toy"


def asked(peer: Peer, programs: Path, place: Path) -> tuple[str, int | None, str]:
    """What a peer says of the input in a folder: outcome, exit code and the last line that it printed.

    Of what passed only a line that our own calling script noted is kept.
    """
    try:
        done = run(peer.command(programs, place), place, SECONDS)
    except subprocess.TimeoutExpired:
        return "hung", None, ""
    text = done.stdout + done.stderr
    if done.returncode == 0:
        return "passed", 0, next((line for line in text.splitlines() if line.startswith("note: ")), "")
    outcome = "traceback" if "Traceback (most recent call last)" in text or done.returncode < 0 else "stopped"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = lines[-1] if lines else ""
    for path, word in ((place, "INPUT"), (programs.parent, "PEERS"), (ROOT, "HUSAI")):
        said = said.replace(str(path.resolve()), word).replace(str(path), word)
    return outcome, done.returncode, "".join(c for c in said if c.isprintable())[:160]


def tried(peer: Peer, programs: Path) -> dict[str, Any]:
    """Every trial of a peer, each on a copy of its good input."""
    version = run([str(programs / "python"), "-c", VERSION, peer.distribution], ROOT).stdout.strip()
    trials = []
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder) / "good"
        good.mkdir()
        peer.make(programs, good)
        outcome, _, said = asked(peer, programs, good)
        assert outcome == "passed", f"{peer.name} refuses its own good input: {said}"
        for index, trial in enumerate(peer.trials):
            place = Path(folder) / str(index)
            shutil.copytree(good, place, ignore=shutil.ignore_patterns("copies"))
            trial.spoil(place)
            outcome, code, said = asked(peer, programs, place)
            trials.append({"threat": trial.threat, "what": trial.what, "outcome": outcome, "exit": code, "said": said})
            print(f"{peer.name:18}{outcome:10}{trial.threat:3} {trial.what}: {said}", flush=True)
    return {"name": peer.name, "version": version, "asked": peer.asked, "trials": trials}


VERSION = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


def ours() -> dict[str, Any]:
    """The corpus on the toy bundle: by threat how many cases apply, and how many are stopped as they must be."""
    from husai_core import __version__
    from husai_core.testing.corpus import CASES, Good, NotApplicable

    good = Good.at(ROOT / "evidence" / "toy", POLICY)
    applied: Counter[int] = Counter()
    stopped: Counter[int] = Counter()
    for case in CASES:
        try:
            case.check(good)
        except NotApplicable:
            continue
        except AssertionError as error:
            print(error)
        else:
            stopped[case.threat] += 1
        applied[case.threat] += 1
    rows = [{"threat": threat, "cases": applied[threat], "stopped": stopped[threat]} for threat in sorted(applied)]
    return {"version": __version__, "asked": "the corpus on evidence/toy", "threats": rows}


# --- the page


def titles() -> dict[int, str]:
    """What each threat is, as docs/threats.md says it."""
    lines = (line.split(" | ") for line in THREATS.read_text().splitlines() if line.startswith("| "))
    return {int(cells[0][2:]): cells[1] for cells in lines if cells[0][2:].isdigit()}


def cell(trials: list[Mapping[str, Any]]) -> str:
    """How many of these were stopped; refusals by a traceback and silence are counted apart."""
    if not trials:
        return ""
    counts = Counter(trial["outcome"] for trial in trials)
    notes = [f"{counts[key]} {word}" for key, word in (("traceback", "traceback"), ("hung", "hung")) if counts[key]]
    return f"{counts['stopped']} of {len(trials)}" + (f" ({', '.join(notes)})" if notes else "")


def table(result: Mapping[str, Any]) -> str:
    """A row for each threat that any peer's format can carry."""
    peers = result["peers"]
    known = titles()
    own = {row["threat"]: row for row in result["husai"]["threats"]}
    heads = ["husai " + result["husai"]["version"], *(f"{peer['name']} {peer['version']}" for peer in peers)]
    lines = [f"| # | threat | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for threat in sorted({trial["threat"] for peer in peers for trial in peer["trials"]}):
        row = own.get(threat)
        cells = [f"{row['stopped']} of {row['cases']}" if row else ""]
        cells += [cell([trial for trial in peer["trials"] if trial["threat"] == threat]) for peer in peers]
        lines.append(f"| {threat} | {known[threat]} | {' | '.join(cells)} |")
    total = [f"{sum(r['stopped'] for r in own.values())} of {sum(r['cases'] for r in own.values())}"]
    total += [cell(peer["trials"]) for peer in peers]
    lines.append(f"| | all that was tried | {' | '.join(total)} |")
    return "\n".join(lines)


def let_through(result: Mapping[str, Any]) -> str:
    """What each peer let pass, in the words of the trials."""
    return "\n".join(f"- **{peer['name']}**: {'; '.join(_passed(peer)) or 'nothing'}." for peer in result["peers"])


def _passed(peer: Mapping[str, Any]) -> Iterator[str]:
    for trial in peer["trials"]:
        if trial["outcome"] == "passed":
            note = trial["said"].removeprefix("note: ")
            yield f"{trial['what']} ({', '.join(filter(None, (str(trial['threat']), note)))})"


TABLES = {"table": table, "let through": let_through}


def put(page: str, name: str, text: str) -> str:
    """The page with the text between the marks of that name."""
    begin, end = f"<!-- peers {name} -->", f"<!-- end of peers {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}\n{end}{after}"


def rendered(page: str, result: Mapping[str, Any]) -> str:
    for name, render in TABLES.items():
        page = put(page, name, render(result))
    return page


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path, help="the folder of programs of an environment with the peers")
    parser.add_argument("--only", help="measure this peer again, and keep the rest of the committed result")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args()
    if options.peers:
        before = {} if options.only is None else json.loads(RESULT.read_text())
        kept = {peer["name"]: peer for peer in before.get("peers", ()) if peer["name"] != options.only}
        result = {
            "command": "python benchmarks/threats_of_peers.py --peers PEERS/bin --out benchmarks/threats_of_peers.json",
            "python": platform.python_version(),
            "system": platform.system(),
            "husai": before["husai"] if before else ours(),
            "peers": [kept.get(peer.name) or tried(peer, options.peers.absolute()) for peer in PEERS],
        }
        if options.out:
            options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if options.render:
        PAGE.write_text(rendered(PAGE.read_text(), json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
