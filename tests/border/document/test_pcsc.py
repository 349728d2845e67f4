"""A reader on a desk: the package that speaks to it is played, for no machine of ours has one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from egide.border.document import pcsc
from egide.exercise.csca import Authority
from egide.exercise.travel_document import ERIKA, files
from egide.kernel.errors import Unavailable
from egide.protocols.emrtd.chip import Chip
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import of_zone
from egide.protocols.emrtd.reader import Terminal

NOW = 1795780800  # 2026-11-27T12:00:00Z


class Connection:
    """What pyscard gives: lists of numbers, and the two bytes of the status apart."""

    def __init__(self, chip: Chip | None) -> None:
        self.chip, self.open = chip, False

    def connect(self) -> None:
        if self.chip is None:
            raise RuntimeError("no card")
        self.open = True

    def transmit(self, command: list[int]) -> tuple[list[int], int, int]:
        if self.chip is None:
            raise RuntimeError("card removed")
        answer = self.chip.transmit(bytes(command))
        return list(answer[:-2]), answer[-2], answer[-1]

    def disconnect(self) -> None:
        self.open = False


class Desk:
    def __init__(self, chip: Chip | None) -> None:
        self.connection = Connection(chip)

    def __str__(self) -> str:
        return "Desk 00 00"

    def createConnection(self) -> Connection:  # noqa: N802 (pyscard's name)
        return self.connection


def loading(*desks: Desk) -> Any:
    return lambda name: SimpleNamespace(readers=lambda: list(desks))


@pytest.fixture(scope="module")
def document() -> dict[str, bytes]:
    return files(Authority(NOW).signer(), NOW, b"\xff\xd8\xff" + bytes(600))


def test_a_document_on_the_reader_is_read(document: dict[str, bytes]) -> None:
    desk = Desk(Chip(document, ERIKA))
    load = loading(desk)
    assert pcsc.names(load) == ("Desk 00 00",)
    with pcsc.connected("Desk 00 00", load) as transmit:
        assert Terminal(transmit).read(of_zone(ERIKA)).files == document
    assert not desk.connection.open


def test_a_document_that_is_taken_away_ends_the_reading(document: dict[str, bytes]) -> None:
    desk = Desk(Chip(document, ERIKA))
    with pcsc.connected(load=loading(desk)) as transmit:
        desk.connection.chip = None
        with pytest.raises(EmrtdError) as caught:
            Terminal(transmit).read(of_zone(ERIKA))
    assert caught.value.why == "chip"
    assert not desk.connection.open


def test_what_is_missing_is_said() -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    def failing(name: str) -> Any:
        raise RuntimeError("service down")

    for load in (absent, failing, loading(), loading(Desk(None))):
        with pytest.raises(Unavailable) as caught, pcsc.connected(load=load):
            pass
        assert caught.value.what.fr
        assert caught.value.do is not None
