"""The part of `husai audit --reexecute` that runs: a draw, the run, and what it says about the bundle."""

from __future__ import annotations

import gc
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from husai_core.errors import EvaluationError, UsageError, one_line

if TYPE_CHECKING:
    from husai_core.plugins import PluginTable
    from husai_gates.audit import AuditReport
    from husai_gates.audit.draw import Draw
    from husai_gates.pipeline import Audited

STUDY = "study.toml"


@dataclass(frozen=True)
class Wish:
    """How many units are run again, and how."""

    count: int
    seed: int | None
    retrain: bool
    exact: bool
    cache: Path | None
    study_folder: Path
    activations_cap: int
    threads: int | None
    products: str | None


def own_cache() -> Path:
    """The auditor's cache. It lies with the user, not in the folder at hand, which may be the producer's."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "husai" / "audit"


def with_reexecution(found: Audited, wish: Wish, bundle: Path) -> AuditReport:
    """The report of the same audit after it ran units again; what cannot be believed is not run."""
    report = found.report
    if not report.intact or not report.subjects:
        click.echo("nothing is run again: the bundle cannot be believed, or holds nothing", err=True)
        return report
    if (wish.cache or own_cache()).resolve().is_relative_to(bundle.resolve()):
        raise UsageError(str(wish.cache), "lies in the bundle", "choose another --cache")
    from husai_core.engine.reexecution import reaching_out, refuse_without_libraries
    from husai_core.plugins import PluginTable
    from husai_core.study import parse_study
    from husai_gates.audit.draw import draw

    refuse_without_libraries()
    raw = found.snapshot.files.get(STUDY)
    if raw is None:
        rule = "is not in the bundle, so nobody knows what was run"
        raise UsageError(STUDY, rule, "ask the producer for the whole bundle, or audit without --reexecute")
    study = parse_study(raw, str(wish.study_folder / STUDY))
    table = PluginTable()
    completed = {e.benchmark.name for e in report.evidence.values() if e.outcome.status == "completed"}
    outside = reaching_out(study, table, completed)
    seed = secrets.randbelow(2**32) if wish.seed is None else wish.seed
    drawn = draw(report.evidence, report.conditions, report.content_digest, wish.count, seed, outside)
    if not drawn.units:
        raise EvaluationError(str(bundle), "no unit of its evidence can be run again", "; ".join(drawn.left_out))
    _announce(drawn, wish)
    gc.enable()  # an audit alone is over before it pays; a run is not
    return _redo(found, drawn, wish, study, table)


def _announce(drawn: Draw, wish: Wish) -> None:
    """What will be run, before it is: the same draw goes on where this one was stopped."""
    fewer = f" (no more can be, {wish.count} were asked for)" if len(drawn.units) < wish.count else ""
    click.echo(
        f"draw {drawn.seed}: {len(drawn.units)} of {drawn.of} units{fewer}; --draw {drawn.seed} repeats it", err=True
    )
    for unit in drawn.units:
        seeds = ", ".join(map(str, unit.seeds))
        click.echo(one_line(f"  {unit.path} {unit.condition} at {seeds}"), err=True)


def _redo(found: Audited, drawn: Draw, wish: Wish, study, table: PluginTable) -> AuditReport:  # type: ignore[no-untyped-def]
    from husai_core.bundle import PROVENANCE
    from husai_core.cli.listeners import choose_listener
    from husai_core.engine.cache import Cache
    from husai_core.engine.environment import deterministic
    from husai_core.engine.reexecution import Reexecution
    from husai_core.engine.store import ActivationStore
    from husai_core.engine.workplace import Workplace
    from husai_gates.audit.reexecution import Side, compare

    report, files = found.report, found.snapshot.files
    machine = found.snapshot.json(PROVENANCE)["machine"] if PROVENANCE in files else {}
    threads = wish.threads or max(1, min(machine.get("threads", 1), os.cpu_count() or 1))
    products = wish.products or machine.get("products", "torch")
    again = Reexecution(study, table, files, drawn.conditions())
    cache = Cache(wish.cache or own_cache())
    with choose_listener(aside=True) as listener, deterministic(threads, products) as environment:
        if environment["products"] != products:
            listener.warn(f"large products are to be by {products}, and this machine leaves them to torch")
        arrays = ActivationStore(cache.root / "activations", wish.activations_cap)
        done = again.run(Workplace(cache, arrays, listener, environment), wish.retrain)
    recorded = Side(report.evidence, report.subjects, report.sites)
    here = Side(done.evidence, done.subjects, done.sites)
    return report.with_reexecution(compare(drawn, recorded, here, done.held, wish.exact))
