"""Residents' sign-in, whole: our flow against our own identity provider over real HTTP, and each thing that may go wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from egide.engines.sqlite_keys import SqliteKeys
from egide.exercise.idp import IdentityProvider
from egide.exercise.idp_people import FAILURES, RESIDENTS
from egide.gateways import checks_engines, oidc, oidc_setup
from egide.gateways.oidc import COOKIE, HINT, LIFE_S, Seal, SignInFlow, arrived, local_path
from egide.kernel import outward
from egide.kernel.clock import Clock
from egide.kernel.errors import Conflict, StartupError, Text
from egide.kernel.filekeys import FileKeys
from egide.kernel.settings import Settings
from egide.kernel.vault import Vault
from egide.protocols.oidc import Identity, Preset

pytestmark = pytest.mark.anyio

HOME = "https://localhost:8620"
BACK = "/services/plainte?etape=3"


@pytest.fixture(scope="module")
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider(slow_s=1.0) as found:
        yield found


class Here:
    """A platform that has nothing but the sign-in, and a browser in front of it."""

    def __init__(self, folder: Path, idp: IdentityProvider, preset: Preset | None = None, **more: Any) -> None:
        settings = Settings(data=str(folder), tls=True, identity="development", identity_issuer=idp.issuer)
        found = oidc_setup.relying(settings)
        assert found is not None
        if preset is not None:
            private = (oidc_setup._decryption(folder / "keys" / oidc_setup.DECRYPTION),) if preset.encrypted else ()
            found = msgspec.structs.replace(found, preset=preset, private=private)
        self.relying = found
        self.clock = Clock()
        self.vault = Vault.open(SqliteKeys(folder / "vault"), FileKeys(folder, "police"), "police")
        self.signed: list[Identity] = []
        self.raises: Exception | None = None
        self.idp = idp
        self.flow = SignInFlow(found, Seal.of(SimpleNamespace(vault=self.vault)), self.clock, self.opened, **more)
        self.browser = self.another()
        self.outside = httpx.AsyncClient(trust_env=False)

    def another(self, flow: SignInFlow | None = None) -> httpx.AsyncClient:
        app = Starlette(routes=[*(flow or self.flow).routes()])
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME)

    async def opened(self, identity: Identity, request: Request) -> Response:
        if self.raises is not None:
            raise self.raises
        self.signed.append(identity)
        return arrived(request.state.return_to, request.state.lang)

    async def start(self, level: int = 2, return_to: str = BACK) -> str:
        """The provider's address, once the browser has been sent there."""
        went = await self.browser.get(oidc.START, params={"level": level, "return": return_to})
        assert went.status_code == 303, went.text
        return went.headers["location"]

    async def come_back(self, address: str, **chosen: str) -> str:
        """The address the provider sends the browser back to."""
        went = await self.outside.get(address + "".join(f"&{name}={value}" for name, value in chosen.items()))
        assert went.status_code == 303, went.text
        return went.headers["location"]

    async def sign_in(self, level: int = 2, **chosen: str) -> httpx.Response:
        back = await self.come_back(await self.start(level), **({"persona": "alix"} | chosen))
        return await self.browser.get(back)

    async def close(self) -> None:
        await self.browser.aclose()
        await self.outside.aclose()
        self.flow.close()
        self.vault.close()


@pytest.fixture
async def here(tmp_path: Path, idp: IdentityProvider) -> AsyncIterator[Here]:
    made = Here(tmp_path, idp)
    yield made
    await made.close()


