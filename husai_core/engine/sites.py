"""Sites made real: a trained and self-checked model, its activations, and the document that describes both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from husai_core import interchange, strict_json
from husai_core.engine import activations
from husai_core.engine.plan import PlannedSite
from husai_core.errors import EvaluationError
from husai_core.evidence import DataSource
from husai_core.model import Check, Progress

if TYPE_CHECKING:
    from torch import Tensor

SITE_SCHEMA = "husai:site/v1"
CHECKS_FILE = "checks.json"

Work = Callable[[Path, Progress], None]
Perform = Callable[[str, Any, Work], Path]
"""Do a piece of work unless the cache has it: label, what it depends on, and how to fill its folder."""


@dataclass(frozen=True)
class ReadySite:
    """A site whose activations can be read."""

    planned: PlannedSite
    document: bytes
    digest: str
    key: Mapping[str, Any]
    test_sources: tuple[DataSource, ...]
    folder: Path

    def rows(self, split: str, *, target: bool = False) -> Tensor:
        transcoder = self.planned.hook_in != self.planned.hook_out
        return activations.load(self.folder, split, 1 if target and transcoder else 0)


def prepare_site(site: PlannedSite, perform: Perform) -> ReadySite:
    """Train and check the model, read its activations, describe both; all from the cache where possible."""
    model_key = {"work": "model", "model": site.model.describe(), "seed": site.model_seed}
    trained = perform(f"model {site.model.plugin.name}", model_key, lambda f, p: _train_model(site, f, p))
    checks = strict_json.parse((trained / CHECKS_FILE).read_bytes(), CHECKS_FILE)
    hooks = (site.hook_in,) if site.hook_in == site.hook_out else (site.hook_in, site.hook_out)
    key = {"work": "activations", "of": model_key, "hooks": list(hooks)}
    folder = perform(f"activations {site.name}", key, lambda f, p: _capture(site, hooks, trained, f, p))
    found = activations.sources(site.name, folder)
    origin = site.model.describe()
    document = strict_json.encode(
        {
            "schema": SITE_SCHEMA,
            "name": site.name,
            "model": {
                **origin,
                "seed": site.model_seed,
                "weights": strict_json.digest((trained / interchange.WEIGHTS_FILE).read_bytes()),
                "checks": checks,
            },
            "hook_in": site.hook_in,
            "hook_out": site.hook_out,
            "data": [source.to_json() for source in found.values()],
        }
    )
    test = tuple(activations.data_of("test", found))
    return ReadySite(site, document, strict_json.digest(document), key, test, folder)


def _train_model(site: PlannedSite, folder: Path, progress: Progress) -> None:
    model, settings = site.model.item, site.model.settings
    network = model.train(settings, site.model_seed, progress)
    checks = list(model.self_check(network, settings, site.model_seed))
    for check in checks:
        if not check.holds:
            raise EvaluationError(
                f"model {site.model.plugin.name}, check {check.name}",
                f"the value is {check.value:.4g}, it must be {_bound_text(check)}",
                "nothing measured on a model that has not learned its task means anything; change its settings",
            )
    (folder / CHECKS_FILE).write_bytes(strict_json.encode([_check_json(check) for check in checks]))
    (folder / interchange.WEIGHTS_FILE).write_bytes(interchange.weights_bytes(network.state_dict()))


def _capture(site: PlannedSite, hooks: tuple[str, ...], trained: Path, folder: Path, progress: Progress) -> None:
    model, settings = site.model.item, site.model.settings
    network = model.build(settings, site.model_seed)
    activations.refuse_unknown_hooks(network, hooks, f"site {site.name}")
    network.load_state_dict(interchange.read_weights((trained / interchange.WEIGHTS_FILE).read_bytes()))
    activations.capture(network, model.corpus(settings, site.model_seed), hooks, folder, progress)


def _check_json(check: Check) -> dict[str, Any]:
    bounds = {"at_least": check.at_least, "at_most": check.at_most}
    return {
        "name": check.name,
        "value": check.value,
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }


def _bound_text(check: Check) -> str:
    if check.at_least is not None:
        return f"at least {check.at_least:.4g}"
    return f"at most {check.at_most:.4g}"
