"""The HTTP door: its own origin only, cookies that scripts cannot read, bounded bodies, and every error a plain sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from egide.gateways.headers import CAMERAS, PAGES, WORKERS, csp
from egide.gateways.http import COOKIE, MAX_REPORT
from egide.gateways.serve import config
from tests.gateways.browser import Browser
from tests.ports import free_port
from tests.waiting import PATIENCE_S
from tests.world import INSIDE, World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    made = Browser(world)
    yield made
    await made.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Browser]:
    """The same, through uvicorn as `egide serve` configures it."""
    world = World(tmp_path / "data", port=free_port())
    await world.start()
    server = uvicorn.Server(config(world.settings, world.application))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    await world.until(lambda: server.started)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{world.settings.port}") as client:
        yield Browser(world, client=client)
    server.should_exit = True
    await task
    await world.stop()


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    told: dict[str, Any] = answer.json()
    assert told["code"] == code
    assert told["title"]["fr"]
    assert told["title"]["en"]
    return told


# -- who asks ------------------------------------------------------------------------------------------------------------


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_of_other_sites(browser: Browser) -> None:
    answer = await browser.act("administration.demo.enter", persona="officer")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == COOKIE
    assert COOKIE.startswith("__Host-")
    flags = {part.strip().lower() for part in rest.split(";")[1:]}
    assert {"path=/", "secure", "httponly", "samesite=strict", "max-age=43200"} == flags
    secret = rest.partition(";")[0]
    assert len(secret) >= 43
    assert secret not in answer.text


async def test_signing_in_acting_signing_out(browser: Browser) -> None:
    assert (await browser.act("administration.session.show")).json()["result"]["signed_in"] is False
    await browser.enter("officer")
    shown = (await browser.act("administration.session.show")).json()
    assert shown["result"]["person"]["id"] == "officer"
    assert shown["receipt"] is None, "open class"
    assert {"operations", "services", "border"} <= set(shown["result"]["capabilities"])
    listed = await browser.act("orders.list")
    assert listed.status_code == 200
    assert listed.json()["receipt"]["realm"] == "police"
    assert listed.headers["cache-control"] == "no-store"
    left = await browser.act("administration.sign_out")
    assert "max-age=0" in left.headers["set-cookie"].lower()
    assert "storage" in left.headers["clear-site-data"]
    check_problem(await browser.act("orders.list"), 401, "signed-out")


ELSEWHERE = [
    {"origin": "https://evil.example"},
    {"origin": "http://localhost:1"},
    {"origin": "http://localhost.evil.example:8620"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "", "sec_fetch_site": "cross-site"},
    {"origin": "", "sec_fetch_site": "same-site"},
    {"origin": "https://localhost:8620"},
    {"origin": "http://127.0.0.1:8620"},
    {"origin": "https://evil.example", "sec_fetch_site": "same-origin"},
]


async def test_a_request_from_elsewhere_is_refused_though_it_carries_the_cookie(browser: Browser) -> None:
    await browser.enter("officer")
    for headers in ELSEWHERE:
        size = browser.world.kernel.log.size
        check_problem(await browser.send("orders.list", b"{}", **headers), 422, "invalid")
        assert browser.world.kernel.log.size == size


async def test_same_origin_without_an_origin_header_is_ours(browser: Browser) -> None:
    await browser.enter("officer")
    assert (await browser.send("orders.list", b"{}", origin="", sec_fetch_site="same-origin")).status_code == 200


NO_SESSIONS = [f"{COOKIE}=", f"{COOKIE}=x", f"x{COOKIE}=1", "; ;=;", f"{COOKIE}=" + "a" * 7000, f"{COOKIE}=é"]


async def test_a_cookie_that_is_no_session_is_nobody(browser: Browser) -> None:
    for cookie in NO_SESSIONS:
        headers = {"origin": browser.world.settings.origin, "cookie": cookie.encode()}
        answer = await browser.client.post("/api/acts/orders.list", content=b"{}", headers=headers)  # type: ignore[arg-type]
        check_problem(answer, 401, "signed-out")


async def test_the_operators_token_opens_from_this_machine_only(browser: Browser) -> None:
    token = (browser.world.settings.folder / "operator.token").read_text().strip()
    assert (browser.world.settings.folder / "operator.token").stat().st_mode & 0o077 == 0
    given = {"name": "Brigade de nuit"}
    answer = await browser.client.post(
        "/api/acts/administration.unit.add", json=given, headers={"authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200
    for wrong in ("", "x", token[:-1], token + "x"):
        answer = await browser.client.post(
            "/api/acts/administration.unit.add", json=given, headers={"authorization": f"Bearer {wrong}"}
        )
        check_problem(answer, 401, "signed-out")
    elsewhere = httpx.ASGITransport(browser.world.application, client=("192.0.2.7", 4000))
    async with httpx.AsyncClient(transport=elsewhere, base_url=browser.world.settings.origin) as client:
        answer = await client.post(
            "/api/acts/administration.unit.add", json=given, headers={"authorization": f"Bearer {token}"}
        )
        check_problem(answer, 401, "signed-out")


# -- what is asked -------------------------------------------------------------------------------------------------------


FORMLESS = [b"{", b"[]", b"nul", b'{"perimeter": NaN}', b"\xff\xfe", b"{}{}", b'{"a":1}', b"[" * 50_000]


async def test_a_body_without_form_is_422(browser: Browser) -> None:
    await browser.enter("prefect")
    for body in FORMLESS:
        told = check_problem(await browser.send("orders.draft", body), 422, "invalid")
        assert told["do"]["fr"]


async def test_a_body_too_large_is_413(browser: Browser) -> None:
    await browser.enter("prefect")
    check_problem(await browser.send("orders.draft", b" " * 70_000), 413, "too-large")


async def test_a_body_in_pieces_is_bounded_while_it_comes(browser: Browser) -> None:
    await browser.enter("prefect")
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 8192
            yield b" " * 8192

    answer = await browser.client.post("/api/acts/orders.draft", content=endless(), headers=browser.headers())
    check_problem(answer, 413, "too-large")
    assert sent < 200_000, "it stops reading where the act’s limit is"


async def test_a_request_that_breaks_off_does_nothing(browser: Browser) -> None:
    """The first piece is a whole act by itself; the rest never came."""
    await browser.enter("prefect")
    size = browser.world.kernel.log.size
    pieces: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{}", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return pieces.pop(0)

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in browser.headers().items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/acts/orders.list",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    await browser.world.application(scope, receive, send)
    assert sent[0]["status"] == 422
    assert browser.world.kernel.log.size == size


OTHER_ADDRESSES = [
    "orders.gallery",
    "",
    "x/orders.list",
    "orders.list/",
    "%00",
    "é",
    "a" * 3000,
]


async def test_there_is_one_address_an_act_and_no_other(browser: Browser) -> None:
    await browser.enter("officer")
    for path in OTHER_ADDRESSES:
        check_problem(await browser.send(path, b"{}"), 404, "not-found")


OTHER_METHODS = ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]


async def test_an_act_is_asked_for_by_post(browser: Browser) -> None:
    await browser.enter("officer")
    for method in OTHER_METHODS:
        answer = await browser.client.request(method, "/api/acts/orders.list", headers=browser.headers())
        check_problem(answer, 404, "not-found")
        assert "access-control-allow-origin" not in answer.headers


async def test_system_and_live_acts_have_no_address(browser: Browser) -> None:
    await browser.enter("administrator")
    for name, act in browser.world.kernel.acts.items():
        if act.system or act.live:
            check_problem(await browser.send(name, b"{}"), 404, "not-found")


async def test_a_refusal_lists_what_was_broken(browser: Browser) -> None:
    await browser.enter("officer")
    mission = await browser.world.mission(await browser.world.order())
    source = await browser.world.source(audio=True)
    told = check_problem(await browser.act("operations.camera.start", source=source, mission=mission), 403, "refused")
    assert told["act"] == "operations.camera.start"
    assert told["receipt"] == {"realm": "police", "index": browser.world.kernel.log.size - 1}
    assert {"CSI-242-4-b", "LED-29-e"} <= {reason["rule"] for reason in told["reasons"]}
    for reason in told["reasons"]:
        assert {"rule", "text", "text_title", "article", "fr", "en", "remedy", "ask"} <= reason.keys()
        assert reason["remedy"]["fr"]
        assert reason["remedy"]["en"]


async def test_a_number_beyond_the_store_is_a_sentence(browser: Browser) -> None:
    await browser.enter("dpo")
    check_problem(await browser.act("oversight.river", before=2**70), 422, "invalid")


async def test_too_many_requests(tmp_path: Path) -> None:
    world = World(tmp_path / "data", acts_per_s=2)
    await world.start()
    try:
        browser = Browser(world)
        answers = [await browser.act("administration.session.show") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
        check_problem(answers[-1], 429, "too-many")
        await browser.close()
    finally:
        await world.stop()


# -- pages, files --------------------------------------------------------------------------------------------------------


@pytest.fixture
def built(browser: Browser, tmp_path: Path) -> Browser:
    """Pages as the build leaves them, in a folder of the test's own."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    for name in PAGES.values():
        (static / name).write_text("<!doctype html><title>Égide</title>")
    (static / "assets" / "a.js").write_text("export {}")
    (static / "assets" / "worker.mjs").write_text("export {}")
    (static / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    browser.world.kernel.things["pages"]._static = static
    return browser


def check_common(headers: httpx.Headers, *, camera: bool = False, microphone: bool = False) -> None:
    devices = [f"{name}=({'self' if on else ''})" for name, on in (("camera", camera), ("microphone", microphone))]
    assert ", ".join(devices) in headers["permissions-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


async def test_each_page_under_its_own_strict_policy(built: Browser) -> None:
    for path in sorted(PAGES):
        answer = await built.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        hearing = path == "/files"  # where officers hold hearings by video
        check_common(answer.headers, camera=hearing or path in CAMERAS, microphone=hearing)
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        # One page computes a face, on the traveller's own phone.
        computing = " 'wasm-unsafe-eval'" if path == "/pass/enrol" else ""
        assert policy["script-src"] == f"'self'{computing}"
        assert policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert policy["report-uri"] == "/api/csp"
        words = csp(path).replace(" 'wasm-unsafe-eval'", "")
        for never in ("unsafe-inline", "unsafe-eval", "http:", "https:", "ws:", "wss:", "*"):
            assert never not in words


async def test_the_terminal_may_ask_where_it_is_and_has_a_worker_of_its_own(built: Browser) -> None:
    for path in sorted(PAGES):
        allowed = (await built.get(path)).headers["permissions-policy"]
        assert ("geolocation=(self)" in allowed) is (path in ("/terminal", "/operations"))
    assert "worker-src 'self'" in csp("/terminal")
    assert (await built.get(WORKERS[0])).status_code == 404
    static = built.world.kernel.things["pages"]._static
    (static / WORKERS[0][1:]).write_text("self.x = 1")
    (static / "assets" / "a.webmanifest").write_text("{}")
    answer = await built.get(WORKERS[0])
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache", "a device must learn of a new build"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; connect-src 'self'")
    assert "service-worker-allowed" not in answer.headers, "its scope is never widened"
    check_common(answer.headers)
    assert (await built.get("/assets/a.webmanifest")).headers["content-type"].startswith("application/manifest+json")


async def test_files_of_the_pages_and_nothing_beside_them(built: Browser) -> None:
    answer = await built.get("/assets/a.js")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    check_common(answer.headers)
    assert (await built.get("/assets/worker.mjs")).headers["content-type"].startswith("text/javascript")
    for path in (
        "/assets/../index.html",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/",
        "/assets/none",
    ):
        found = await built.get(path)
        assert found.status_code in (404, 200 if path == "/assets/../index.html" else 404)
        assert "secret" not in found.text


async def test_pages_that_are_not_built_say_what_to_do(built: Browser) -> None:
    built.world.kernel.things["pages"]._static = Path("/nonexistent")
    answer = await built.get("/")
    assert answer.status_code == 503
    assert "make setup" in answer.text


NOTHING_THERE = [
    "/nothing",
    "/api",
    "/api/acts",
    "/map/none.pmtiles",
    "/map/../egide.db",
    "/live",
    "/.env",
    "/operator.token",
]


async def test_what_is_not_there(browser: Browser) -> None:
    for path in NOTHING_THERE:
        answer = await browser.get(path)
        assert answer.status_code == 404
        check_common(answer.headers)


async def test_the_health_page(browser: Browser) -> None:
    answer = await browser.get("/healthz")
    assert answer.status_code == 200
    told = answer.json()
    assert told["ok"] is True
    assert {part["id"] for part in told["parts"]} >= {"ledger", "law", "disk", "jobs"}
    browser.world.kernel.writer.failed = "the disk is full"
    answer = await browser.get("/healthz")
    assert answer.status_code == 503
    assert "full" in answer.text


async def test_policy_reports_are_counted_and_bounded(browser: Browser) -> None:
    pages = browser.world.kernel.things["pages"]
    assert (await browser.client.post("/api/csp", content=b'{"csp-report":{}}')).status_code == 204
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 4096
            yield b"x" * 4096

    assert (await browser.client.post("/api/csp", content=endless())).status_code == 204
    assert sent <= 4 * MAX_REPORT, "it does not keep what it does not read"
    assert pages.csp_reports == 2


async def test_the_map_in_pieces(browser: Browser, tmp_path: Path) -> None:
    archive = tmp_path / "town.pmtiles"
    archive.write_bytes(bytes(range(256)) * 64)
    browser.world.kernel.public["town.pmtiles"] = archive
    whole = await browser.get("/map/town.pmtiles")
    assert (whole.status_code, len(whole.content)) == (200, 16_384)
    assert whole.headers["accept-ranges"] == "bytes"
    part = await browser.get("/map/town.pmtiles", range="bytes=256-511")
    assert (part.status_code, part.content) == (206, bytes(range(256)))
    assert part.headers["content-range"] == "bytes 256-511/16384"
    assert (await browser.get("/map/town.pmtiles", range="bytes=99999-")).status_code == 416
    assert (await browser.get("/map/style.json?theme=night&lang=en")).json()["version"] == 8
    assert (await browser.get("/map/style.json?theme=%00&lang=x")).status_code == 200


async def test_a_download_serves_once_and_the_same_person_only(browser: Browser) -> None:
    await browser.world.order()
    await browser.world.until(lambda: browser.world.kernel.latest_checkpoint() is not None)
    await browser.enter("dpo")
    answer = await browser.act("oversight.ledger.export", kind="public", motive="Contrôle annuel")
    url = answer.json()["result"]["url"]
    other = await Browser(browser.world).enter("officer")
    assert (await other.get(url)).status_code == 404
    assert (await Browser(browser.world).get(url)).status_code == 404
    first = await browser.get(url)
    assert first.status_code == 200
    assert "attachment" in first.headers["content-disposition"]
    assert first.headers["cache-control"] == "no-store"
    assert first.content[257:262] == b"ustar"
    assert (await browser.get(url)).status_code == 404
    await other.close()


# -- through the real server ---------------------------------------------------------------------------------------------


async def test_through_the_server_as_it_is_served(served: Browser, tmp_path: Path) -> None:
    world = served.world
    assert world.settings.host == "127.0.0.1"
    answer = await served.get("/healthz")
    assert answer.status_code == 200
    check_common(answer.headers)
    await served.enter("officer")
    assert (await served.act("orders.list")).status_code == 200
    check_problem(await served.send("orders.list", b"{}", origin="https://evil.example"), 422, "invalid")
    check_problem(await served.send("orders.draft", b"x" * 200_000), 413, "too-large")
    archive = tmp_path / "town.pmtiles"
    archive.write_bytes(b"0123456789")
    world.kernel.public["town.pmtiles"] = archive
    part = await served.get("/map/town.pmtiles", range="bytes=2-4")
    assert (part.status_code, part.content) == (206, b"234")
    mission = await world.mission(await world.order())
    lat, lon = INSIDE
    noted = await asyncio.gather(
        *(served.act("operations.note.add", mission=mission, text=f"Note {n}", lat=lat, lon=lon) for n in range(30))
    )
    indices = [answer.json()["receipt"]["index"] for answer in noted]
    assert len(set(indices)) == 30


async def test_what_the_server_makes_of_wild_bytes(served: Browser) -> None:
    for wild in (
        b"\x00" * 4096,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/acts/orders.list HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"\x16\x03\x01",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.world.settings.port)
        writer.write(wild)
        await writer.drain()
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert b" 500 " not in answer.split(b"\r\n")[0]
        writer.close()
    assert (await served.get("/healthz")).json()["ok"] is True


async def test_heads_are_everyones_and_leaves_stay_in_the_house(browser: Browser) -> None:
    await browser.world.order()
    await browser.world.until(lambda: browser.world.kernel.latest_checkpoint() is not None)
    head = (await browser.act("oversight.ledger.head")).json()["result"]
    assert head["size"] > 0
    check_problem(await browser.act("oversight.ledger.proof", index=0), 401, "signed-out")
    await browser.enter("officer")
    found = (await browser.act("oversight.ledger.proof", index=0)).json()["result"]
    assert found["index"] == 0
    for index in (-1, 10**6, 2**63):
        check_problem(await browser.act("oversight.ledger.proof", index=index), 404, "not-found")


async def test_results_are_plain_json(browser: Browser) -> None:
    await browser.enter("command")
    answer = await browser.act("operations.picture")
    assert msgspec.json.decode(answer.content)["result"]["sources"] == []
