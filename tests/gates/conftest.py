"""A small good bundle made of plain dictionaries, to be spoilt on purpose, and the gate in memory."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

import husai_schemas
from husai_core import strict_json
from husai_core.bundle import MANIFEST, Snapshot, manifest_of
from husai_gates import policy as policies
from husai_gates.audit import audit
from husai_gates.decision import Decision
from husai_gates.judge import judge
from husai_gates.views import check_views, make_views

SEEDS = (1, 2, 3, 4, 5)
JITTER = {1: 0.0, 2: 0.004, 3: -0.003, 4: 0.002, 5: -0.001}
SAES = {"topk": "candidate", "relu": "baseline"}
CONTROLS = ("untrained", "random_decoder")
SITE = "addition"

POLICY = """
schema = "husai:policy/v1"
name = "test"
version = "1"
purpose = "Every kind of rule once."
confidence = 0.95
min_units = 3
preregistered = true

[[rule]]
id = "measured"
question = "Was it measured?"
reason = "What was not measured is not known."
kind = "present"
benchmark = "reconstruction"

[[rule]]
id = "explains"
question = "Does it explain the variance?"
reason = "It must."
kind = "threshold"
benchmark = "reconstruction"
metric = "explained_variance"
at_least = 0.9
worst_at_least = 0.85

[[rule]]
id = "alive"
question = "Is it alive?"
reason = "It must be."
kind = "threshold"
benchmark = "reconstruction"
metric = "dead_fraction"
at_most = 0.5

[[rule]]
id = "trained"
question = "Did training help?"
reason = "It must."
kind = "superiority"
benchmark = "consistency"
metric = "pwmcc"
over = { control = "untrained" }
margin = 0.05

[[rule]]
id = "not-worse"
question = "Is it as good as the baseline?"
reason = "It must be."
kind = "non_inferiority"
benchmark = "reconstruction"
metric = "explained_variance"
to = { role = "baseline" }
margin = 0.01

