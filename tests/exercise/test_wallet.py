"""The exercise's wallet: its page without JavaScript, whom it speaks with, and that it believes no request that is not signed."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import time
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from tests.waiting import PATIENCE_S

from egide.exercise.idp_people import RESIDENTS
from egide.exercise.pid import ANCHOR, KEYS, Issuer
from egide.exercise.wallet import Wallet
from egide.exercise.wallet_words import FAILURES
from egide.protocols.wallet.openid4vp import Request, client_id, encryption_key, public_jwk, request_object

ACCESS = Issuer.drawn()
CLIENT = client_id("x509_hash", ACCESS.chain[0], "")


class Platform(BaseHTTPRequestHandler):
    """A verifier of one page: its request, and what was answered."""

    token = ""
    answers: list[bytes]

    def do_GET(self) -> None:
        self._told(self.token.encode())

    def do_POST(self) -> None:
        self.answers.append(self.rfile.read(int(self.headers["content-length"])))
        self._told(b"{}")

    def _told(self, body: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def verifier() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Platform)
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    asked = Request(
        client=CLIENT, name="Police — 418 302", response_uri=address, nonce="n" * 43, state="s" * 43, vct=("urn:eudi:pid:1",),
        encryption=public_jwk(encryption_key()),
    )  # fmt: skip
    Platform.token, Platform.answers = request_object(asked, ACCESS.key, ACCESS.chain[:1], int(time())), []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


@pytest.fixture(scope="module")
def wallet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("wallet")
    with Wallet(folder) as running, httpx.Client(base_url=running.address, trust_env=False) as found:
        yield found


def test_its_page_says_who_asks_and_takes_what_is_chosen_once(wallet: httpx.Client, verifier: str) -> None:
    for lang, loud in (("fr", "tout ici est inventé"), ("en", "everything here is invented")):
        page = unescape(wallet.get("/", params={"client_id": CLIENT, "request_uri": verifier, "lang": lang}).text)
        assert f'<html lang="{lang}">' in page
        assert loud in page
        assert "Police — 418 302" in page
        assert "<script" not in page
        assert page.count('name="persona"') == len(RESIDENTS)
        assert all(f'value="{each}"' in page for each in FAILURES)
    asked = re.search(r'name="asked" value="([^"]+)"', page)
    assert asked is not None
    form = {"asked": asked[1], "persona": "nour", "failure": ""}
    assert "It is presented" in wallet.post("/?lang=en", data=form).text
    assert wallet.post("/", data=form).status_code == 400
    assert set(parse_qs(Platform.answers[-1].decode())) == {"response"}


def test_a_link_can_be_pasted(wallet: httpx.Client, verifier: str) -> None:
    assert 'name="link"' in wallet.get("/").text
    link = "openid4vp://?" + urlencode({"client_id": CLIENT, "request_uri": verifier})
    assert "418 302" in wallet.get("/", params={"link": link}).text


def test_it_believes_nobody_else(wallet: httpx.Client, verifier: str) -> None:
    for client, where in (
        (CLIENT, "https://evil.example/"), (CLIENT, "file:///etc/passwd"), ("x509_hash:other", verifier), (CLIENT, f"{wallet.base_url}status"),
        (CLIENT, "http://127.0.0.1:9/"),
    ):  # fmt: skip
        assert wallet.get("/", params={"client_id": client, "request_uri": where}).status_code == 400, where


def test_its_issuer_is_drawn_once_and_its_key_is_its_own(tmp_path: Path) -> None:
    first, second = Issuer.kept(tmp_path / "issuer"), Issuer.kept(tmp_path / "issuer")
    assert first.chain == second.chain
    assert (tmp_path / "issuer" / KEYS).stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in (tmp_path / "issuer" / ANCHOR).read_bytes()
