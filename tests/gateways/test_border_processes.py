"""Two real processes on one port: a control is had by one of them, and is found from both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateways.supervised import Client, Supervised

pytestmark = pytest.mark.timeout(400)
ASKED, MOST = 12, 20  # connections opened at once, so that each process takes some; and how often


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    running = Supervised(tmp_path_factory.mktemp("border") / "data")
    try:
        running.up(2)
        yield running
    finally:
        running.end()


@pytest.fixture
def officer(two: Supervised) -> Iterator[Client]:
    made = Client(two.port).enter("officer")
    yield made
    made.close()


@pytest.fixture(scope="module")
def gate(two: Supervised) -> dict[str, Any]:
    """A gate at security, on the trust list, with both lanes open."""
    administrator, officer = (Client(two.port).enter(persona) for persona in ("administrator", "officer"))
    administrator.act("border.key.make", role="issuer")
    kid = administrator.act("border.key.make", role="verifier")["result"]["kid"]
    officer.act("border.lane.set", point="security", equal_open=True, staffed=True)
    for each in (administrator, officer):
        each.close()
    return {"point": "security", "gate": kid, "external": False}


def everywhere(two: Supervised, cookie: str) -> tuple[Client, Client]:
    """Two clients over connections that are kept: one at each process."""
    found: dict[str, Client] = {}
    for _ in range(MOST):
        clients = [Client(two.port, cookie) for _ in range(ASKED)]
        for each in clients:
            each.connection.connect()
        for each in clients:
            process = json.loads(each.get("/healthz")[1])["process"]
            if found.setdefault(process, each) is not each:
                each.close()
        if len(found) == 2:
            break
    one, other = found.values()
    return one, other


def test_a_control_is_answered_presented_and_decided_whichever_process_is_asked(
    two: Supervised, officer: Client, gate: dict[str, Any]
) -> None:
    clients = everywhere(two, officer.cookie)
    try:
        for opening, other in (clients, clients[::-1]):
            opened = opening.act("border.control.open", **gate)["result"]
            control = opened["control"]
            for each in clients:
                assert each.get(f"/border/requests/{control}") == (200, opened["request"].encode())
            presented = [
                each.act("border.control.present", control=control, answer="nothing")["result"]["result"]
                for each in (other, opening)
            ]
            assert presented == ["refused", "officer"], "one control, two tries"
            two.until(lambda: all(waiting(each) == [control] for each in clients), 20)  # noqa: B023 — called at once
            decision = {"case": control, "word": "let-through", "reason": "same-person"}
            assert other.act("border.officer.decide", **decision)["result"]["receipt"]
            two.until(lambda: not any(waiting(each) for each in clients), 20)
            assert [each.get(f"/border/requests/{control}")[0] for each in clients] == [404, 404]
    finally:
        for each in clients:
            each.close()


def waiting(client: Client) -> list[str]:
    return [case["case"] for case in client.act("border.officer.list")["result"]["cases"]]


def test_what_is_passed_on_is_decided_by_who_asks(two: Supervised, officer: Client, gate: dict[str, Any]) -> None:
    control = officer.act("border.control.open", **gate)["result"]["control"]
    strangers = everywhere(two, "")
    try:
        for each in strangers:
            with pytest.raises(AssertionError, match="signed-out"):
                each.act("border.control.reject", control=control, officer=False)
        assert officer.get(f"/border/requests/{control}")[0] == 200
    finally:
        for each in strangers:
            each.close()


def test_what_no_process_here_has_is_refused_in_plain_words(two: Supervised, officer: Client) -> None:
    for control in ("0123456789abcdef-secret", "../../etc-x", "nothing", ""):
        with pytest.raises(AssertionError, match="another machine has it"):
            officer.act("border.control.reject", control=control, officer=False)