[[rule]]
id = "instrument"
question = "Does the instrument read chance?"
reason = "It must."
kind = "equivalence"
benchmark = "consistency"
metric = "pwmcc"
subject = { control = "random_decoder" }
to = "chance"
margin = 0.01
"""

LEVELS = {
    "explained_variance": {"topk": 0.95, "relu": 0.94, "untrained": 0.3, "random_decoder": 0.1},
    "dead_fraction": {"topk": 0.25, "relu": 0.1, "untrained": 0.05, "random_decoder": 0.05},
    "l0": {"topk": 8.0, "relu": 9.0, "untrained": 8.0, "random_decoder": 8.0},
    "pwmcc": {"topk": 0.6, "relu": 0.55, "untrained": 0.4, "random_decoder": 0.35},
}
CHANCE = 0.35


def digest(text: str) -> str:
    return strict_json.digest(text.encode())


def card(name: str) -> dict[str, Any]:
    return copy.deepcopy(husai_schemas.metric_cards()[name]["1"])


def origin(name: str) -> dict[str, Any]:
    return {"name": name, "version": "1", "distribution": "husai 0.1.0", "source": digest(name)}


def _site() -> dict[str, Any]:
    check = {"name": "test_accuracy", "value": 0.99, "at_least": 0.9}
    model = {
        **origin("modular_addition"),
        "settings": {},
        "seed": 0,
        "weights": digest("model"),
        "checks": [check],
    }
    data = [
        {"name": "addition.train", "digest": digest("train"), "rows": 3000},
        {"name": "addition.test", "digest": digest("test"), "rows": 481},
    ]
    return {
        "schema": "husai:site/v1",
        "name": SITE,
        "model": model,
        "hook_in": "blocks.0.hook_resid_post",
        "hook_out": "blocks.0.hook_resid_post",
        "data": data,
    }


def _subject(sae: str, control: str | None, seed: int) -> dict[str, Any]:
    base = f"{SITE}.{sae}"
    condition = f"{base}.{control}" if control else base
    steps = 0 if control == "untrained" else 1500
    document: dict[str, Any] = {
        "schema": "husai:subject/v2",
        "name": f"{condition}.s{seed}",
        "condition": condition,
        "role": "control" if control else SAES[sae],
        "site": {"name": SITE, "digest": ""},
        "architecture": {**origin(sae), "settings": {}},
        "dims": {"d_in": 64, "d_sae": 256, "d_out": 64},
        "seed": seed,
        "budget": {
            "steps": steps,
            "batch_size": 512,
            "rows_seen": steps * 512,
            "learning_rate": 0.001,
            "data_order_seed": 0,
            "agreement": 0.0,
            "decay_share": 0.2,
        },
        "weights": digest(f"{condition}.s{seed}"),
    }
    if control:
        document["control"] = {**origin(control), "of": base, "settings": {}}
    return document


def measurement(metric: str, sae: str, control: str | None) -> dict[str, Any]:
    level = LEVELS[metric][control or sae]
    pairs = metric == "pwmcc"
    units = list(itertools.combinations(SEEDS, 2)) if pairs else [(s,) for s in SEEDS]
    # The jitter keeps differences between conditions from being constant, as no real ones are.
    scale = {"topk": 1.0, "relu": 0.7, "untrained": 0.5, "random_decoder": 0.4}[control or sae]
    return {
        "metric": card(metric),
        "condition": f"{SITE}.{sae}.{control}" if control else f"{SITE}.{sae}",
        "setting": {},
        "observations": [
            {"seeds": list(unit), "value": _possible(metric, level + scale * sum(JITTER[s] for s in unit))}
            for unit in units
        ],
        **({"chance": CHANCE} if pairs else {}),
    }


def _possible(metric: str, value: float) -> float:
    """Latents are dead or not: a share of them is a whole number of the 256."""
    return round(value * 256) / 256 if metric == "dead_fraction" else round(value, 9)


def _evidence(benchmark: str, metrics: list[str], subjects: list[str]) -> dict[str, Any]:
    return {
        "schema": "husai:evidence/v1",
        "benchmark": origin(benchmark),
        "settings": {},
        "metrics": [origin(metric) for metric in metrics],
        "site": {"name": SITE, "digest": ""},
        "data": [{"name": "addition.test", "digest": digest("test"), "rows": 481}],
        "subjects": [{"name": name, "digest": ""} for name in subjects],
        "outcome": {"status": "completed"},
        "measurements": [
            measurement(metric, sae, control) for sae in SAES for control in (None, *CONTROLS) for metric in metrics
        ],
    }


def _study() -> str:
    saes = "".join(
        f'\n[[sae]]\nname = "{name}"\narchitecture = "{name}"\nrole = "{role}"\nd_sae = 256\n'
        for name, role in SAES.items()
    )
    controls = "".join(f'\n[[control]]\nname = "{name}"\n' for name in CONTROLS)
    return f"""
schema = "husai:study/v1"
name = "test"
question = "May it be released?"

[[site]]
name = "{SITE}"
model = "modular_addition"

[training]
seeds = {list(SEEDS)}
steps = 1500
batch_size = 512
learning_rate = 1e-3
{saes}{controls}
[[benchmark]]
name = "reconstruction"