def cookies(answer: httpx.Response, name: str) -> str:
    """The attributes with which the answer sets a cookie; "" where it does not."""
    return next((each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{name}=")), "")


# -- it works ------------------------------------------------------------------------------------------------------------


async def test_a_resident_signs_in_and_goes_on_where_they_were(here: Here) -> None:
    answer = await here.sign_in(level=3, acr="eidas2")
    assert answer.status_code == 200
    (who,) = here.signed
    assert (who.issuer, who.subject, who.level, who.acr) == (here.idp.issuer, "exercise-alix", 3, "eidas2")
    assert (who.given_name, who.family_name, who.birthdate) == ("Alix", "Marchand", "1990-04-12")
    assert who.email == "alix.marchand@example.org"
    assert abs(who.at - here.clock.now_us() // 1_000_000) < 10
    assert 'content="0;url=/services/plainte?etape=3"' in answer.text
    assert "Max-Age=0" in cookies(answer, COOKIE)
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookies(answer, HINT).split("; "))


async def test_every_resident_as_they_are_called(here: Here) -> None:
    for resident in RESIDENTS:
        await here.sign_in(persona=resident.id, acr="eidas1")
        who = here.signed.pop()
        assert (who.given_name, who.family_name, who.birthdate, who.email) == resident[1:]


async def test_a_higher_level_than_asked_is_told_as_what_it_is(here: Here) -> None:
    await here.sign_in(level=2, acr="eidas3")
    assert here.signed[0].level == 4


async def test_the_request_holds_what_it_must_and_nothing_personal(here: Here) -> None:
    went = await here.browser.get(oidc.START, params={"level": 3, "return": BACK})
    sent = {name: values[0] for name, values in parse_qs(urlsplit(went.headers["location"]).query).items()}
    assert set(sent) == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "acr_values", "claims", "code_challenge", "code_challenge_method",
    }  # fmt: skip
    assert (sent["response_type"], sent["code_challenge_method"], sent["acr_values"]) == (
        "code",
        "S256",
        "eidas2 eidas3",
    )
    assert msgspec.json.decode(sent["claims"]) == {
        "id_token": {"acr": {"essential": True, "values": ["eidas2", "eidas3"]}}
    }
    assert sent["redirect_uri"] == f"{HOME}/identity/callback"
    kept = cookies(went, COOKIE)
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"} <= set(kept.split("; "))
    assert len(kept) < 2000
    for secret in (sent["state"], sent["nonce"], "plainte"):
        assert secret not in kept


async def test_two_attempts_share_nothing(here: Here) -> None:
    one, two = [parse_qs(urlsplit(await here.start()).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert one[name] != two[name]
        assert len(one[name][0]) >= 43


async def test_another_process_takes_the_browser_back(here: Here) -> None:
    """The cookie is sealed by a key they share; nothing else is needed."""
    other = SignInFlow(here.relying, Seal.of(SimpleNamespace(vault=here.vault)), here.clock, here.opened)
    back = await here.come_back(await here.start(), persona="nour", acr="eidas1")
    async with here.another(other) as elsewhere:
        elsewhere.cookies = here.browser.cookies
        assert (await elsewhere.get(back)).status_code == 200
    other.close()
    assert here.signed[0].given_name == "Nour"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256"])
async def test_each_way_of_signing(here: Here, algorithm: str) -> None:
    here.idp.algorithm = algorithm
    try:
        await here.sign_in(acr="eidas1")
    finally:
        here.idp.algorithm = "ES256"
    assert here.signed


async def test_new_keys_of_the_provider_are_fetched(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    await here.sign_in(acr="eidas1")
    here.idp.rotate()
    assert (await here.sign_in(acr="eidas1")).status_code == 502  # looked a moment ago
    monkeypatch.setattr("egide.gateways.oidc_provider.AGAIN_S", 0.0)
    assert (await here.sign_in(acr="eidas1")).status_code == 200
    assert len(here.signed) == 2


async def test_unsigned_userinfo_is_taken_from_the_provider_itself(here: Here) -> None:
    await here.sign_in(acr="eidas1", failure="plain-userinfo")
    assert here.signed[0].family_name == "Marchand"


async def test_encrypted_tokens_where_the_provider_encrypts(tmp_path: Path, idp: IdentityProvider) -> None:
    """As FranceConnect+: signed, then encrypted to the key we show; and an unencrypted one is refused then."""
    preset = Preset(title="Plus", levels={"eidas2": 3}, encrypted=True)
    here = Here(tmp_path, idp, preset)
    shown = await here.browser.get(oidc.KEYS)
    assert [(key["kty"], key["use"], key["alg"], "d" in key) for key in shown.json()["keys"]] == [
        ("EC", "enc", "ECDH-ES", False)
    ]
    idp.client_keys = lambda: shown.content
    assert (await here.sign_in(level=3, acr="eidas2", failure="encrypted")).status_code == 200
    assert here.signed[0].given_name == "Alix"
    assert (await here.sign_in(level=3, acr="eidas2")).status_code == 502
    assert len(here.signed) == 1
    await here.close()


# -- each failure --------------------------------------------------------------------------------------------------------

UNPROVED = {
    "wrong-nonce": "nonce", "no-nonce": "nonce", "expired": "expired", "future": "too-early", "wrong-audience": "audience",
    "more-audiences": "audience", "wrong-issuer": "issuer", "other-key": "signature", "unsigned": "algorithm",
    "confused": "algorithm", "encrypted": "encryption", "other-token": "hash", "other-person": "subject", "huge": "too-large",
    "garbage": "malformed",
}  # fmt: skip
OTHERS = {
    "no-acr": (403, "level", "Cette connexion ne suffit pas"),
    "lower-acr": (403, "level", "Cette connexion ne suffit pas"),
    "unknown-acr": (403, "level", "Cette connexion ne suffit pas"),
    "access_denied": (403, "denied", "Vous n’êtes pas connecté"),
    "temporarily_unavailable": (503, "unavailable", "La connexion ne répond pas"),
    "slow": (503, "unavailable", "La connexion ne répond pas"),
}


def test_every_failure_of_the_exercise_is_tested() -> None:
    assert set(FAILURES) == {"", "plain-userinfo", *UNPROVED, *OTHERS}


@pytest.mark.parametrize("failure", [*UNPROVED, *OTHERS])
async def test_each_failure_ends_calmly(
    here: Here, failure: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if failure == "slow":
        monkeypatch.setattr(outward, "DEADLINE_S", 0.3)
    here.idp.client_keys = _somebody
    with caplog.at_level(logging.INFO, "egide.identity"):
        answer = await here.sign_in(level=2, acr="eidas1", failure=failure)
    status, why, title = OTHERS.get(failure, (502, UNPROVED.get(failure, ""), "La connexion n’a pas pu être vérifiée"))
    assert answer.status_code == status
    assert here.signed == []
    assert f"<h1>{title}</h1>" in answer.text
    assert f"sign-in refused: {why}" in caplog.text
    calm(answer, caplog.text)


def _somebody() -> bytes:
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256")
    return msgspec.json.encode({"keys": [{**key.as_dict(private=False), "kid": "x", "alg": "ECDH-ES"}]})


def calm(answer: httpx.Response, logged: str) -> None:
    """Both languages, a way without an account, nothing to run, nothing personal, the cookie gone."""
    page = answer.text
    assert page.startswith('<!doctype html><html lang="fr">')
    assert '<section lang="en">' in page
    assert page.count('href="/services/"') == 2
    assert page.count('href="/identity/start?level=2&amp;return=/services/plainte%3Fetape%3D3&amp;lang=') == 2
    assert "Traceback" not in page
    assert "<script" not in page
    assert "Max-Age=0" in cookies(answer, COOKIE)
    assert cookies(answer, HINT) == ""
    assert answer.headers["cache-control"] == "no-store"
    for personal in ("Marchand", "exercise-alix", "eyJ", "code=", "state="):
        assert personal not in page
        assert personal not in logged


async def test_without_acr_nothing_is_ever_assumed_even_at_the_lowest_level(here: Here) -> None:
    assert (await here.sign_in(level=1, failure="no-acr")).status_code == 403
    assert here.signed == []


async def test_a_level_this_provider_cannot_prove_is_told_before_anybody_leaves(
    tmp_path: Path, idp: IdentityProvider
) -> None:
    here = Here(tmp_path, idp, Preset(title="Low", levels={"eidas1": 2}))
    answer = await here.browser.get(oidc.START, params={"level": 4, "return": BACK, "lang": "en"})
    assert answer.status_code == 403
    assert "a checked identity, level high" in answer.text
    assert "which this identity service does not prove" in answer.text
    assert "/identity/start" not in answer.text
    assert answer.text.count('href="/services/"') == 2
    await here.close()


async def test_a_provider_that_is_away(tmp_path: Path, idp: IdentityProvider) -> None:
    def away(*_: Any) -> Any:
        raise outward.Unreachable("nobody")

    here = Here(tmp_path, idp, fetch=away)
    answer = await here.browser.get(oidc.START, params={"level": 2, "return": BACK})
    assert answer.status_code == 503
    assert "Le service d’identité ne répond pas" in answer.text
    await here.close()


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{" * 60_000, b'{"issuer": "https://another.example"}', b"x" * 70_000],
    ids=["empty", "list", "deep", "another", "long"],
)
async def test_a_provider_that_says_nonsense_of_itself(tmp_path: Path, idp: IdentityProvider, document: bytes) -> None:
    here = Here(tmp_path, idp, fetch=lambda *_: outward.Reply(200, document[: 64 * 1024], len(document) <= 64 * 1024))
    assert (await here.browser.get(oidc.START, params={"level": 2})).status_code == 502
    await here.close()


# -- the browser ---------------------------------------------------------------------------------------------------------


async def test_once_only(here: Here) -> None:
    back = await here.come_back(await here.start(), persona="alix", acr="eidas1")
    kept = dict(here.browser.cookies)
    assert (await here.browser.get(back)).status_code == 200
    assert (await here.browser.get(back)).status_code == 400  # the cookie went
    async with here.another() as thief:
        thief.cookies.update({COOKIE: kept[COOKIE]})
        again = await thief.get(back)
    assert again.status_code == 400
    assert "a déjà servi" in again.text
    assert len(here.signed) == 1


async def test_once_only_in_another_process_too(here: Here) -> None:
    """There the provider says no: the code is cashed."""
    other = SignInFlow(here.relying, Seal.of(SimpleNamespace(vault=here.vault)), here.clock, here.opened)
    back = await here.come_back(await here.start(), persona="alix", acr="eidas1")
    kept = dict(here.browser.cookies)
    await here.browser.get(back)
    async with here.another(other) as thief:
        thief.cookies.update({COOKIE: kept[COOKIE]})
        assert (await thief.get(back)).status_code == 502
    other.close()
    assert len(here.signed) == 1


async def test_ten_minutes(here: Here) -> None:
    back = await here.come_back(await here.start(), persona="alix", acr="eidas1")
    here.clock.shift(timedelta(seconds=LIFE_S + 1))
    answer = await here.browser.get(back)
    assert answer.status_code == 400
    assert "a pris trop de temps" in answer.text
    assert here.signed == []


async def test_a_callback_of_somebody_elses(here: Here) -> None:
    """Login CSRF: a code and state that another browser got; the sign-in that this one is in goes on."""
    async with here.another() as attacker:
        went = await attacker.get(oidc.START, params={"level": 2, "return": BACK})
        theirs = await here.come_back(went.headers["location"], persona="bo", acr="eidas1")
    mine = await here.come_back(await here.start(), persona="alix", acr="eidas1")
    assert (await here.browser.get(theirs)).status_code == 400
    assert here.signed == []
    assert (await here.browser.get(mine)).status_code == 200
    assert here.signed[0].given_name == "Alix"


async def test_without_its_cookie(here: Here) -> None:
    back = await here.come_back(await here.start(), persona="alix", acr="eidas1")
    async with here.another() as empty:
        assert (await empty.get(back)).status_code == 400
    assert here.signed == []


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v[:-8],
        lambda v: "B" + v[1:],
        lambda v: v[:60] + ("A" if v[60] != "A" else "B") + v[61:],
        lambda _: "%%",
        lambda _: "",
    ],
)
async def test_a_changed_cookie_is_none(here: Here, change: Any) -> None:
    back = await here.come_back(await here.start(), persona="alix", acr="eidas1")
    value = change(dict(here.browser.cookies)[COOKIE])
    async with here.another() as browser:
        assert (await browser.get(back, headers={"cookie": f"{COOKIE}={value}"})).status_code == 400
    assert here.signed == []


@pytest.mark.parametrize(
    "query",
    ["", "code=1", "state=1", "code=1&code=2&state=1", "error=access_denied", "x" * 9000, "&".join(f"a{n}=1" for n in range(40)), "state=%ff"],
)  # fmt: skip
async def test_odd_callbacks(here: Here, query: str) -> None:
    await here.start()
    answer = await here.browser.get(f"/identity/callback?{query}")
    assert answer.status_code in {400, 502}
    assert here.signed == []


async def test_back_from_another_provider(here: Here) -> None:
    """RFC 9207: mix-up."""
    back = await here.come_back(await here.start(), persona="alix", acr="eidas1")
    moved = re.sub(r"iss=[^&]*", "iss=https%3A%2F%2Fanother.example", back)
    assert (await here.browser.get(moved)).status_code == 502
    assert here.signed == []


@pytest.mark.parametrize(
    "return_to",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "services", "/a b", "/a\nb", "/\t/evil.example", "/identity/start?level=1", "/" + "a" * 600, ""],
)  # fmt: skip
async def test_no_open_redirect(here: Here, return_to: str) -> None:
    assert local_path(return_to) is None
    answer = await here.browser.get(oidc.START, params={"level": 2, "return": return_to})
    assert answer.status_code == 400
    assert "evil" not in answer.text


@pytest.mark.parametrize("level", ["", "0", "5", "²", "-1", "12", "x"])
async def test_a_level_that_is_none(here: Here, level: str) -> None:
    assert (await here.browser.get(oidc.START, params={"level": level})).status_code == 400


async def test_too_many_from_one_place(here: Here) -> None:
    told = [(await here.browser.get(oidc.START, params={"level": 2})).status_code for _ in range(60)]
    assert told[0] == 303
    assert told[-1] == 429


async def test_an_act_that_refuses_is_told_in_its_words(here: Here) -> None:
    here.raises = Conflict(Text("Ce compte est fermé.", "This account is closed."), Text("Appelez-nous.", "Call us."))
    answer = await here.sign_in(acr="eidas1")
    assert answer.status_code == 409
    assert "Ce compte est fermé." in answer.text
    assert "This account is closed." in answer.text


# -- leaving -------------------------------------------------------------------------------------------------------------


async def test_leaving_ends_the_providers_session_too(here: Here) -> None:
    answer = await here.sign_in(acr="eidas1")
    value = cookies(answer, HINT).partition(";")[0]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"cookie", value.encode())],
    }
    left = await here.flow.leave(Request(scope), "/services/")
    went = await here.outside.get(left.headers["location"])
    assert urlsplit(left.headers["location"]).path == "/session/end"
    assert "id_token_hint=eyJ" in left.headers["location"]
    assert went.headers["location"].startswith(f"{HOME}/services/?state=")
    assert "Max-Age=0" in left.headers["set-cookie"]
    stays = await here.flow.leave(Request(scope | {"headers": []}), "//evil.example")
    assert "evil" not in stays.headers["location"]


