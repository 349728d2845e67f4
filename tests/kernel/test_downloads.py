"""Addresses of files: they work once, for a minute, for the same person, and their number is bounded."""

from __future__ import annotations

from collections.abc import Iterator

from egide.kernel.downloads import LIFE_US, MAX_OFFERS, Downloads


def content() -> Iterator[bytes]:
    yield b"content"


def offer(downloads: Downloads, person: str = "officer", now_us: int = 0) -> str:
    return downloads.offer(person, now_us, "a.ts", "video/mp2t", content).removeprefix("/api/downloads/")


def test_once() -> None:
    downloads = Downloads("ab12")
    ticket = offer(downloads)
    found = downloads.take(ticket, "officer", 1)
    assert found is not None
    assert b"".join(found.content()) == b"content"
    assert downloads.take(ticket, "officer", 1) is None


def test_for_the_same_person_and_anothers_try_does_not_use_it_up() -> None:
    downloads = Downloads("ab12")
    ticket = offer(downloads)
    for other in ("", "prefect", "OFFICER"):
        assert downloads.take(ticket, other, 1) is None
    assert downloads.take(ticket, "officer", 1) is not None


def test_for_a_minute() -> None:
    downloads = Downloads("ab12")
    assert LIFE_US == 60_000_000
    assert downloads.take(offer(downloads), "officer", LIFE_US) is not None
    assert downloads.take(offer(downloads), "officer", LIFE_US + 1) is None


def test_nobody_guesses_it() -> None:
    downloads = Downloads("ab12")
    tickets = {offer(downloads) for _ in range(100)}
    assert len(tickets) == 100
    assert all(len(ticket) >= 32 and "officer" not in ticket for ticket in tickets)
    assert downloads.take("", "officer", 1) is None
    assert downloads.take("x" * 32, "officer", 1) is None


def test_their_number_is_bounded_and_the_oldest_gives_way() -> None:
    downloads = Downloads("ab12")
    tickets = [offer(downloads) for _ in range(MAX_OFFERS + 1)]
    assert downloads.take(tickets[0], "officer", 1) is None
    assert downloads.take(tickets[1], "officer", 1) is not None
