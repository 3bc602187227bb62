"""Whole runs on the tiny model, audited, and a language model that is a few lines of this file."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from husai_core import bundle
from husai_gates.audit import audit
from husai_tests import studies


@pytest.fixture
def run_study(tmp_path: Path) -> Callable[..., Mapping[str, bytes]]:
    """The files of the bundle of a study that lies in `tmp_path`; the audit must find nothing wrong with it."""

    def run(study: str, out: str = "out") -> Mapping[str, bytes]:
        studies.run_study(study, tmp_path, out)
        snapshot = bundle.read(tmp_path / out)
        assert {finding.code for finding in audit(snapshot).findings} <= {"EV-FAILED", "EV-SKIPPED"}
        return snapshot.files

    return run


@dataclass
class Server:
    """A chat endpoint on this machine: it plays back what is scripted, then whatever `reply` makes of the prompt."""

    url: str = ""
    script: list[tuple[int, dict[str, str], bytes | float]] = field(default_factory=list)
    reply: Callable[[str], str] = lambda prompt: "yes"
    seen: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def completion(self, text: Any) -> bytes:
        message = {"role": "assistant", "content": text}
        return json.dumps({"model": "parrot-1", "choices": [{"index": 0, "message": message}]}).encode()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert path == "/v1/chat/completions"
        self.seen.append(json.loads(body))
        self.headers.append(dict(headers))
        if self.script:
            code, more, content = self.script.pop(0)
            if isinstance(content, float):  # seconds of silence
                time.sleep(content)
                content = b""
            return code, more, content
        return 200, {}, self.completion(self.reply(self.seen[-1]["messages"][0]["content"]))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code, more, content = found.answer(self.path, self.headers, body)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who timed out does not listen any more
                self.send_response(code)
                for name, value in {**more, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        found.url = f"http://127.0.0.1:{listening.server_address[1]}/v1"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        listening.shutdown()
        thread.join()
