"""Chat endpoints: any server that speaks OpenAI's chat completions, asked patiently and at a bounded rate."""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from husai_benchmarks.providers.provider import Answer, Provider
from husai_core import EvaluationError, Skipped

TRY_AGAIN = (408, 429, 500, 502, 503, 504)
LONGEST_WAIT = 300.0  # seconds; a server that asks for more is not waited for
MOST_BYTES = 2**22  # of one answer
SEED = 0


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class ChatEndpoint(Provider):
    """One model behind `{base_url}/chat/completions`. The key is read when it is needed, and kept nowhere."""

    base_url: str
    model: str
    key_variable: str
    timeout: float
    attempts: int
    per_minute: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    _next: float = field(default=float("-inf"), init=False)

    @property
    def place(self) -> str:
        return f"provider {self.base_url}, model {self.model}"

    def about(self) -> Mapping[str, str | int]:
        return {"kind": "chat", "base_url": self.base_url, "model": self.model, "temperature": 0, "seed": SEED}

    def ask(self, prompt: str, most_tokens: int) -> Answer:
        key = self._key()
        question = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "seed": SEED,
            "max_tokens": most_tokens,
        }
        raw = self._patiently(json.dumps(question).encode(), key)
        answer = self._read(raw)
        if key and (key in answer.text or key in answer.model):
            raise EvaluationError(self.place, "an answer holds the key of the account", "do not use this server")
        return answer

    def _key(self) -> str:
        if not self.key_variable:
            return ""
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            rule = f"the environment variable {self.key_variable} holds no key"
            raise Skipped(self.place, rule, f"export {self.key_variable}=..., or leave the setting key_variable out")
        return key

    def _patiently(self, body: bytes, key: str) -> bytes:
        """The body of the answer, tried again where that may help."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "husai"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        url = self.base_url.rstrip("/") + "/chat/completions"
        opener = urllib.request.build_opener(_StayHere)
        problem = ""
        for attempt in range(self.attempts):
            self._wait_for_turn()
            wait = min(2.0**attempt, 60.0)
            try:
                request = urllib.request.Request(url, body, headers, method="POST")
                with opener.open(request, timeout=self.timeout) as response:
                    raw: bytes = response.read(MOST_BYTES + 1)
                if len(raw) > MOST_BYTES:
                    raise EvaluationError(
                        self.place, f"an answer has more than {MOST_BYTES} bytes", "use another server"
                    )
                return raw
            except urllib.error.HTTPError as error:
                problem = f"HTTP {error.code} {http.client.responses.get(error.code, '')}".strip()
                stated = error.headers.get("Retry-After")
                error.close()
                if error.code not in TRY_AGAIN:
                    raise EvaluationError(self.place, f"it answered {problem}", _step(error.code)) from None
                wait = max(wait, self._stated(stated))
            except (OSError, http.client.HTTPException) as error:  # a URLError and a timeout are OSErrors
                reason = getattr(error, "reason", error)
                name = type(reason).__name__ if isinstance(reason, Exception) else "no connection"
                problem = f"no answer within {self.timeout:g} s" if isinstance(reason, TimeoutError) else name
            if wait > LONGEST_WAIT:
                rule = f"{problem}, and asks to be left alone for {wait:.0f} s"
                raise EvaluationError(self.place, rule, "run again later; answers that were given are kept")
            if attempt + 1 < self.attempts:
                self.sleep(wait)
        rule = f"{problem}, {self.attempts} times in a row"
        raise EvaluationError(self.place, rule, "look after the server and run again; answers that were given are kept")

    def _wait_for_turn(self) -> None:
        """Requests begin at even distances, however many there are."""
        if not self.per_minute:
            return
        now = self.clock()
        if now < self._next:
            self.sleep(self._next - now)
        self._next = max(now, self._next) + 60 / self.per_minute

    def _stated(self, retry_after: str | None) -> float:
        """The seconds of a Retry-After header, which gives them or a date."""
        if retry_after is None:
            return 0.0
        if retry_after.strip().isdecimal():
            return float(retry_after)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - self.wall_clock())
        except (ValueError, TypeError):
            return 0.0

    def _read(self, raw: bytes) -> Answer:
        try:
            found = json.loads(raw)
            text, model = found["choices"][0]["message"]["content"], found.get("model", self.model)
            if not isinstance(text, str) or not isinstance(model, str):
                raise TypeError
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            rule = "an answer is no chat completion with a text in it"
            raise EvaluationError(self.place, rule, "check that base_url is that of an OpenAI-compatible API") from None
        return Answer(*(part.encode("utf-8", "replace").decode() for part in (text, model)))  # no lone surrogates


def _step(code: int) -> str:
    if code in (401, 403):
        return "check the key in the variable that key_variable names"
    if 300 <= code < 400:
        return "redirects are not followed, for they would carry the key along; give the final base_url"
    return "check base_url and model"
