"""Which faults in the judge, the rules and the statistics would no test notice? Each is planted by itself and tried.

    python benchmarks/mutants.py [--only decision,judge] [--map FILE] [--raw FILE] [--out benchmarks/mutants.json]

needs `pip install cosmic-ray coverage` beside the development extra. Where a module can be spoilt is asked of
cosmic-ray's operators, and of four more below for what it has none for: statements and early returns removed, clauses
of a condition and filters of a comprehension dropped, `in` for `not in`. The tests are collected once. Every mutant is
a fork of that process in which the code of the module's functions is exchanged for the mutated code; the tests that run
the mutated lines are then run until one fails, those of the module first and the others from the shortest on. So a
mutant takes a tenth of a second and not ten, no file is touched, and a test that starts another process cannot help.

What is left is explained in `mutants_explained.toml`, as no fault at all (`equivalent`) or as a hole in the tests.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import importlib.metadata
import inspect
import itertools
import json
import os
import platform
import select
import signal
import sys
import time
import tomllib
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cosmic_ray.ast
import coverage
import hypothesis
import pytest
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.operators.provider import OperatorProvider

ROOT = Path(__file__).parents[1]
QUICK = 0.2
GATES = ROOT / "gates" / "husai_gates"
EXPLAINED = Path(__file__).with_name("mutants_explained.toml")
TESTS = ("tests/gates", "tests/corpus")

MODULES = (
    "decision", "judge", "rules/__init__", "rules/equivalence", "rules/gain", "rules/non_inferiority", "rules/pareto",
    "rules/present", "rules/proportion", "rules/qualified", "rules/range", "rules/superiority", "rules/threshold",
    "rules/verdict", "observe", "interval", "multiplicity", "holm", "student_t", "comparable", "last_release",
    "waivers", "welch", "strength", "crossed", "wilson", "select", "preregistration", "finding", "code_state",
    "pipeline", "audit/seal", "separation", "normal", "chi_square", "audit/plan", "audit/choice", "strictness",
    "contest", "dominance", "choosing",
)  # fmt: skip

# Where the tests of a module lie that has no file of its own, or more than one: these are run first.
BESIDE = {
    "rules": ("rules", "rule_kinds"),
    "rules/qualified": ("rules", "qualified"),
    "observe": ("rules", "rule_kinds", "mutations", "comparable", "last_release"),
    "audit/seal": ("seal",),
    "finding": ("exit_code", "mutations"),
    "select": ("judge", "comparable"),
    "contest": ("contest", "choosing"),
    "dominance": ("contest", "choosing"),
    "normal": ("wilson",),
    "comparable": ("mutations",),
    "separation": ("qualified",),
}

# Of every comparison the neighbour, the opposite and the one that a one-sided test cannot tell from it.
COMPARISONS = {
    "Lt": ("LtE", "NotEq", "GtE"),
    "LtE": ("Lt", "Eq", "Gt"),
    "Gt": ("GtE", "NotEq", "LtE"),
    "GtE": ("Gt", "Eq", "Lt"),
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
}
ARITHMETIC = {
    "Add": "Sub", "Sub": "Add", "Mul": "Div", "Div": "Mul", "Pow": "Mul", "FloorDiv": "Div", "Mod": "Mul",
    "BitOr": "BitAnd", "BitAnd": "BitOr", "BitXor": "BitAnd",
}  # fmt: skip
OPERATORS = (
    *(f"ReplaceComparisonOperator_{one}_{other}" for one, others in COMPARISONS.items() for other in others),
    *(f"ReplaceBinaryOperator_{one}_{other}" for one, other in ARITHMETIC.items()),
    "AddNot", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd", "ReplaceAndWithOr",
    "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "NumberReplacer", "ZeroIterationForLoop",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A module's whole text with one fault in it."""

    module: str
    operator: str
    line: int
    before: str
    after: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.module}: {self.operator}: {self.before} => {self.after}"


def mutants_of(module: str) -> Iterator[Mutant]:
    """Every different program that the operators make of a module."""
    text = (GATES / f"{module}.py").read_text()
    seen = {_meaning(text)}
    for operator, mutated in itertools.chain(_by_cosmic_ray(text), _by_own(text)):
        try:
            meaning = _meaning(mutated)
        except SyntaxError:  # an operator that took `**` for a power
            continue
        if meaning not in seen:
            seen.add(meaning)
            yield Mutant(module, operator, *_where(text, mutated), mutated)


