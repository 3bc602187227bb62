"""A study becomes a plan; the plan is run, resumed, cached, and written down as a bundle."""

from husai_core.engine.plan import Plan, make_plan
from husai_core.engine.run import run_plan
from husai_core.engine.workplace import Listener

__all__ = ["Listener", "Plan", "make_plan", "run_plan"]
