"""Logs: a whole story at DEBUG leaves no name, id, address, coordinate or free text in them."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from egide.gateways import http, logs
from egide.kernel.errors import Conflict, StartupError, Text
from tests.world import INSIDE, OUTSIDE, SQUARE, World

SOURCE = Path(logs.__file__).parents[1]
ADDRESS = "203.0.113.77"
FREE = "Foule dense devant chez Mme Durand"


@pytest.fixture
def restored() -> Iterator[None]:
    """The process's logging, put back afterwards."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def personal(world: World, *more: str) -> list[str]:
    """Everything of anyone that this story used: names, ids, texts, coordinates."""
    found = [str(coordinate) for point in SQUARE["coordinates"][0] for coordinate in point]
    found += [str(each) for each in (*INSIDE, *OUTSIDE)]
    for persona in world.kernel.things["personas"]:
        found += [persona["name"], persona["name"].split()[-1]]
    return [*found, ADDRESS, FREE, "Durand", "Marché de Noël", "Sécurisation", "UAS-FR-1", "Télépilote", *more]


@pytest.mark.anyio
async def test_nothing_of_anyone_is_in_the_logs(tmp_path: Path, restored: None) -> None:
    out = io.StringIO()
    words = logs.configure("json", level=logging.DEBUG, stream=out)
    world = World(tmp_path / "data")
    await world.start()
    words.learn(world.kernel)
    signed, mission, deployment = await world.flying()
    await world.refused("officer", "orders.draft", **world.draft(necessity=FREE))
    transport = httpx.ASGITransport(http.build(world.kernel, "token"), client=(ADDRESS, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as browser:
        cookie = "egide=" + "c0ffee" * 6
        await browser.post("/api/csp", content=FREE.encode())
        await browser.post("/api/acts/orders.draft", content=b'{"title": "Durand"', headers={"cookie": cookie})
    log = logging.getLogger("egide.test")
    log.warning("positions of %s at %s, %.4f", "officer", INSIDE, INSIDE[0])
    log.error("act %s failed for %r: %s after %d attempts", "orders.draft", FREE, Conflict(Text(FREE, FREE)), 3)
    logging.getLogger("elsewhere").warning(f"{FREE} from {ADDRESS}")  # noqa: G004 — what other people's code does
    try:
        int(FREE)
    except ValueError:
        log.exception("it broke for %s", FREE)
    await world.act("command", "operations.camera.stop", deployment=deployment, reason=FREE)
    await world.stop()
    said = out.getvalue()
    lines = [json.loads(line) for line in said.splitlines()]
    assert len(lines) >= 5
    assert all({"time", "level", "logger", "event", "process"} <= set(line) for line in lines)
    for word in personal(world, signed, mission, deployment, "c0ffee"):
        assert word not in said, word
    people = {persona["id"] for persona in world.kernel.things["personas"]}
    assert not people & set(re.findall(r"[\w-]+", said.replace("orders.draft", "")))
    events = [line["event"] for line in lines]
    assert "positions of … at …, …" in events or "positions of %s at %s, %.4f" in events
    assert "act orders.draft failed for …: Conflict after 3 attempts" in events
    broken = next(line for line in lines if line.get("error") == "ValueError")
    assert broken["event"] == "it broke for …"
    assert broken["where"][0].startswith("test_logs.py:")


def test_plain_on_a_terminal_json_elsewhere(restored: None) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, mode, plain in (
        (Tty(), "", True),
        (io.StringIO(), "", False),
        (Tty(), "json", False),
        (io.StringIO(), "plain", True),
    ):
        logs.configure(mode, stream=stream)
        logging.getLogger("egide.x").warning("%d acts", 3)
        assert stream.getvalue().startswith("WARNING egide.x: 3 acts" if plain else "{")
    with pytest.raises(StartupError):
        logs.configure("xml")


def test_our_messages_are_constants() -> None:
    """A message that is put together before it is logged would pass the filter with whatever is in it."""
    kinds = {"debug", "info", "warning", "error", "exception", "critical", "log"}
    seen = 0
    for file in sorted(SOURCE.rglob("*.py")):
        if "exercise" in file.parts or "bench" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in kinds):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id in ("log", "_log", "logger")):
                continue
            seen += 1
            first: Any = node.args[1 if node.func.attr == "log" else 0]
            assert isinstance(first, ast.Constant), f"{file.name}:{node.lineno}"
    assert seen > 10