def _by_cosmic_ray(text: str) -> Iterator[tuple[str, str]]:
    provider = OperatorProvider()
    for name in OPERATORS:
        operator = provider[name]()
        nodes = cosmic_ray.ast.ast_nodes(cosmic_ray.ast.get_ast(text))
        for occurrence in range(sum(len(list(operator.mutation_positions(node))) for node in nodes)):
            yield name, MutationVisitor.mutate_code(text, operator, occurrence)


def _by_own(text: str) -> Iterator[tuple[str, str]]:
    """Statements and early returns, clauses and filters taken away; membership turned round."""
    tree = ast.parse(text)
    ends = [end for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for end in _ends(node.body)]
    for place, node in enumerate(ast.walk(tree)):
        body = [s for field in ("body", "orelse", "finalbody") for s in _list(node, field) if isinstance(s, ast.stmt)]
        for statement in body:
            if statement in ends and _returns_nothing(statement):
                continue
            if isinstance(statement, ast.Return | ast.Raise | ast.AugAssign) or _is_call(statement):
                yield "RemoveStatement", _cut(text, statement, "pass")
        if isinstance(node, ast.BoolOp):
            for clause in range(len(node.values)):
                yield "DropClause", _rewrite(text, place, functools.partial(_without_clause, clause=clause))
        if isinstance(node, ast.comprehension):
            for which in range(len(node.ifs)):
                yield "DropFilter", _rewrite(text, place, functools.partial(_without_filter, which=which))
        if isinstance(node, ast.Compare):
            for which, operator in enumerate(node.ops):
                if isinstance(operator, ast.In | ast.NotIn):
                    yield "TurnMembership", _rewrite(text, place, functools.partial(_turned, which=which))


