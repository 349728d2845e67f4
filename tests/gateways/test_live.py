"""The live socket: acts and answers in one place, for our own pages only, and with the rights one has at that moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from egide.gateways import live
from egide.gateways.serve import config
from egide.kernel.identity import ANONYMOUS
from egide.kernel.work import Work
from egide.protocols.positions import write_fixes
from tests.gateways.browser import Browser
from tests.operations.devices import fixes
from tests.plugins import crashes, works
from tests.ports import free_port
from tests.waiting import PATIENCE_S
from tests.world import INSIDE, World

pytestmark = pytest.mark.anyio


class Socket:
    """A terminal at the other end of a real socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.pushed: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.cookie = ""
        self._number = 0

    async def next(self) -> dict[str, Any]:
        """The next answer; pushes and frames are kept aside."""
        while True:
            message = await asyncio.wait_for(self.connection.recv(), PATIENCE_S)
            if isinstance(message, bytes):
                self.frames.append(message)
                continue
            told: dict[str, Any] = json.loads(message)
            if "push" not in told:
                return told
            self.pushed.append(told)

    async def act(self, name: str, /, **given: Any) -> dict[str, Any]:
        self._number += 1
        await self.connection.send(json.dumps({"id": self._number, "act": name, "input": given}))
        answer = await self.next()
        assert answer["id"] == self._number
        return answer

    async def say(self, message: str | bytes) -> dict[str, Any]:
        await self.connection.send(message)
        return await self.next()


class Served:
    """A platform behind uvicorn, and browsers that open sockets to it."""

    def __init__(self, world: World) -> None:
        self.world = world

    @asynccontextmanager
    async def socket(self, persona: str = "", *, origin: str | None = None) -> AsyncIterator[Socket]:
        browser = Browser(self.world)
        if persona:
            await browser.enter(persona)
        headers = {"cookie": browser.cookie} if browser.cookie else {}
        await browser.close()
        url = f"ws://127.0.0.1:{self.world.settings.port}/live"
        ours = Origin(self.world.settings.origin if origin is None else origin)
        async with connect(url, additional_headers=headers, origin=ours, compression=None, proxy=None) as connection:
            socket = Socket(connection)
            socket.cookie = browser.cookie
            yield socket


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    world = World(tmp_path / "data", port=free_port(), extra=(works.capability(), crashes.late()))
    await world.start()
    server = uvicorn.Server(config(world.settings, world.application))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    await world.until(lambda: server.started)
    yield Served(world)
    server.should_exit = True
    await task
    await world.stop()


async def test_acts_over_the_socket(served: Served) -> None:
    async with served.socket("officer") as socket:
        answer = await socket.act("works.item.add", word="a")
        assert answer["receipt"]["realm"] == "police"
        assert (await socket.act("works.item.list"))["result"] == {"words": ["a"]}
        assert (await socket.act("works.hello"))["receipt"] is None
        assert "result" in await socket.act("works.follow"), "a live act"
        shown = await socket.act("administration.session.show")
        assert shown["result"]["person"]["id"] == "officer"


async def test_refusals_and_problems_have_the_same_form_as_elsewhere(served: Served) -> None:
    async with served.socket("prefect") as socket:
        refused = (await socket.act("works.item.add", word="a"))["error"]
        assert (refused["code"], refused["act"]) == ("refused", "works.item.add")
        assert refused["receipt"]["index"] >= 0
        assert refused["reasons"][0]["remedy"]["fr"]
        assert (await socket.act("works.no.such"))["error"]["code"] == "not-found"
        assert (await socket.act("works.item.tidy", word="a"))["error"]["code"] == "not-found"
        assert (await socket.act("orders.draft"))["error"]["code"] == "invalid"
    async with served.socket() as socket:
        assert (await socket.act("works.item.list"))["error"]["code"] == "signed-out"


async def test_a_page_can_measure_the_round_trip(served: Served) -> None:
    async with served.socket("officer") as socket:
        assert await socket.say('{"ping":7}') == {"pong": 7}


NO_MESSAGES = [
    '{"ping":',
    '{"ping":"x"}',
    "",
    "{",
    "[]",
    "null",
    '"x"',
    '{"id":"one","act":"works.hello"}',
    '{"id":1}',
    '{"id":1,"act":7}',
    '{"id":1,"act":"works.hello","admin":true}',
    '{"id":1,"act":"works.item.add","input":' + "[" * 60_000,
    '{"id":1,"act":"works.item.add","input":' + "[" * 20_000 + "]" * 20_000 + "}",
    '{"id":1,"act":"works.item.add","input":' + '{"a":' * 9_000 + "1" + "}" * 9_000 + "}",
    '{"id":1,"act":"works.item.add","input":"x"}',
    '{"id":1,"act":"works.item.add","input":{"word":"' + "x" * 70_000 + '"}}',
    b"binary",
    b"\x00" * 70_000,
]


