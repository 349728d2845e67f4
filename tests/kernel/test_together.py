"""Acts asked for together: each decided by itself, one transaction for all; what one may not do takes no other with it."""

from __future__ import annotations

from typing import Any

import pytest

from egide.kernel.act import Receipt
from egide.kernel.door import Outcome
from egide.kernel.errors import BadInput, NotFound, Refused
from egide.kernel.together import Call, together
from egide.services.desk import FileRef
from egide.services.filing import Taken
from egide.services.model import Who
from tests.services.filings import lawful
from tests.services.offline import REPORT
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_each_is_its_own_and_all_are_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    committed = world.kernel.door.committed

    def counted(batch: list[Any]) -> None:
        batches.append(len(batch))
        committed(batch)

    monkeypatch.setattr(world.kernel.door, "committed", counted)
    given = Taken(channel="mobile", version=REPORT.version, answers=lawful(REPORT), who=Who(), client_id="one-of-three")
    empty = Taken(channel="mobile", version=REPORT.version, answers={}, who=Who())
    take = "services.field_report.take"
    done = await together(
        world.kernel,
        [
            Call(take, given, ("a device", 1)),
            Call(take, empty),
            Call("services.field_report.read", FileRef(file="nobody's")),
            Call("services.nothing", given),
            Call(take, given),
        ],
        world.person("officer"),
    )
    assert isinstance(done[0], Outcome)
    assert isinstance(done[0].receipt, Receipt)
    assert isinstance(done[1], BadInput)
    assert isinstance(done[2], Refused)
    assert done[2].receipt is not None, "a refusal is in the ledger too"
    assert isinstance(done[3], NotFound)
    assert isinstance(done[4], Outcome), "asked twice, done once"
    assert done[4].receipt == done[0].receipt
    assert batches == [3], "what reached the writer reached it at once"


async def test_nothing_is_no_transaction(world: World) -> None:
    assert await together(world.kernel, [], world.person("officer")) == []


async def test_what_is_new_is_asked_about_once_and_what_comes_again_is_told_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    done = world.kernel.repeats.done
    monkeypatch.setattr(world.kernel.repeats, "done", lambda asked: looked.append(asked.client) or done(asked))
    calls = [
        Call(
            "services.field_report.take",
            Taken(
                channel="mobile",
                version=REPORT.version,
                answers=lawful(REPORT),
                who=Who(),
                client_id=f"in-a-batch-{number}",
            ),
        )
        for number in range(3)
    ]
    first = await together(world.kernel, calls[:2], world.person("officer"))
    assert looked == []
    again = await together(world.kernel, calls, world.person("officer"))
    assert looked == ["in-a-batch-0", "in-a-batch-1"]
    assert [one.receipt for one in again[:2] if isinstance(one, Outcome)] == [
        one.receipt for one in first if isinstance(one, Outcome)
    ]
    assert all(isinstance(one, Outcome) for one in (*first, *again))
