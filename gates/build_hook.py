"""Ships gates/policies inside the wheel; an editable install finds them in the checkout."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PoliciesHook(BuildHookInterface):  # type: ignore[type-arg]
    """A plain `force-include` would also put the folder into editable installs, where it hides the package itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"]["gates/policies"] = "husai_gates/policies_data"
