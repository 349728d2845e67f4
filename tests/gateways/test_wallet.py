"""Residents show a wallet, whole: our pages and our wallet against one another, and each thing that may go wrong."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from egide.exercise.idp_people import RESIDENTS
from egide.exercise.pid import Issuer
from egide.exercise.wallet import Asked, Purse
from egide.exercise.wallet_words import FAILURES
from egide.gateways import checks_engines
from egide.gateways.resident_identity import WALLET, WHO
from egide.gateways.wallet import COOKIE
from egide.gateways.wallet_page import PATH
from egide.gateways.wallet_setup import ACCESS, EXERCISE, verifier
from egide.kernel.errors import StartupError
from egide.kernel.outward import Reply, Unreachable
from egide.kernel.retention import Keeper
from egide.kernel.settings import Settings
from tests.services.filings import lawful
from tests.services.forms import typed
from tests.services.test_filing import identified
from tests.world import World

pytestmark = pytest.mark.anyio

STATUS = "http://127.0.0.1:1/status"
BACK = "/services/voting-proxy/check"
ALIX = RESIDENTS[0]


class Stage:
    """A platform that takes the exercise's wallet, and that wallet; `person` opens a browser of its own."""

    def __init__(self, folder: Path) -> None:
        self.issuer = Issuer.kept(folder / EXERCISE)
        self.purse = Purse(self.issuer, status=STATUS)
        self.world = World(folder, wallet="development")
        self.away = False
        self.browsers: list[httpx.AsyncClient] = []

    async def start(self) -> None:
        await self.world.start()
        self.flow = self.world.kernel.things[WALLET]
        self.flow._fetch = self.fetch

    def fetch(self, address: str, _limit: int, _headers: Any = None) -> Reply:
        if self.away:
            raise Unreachable("nobody")
        return Reply(200, self.issuer.status_list(address).encode(), True)

    def person(self) -> httpx.AsyncClient:
        origin = self.world.settings.origin
        made = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.world.application), base_url=origin.replace("http:", "https:"),
            headers={"origin": origin, "accept-language": "fr"},
        )  # fmt: skip
        self.browsers.append(made)
        return made

    async def begin(self, browser: httpx.AsyncClient, level: int = 4) -> dict[str, str]:
        """The links of the page, by way, and its code."""
        went = await browser.get(f"{PATH}/start", params={"level": level, "return": BACK}, follow_redirects=True)
        assert went.status_code == 200, went.text
        here = html.unescape(re.search(r'data-here href="([^"]+)"', went.text)[1])  # type: ignore[index]
        code = re.search(r"data-code>([0-9 ]+)<", went.text)[1]  # type: ignore[index]
        return {"here": here, "there": here.replace("%2Fhere", "%2Fthere"), "code": code}

    async def read(self, link: str) -> Asked:
        """The request as the wallet gets it."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        fetched = await self.outside(given["request_uri"])
        assert fetched.status_code == 200, fetched.text
        assert fetched.headers["content-type"] == "application/oauth-authz-req+jwt"
        return self.purse.read(fetched.text, given["client_id"])

    async def outside(self, address: str, body: bytes | None = None) -> httpx.Response:
        """What the wallet's own connection gets: no cookie, no origin."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.world.application)) as wallet:
            kind = {"content-type": "application/x-www-form-urlencoded"}
            return await (wallet.get(address) if body is None else wallet.post(address, content=body, headers=kind))

    async def present(self, link: str, failure: str = "") -> httpx.Response:
        asked = await self.read(link)
        return await self.outside(asked.said["response_uri"], self.purse.answer(asked, ALIX, failure))

    async def close(self) -> None:
        for browser in self.browsers:
            await browser.aclose()
        self.flow.close()
        await self.world.stop()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path / "data")
    await made.start()
    yield made
    await made.close()


