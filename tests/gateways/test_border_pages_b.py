"""The gate's two addresses for wallets: what the gate signed goes out, what a wallet sealed goes in, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from egide.border import holding
from egide.border.token.question import name_of
from egide.gateways.gate_answers import MAX_ANSWER, REQUEST_TYPE
from egide.protocols.vapid import decoded
from tests.border.airport import Airport
from tests.world import Terminal

pytestmark = pytest.mark.anyio


@pytest.fixture
async def airport(tmp_path: Path) -> AsyncIterator[Airport]:
    found = Airport(tmp_path / "data")
    await found.start()
    yield found
    await found.stop()


async def test_a_control_is_asked_for_and_answered_while_it_lasts(airport: Airport) -> None:
    gate = Terminal(airport.person("officer"))
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    opened = await airport.act("officer", "border.control.open", gate, **given)
    transport = httpx.ASGITransport(app=airport.application)
    async with httpx.AsyncClient(transport=transport, base_url=airport.settings.origin) as wallet:
        asked = await wallet.get(f"/border/requests/{opened['control']}")
        assert (asked.status_code, asked.text) == (200, opened["request"])
        assert asked.headers["content-type"] == REQUEST_TYPE
        assert asked.headers["cache-control"] == "no-store"
        picture = decoded(opened["picture"])
        assert (await wallet.get(f"/border/requests/{name_of(picture)}")).text == opened["request"]
        assert (await wallet.get(f"/border/requests/{name_of(picture[:-1])}")).status_code == 404
        there = f"/border/answers/{opened['control']}"
        answer = airport.answer((await airport.traveller()).tokens["security"], opened)
        posted = await wallet.post(there, content=answer)
        assert (posted.status_code, posted.json()) == (200, {})
        told = {"push": "border.answer", "control": opened["control"], "answer": answer}
        assert gate.pushed[-1] == told
        assert (await wallet.post(there, content=b"response=" + b"a" * MAX_ANSWER)).status_code == 413
        await airport.act("officer", "border.control.reject", control=opened["control"], officer=False)
        for name in (opened["control"], name_of(picture)):
            assert (await wallet.get(f"/border/requests/{name}")).status_code == 404
        assert (await wallet.post(there, content=answer)).status_code == 404
    assert gate.pushed == [told]


async def test_what_the_room_cannot_open_is_refused_and_the_gate_hears_nothing_of_it(airport: Airport) -> None:
    """Whoever read the gate's picture may post: their rubbish must not end the control of who stands there."""
    gate, wallet = Terminal(airport.person("officer")), await airport.traveller()
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    opened = await airport.act("officer", "border.control.open", gate, **given)
    other = await airport.opened("security")
    theirs = airport.answer(wallet.tokens["security"], other)
    right = airport.answer(wallet.tokens["security"], opened)
    there, transport = f"/border/answers/{opened['control']}", httpx.ASGITransport(app=airport.application)
    async with httpx.AsyncClient(transport=transport, base_url=airport.settings.origin) as client:
        for rubbish in ("vp_token=in-clear", "response=a.b.c.d.e", right[:-9], theirs):
            refused = await client.post(there, content=rubbish.encode())
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
            assert refused.json()["title"]["fr"]
        assert gate.pushed == []
        assert (await client.post(there, content=right.encode())).status_code == 200
        assert [each["answer"] for each in gate.pushed] == [right]
        for _ in range(holding.MOST_POSTS - 4):
            await client.post(there, content=b"response=a.b.c.d.e")
        assert (await client.post(there, content=right.encode())).status_code == 429
    presented = await airport.act("officer", "border.control.present", control=opened["control"], answer=right)
    assert presented["result"] == "pass"