async def test_a_message_that_is_none_is_answered_and_harms_nothing(served: Served) -> None:
    for message in NO_MESSAGES:
        async with served.socket("officer") as socket:
            answer = await socket.say(message)
            assert answer["error"]["code"] in ("invalid", "too-large"), answer
            assert answer["error"]["title"]["fr"]
            assert "result" in await socket.act("works.hello")


async def test_a_message_beyond_all_measure_ends_the_connection(served: Served) -> None:
    async with served.socket("officer") as socket:
        with pytest.raises(ConnectionClosed):
            await socket.say("x" * (2 << 20))
    async with served.socket("officer") as socket:
        assert "result" in await socket.act("works.hello")


async def test_too_many_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_UNDER_WAY", 4)
    gate = asyncio.Event()
    real = served.world.kernel.perform

    async def slow(name: str, *rest: Any, **more: Any) -> Any:
        if name == "works.item.list":
            await gate.wait()
        return await real(name, *rest, **more)

    monkeypatch.setattr(served.world.kernel, "perform", slow)
    async with served.socket("officer") as socket:
        for number in range(10):
            await socket.connection.send(json.dumps({"id": number, "act": "works.item.list"}))
        refused = [await socket.next() for _ in range(6)]
        assert all(
            "Too long" in answer["error"]["title"]["en"] or "too many" in answer["error"]["title"]["en"]
            for answer in refused
        )
        gate.set()
        done = [await socket.next() for _ in range(4)]
        assert sorted(answer["id"] for answer in done) == [0, 1, 2, 3]


ELSEWHERE = ["https://evil.example", "http://localhost:1", "null"]


async def test_a_page_from_elsewhere_gets_no_socket(served: Served) -> None:
    for origin in ELSEWHERE:
        with pytest.raises(InvalidStatus) as caught:
            async with served.socket("officer", origin=origin):
                pass
        assert caught.value.response.status_code == 403
        async with served.socket(
            "", origin=origin
        ) as socket:  # without a cookie it is nobody, and nobody may do nothing
            assert (await socket.act("works.item.list"))["error"]["code"] == "signed-out"


async def test_a_right_withdrawn_counts_on_open_sockets(served: Served) -> None:
    async with served.socket("officer") as socket:
        assert "result" in await socket.act("works.item.list")
        await served.world.act(
            "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
        )
        assert (await socket.act("works.item.list"))["error"]["code"] == "refused"


async def test_who_signed_out_acts_no_more_on_open_sockets(served: Served) -> None:
    async with served.socket("officer") as socket:
        assert "result" in await socket.act("works.item.list")
        browser = Browser(served.world)
        browser.cookie = socket.cookie
        assert (await browser.act("administration.sign_out")).status_code == 200
        await browser.close()
        assert (await socket.act("works.item.list"))["error"]["code"] == "signed-out"


async def test_positions_stop_with_the_right(served: Served) -> None:
    async with served.socket("officer") as socket:
        assert "result" in await socket.act("operations.track.subscribe")
        positions = served.world.kernel.things["relay"].positions
        await served.world.until(lambda: len(positions._wires) == 1)
        await served.world.act(
            "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
        )
        await served.world.until(lambda: not positions._wires, 2.5)


async def test_bytes_reach_whoever_opened_the_stream(served: Served) -> None:
    kernel = served.world.kernel
    positions = kernel.things["relay"].positions
    async with served.socket("officer") as socket:
        fix = fixes(served.world, INSIDE)
        assert (await socket.say(write_fixes(fix)))["error"]["code"] == "invalid", "nobody opened a stream"
        await socket.act("operations.duty.begin", hours=1, informed=True)
        await socket.act("operations.position.stream")
        await socket.connection.send(write_fixes(fixes(served.world, INSIDE)))
        await served.world.until(lambda: positions.place("officer") is not None)
        await socket.connection.send(write_fixes(fixes(served.world, (0.0, 0.0))))
        await socket.act("works.hello")
        refused = next(push for push in socket.pushed if push["push"] == "position.refused")
        assert refused["problem"]["code"] == "invalid"
        await socket.act("operations.track.subscribe", view=[60, 24, 61, 25])
        for message in (bytes((0x82, 0, 0, 0)) + b"x" * 7, bytes((0x81,)) * 20_000):
            assert (await socket.say(message))["error"]["code"] == "invalid"
        for _ in range(200):
            await socket.connection.send(write_fixes(fix))
        assert (await socket.next())["error"]["title"]["en"].startswith("Message too long, or too many")
        await socket.act("operations.duty.end")
        assert positions.place("officer") is None
    await served.world.until(lambda: not kernel.leases.held())