# -- settings ------------------------------------------------------------------------------------------------------------


def set_up(folder: Path, secret: str | None = "s" * 40, **given: Any) -> oidc_setup.Relying | None:
    place = folder / "keys" / oidc_setup.SECRET
    place.parent.mkdir(exist_ok=True)
    if secret is not None:
        place.write_text(secret + "\n")
        place.chmod(0o600)
    return oidc_setup.relying(Settings(data=str(folder), **given))


def test_nobody_signs_in_unless_set() -> None:
    assert oidc_setup.relying(Settings()) is None


def test_every_preset_of_ours_makes_a_relying_party(tmp_path: Path) -> None:
    assert oidc_setup.presets() == ["development", "franceconnect", "franceconnect-plus", "generic", "proconnect"]
    for name in oidc_setup.presets():
        issuer = "https://id.example" if name == "generic" else ""
        found = set_up(tmp_path, identity=name, identity_client="us", identity_issuer=issuer)
        assert found is not None
        assert (found.client.id, found.client.secret) == ("us", "s" * 40)
        assert bool(found.private) == (name == "franceconnect-plus")
    assert (tmp_path / "keys" / oidc_setup.DECRYPTION).stat().st_mode & 0o777 == 0o600


def test_an_operators_own_preset(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('title = "Ours"\nissuer = "https://id.example"\n[levels]\ngold = 4\n')
    found = set_up(tmp_path, identity="ours.toml", identity_client="us")
    assert found is not None
    assert found.preset.levels == {"gold": 4}


@pytest.mark.parametrize(
    ("given", "secret", "words"),
    [
        ({"identity": "franceconect", "identity_client": "us"}, "s" * 40, "Did you mean “franceconnect”?"),
        ({"identity": "absent.toml", "identity_client": "us"}, "s" * 40, "missing or unreadable"),
        ({"identity": "bad.toml", "identity_client": "us"}, "s" * 40, "Wrong identity preset"),
        ({"identity": "franceconnect"}, "s" * 40, "client id is missing"),
        ({"identity": "franceconnect", "identity_client": "us"}, None, "client secret is missing"),
        ({"identity": "franceconnect", "identity_client": "us"}, " ", "client secret is missing"),
        ({"identity": "generic", "identity_client": "us"}, "s" * 40, "address is none"),
        ({"identity": "generic", "identity_client": "us", "identity_issuer": "http://id.example"}, "s" * 40, "address is none"),
        ({"identity": "development", "identity_issuer": "https://id.example"}, None, "this machine only"),
    ],
)  # fmt: skip
def test_what_is_wrong_stops_the_start_with_a_sentence(
    tmp_path: Path, given: dict[str, str], secret: str | None, words: str
) -> None:
    (tmp_path / "bad.toml").write_text('title = "x"\nscope = ["openid"]\n[levels]\na = 2\n')
    with pytest.raises(StartupError) as caught:
        set_up(tmp_path, secret, **given)
    assert words in str(caught.value)
    assert caught.value.file
    assert caught.value.what.fr != caught.value.what.en


def test_a_secret_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    set_up(tmp_path)
    (tmp_path / "keys" / oidc_setup.SECRET).chmod(0o644)
    with pytest.raises(StartupError, match="Other accounts"):
        set_up(tmp_path, None, identity="franceconnect", identity_client="us")


def test_a_decryption_key_that_is_none_stops_the_start(tmp_path: Path) -> None:
    set_up(tmp_path)
    place = tmp_path / "keys" / oidc_setup.DECRYPTION
    place.write_text("nothing")
    place.chmod(0o600)
    with pytest.raises(StartupError, match="Unusable key file"):
        set_up(tmp_path, None, identity="franceconnect-plus", identity_client="us")


def test_the_doctor_looks_at_it(tmp_path: Path, idp: IdentityProvider) -> None:
    def told(**given: str) -> list[tuple[str, str]]:
        settings = Settings(data=str(tmp_path), **given)
        return [(each.mark, each.what.en) for each in checks_engines.identity(settings, lambda *_: None)]

    assert told() == []
    assert told(identity="development", identity_issuer=idp.issuer) == [
        ("good", "Residents’ sign-in: Exercise, levels 2, 3, 4")
    ]
    assert [mark for mark, _ in told(identity="development", identity_issuer=idp.issuer + "/x")] == ["wrong"]
    assert [mark for mark, _ in told(identity="nobody")] == ["wrong"]
    set_up(tmp_path)
    told(identity="franceconnect-plus", identity_client="us", identity_issuer="http://127.0.0.1:9/")
    assert not (tmp_path / "keys" / oidc_setup.DECRYPTION).exists()
