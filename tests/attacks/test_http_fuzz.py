"""Whatever is sent to an act, the answer is one of those we document, soon, small, and the platform goes on."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateways.browser import Browser
from tests.world import SQUARE, World

EXAMPLES = int(os.environ.get("EGIDE_FUZZ", "500"))
DOCUMENTED = {200, 401, 403, 404, 409, 413, 422, 429, 503}  # interface: POST /api/acts/<name>
MAX_ANSWER = 1 << 20  # bytes
MAX_GROWTH = 96 * 1024  # KiB of memory for all examples together
PERSONAS = ("", "officer", "command", "prefect", "dpo", "magistrate", "administrator")


class Target:
    """A platform with something in it, in a loop of its own that runs while a request is under way."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.world = World(folder)
        self.browsers: dict[str, Browser] = {}
        self.ids: list[str] = []
        self.runner.run(self._start())

    async def _start(self) -> None:
        await self.world.start()
        for persona in PERSONAS:
            self.browsers[persona] = Browser(self.world)
            if persona:
                await self.browsers[persona].enter(persona)
        order, mission, deployment = await self.world.flying()
        await self.world.act("command", "operations.camera.stop", deployment=deployment, reason="Fin")
        listed = await self.world.act("command", "operations.recordings.list")
        self.ids = [
            order,
            mission,
            deployment,
            listed["recordings"][0]["id"],
            "officer",
            "brigade",
            "aerial-surveillance",
        ]

    def send(self, persona: str, name: str, body: bytes) -> tuple[int, bytes]:
        browser = self.browsers[persona]
        answer = self.runner.run(browser.send(name, body))
        if persona and name == "administration.sign_out":
            self.runner.run(browser.enter(persona))
        return answer.status_code, answer.content

    def close(self) -> None:
        for browser in self.browsers.values():
            self.runner.run(browser.close())
        self.runner.run(self.world.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    made = Target(tmp_path_factory.mktemp("fuzz") / "data")
    yield made
    goes_on(made)  # after all that was sent to it, whichever of these tests a lane had
    made.close()


def peak() -> int:
    """KiB this process has used at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def check(target: Target, persona: str, name: str, body: bytes) -> int:
    status, content = target.send(persona, name, body)
    assert status in DOCUMENTED, (status, content[:500])
    assert len(content) <= MAX_ANSWER
    told = msgspec.json.decode(content)
    if status == 200:
        assert set(told) == {"result", "receipt"}
    else:
        assert told["title"]["fr"]
        assert told["title"]["en"]
        assert "Traceback" not in content.decode()
    return status


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(
        [
            "",
            "\x00",
            "*",
            "../../etc/passwd",
            "2026-12-24T12:00:00Z",
            "9999-12-31T23:59:59Z",
            "🜁" * 200,
            "police",
            "file",
        ]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_bytes_to_any_act(target: Target, data: st.DataObject) -> None:
    names = sorted(target.world.kernel.acts)
    name = data.draw(
        st.sampled_from(names)
        | st.text(st.characters(exclude_characters="?#/\\%", exclude_categories=["C"]), min_size=1, max_size=30)
    )
    body = data.draw(
        st.binary(max_size=2000) | values.map(msgspec.json.encode) | st.just(b"[" * 30_000) | st.just(b'{"a":' * 10_000)
    )
    check(target, data.draw(st.sampled_from(PERSONAS)), name, body)


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_well_formed_nonsense_to_every_act(target: Target, data: st.DataObject) -> None:
    """The right fields with values of the right kind that make no sense together, ids that exist included."""
    acts = [act for _, act in sorted(target.world.kernel.acts.items()) if not act.system and not act.live]
    act = data.draw(st.sampled_from(acts))
    given_: dict[str, Any] = {}
    for field in msgspec.structs.fields(act.input):
        if not field.required and data.draw(st.booleans()):
            continue
        given_[field.encode_name] = data.draw(value_for(target, str(field.type)))
    check(target, data.draw(st.sampled_from(PERSONAS[1:])), act.name, msgspec.json.encode(given_))


def value_for(target: Target, kind: str) -> st.SearchStrategy[Any]:
    """Values of a field's type, by its name in the annotation."""
    if "dict" in kind:
        return st.just(SQUARE) | st.dictionaries(
            st.sampled_from(["type", "coordinates", "id", "response", "x"]), values, max_size=4
        )
    if "list" in kind:
        return st.lists(st.sampled_from([*target.ids, "loop", "officer", ""]) | st.text(max_size=20), max_size=5)
    if "bool" in kind:
        return st.booleans()
    if "int" in kind:
        return st.integers(-(2**80), 2**80) | st.integers(-2, 5)
    if "float" in kind:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.sampled_from(
        [*target.ids, "2026-12-24T12:00:00Z", "places", "gathering", "file", "police", "public", "*"]
    ) | st.text(max_size=60)


def test_memory_stays_bounded_and_the_platform_goes_on(target: Target) -> None:
    goes_on(target)


def goes_on(target: Target) -> None:
    """A hundred of the largest lawful requests and refusals take little memory, and the health page is green."""
    before = peak()
    for number in range(100):
        body = msgspec.json.encode({"mission": "x" * 1000, "text": "y" * 60_000, "lat": number, "lon": 0})
        assert check(target, "officer", "operations.note.add", body) in (404, 422)
        assert check(target, "officer", "orders.draft", b" " * 65_600) == 413
    assert peak() - before < MAX_GROWTH
    assert target.world.kernel.things["health"]()["ok"] is True
    assert check(target, "officer", "orders.list", b"{}") == 200
