"""An act on the running server, from the command line: what one process alone can do is asked until it is reached."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from egide.gateways import server_call
from egide.kernel.settings import Settings


def test_the_command_line_asks_again_where_another_process_has_to_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "operator.token").write_text("t")
    asked: list[int] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(1)
            done = len(asked) > 3
            said_ = {"result": {}} if done else {"code": "elsewhere", "title": {"fr": "non", "en": "no"}}
            self.send_response(200 if done else 503)
            self.end_headers()
            self.wfile.write(json.dumps(said_).encode())

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(data=str(tmp_path), port=server.server_port)
        assert server_call.call(settings, "border.consortium.vote", {}) == {"result": {}}
        assert len(asked) == 4
        monkeypatch.setattr(server_call, "AGAIN", 0)
        asked.clear()
        with pytest.raises(SystemExit):
            server_call.call(settings, "border.consortium.vote", {})
        server.shutdown()
