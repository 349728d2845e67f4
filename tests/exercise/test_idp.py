"""The exercise's identity provider: its page without JavaScript, and that it gives nothing to a client it does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from egide.exercise.idp import IdentityProvider
from egide.exercise.idp_people import CLIENT, FAILURES, LEVELS, RESIDENTS, SHARED

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
ASKED = {
    "response_type": "code", "client_id": CLIENT, "redirect_uri": "http://localhost:1/back", "scope": "openid", "state": "s" * 32, "nonce": "n" * 32,
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256", "acr_values": "eidas2 eidas3",
}  # fmt: skip


@pytest.fixture(scope="module")
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as found:
        yield found


@pytest.fixture
def browser(idp) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=idp.issuer, trust_env=False) as found:
        yield found


def code_of(answer: httpx.Response) -> str:
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def redeem(browser: httpx.Client, code: str, **changed: str) -> httpx.Response:
    given = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": ASKED["redirect_uri"],
        "client_id": CLIENT, "client_secret": SHARED, "code_verifier": VERIFIER,
    }  # fmt: skip
    return browser.post("/token", data=given | changed)


@pytest.mark.parametrize(("lang", "loud"), [("fr", "tout ici est inventé"), ("en", "everything here is invented")])
def test_the_page_asks_who_how_well_and_what_goes_wrong(browser, lang, loud):
    page = unescape(browser.get("/authorize", params=ASKED | {"lang": lang}).text)
    assert f'<html lang="{lang}">' in page
    assert loud in page
    assert "<script" not in page
    assert page.count('name="persona"') == len(RESIDENTS) == 12
    assert all(f'value="{each}"' in page for each in (*LEVELS, *FAILURES))
    assert '<option value="eidas2" selected>' in page


def test_what_is_chosen_on_the_page_comes_back_once(browser):
    asked = re.search(r'name="asked" value="([^"]+)"', browser.get("/authorize", params=ASKED).text)[1]
    form = {"asked": asked, "persona": "nour", "acr": "eidas2", "failure": ""}
    back = browser.post("/authorize", data=form)
    assert back.headers["location"].startswith("http://localhost:1/back?state=ssss")
    assert browser.post("/authorize", data=form).status_code == 400
    token = redeem(browser, code_of(back)).json()["access_token"]
    told = browser.get("/userinfo", headers={"authorization": f"Bearer {token}"})
    assert told.headers["content-type"] == "application/jwt"
    assert browser.get("/userinfo", headers={"authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "them"}, {"redirect_uri": "https://evil.example/"}, {"response_type": "token"}, {"scope": "email"},
        {"code_challenge_method": "plain"}, {"code_challenge": ""}, {"state": "short"}, {"nonce": "short"},
    ],
)  # fmt: skip
def test_it_sends_nobody_anywhere_for_a_wrong_request(browser, changed):
    assert browser.get("/authorize", params=ASKED | {"persona": "alix"} | changed).status_code == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"client_secret": "x"}, {"client_id": "x"}, {"code_verifier": "x" * 43}, {"redirect_uri": "http://localhost:1/other"}, {"grant_type": "x"},
    ],
)  # fmt: skip
def test_a_code_is_for_its_client_alone(browser, changed):
    code = code_of(browser.get("/authorize", params=ASKED | {"persona": "alix"}))
    assert redeem(browser, code, **changed).status_code in {400, 401}


def test_a_code_is_cashed_once(browser):
    code = code_of(browser.get("/authorize", params=ASKED | {"persona": "alix"}))
    assert redeem(browser, code).status_code == 200
    assert redeem(browser, code).json() == {"error": "invalid_grant"}
