"""What our OpenAPI says one may send to the services, and what one may not: schemathesis makes both, none breaks anything.

Half of what is sent names things that exist, with their secrets, so that it comes further than the door.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from egide.gateways.openapi import document
from egide.services.definition import catalogue
from tests.gateways.browser import Browser
from tests.services.filings import drawn, filed, lawful
from tests.services.forms import typed
from tests.services.test_filing import drafted, identified
from tests.world import World

# Cases for each operation; the CI's 50 are two of them, one that keeps to the document and one that does not.
CASES = max(2, int(os.environ.get("EGIDE_FUZZ", "100")) // 25)
PERSONAS = ("", "officer")
DOCUMENTED = {200, 401, 403, 404, 409, 413, 422, 429}  # interface: POST /api/acts/<name>
MAX_ANSWER = 1 << 20  # bytes
MAX_GROWTH = 192 * 1024  # KiB


class Target:
    """A platform with a file, a draft and an identity in it; somebody without an account, and an officer."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.world = World(folder)
        self.browsers: dict[str, Browser] = {}
        self.known: dict[str, Any] = {}
        self.runner.run(self._start())
        schema = schemathesis.openapi.from_dict(json.loads(msgspec.json.encode(document(self.world.kernel))))
        self.operations = [
            found.ok() for found in schema.get_all_operations() if found.ok().path.startswith("/api/acts/services.")
        ]

    async def _start(self) -> None:
        await self.world.start()
        for persona in PERSONAS:
            self.browsers[persona] = Browser(self.world)
            if persona:
                await self.browsers[persona].enter(persona)
        theft = next(one for one in catalogue().current() if one.id == "theft")
        done = await filed(self.world, theft)
        await drawn(self.world, theft, done["file"])
        draft = await drafted(self.world, typed(theft, lawful(theft)), "theft")
        self.known = {
            "file": done["file"],
            "number": done["number"],
            "code": done["code"],
            "owner": f"file:{done['file']}",
            "version": 1,
        }
        self.known |= {**draft, **await identified(self.world, 3)}

    def send(self, persona: str, path: str, body: bytes) -> tuple[int, bytes]:
        answer = self.runner.run(self.browsers[persona].send(path.rpartition("/")[2], body))
        return answer.status_code, answer.content

    def close(self) -> None:
        for browser in self.browsers.values():
            self.runner.run(browser.close())
        self.runner.run(self.world.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    made = Target(tmp_path_factory.mktemp("openapi") / "data")
    yield made
    made.close()


def judge(status: int, content: bytes, where: tuple[Any, ...]) -> None:
    assert status in DOCUMENTED, (where, status, content[:500])
    assert len(content) <= MAX_ANSWER
    told = msgspec.json.decode(content)
    if status == 200:
        assert set(told) == {"result", "receipt"}, where
    else:
        assert told["title"]["fr"]
        assert told["title"]["en"]
        assert "Traceback" not in content.decode()


def encoded(body: Any) -> bytes:
    """A case's body as it goes over the wire; what is no JSON at all as it is, lone surrogates too."""
    if body is schemathesis.core.NOT_SET:
        return b""
    return body if isinstance(body, bytes) else json.dumps(body, default=repr).encode()


def test_no_operation_of_the_services_breaks(target: Target) -> None:
    """Every operation, anonymous and as an officer: what is documented, and what is not."""
    assert len(target.operations) > 100
    for operation in target.operations:
        cases = st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )

        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @seed(1)
        @given(case=cases, persona=st.sampled_from(PERSONAS), known=st.booleans())
        def attempt(case: Any, persona: str, known: bool) -> None:
            body = case.body
            if known and isinstance(body, dict):
                body = {name: target.known.get(name, value) for name, value in body.items()}
            status, content = target.send(persona, case.path, encoded(body))
            judge(status, content, (case.path, persona, body))

        attempt()


def test_the_platform_goes_on(target: Target) -> None:
    """After all that, or before it in another lane: health is green, the queue is read, memory stays bounded."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        status, _content = target.send("officer", "services.desk.queue", b"{}")
        assert status == 200
        assert target.send("officer", "services.theft.take", b'{"answers":' + b" " * (600 * 1024))[0] == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH
    assert target.world.kernel.things["health"]()["ok"] is True