[[benchmark]]
name = "consistency"
"""


def _provenance() -> dict[str, Any]:
    return {
        "schema": "husai:provenance/v1",
        "started": "2026-01-31T12:00:00Z",
        "finished": "2026-01-31T12:10:00Z",
        "seconds": 600.0,
        "work": {"done": 10, "from_cache": 0},
        "code": {"commit": "0" * 40, "dirty": False, "diff": None},
        "python": "3.11.7",
        "packages": {"husai": "0.1.0"},
        "machine": {"system": "Linux", "processor": "x86_64", "cores": 2, "threads": 1},
    }


@dataclass
class Draft:
    """The documents of a bundle before digests are filled in; `files` seals them as an honest run does."""

    site: dict[str, Any] = field(default_factory=_site)
    subjects: dict[str, dict[str, Any]] = field(default_factory=dict)
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=_provenance)
    study: str = field(default_factory=_study)
    policy: str = POLICY
    extra: dict[str, bytes] = field(default_factory=dict)
    views: bool = False

    def __post_init__(self) -> None:
        for sae, control, seed in itertools.product(SAES, (None, *CONTROLS), SEEDS):
            document = _subject(sae, control, seed)
            self.subjects[document["name"]] = document
        names = list(self.subjects)
        reconstruction = _evidence("reconstruction", ["explained_variance", "dead_fraction", "l0"], names)
        self.evidence["evidence/reconstruction.addition.json"] = reconstruction
        self.evidence["evidence/consistency.addition.json"] = _evidence("consistency", ["pwmcc"], names)

    @property
    def reconstruction(self) -> dict[str, Any]:
        return self.evidence["evidence/reconstruction.addition.json"]

    @property
    def consistency(self) -> dict[str, Any]:
        return self.evidence["evidence/consistency.addition.json"]

    def measurement(self, metric: str, condition: str = f"{SITE}.topk") -> dict[str, Any]:
        """The one measurement of a metric on a condition, to be changed in place."""
        (found,) = (
            m
            for document in self.evidence.values()
            for m in document["measurements"]
            if m["metric"]["name"] == metric and m["condition"] == condition
        )
        assert isinstance(found, dict)
        return found

    def of(self, condition: str) -> list[dict[str, Any]]:
        """The subject documents of a condition."""
        return [s for s in self.subjects.values() if s["condition"] == condition]

    def drop(self, names: list[str]) -> None:
        """Remove subjects as a producer would who regenerates everything."""
        for name in names:
            del self.subjects[name]
        for document in self.evidence.values():
            document["subjects"] = [s for s in document["subjects"] if s["name"] not in names]

    def drop_seed(self, seed: int) -> None:
        """Remove every trace of a seed but the plan."""
        self.drop([name for name, s in self.subjects.items() if s["seed"] == seed])
        for document in self.evidence.values():
            for m in document["measurements"]:
                m["observations"] = [o for o in m["observations"] if seed not in o["seeds"]]

    def content(self) -> dict[str, bytes]:
        """The files before sealing, with every digest as it should be."""
        encode = strict_json.encode
        site_raw = encode(self.site)
        files = {f"sites/{SITE}.json": site_raw, "study.toml": self.study.encode()}
        files["policy/test.toml"] = self.policy.encode()
        files["provenance.json"] = encode(self.provenance)
        for name, subject in self.subjects.items():
            subject["site"]["digest"] = subject["site"]["digest"] or strict_json.digest(site_raw)
            files[f"subjects/{name}.json"] = encode(subject)
        for path, document in self.evidence.items():
            document["site"]["digest"] = document["site"]["digest"] or strict_json.digest(site_raw)
            for listed in document["subjects"]:
                raw = files.get(f"subjects/{listed['name']}.json", b"")
                listed["digest"] = listed["digest"] or strict_json.digest(raw)
            files[path] = encode(document)
        return {**files, **self.extra}

    def files(self) -> dict[str, bytes]:
        """The sealed bundle."""
        files = self.content()
        if self.views:
            files |= make_views(files)
        return seal(files)

    def report(self) -> str:
        """Every page of the report that the bundle gives, the front page first."""
        views = make_views(self.content())
        return "\n".join(views[path].decode() for path in sorted(views) if path.endswith(".md"))


def seal(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files with a manifest that fits them."""
    rest = {path: raw for path, raw in files.items() if path != MANIFEST}
    return {**rest, MANIFEST: manifest_of(rest)}


def decide(files: Mapping[str, bytes], policy: str = POLICY) -> Decision:
    """What `husai gate` decides, in memory."""
    snapshot = Snapshot("bundle", files)
    report = audit(snapshot)
    report = report.with_findings(check_views(snapshot, report))
    return judge(report, policies.load(policy.encode(), "test.toml"), snapshot)


@pytest.fixture
def draft() -> Draft:
    return Draft()


@pytest.fixture(scope="session")
def make_draft() -> type[Draft]:
    return Draft


@pytest.fixture(scope="session", name="decide")
def decide_fixture() -> Callable[..., Decision]:
    return decide


@pytest.fixture(scope="session", name="seal")
def seal_fixture() -> Callable[..., dict[str, bytes]]:
    return seal


@pytest.fixture(scope="session")
def good() -> dict[str, bytes]:
    """The files of a bundle that is released, views included."""
    return Draft(views=True).files()


@pytest.fixture(scope="session")
def test_policy() -> str:
    return POLICY
