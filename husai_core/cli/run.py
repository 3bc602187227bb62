"""`husai run`: a study file becomes an evidence bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from husai_core.cli.arguments import PATH, SIZE, Whole
from husai_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from husai_core.engine.plan import Chosen, Plan, PlannedCheckpoint, PlannedCondition

DEFAULT_CACHE = Path(".husai/cache")


@click.command("run")
@click.argument("study", type=PATH)
@click.option("--out", type=PATH, help="Bundle folder to write [default: runs/NAME].")
@click.option(
    "--cache",
    type=PATH,
    default=DEFAULT_CACHE,
    show_default=True,
    envvar="HUSAI_CACHE",
    help="Where finished work is kept.",
)
@click.option(
    "--activations-cap",
    type=SIZE,
    default="20GiB",
    show_default=True,
    envvar="HUSAI_ACTIVATIONS_CAP",
    help="Bytes that stored activations may take in the cache.",
)
@click.option("--threads", type=Whole(1), default=1, show_default=True, help="CPU threads.")
@click.option("--plan", "plan_only", is_flag=True, help="Check the study and list the work, but do nothing.")
def command(study: Path, out: Path | None, cache: Path, activations_cap: int, threads: int, plan_only: bool) -> int:
    """Run STUDY and write its bundle. Interrupted or killed, the same command goes on where it stopped."""
    from husai_core.cli.derived import derived
    from husai_core.cli.listeners import choose_listener
    from husai_core.engine import make_plan, run_plan
    from husai_core.engine.cache import Cache
    from husai_core.plugins import PluginTable
    from husai_core.standing import doubts, refuse_unwritable
    from husai_core.study import load_study

    parsed = load_study(study)
    policy = _policy(parsed.policy, study)
    choices = _choices(parsed.raw, study)
    plan = make_plan(parsed, PluginTable())
    if plan_only:
        click.echo(_listing(plan))
        return ExitCode.RELEASED
    target = out or Path("runs") / parsed.name
    given = {**choices, **({f"policy/{policy[0]}": policy[1]} if policy else {})}
    refuse_unwritable(target)
    with choose_listener() as listener:
        for text in doubts(target, plan, given, threads):
            listener.warn(text)
        fresh = run_plan(
            plan, target, Cache(cache), listener, threads, policy, derived, _choose, activations_cap, choices
        )
    click.echo(f"bundle: {target}" + ("" if fresh else " (was there already, with the same evidence)"))
    return _summary(target)


def _policy(named: str | None, study: Path) -> tuple[str, bytes] | None:
    """The file name and bytes of the policy that a study names: a file beside it, or a shipped policy."""
    if named is None:
        return None
    from husai_gates import policies, policy

    beside = study.parent / named
    try:
        raw, place = policies.find(str(beside) if beside.is_file() else named)
    except UsageError as error:
        raise UsageError(f"{study} $.policy", f"'{error.place}': {error.rule}", error.next_step) from None
    policy.load(raw, place)  # a policy with a mistake in it is found before the training, not after
    return Path(place).name, raw


def _choices(raw: bytes, study: Path) -> dict[str, bytes]:
    """The documents of 'husai select' that chose dictionaries of the study, by their path in the bundle."""
    from husai_gates.choice_files import read_choices

    return read_choices(raw, study)


def _choose(name: str, files: Mapping[str, bytes]) -> bytes:
    """What the gate would choose: its own intervals decide which point of a search is trained again."""
    from husai_gates.selection import make_selection

    return make_selection(name, files)


def _listing(plan: Plan) -> str:
    from husai_core.site import hooks_of

    seeds = _seeds(plan.study.seeds)
    lines = [f"study {plan.study.name}: {plan.study.question}", f"seeds: {seeds}"]
    lines += [f"site {s.name}: {s.model.plugin.name} at {' + '.join(hooks_of(s.hook_in))}" for s in plan.sites]
    lines += [_condition(c) for c in plan.conditions]
    lines += [f"  {p.folder}: {p.form}" + "".join(f"; {text}" for text in p.changes) for p in _checkpoints(plan)]
    for search in plan.searches:
        lines.append(f"search {search.name}: {len(search.points)} points on seeds {_seeds(search.search.seeds)}")
        lines += [f"  {_condition(point)}" for point in search.points]
        lines.append(f"{search.role} {search.name}: the chosen point, on seeds {seeds}")
    lines += [f"control {c.plugin.name} of each condition{_where(c)}" for c in plan.controls]
    lines += [f"benchmark {b.plugin.name}{_where(b)}" for b in plan.benchmarks]
    return "\n".join([*lines, _work(plan)])


def _where(chosen: Chosen) -> str:
    at = f" at {', '.join(chosen.sites)}" if chosen.sites else ""
    if chosen.controls is None:
        return at
    return f"{at}, of the controls {', '.join(chosen.controls)}" if chosen.controls else f"{at}, of no control"


def _condition(c: PlannedCondition) -> str:
    work = f"{c.recipe.steps} steps of {c.recipe.batch_size}" if c.recipe else "pretrained"
    return f"{c.role} {c.name}: {c.architecture.plugin.name}, d_sae {c.d_sae}, {work}"


def _work(plan: Plan) -> str:
    """How much is to be trained. What a search chooses counts as its longest point."""
    trained = [(c.recipe, plan.study.seeds) for c in plan.conditions if c.recipe]
    for search in plan.searches:
        recipes = [point.recipe for point in search.points if point.recipe]
        trained += [(recipe, search.search.seeds) for recipe in recipes]
        trained.append((max(recipes, key=lambda recipe: recipe.steps), plan.study.seeds))
    dictionaries = sum(len(seeds) for _, seeds in trained)
    steps = sum(recipe.steps for recipe, _ in trained)
    rows = sum(recipe.steps * recipe.batch_size * len(seeds) for recipe, seeds in trained)
    at_most = "at most " if plan.searches else ""
    return f"work: {at_most}{dictionaries} dictionaries in {len(trained)} trainings, {steps} steps, {rows} rows"


def _seeds(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def _checkpoints(plan: Plan) -> list[PlannedCheckpoint]:
    return list(dict.fromkeys(p for c in plan.conditions for p in c.checkpoints))


def _summary(bundle: Path) -> int:
    """Point at what was written; a benchmark that failed makes the run fail."""
    from husai_core import strict_json

    failed = []
    for path in sorted((bundle / "evidence").glob("*.json")):
        outcome = strict_json.parse(path.read_bytes(), str(path))["outcome"]
        if outcome["status"] == "failed":
            failed.append(f"{path}: {outcome['reason']}")
    if (bundle / "report.md").exists():
        click.echo(f"report: {bundle / 'report.md'}")
    for line in failed:
        click.echo(f"failed: {line}", err=True)
    return ExitCode.ERROR if failed else ExitCode.RELEASED