async def test_an_act_that_crashes_is_answered(served: Served) -> None:
    async with served.socket("officer") as socket:
        assert (await socket.act("crashes.handler"))["error"]["code"] == "failed"
        assert (await socket.act("crashes.apply"))["error"]["code"] == "failed"
        assert "result" in await socket.act("works.hello")


async def test_a_picture_over_the_socket_and_its_end(served: Served) -> None:
    order, _mission, deployment = await served.world.flying()
    async with served.socket("officer") as socket:
        opened = await socket.act("operations.watch.open", deployment=deployment)
        assert opened["result"]["order"]["id"] == order
        while not any(frame[0] == 2 for frame in socket.frames):
            frame = await asyncio.wait_for(socket.connection.recv(), PATIENCE_S)
            if isinstance(frame, bytes):
                socket.frames.append(frame)
        kinds = [frame[0] for frame in socket.frames if frame[0] in (1, 2)]
        assert kinds[0] == 1, "the configuration comes before the first picture"
        assert len({frame[2:4] for frame in socket.frames if frame[0] in (1, 2)}) == 1
        await served.world.act("prefect", "orders.revoke", order=order, reason="Fin")
        while True:
            message = await asyncio.wait_for(socket.connection.recv(), 3)
            if isinstance(message, str) and json.loads(message).get("push") == "watch.ended":
                break
        assert "CSI-242-5-IV" in [reason["rule"] for reason in json.loads(message)["refusal"]["reasons"]]


async def test_a_terminal_that_goes_leaves_nothing_behind(served: Served) -> None:
    kernel = served.world.kernel
    _order, _mission, deployment = await served.world.flying()
    async with served.socket("officer") as socket:
        await socket.act("operations.watch.open", deployment=deployment)
        await served.world.until(lambda: len(kernel.leases.held()) == 1)
        assert len(kernel.things["live"].channels) == 1
    await served.world.until(lambda: not kernel.things["live"].channels and not kernel.leases.held())


async def test_oversight_follows_live(served: Served) -> None:
    async with served.socket("dpo") as socket:
        assert "result" in await socket.act("oversight.follow")
        await served.world.act("officer", "works.item.add", word="seen")
        message = {"push": "watches"}  # who watches is told first, and whenever it changes
        while message["push"] == "watches":
            message = json.loads(await asyncio.wait_for(socket.connection.recv(), PATIENCE_S))
        assert message["push"] == "act"
        assert (message["entry"]["act"], message["entry"]["actor"]["id"]) == ("works.item.add", "officer")
    async with served.socket("officer") as socket:
        assert (await socket.act("oversight.follow"))["error"]["code"] == "refused"


async def asked(world: World, name: str, given: dict[str, Any]) -> str:
    return str((await world.kernel.perform(name, json.dumps(given).encode(), ANONYMOUS)).result.id)


async def help_by_alert(world: World) -> str:
    return await asked(world, "operations.alert.send", {"text": "au secours"})


async def help_by_chat(world: World) -> str:
    return await asked(world, "services.chat.open", {"text": "au secours"})


async def an_incident(world: World) -> str:
    given = {"kind": "theft", "title": "Vol", "text": "Sac rouge", "lat": INSIDE[0], "lon": INSIDE[1]}
    return str((await world.act("command", "operations.incident.open", **given))["id"])


@pytest.mark.parametrize(
    ("name", "told", "comes"),
    [
        ("operations.alert.list", "alerts", help_by_alert),
        ("services.chat.list", "chats", help_by_chat),
        ("operations.incident.follow", "incidents", an_incident),
    ],
)
async def test_what_comes_while_a_subscription_is_written_down_is_not_lost(
    served: Served, monkeypatch: pytest.MonkeyPatch, name: str, told: str, comes: Callable[[World], Awaitable[str]]
) -> None:
    made: list[str] = []
    world, submit, under_way = served.world, served.world.kernel.writer.submit, []

    async def late(*works: Work) -> None:
        made.append(await comes(world))
        submit(*works)

    def submitted(*works: Work) -> None:
        """What is asked for is decided and its answer computed; before it is durable, somebody calls."""
        if works[0].act.name == name:
            under_way.append(asyncio.ensure_future(late(*works)))
        else:
            submit(*works)

    monkeypatch.setattr(world.kernel.writer, "submit", submitted)
    async with served.socket("command") as socket:
        answer = await socket.act(name)
        assert [one["id"] for one in answer["result"][told]] == made
        assert len(made) == 1
