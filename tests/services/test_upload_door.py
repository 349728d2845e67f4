"""The addresses of uploads: chunks over HTTP, and a form without any script, through the whole application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from egide.gateways.uploads import MAX_WORDS, Form, read_form
from egide.kernel.errors import BadInput, NotFound, TooLarge, TooMany
from egide.kernel.identity import ANONYMOUS
from egide.protocols.multipart import MAX_FIELD, MAX_PARTS, Data, Field, FileBegins, MultipartError, events
from egide.services import quarantine as room
from egide.services.quarantine import MAX_CHUNK, OF_ONE, quarantine
from tests.services.desk import Desk, photo

pytestmark = pytest.mark.anyio
CASES = int(os.environ.get("EGIDE_FUZZ", "50"))
BOUNDARY = "x-egide"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


async def test_chunks_over_http(desk: Desk) -> None:
    content = b"some words\n" * 1000
    opened = await desk.open(content)
    place = f"/api/uploads/{opened['id']}"
    async with desk.client(headers={"upload-secret": opened["secret"]}) as client:
        head = await client.head(place)
        assert (head.status_code, head.headers["upload-offset"], head.headers["upload-length"]) == (204, "0", "11000")
        for at, expected in ((0, 204), (0, 204), (6000, 409), (4000, 204)):
            answer = await client.put(place, content=content[at : at + 5000], headers={"upload-offset": str(at)})
            assert answer.status_code == expected, answer.text
        assert (await client.head(place)).headers["upload-offset"] == "9000"
        gap = await client.put(place, content=b"x", headers={"upload-offset": "9500"})
        assert gap.json()["title"]["fr"].startswith("Il manque")
        other = await client.put(place, content=b"other", headers={"upload-offset": "10"})
        assert (other.status_code, "choose it again" in other.json()["do"]["en"]) == (409, True)
        assert (await client.put(place, content=b"x")).status_code == 422
        large = await client.put(place, content=bytes(MAX_CHUNK + 1), headers={"upload-offset": "0"})
        assert large.status_code == 413
        assert (await client.head(place, headers={"upload-secret": "wrong"})).status_code == 404
        assert (
            await client.put(place, content=b"x", headers={"upload-secret": "wrong", "upload-offset": "9000"})
        ).status_code == 404
        held = quarantine(desk.kernel)
        leaves = [held.enter("192.0.2.7") for _ in range(3)]
        assert (await client.put(place, content=b"x", headers={"upload-offset": "9000"})).status_code == 429
        for leave in leaves:
            leave()
    assert not held._busy, "whoever leaves makes room"


def asked(body: bytes, content_type: str = TYPE, pieces: int = 1000) -> Request:
    scope = {
        "type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))],
        "client": ("192.0.2.7", 1), "query_string": b"",
    }  # fmt: skip
    cut = [body[at : at + pieces] for at in range(0, len(body), pieces)] or [b""]
    messages = iter(
        {"type": "http.request", "body": piece, "more_body": number + 1 < len(cut)} for number, piece in enumerate(cut)
    )

    async def receive() -> dict[str, object]:
        return next(messages, {"type": "http.disconnect"})

    return Request(scope, receive)


def form(*parts: tuple[str, str, bytes]) -> bytes:
    """Name, file name (empty: a field), content."""
    out = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"\r\nContent-Type: application/octet-stream' if filename else ""
        out += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
        )
    return out + f"--{BOUNDARY}--\r\n".encode()


async def read(desk: Desk, body: bytes, content_type: str = TYPE, secret: str = "right") -> Form:
    return await read_form(desk.kernel, asked(body, content_type), ANONYMOUS, owner="draft:1", secret=secret)


async def test_form_without_script_sends_words_and_files_and_loses_no_word_for_a_bad_file(desk: Desk) -> None:
    body = form(
        ("what", "", "Vélo volé\r\nà Lyon".encode()), ("piece", "photo.jpg", photo()), ("piece", "faux.pdf", b"PK\x03\x04" + bytes(50)),
        ("when", "", b"hier"), ("piece", "note.txt", b"a note"),
    )  # fmt: skip
    came = await read(desk, body)
    assert came.fields == {"what": ["Vélo volé\nà Lyon"], "when": ["hier"]}
    assert [(file["name"], file["kind"]) for file in came.files] == [("photo.jpg", "jpeg"), ("note.txt", "text")]
    assert [name for name, _ in came.refused] == ["faux.pdf"]
    assert "gardé" in (came.refused[0][1].do or came.refused[0][1].what).fr
    assert b"".join(quarantine(desk.kernel).original(came.files[0]["upload"])) == photo()


async def test_form_whose_sender_may_not_keeps_nothing(desk: Desk) -> None:
    came = await read(desk, form(("what", "", b"words"), ("piece", "note.txt", b"a note")), secret="wrong")
    assert (came.files, came.fields) == ([], {"what": ["words"]})
    assert isinstance(came.refused[0][1], NotFound)
    assert desk.kernel.objects.names("documents") == []


async def test_bad_forms(desk: Desk) -> None:
    for body, kind in ((b"", "text/plain"), (b"--x", "multipart/form-data"), (form(("a", "", b"b"))[:-20], TYPE)):
        with pytest.raises(BadInput):
            await read(desk, body, kind)
    with pytest.raises(BadInput):
        await read(desk, form(*[("a", "", b"b")] * (MAX_PARTS + 1)))
    with pytest.raises(BadInput):
        await read(desk, form(("a", "", bytes(MAX_FIELD + 1))))
    with pytest.raises(TooLarge):
        await read(desk, form(*[("a", "", b"b" * MAX_FIELD)] * (MAX_WORDS // MAX_FIELD + 1)))
    assert not quarantine(desk.kernel)._busy


async def test_form_that_comes_while_others_fill_the_room_loses_its_files_and_no_word(desk: Desk) -> None:
    """Three neighbours behind one address send films: what a fourth has written is theirs all the same."""
    held = quarantine(desk.kernel)
    leaves = [held.enter("192.0.2.7") for _ in range(OF_ONE)]
    came = await read(desk, form(("what", "", b"words"), ("piece", "note.txt", b"a note"), ("when", "", b"hier")))
    assert (came.files, came.fields) == ([], {"what": ["words"], "when": ["hier"]})
    ((name, error),) = came.refused
    assert (name, type(error)) == ("note.txt", TooMany)
    assert error.do is not None
    assert "Renvoyez ce fichier" in error.do.fr, "without a script nothing goes on by itself"
    for leave in leaves:
        leave()
    assert not held._busy
    assert desk.kernel.objects.names("documents") == []


async def test_form_s_files_count_for_what_they_are(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form does not say how large each file is: it must not be counted whole for each of them."""
    monkeypatch.setattr(room, "DAILY_BYTES", 70_000)
    files = [("piece", f"note-{at}.txt", b"x" * 5_000) for at in range(6)]
    came = await read(desk, form(*files))
    assert not came.refused
    came = await read(desk, form(*files))
    assert came.refused, "what is left does not hold a whole form"


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@settings(max_examples=CASES, deadline=None)
@given(words=st.text(max_size=200), content=st.binary(max_size=3000), size=st.integers(1, 700))
def test_form_reads_the_same_however_it_is_cut(words: str, content: bytes, size: int) -> None:
    import asyncio

    async def whole() -> tuple[list[str], bytes]:
        found = [
            event
            async for event in events(TYPE, _pieces(form(("w", "", words.encode()), ("f", "a.bin", content)), size))
        ]
        data = b"".join(event.content for event in found if isinstance(event, Data))
        return [event.value for event in found if isinstance(event, Field)], data

    if f"--{BOUNDARY}".encode() not in content + words.encode():
        assert asyncio.run(whole()) == ([words], content)


@settings(max_examples=CASES, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=500), st.binary(max_size=300).map(lambda noise: form(("f", "a", b"x"))[:60] + noise)
    )
)
def test_any_body_is_a_form_or_a_plain_error(body: bytes) -> None:
    import asyncio

    async def whole() -> None:
        try:
            async for event in events(TYPE, _pieces(body, 64)):
                assert isinstance(event, Field | FileBegins | Data) or event is not None
        except MultipartError:
            pass

    asyncio.run(whole())