def local(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


async def who(stage: Stage, browser: httpx.AsyncClient) -> dict[str, Any] | None:
    """As whom the browser is known."""
    held = browser.cookies.get(WHO)
    if held is None:
        return None
    id_, _, secret = held.partition(".")
    given = {"identity": id_, "secret": secret}
    answer = await browser.post("/api/acts/services.identity.read", content=msgspec.json.encode(given))
    return dict(answer.json()["result"])


def rows(stage: Stage) -> list[Any]:
    query = "select id, state, body from service_wallet"
    return list(stage.world.kernel.store.reader().exec_driver_sql(query).all())


# -- it works ------------------------------------------------------------------------------------------------------------


async def test_on_the_same_device(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    browser = stage.person()
    links = await stage.begin(browser)
    asked = await stage.read(links["here"])
    assert asked.said["client_metadata"]["client_name"].endswith(links["code"])
    assert asked.said["response_mode"] == "direct_post.jwt"
    (query,) = asked.said["dcql_query"]["credentials"]
    assert [claim["path"] for claim in query["claims"]] == [["family_name"], ["given_name"], ["birthdate"]]
    with caplog.at_level(logging.DEBUG):
        told = await stage.present(links["here"], "more")
        assert told.status_code == 200
        (row,) = rows(stage)
        assert row.state == "proved"
        assert b"Marchand" not in row.body
        arrived = await browser.get(local(told.json()["redirect_uri"]))
    assert f'content="0;url={BACK}"' in arrived.text
    found = await who(stage, browser)
    assert found == {
        "level": 4,
        "who": {"family_name": "Marchand", "given_name": "Alix", "birthdate": "1990-04-12", "method": "wallet"},
    }
    assert rows(stage) == []
    assert COOKIE not in browser.cookies
    assert "Marchand" not in caplog.text
    again = await browser.get(local(told.json()["redirect_uri"]))
    assert again.status_code == 400


async def test_on_another_device(stage: Stage) -> None:
    browser = stage.person()
    links = await stage.begin(browser)
    assert (await browser.get(f"{PATH}/state")).status_code == 204
    early = await browser.post(PATH)
    assert "Rien n’est encore arrivé" in early.text
    told = await stage.present(links["there"])
    assert told.json() == {}
    assert (await browser.get(f"{PATH}/state")).status_code == 200
    arrived = await browser.post(PATH)
    assert f'content="0;url={BACK}"' in arrived.text
    assert (await who(stage, browser) or {})["level"] == 4


async def test_requests_share_nothing_and_are_stored_sealed(stage: Stage) -> None:
    links = await stage.begin(stage.person())
    (row,) = rows(stage)
    asked = await stage.read(links["there"])
    key = asked.said["client_metadata"]["jwks"]["keys"][0]
    assert "d" not in key
    for secret in (asked.said["nonce"], asked.said["state"], key["x"], links["code"]):
        assert secret.encode() not in row.body
    seen: set[str] = set()
    for _ in range(2):
        links = await stage.begin(stage.person())
        for way in ("here", "there"):
            said = (await stage.read(links[way])).said
            seen |= {said["nonce"], said["state"]}
            assert len(said["nonce"]) >= 43
    assert len(seen) == 8


# -- each failure --------------------------------------------------------------------------------------------------------

WRONG = {
    "wrong-nonce": "nonce", "wrong-audience": "audience", "wrong-state": "state", "expired": "expired", "other-key": "holder",
    "altered": "disclosure", "untrusted": "certificate", "other-kind": "vct", "replayed": "nonce", "old": "expired", "unbound": "holder",
    "less": "claim", "revoked": "revoked", "plain": "encryption", "wrong-encryption": "encryption", "access_denied": "denied",
}  # fmt: skip
TITLES = {
    "denied": "Vous n’êtes pas identifié", "expired": "n’est pas acceptée", "certificate": "n’est pas acceptée", "vct": "n’est pas acceptée",
    "claim": "n’est pas acceptée", "revoked": "n’est pas acceptée",
}  # fmt: skip


def test_every_failure_of_the_exercise_is_tested() -> None:
    assert set(FAILURES) == {"", "more", *WRONG}


async def test_each_failure_ends_calmly_and_identifies_nobody(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.flow._buckets._rate = 1000.0
    for failure, why in WRONG.items():
        browser = stage.person()
        links = await stage.begin(browser)
        caplog.clear()
        with caplog.at_level(logging.INFO, "egide.identity"):
            asked = await stage.read(links["there"])
            told = await stage.outside(asked.said["response_uri"], stage.purse.answer(asked, ALIX, failure))
        assert f"presentation refused: {why}" in caplog.text, failure
        assert told.status_code == (200 if why == "denied" else 400), failure
        if why != "denied":
            assert told.json()["error"] == "invalid_request"
            assert told.json()["error_description"]
        page = await browser.post(PATH)
        assert page.status_code in (403, 502), failure
        assert TITLES.get(why, "n’a pas pu être vérifiée") in page.text, failure
        assert page.text.count('href="/services/"') == page.text.count(f'href="{BACK}"') == 2
        assert "Marchand" not in page.text + told.text + caplog.text
        assert await who(stage, browser) is None
        second = await stage.outside(asked.said["response_uri"])
        assert second.status_code == 404
        again = await browser.post(PATH)  # nothing is left of it in this browser
        assert again.status_code == 400


async def test_an_answer_serves_once(stage: Stage) -> None:
    browser = stage.person()
    links = await stage.begin(browser)
    asked = await stage.read(links["there"])
    right = stage.purse.answer(asked, ALIX)
    first, second = [await stage.outside(asked.said["response_uri"], right) for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 400)
    await browser.post(PATH)
    assert (await who(stage, browser) or {})["level"] == 4
    other = stage.person()  # and serves no other request
    again = await stage.read((await stage.begin(other))["there"])
    assert (await stage.outside(again.said["response_uri"], right)).status_code == 400
    late = stage.purse.answer(again, ALIX)  # nor does a right answer come after a wrong one
    assert (await stage.outside(again.said["response_uri"], late)).status_code == 400
    assert await who(stage, other) is None


async def test_an_issuer_that_does_not_answer_is_no_revocation_and_no_proof(stage: Stage) -> None:
    stage.away = True
    browser = stage.person()
    links = await stage.begin(browser)
    assert (await stage.present(links["there"])).status_code == 400
    page = await browser.post(PATH)
    assert page.status_code == 503
    assert "on ne sait pas" in page.text
    assert await who(stage, browser) is None


async def test_what_is_no_answer(stage: Stage) -> None:
    for body in (b"", b"\xff", b"response=x", b"x" * 200_000, b"response=" + b"." * 4):
        links = await stage.begin(stage.person())
        asked = await stage.read(links["there"])
        assert (await stage.outside(asked.said["response_uri"], body)).status_code == 400
    origin = stage.world.settings.origin
    for path in ("requests/none/there", "requests/none/elsewhere"):
        assert (await stage.outside(f"{origin}{PATH}/{path}")).status_code == 404
        assert (await stage.outside(f"{origin}{PATH}/{path}", b"")).status_code == 400


# -- whose it is -----------------------------------------------------------------------------------------------------------


async def test_only_the_browser_that_asked_collects(stage: Stage) -> None:
    """Somebody sends another person the link of a request of their own: the identity goes to neither of them."""
    thief, victim = stage.person(), stage.person()
    links = await stage.begin(thief)
    told = await stage.present(links["here"])  # on the victim's device
    back = local(told.json()["redirect_uri"])
    assert (await victim.get(back)).status_code == 400
    await stage.begin(victim)  # with a request of its own the word does not fit either
    assert (await victim.get(back)).status_code == 303
    for answer in (await thief.post(PATH), await thief.get(f"{PATH}/back?code=x"), await thief.get(PATH)):
        assert answer.status_code == 403
        assert "dans l’autre navigateur" in answer.text
    assert await who(stage, thief) is None
    assert await who(stage, victim) is None


async def test_a_form_from_elsewhere_collects_nothing(stage: Stage) -> None:
    browser = stage.person()
    links = await stage.begin(browser)
    await stage.present(links["there"])
    answer = await browser.post(PATH, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 422
    assert await who(stage, browser) is None


async def test_after_five_minutes_there_is_nothing(stage: Stage) -> None:
    browser = stage.person()
    await stage.present((await stage.begin(stage.person()))["there"])  # and nobody collects it
    links = await stage.begin(browser)
    asked = await stage.read(links["there"])
    stage.world.clock.shift(timedelta(minutes=5, seconds=1))
    assert (await stage.outside(asked.said["response_uri"], stage.purse.answer(asked, ALIX))).status_code == 400
    assert (await browser.post(PATH)).status_code == 400
    await Keeper(stage.world.kernel, "retention.erase").tick()
    assert rows(stage) == []
    query = "select count(*) from service_identity"
    assert stage.world.kernel.store.reader().exec_driver_sql(query).scalar_one() == 0


# -- levels, and the service that asks for the highest -----------------------------------------------------------------------


async def test_a_level_that_no_wallet_proves_is_told_before_anybody_leaves(stage: Stage) -> None:
    low = tuple(msgspec.structs.replace(each, level=3) for each in stage.flow._verifier.issuers)
    stage.flow._verifier = msgspec.structs.replace(stage.flow._verifier, issuers=low)
    browser = stage.person()
    page = await browser.get(f"{PATH}/start", params={"level": "4", "return": BACK})
    assert page.status_code == 403
    assert "niveau élevé" in page.text
    links = await stage.begin(browser, 3)
    await stage.present(links["there"])
    await browser.post(PATH)
    assert (await who(stage, browser) or {})["level"] == 3  # what the issuer is worth, never what was asked


async def test_an_odd_start_begins_nothing(stage: Stage) -> None:
    for query in ("", "?level=9", "?level=1", "?level=4&return=https://evil.example", "?level=44", "?level=²"):
        page = await stage.person().get(f"{PATH}/start{query}")
        assert page.status_code == 400, query
    assert rows(stage) == []


async def test_a_proxy_is_refused_at_a_low_level_and_asked_for_with_the_wallet(stage: Stage) -> None:
    from egide.services.definition import catalogue

    definition = catalogue().find("voting-proxy")
    assert definition is not None
    browser = stage.person()
    form = typed(definition, lawful(definition))
    pages = ["", *(f"/{step.id}" for step in definition.steps)]
    for page in pages:
        sent = await browser.post(f"/services/voting-proxy{page}", data=form)
        assert sent.status_code == 303, sent.text
    low = await identified(stage.world, 2)
    browser.cookies.set(WHO, f"{low['identity']}.{low['identity_secret']}")
    check = await browser.get(f"{BACK}?lang=fr")
    assert "Vous êtes identifié, mais cela ne suffit pas ici" in check.text
    assert "niveau faible" in check.text
    assert "Montrer mon portefeuille" in check.text
    assert ">Envoyer<" not in check.text
    refused = await browser.post(f"{BACK}?lang=fr")  # who sends the form all the same
    assert refused.status_code == 403
    assert "L112-8" in refused.text
    assert form["proxy_name"][0] in html.unescape(refused.text)
    browser.cookies.delete(WHO)
    links = await stage.begin(browser)
    told = await stage.present(links["here"])
    await browser.get(local(told.json()["redirect_uri"]))
    check = await browser.get(f"{BACK}?lang=fr")
    assert "par portefeuille d’identité" in check.text
    assert form["proxy_name"][0] in html.unescape(check.text)
    filed = await browser.post(f"{BACK}?lang=fr", follow_redirects=True)
    assert "VP-2026-000001" in filed.text
    row = stage.world.kernel.store.reader().exec_driver_sql("select level, channel from service_file").one()
    assert tuple(row) == (4, "remote")


# -- settings --------------------------------------------------------------------------------------------------------------


def written(folder: Path, **issuer: Any) -> Settings:
    """An operator's file, with an access certificate of its own."""
    drawn = Issuer.kept(folder / "theirs")
    demo = Settings(data=str(folder), demo=True, wallet="development")
    Issuer.kept(folder / EXERCISE)
    assert verifier(demo) is not None
    entry = {"name": "PID", "vct": ["urn:eudi:pid:1"], "level": 4, "anchors": "theirs/anchor.pem"} | issuer
    lines = "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in entry.items() if value != "")
    (folder / "wallet.toml").write_text("[[issuers]]\n" + lines, "utf-8")
    (folder / "keys.json").write_bytes(msgspec.json.encode({"keys": [drawn.key.as_dict(private=False)]}))
    return Settings(data=str(folder), wallet="wallet.toml")


def test_an_operators_file(tmp_path: Path) -> None:
    found = verifier(written(tmp_path))
    assert found is not None
    assert (found.address, found.client, found.highest) == ("openid4vp://", "x509_san_dns:localhost", 4)
    assert len(found.issuers[0].anchors) == 1
    assert not found.development
    assert "key=" not in repr(found)
    keyed = verifier(written(tmp_path, anchors="", keys="keys.json", issuer="https://pid.example"))
    assert keyed is not None
    assert len(keyed.issuers[0].keys) == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"level": 5}, "level"), ({"level": 1}, "level"), ({"vct": []}, "vct"), ({"color": "red"}, "color"), ({"anchors": ""}, "anchors"),
        ({"keys": "keys.json"}, "anchors"), ({"anchors": "", "keys": "keys.json"}, "issuer"), ({"anchors": "none.pem"}, "missing"),
        ({"anchors": "wallet.toml"}, "neither certificate nor key"),
    ],
)  # fmt: skip
def test_a_wrong_file_stops_the_start_and_says_why(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(StartupError) as caught:
        verifier(written(tmp_path, **changed))
    assert says in str(caught.value)


def test_the_exercises_wallet_is_refused_outside_a_demonstration(tmp_path: Path) -> None:
    Issuer.kept(tmp_path / EXERCISE)
    for settings in (
        Settings(data=str(tmp_path), wallet="development"),
        Settings(data=str(tmp_path), wallet="development", demo=True, wallet_address="https://wallet.example/"),
    ):
        with pytest.raises(StartupError, match="demonstrations on this machine"):
            verifier(settings)
    assert not (tmp_path / "keys" / ACCESS).exists()


def test_an_access_certificate_of_another_host_or_none(tmp_path: Path) -> None:
    settings = written(tmp_path)
    with pytest.raises(StartupError, match="does not bear this service"):
        verifier(msgspec.structs.replace(settings, public_name="egide.example"))
    place = tmp_path / "keys" / ACCESS
    content = place.read_bytes()
    for broken in (b"", content[: len(content) // 2], Issuer.drawn().key.as_pem(private=True) + content):
        place.write_bytes(broken)
        with pytest.raises(StartupError, match="missing, or is none"):
            verifier(settings)


def test_the_doctor_looks_at_it(tmp_path: Path) -> None:
    def told(settings: Settings) -> list[tuple[str, str]]:
        return [(each.mark, each.what.en) for each in checks_engines.wallet(settings, lambda *_: None)]

    assert told(Settings(data=str(tmp_path))) == []
    assert [mark for mark, _ in told(Settings(data=str(tmp_path), wallet="wallet.toml"))] == ["wrong"]
    settings = written(tmp_path)
    assert told(settings) == [("good", "Wallets: PID (4)")]
    (tmp_path / "keys" / ACCESS).unlink()
    assert [mark for mark, _ in told(settings)] == ["wrong"]
    assert not (tmp_path / "keys" / ACCESS).exists()