def _ends(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements after which nothing follows."""
    yield body[-1]
    if isinstance(body[-1], ast.If | ast.Try | ast.With):
        inner = [_list(one, field) for one in (body[-1], *_list(body[-1], "handlers")) for field in ("body", "orelse")]
        yield from (end for block in inner if block for end in _ends(block))


def _list(node: ast.AST, field: str) -> list[Any]:
    found = getattr(node, field, [])
    return found if isinstance(found, list) else []


def _returns_nothing(statement: ast.stmt) -> bool:
    """At the end of a function that is what happens anyway."""
    return isinstance(statement, ast.Return) and (statement.value is None or ast.unparse(statement.value) == "None")


def _is_call(statement: ast.stmt) -> bool:
    """Docstrings are expressions too, and do nothing."""
    return isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)


def _without_clause(node: Any, clause: int) -> None:
    del node.values[clause]


def _without_filter(node: Any, which: int) -> None:
    del node.ifs[which]


def _turned(node: Any, which: int) -> None:
    node.ops[which] = ast.NotIn() if isinstance(node.ops[which], ast.In) else ast.In()


def _rewrite(text: str, place: int, change: Callable[[Any], None]) -> str:
    """The smallest statement or expression with a position that holds the node, written anew; the lines stay."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    node = nodes[place]
    owner = node if isinstance(node, ast.expr) else next(n for n in nodes if node in ast.iter_child_nodes(n))
    position = (owner.lineno, owner.col_offset, owner.end_lineno, owner.end_col_offset)
    change(node)
    return _replaced(text, position, f"({ast.unparse(owner)})")


def _cut(text: str, node: ast.stmt, instead: str) -> str:
    return _replaced(text, (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset), instead)


def _replaced(text: str, position: tuple[int, int, Any, Any], instead: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    first, start, last, end = position
    filler = b"\n" * (last - first)
    middle = lines[first - 1][:start] + instead.encode() + lines[last - 1][end:] + filler
    return b"".join([*lines[: first - 1], middle, *lines[last:]]).decode()


def _meaning(text: str) -> str:
    """The program without annotations, which nothing evaluates, without `strict` of zip, and without positions."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None) if isinstance(node, ast.AnnAssign) else None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
            args = node.args  # a star that bars positions is no product
            args.args = [*args.posonlyargs, *args.args, *args.kwonlyargs]
            args.defaults = [*args.defaults, *(default for default in args.kw_defaults if default)]
            args.posonlyargs, args.kwonlyargs, args.kw_defaults = [], [], []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
            node.keywords = []
    return ast.dump(tree)


def _where(text: str, mutated: str) -> tuple[int, str, str]:
    """The first line that differs, and what it says on both sides."""
    for number, (before, after) in enumerate(zip(text.splitlines(), mutated.splitlines(), strict=False), 1):
        if before != after:
            return number, before.strip(), after.strip()
    raise AssertionError("two programs of different meaning have the same lines")


def plant(mutant: Mutant) -> bool:
    """Exchange code and constants of the module for the mutated ones, wherever they were imported; False if none."""
    name = "husai_gates." + mutant.module.removesuffix("/__init__").replace("/", ".")
    module = importlib.import_module(name)
    spoilt: dict[str, Any] = {"__name__": name, "__package__": module.__package__, "__file__": module.__file__}
    if hasattr(module, "__path__"):
        spoilt["__path__"] = module.__path__
    exec(compile(mutant.text, str(module.__file__), "exec"), spoilt)
    changed = [_exchange(old, spoilt[key]) for key, old in list(vars(module).items()) if key in spoilt]
    for key, old in list(vars(module).items()):
        new = spoilt.get(key)
        if not key.startswith("__") and isinstance(old, int | float | str | tuple | frozenset) and new != old:
            changed.append(True)
            for user in list(sys.modules.values()):
                if getattr(user, "__dict__", {}).get(key) is old:
                    setattr(user, key, new)
    return any(changed)


def _exchange(old: Any, new: Any) -> bool:
    old, new = inspect.unwrap(old), inspect.unwrap(new)
    if isinstance(old, types.FunctionType) and isinstance(new, types.FunctionType):
        parts = [(f.__code__, f.__defaults__, f.__kwdefaults__) for f in (old, new)]
        differs = parts[0] != parts[1]
        if old.__code__.co_filename == new.__code__.co_filename and differs:
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
            return True
        return False
    if isinstance(old, type) and isinstance(new, type) and old.__module__ == new.__module__:
        lost = [key for key in vars(old) if key not in vars(new) and isinstance(vars(old)[key], types.FunctionType)]
        for key in lost:  # such as what @dataclass(order=True) made
            delattr(old, key)
        pairs = [(_function(vars(old)[key]), _function(vars(new)[key])) for key in vars(new) if key in vars(old)]
        changed = [_exchange(one, other) for one, other in pairs]
        return bool(lost) or any(changed)
    return False


def _function(attribute: Any) -> Any:
    if isinstance(attribute, property):
        return attribute.fget
    if isinstance(attribute, functools.cached_property):
        return attribute.func
    return getattr(attribute, "__func__", attribute)


class Bench:
    """The pytest plugin that holds the collected tests and runs them in forks."""

    def __init__(self, work: Callable[[Bench], None]) -> None:
        self.work = work
        self.failed = False
        self.items: dict[str, pytest.Item] = {}

    def pytest_collection(self) -> None:
        """After the conftest has chosen its profile: the same examples for every mutant, and none made smaller."""
        hypothesis.settings.register_profile(
            "mutants",
            derandomize=True,
            database=None,
            deadline=None,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.work(self)
        return True

    def run(self, names: Iterable[str], watch: Callable[[str], None] = lambda name: None) -> str | None:
        """The first of these tests that fails."""
        items = [self.items[name] for name in names]
        for item, following in itertools.zip_longest(items, items[1:]):
            watch(item.nodeid)
            self.failed = False
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return item.nodeid
        return None


def in_fork(job: Callable[[], Any], seconds: float) -> Any:
    """What the job returns in a process of its own; None where it takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = json.dumps(job()).encode()
        except BaseException as error:
            answer = json.dumps({"error": repr(error)}).encode()
        with os.fdopen(writing, "wb") as out:
            out.write(answer)
        os._exit(0)
    os.close(writing)
    found, end = b"", time.monotonic() + seconds
    with os.fdopen(reading, "rb") as source:
        while (left := end - time.monotonic()) > 0 and select.select([source], [], [], left)[0]:
            if not (part := os.read(source.fileno(), 1 << 20)):
                break
            found += part
        else:
            os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return json.loads(found) if found else None


def map_tests(bench: Bench, which: Iterable[str]) -> dict[str, Any]:
    """How long every test takes and which lines of which module it runs; None of one that fails without a mutant."""
    tests: dict[str, Any] = {}
    measured = coverage.Coverage(data_file=None, source=[str(GATES)], config_file=False)
    measured.start()
    for name in which:
        measured.switch_context(name)
        begin = time.perf_counter()
        tests[name] = None
        if bench.run([name]) is None:
            tests[name] = {"seconds": time.perf_counter() - begin, "lines": {}}
    measured.stop()
    data = measured.get_data()
    for path in data.measured_files():
        module = str(Path(path).relative_to(GATES).with_suffix(""))
        for line, names in data.contexts_by_lineno(path).items():
            for name in names:
                if tests.get(name):
                    tests[name]["lines"].setdefault(module, []).append(line)
    return tests


def choose(mutant: Mutant, tests: dict[str, Any], bench: Bench, limit: float) -> list[str]:
    """The tests that run the mutated statement: those of the module, then of every file in turn up to a limit."""
    lines = _statement(mutant)
    folder, _, stem = mutant.module.rpartition("/")
    own = {f"test_{one}.py" for one in (stem, *BESIDE.get(mutant.module, BESIDE.get(folder, ())))}
    chosen = []
    for name in bench.items:
        known = tests[name]
        ran = known["lines"].get(mutant.module, []) if known else []
        if ran if lines is None else lines.intersection(ran):
            chosen.append((1 if name.partition("::")[0].rpartition("/")[2] in own else 2, known["seconds"], name))
    ranks: Counter[str] = Counter()
    ordered = []
    for rank, seconds, name in sorted(chosen):
        file = name.partition("::")[0]
        ranks[file] += 1
        ordered.append((0 if rank == 1 else ranks[file], seconds, name))
    ordered.sort()
    spent = itertools.accumulate(seconds if rank else 0.0 for rank, seconds, _ in ordered)
    return [name for (*_, name), so_far in zip(ordered, spent, strict=True) if so_far <= limit]


def _statement(mutant: Mutant) -> set[int] | None:
    """The lines of the statement; None where it runs at import, so that any test may notice."""
    text = (GATES / f"{mutant.module}.py").read_text()
    within, found = False, None
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= mutant.line <= (node.end_lineno or 0):
            within = True
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= mutant.line <= (node.end_lineno or 0):
            inner = [s.lineno for field in ("body", "orelse", "handlers") for s in _list(node, field)]
            last = min(inner) - 1 if inner else node.end_lineno or 0
            found = set(range(node.lineno, max(last, node.lineno) + 1))
    return found if within else None


def attempt(mutant: Mutant, names: list[str], bench: Bench, tests: dict[str, Any]) -> dict[str, Any]:
    """A test that computes far longer than it did is ended by the alarm, and the process with it."""

    def alarm(name: str) -> None:
        signal.setitimer(signal.ITIMER_PROF, 1 + 4 * tests[name]["seconds"])

    def job() -> dict[str, Any]:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (the fork ends with it)
        try:
            planted = plant(mutant)
        except Exception as error:
            return {"fate": "killed", "by": f"import: {type(error).__name__}"}
        if not planted:
            return {"fate": "not planted"}
        by = bench.run(names, alarm)
        return {"fate": "killed", "by": by} if by else {"fate": "survived"}

    return in_fork(job, 600) or {"fate": "timeout"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--map", type=Path, help="which test runs which lines: read if it is there, written if not")
    parser.add_argument(
        "--raw", type=Path, help="the fate of every mutant: what is killed or hung there is not tried again"
    )
    parser.add_argument("--only", help="modules, by comma")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests that a mutant must outlive")
    parser.add_argument("--out", type=Path, help="the result in short")
    options = parser.parse_args()
    modules = list(MODULES) if options.only is None else options.only.split(",")
    results: dict[str, Any] = json.loads(options.raw.read_text()) if options.raw and options.raw.exists() else {}

    def work(bench: Bench) -> None:
        tests = json.loads(options.map.read_text()) if options.map and options.map.exists() else {}
        if new := [name for name in bench.items if name not in tests]:
            tests |= in_fork(lambda: map_tests(bench, new), 1800)
            if options.map:
                options.map.write_text(json.dumps(tests))
        failing = [name for name in bench.items if not tests[name]]
        print(f"{len(bench.items)} tests, failing without a mutant: {failing}", file=sys.__stdout__, flush=True)
        for module in modules:
            results[module] = _try_all(module, tests, bench, results.get(module, []), options.seconds)
            if options.raw:
                options.raw.write_text(json.dumps(results, indent=1))

    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115  (pytest's dots)
    if modules != [""]:
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--capture=no", *TESTS],
                    plugins=[Bench(work)])  # fmt: skip
    sys.stdout = stdout
    if options.out:
        options.out.write_text(json.dumps(in_short(results, options.seconds), indent=1, ensure_ascii=False) + "\n")


def _try_all(module: str, tests: dict[str, Any], bench: Bench, before: list[Any], limit: float) -> list[Any]:
    known = {entry["name"]: entry for entry in before}
    entries, begin = [], time.monotonic()
    killers: list[str] = []  # the last one first: it may well kill the next mutant, too
    for mutant in mutants_of(module):
        found = known.get(mutant.name, {"fate": "new"})
        if found["fate"] not in ("killed", "timeout"):
            names = choose(mutant, tests, bench, limit)
            names.sort(key=lambda name: killers.index(name) if name in killers else len(killers))
            fate = attempt(mutant, names, bench, tests)
            if (by := fate.get("by")) in tests and tests[by]["seconds"] < QUICK:
                killers = [by, *(name for name in killers if name != by)]
            found = {"name": mutant.name, "operator": mutant.operator, "line": mutant.line, **fate}
        entries.append(found)
        if found["fate"] != "killed":
            print(f"  {found['fate']}: {mutant.line} {mutant.name}", file=sys.__stdout__, flush=True)
    dead = sum(e["fate"] == "killed" for e in entries)
    print(f"{module}: {dead} of {len(entries)}, {time.monotonic() - begin:.0f} s", file=sys.__stdout__, flush=True)
    return entries


def in_short(results: dict[str, list[dict[str, Any]]], seconds: float) -> dict[str, Any]:
    """Numbers by module, and by name what was not killed: as no fault at all, where that is explained, or as a hole."""
    explained = tomllib.loads(EXPLAINED.read_text())["mutant"]
    modules: dict[str, Any] = {}
    used = 0
    for module in (m for m in MODULES if m in results):
        fates = Counter(entry["fate"] for entry in results[module])
        left: dict[str, list[dict[str, str]]] = {"equivalent": [], "survived": []}
        for entry in results[module]:
            if entry["fate"] in ("killed", "timeout"):
                continue
            _, operator, mutant = entry["name"].split(": ", 2)
            one = {"operator": operator, "mutant": mutant}
            why = [e for e in explained if e["module"] == module and mutant in e["mutants"]]
            used += bool(why)
            kind = "equivalent" if why and why[0]["equivalent"] else "survived"
            left[kind].append({**one, "why": why[0]["why"]} if why else one)
        killed, timeouts = fates["killed"], fates["timeout"]
        modules[module] = {"mutants": len(results[module]), "killed": killed, "timeouts": timeouts, **left}
    if stale := sum(len(e["mutants"]) for e in explained if e["module"] in results) - used:
        print(f"{stale} explained mutants did not survive or are not made: remove them from {EXPLAINED.name}")
    version = importlib.metadata.version
    return {
        "command": "python benchmarks/mutants.py --out benchmarks/mutants.json",
        "tool": f"cosmic-ray {version('cosmic-ray')}",
        "operators": [*OPERATORS, "RemoveStatement", "DropClause", "DropFilter", "TurnMembership"],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("cosmic-ray", "parso", "coverage", "pytest", "hypothesis")},
        "tests": list(TESTS),
        "seconds": seconds,
        "modules": modules,
        "not_reached": [module for module in MODULES if module not in results],
    }


if __name__ == "__main__":
    main()
