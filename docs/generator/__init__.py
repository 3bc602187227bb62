"""The pages of the reference, by name: each a function that reads the code and gives Markdown."""

from collections.abc import Callable, Mapping

from generator import codes, command_line, exit_codes, hooks, metrics, names, plugins, policy_language, schemas

PAGES: Mapping[str, Callable[[], str]] = {
    "cli": command_line.page,
    "exit-codes": exit_codes.page,
    "codes": codes.page,
    "policy-language": policy_language.page,
    "schemas": schemas.page,
    "hooks": hooks.page,
    "names": names.page,
    "plugins": plugins.page,
    "metrics": metrics.page,
}

__all__ = ["PAGES"]
