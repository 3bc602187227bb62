"""The choice of a provider: settings of a study become the language model that is asked."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

from husai_benchmarks.providers.chat_endpoint import ChatEndpoint
from husai_benchmarks.providers.local_command import LocalCommand
from husai_benchmarks.providers.packaged_smollm2 import INSTALL, PACKAGE, PackagedSmolLM2
from husai_benchmarks.providers.provider import Provider
from husai_core.need import Need, require

KINDS = ("chat", "command", "smollm2")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_OWN_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ProviderSettings:
    """Which language model is asked. All of it is recorded in the evidence, so a key is never a setting."""

    provider: str = ""  # chat, command or smollm2; without one nothing can be described
    base_url: str = ""  # of an OpenAI-compatible API, up to and with /v1
    model: str = ""
    key_variable: str = ""  # the environment variable that holds the key
    command: tuple[str, ...] = ()  # prompt on standard input, answer on standard output
    timeout: float = 60.0  # seconds, of one answer
    attempts: int = 5
    requests_per_minute: float = 60.0  # of an endpoint; 0 is no limit
    revision: str = ""  # change it to ask again what is answered already: nobody sees a model change behind its name

    def __post_init__(self) -> None:
        if self.provider and self.provider not in KINDS:
            raise ValueError(f"provider must be one of {', '.join(KINDS)}, not {self.provider!r}")
        if self.provider == "chat":
            self._refuse_unsafe_endpoint()
        if (self.provider == "command") != bool(self.command):
            raise ValueError("command is for the provider 'command', which needs it: a list of program and arguments")
        if not self.timeout > 0 or self.attempts < 1 or self.requests_per_minute < 0:
            raise ValueError("timeout and attempts must be above 0, requests_per_minute 0 or above")

    def _refuse_unsafe_endpoint(self) -> None:
        """Nothing that is said here repeats a value: somebody may have put a key where it does not belong."""
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname or not self.model:
            raise ValueError("the provider 'chat' needs base_url, an http or https address, and model")
        if url.username or url.password or url.query or url.fragment:
            raise ValueError("base_url must hold no user, password, query or fragment; it is recorded in the evidence")
        if self.key_variable and not _VARIABLE.fullmatch(self.key_variable):
            raise ValueError("key_variable must be the name of an environment variable, such as OPENAI_API_KEY")
        if self.key_variable and url.scheme == "http" and url.hostname not in _OWN_MACHINE:
            raise ValueError("a key is sent over https only, or to this machine")

    def outside(self) -> str:
        """The program or server that is asked, where it is one."""
        if self.provider == "chat":
            return f"asks the server {self.base_url}"
        return f"starts the program {self.command[0]}" if self.provider == "command" else ""

    def needs(self) -> list[Need]:
        """What these settings make it need: a key, a program, the packages of a model; and some choice at all."""
        if self.provider == "chat" and self.key_variable:
            found = bool(os.environ.get(self.key_variable, "").strip())
            rule = "" if found else f"the environment variable {self.key_variable} holds no key"
            return [Need("key", self.key_variable, found, rule, "" if found else f"export {self.key_variable}=...")]
        if self.provider == "command":
            found = shutil.which(self.command[0]) is not None
            rule = "" if found else "there is no such program"
            return [Need("program", self.command[0], found, rule, "" if found else "install it, or give its path")]
        if self.provider == "smollm2":
            packages = [(name, find_spec(name) is not None) for name in (PACKAGE, "gguf", "transformers")]
            return [Need("package", name, there, "", "" if there else INSTALL) for name, there in packages]
        if self.provider:
            return []
        rule = "no language model is set to describe latents"
        return [Need("settings", "provider", False, rule, f"set `provider`: {', '.join(KINDS)}")]

    def choose(self, place: str) -> Provider:
        """The language model."""
        if self.provider == "chat":
            return ChatEndpoint(
                self.base_url, self.model, self.key_variable, self.timeout, self.attempts, self.requests_per_minute
            )
        if self.provider == "command":
            return LocalCommand(self.command, self.timeout)
        if self.provider == "smollm2":
            return PackagedSmolLM2()
        require(self.needs(), place)
        raise AssertionError("settings without a provider need one")
