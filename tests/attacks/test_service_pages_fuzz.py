"""Whatever is sent to a resident's pages, a page comes back that says what is wrong, and what was typed is still there."""

from __future__ import annotations

import asyncio
import html
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egide.services.answers import asked, boxes
from egide.services.definition import MAX_LONG, MAX_TEXT, Definition, Field, Step, catalogue
from tests.services.filings import WORDS, filed, lawful
from tests.services.forms import typed
from tests.services.test_filing import drafted
from tests.world import World

EXAMPLES = int(os.environ.get("EGIDE_FUZZ", "100"))
FORM = "application/x-www-form-urlencoded"
ONLINE = [one for one in catalogue().current() if one.on_pages]
PAGES = [(one, step) for one in ONLINE for step in one.steps if not any(field.kind == "files" for field in step.fields)]
WRITTEN = {"text", "long", "place", "phone", "email", "amount", "number", "time", "date"}  # what is typed, not picked
HOSTILE = [
    '"><script>alert(1)</script>', "</textarea><img src=x onerror=alert(1)>", "\u202eevil\u2066\u2069\u200f", "א\u0301ب🚨👩‍🚒", "'; drop table service_file; --",
    "{{7*7}}${7*7}", "\x00\x07\x1b[31m", "=cmd|' /C calc'!A0", "&amp;&#0;&lt", "31/02/2026", "-1", "9" * 400, "२०२६", "٣", "1e999", "NaN", "../../etc/passwd", "%ED%A0%80",
]  # fmt: skip


class Stage:
    """One platform; a browser without scripts that holds whatever cookies it is given."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.world = World(folder)
        self.runner.run(self.world.start())
        self.origin = self.world.kernel.settings.origin
        transport = httpx.ASGITransport(self.world.application, raise_app_exceptions=False, client=("192.0.2.8", 1))
        self.client = httpx.AsyncClient(transport=transport, base_url=self.origin)

    def begun(self, definition: Definition) -> str:
        """The cookie of a draft that lacks nothing but files."""
        draft = self.runner.run(drafted(self.world, typed(definition, lawful(definition)), definition.id))
        return f"__Host-egide-draft={draft['draft']}.{draft['secret']}"

    def get(self, path: str, cookie: str | bytes = "") -> httpx.Response:
        return self.runner.run(self.client.get(path, headers={"cookie": cookie} if cookie else {}))

    def post(self, path: str, body: bytes, cookie: str | bytes = "", kind: str = FORM) -> httpx.Response:
        headers: dict[str, Any] = {"origin": self.origin, "content-type": kind} | ({"cookie": cookie} if cookie else {})
        return self.runner.run(self.client.post(path, content=body, headers=headers))

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.run(self.world.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("pages") / "data")
    yield made
    made.close()


def written(definition: Definition, step: Step) -> list[Field]:
    """The questions of a page that one types an answer to, as they are asked after lawful answers."""
    known = lawful(definition)
    return [field for field in asked(definition.fields, known) if field in step.fields and field.kind in WRITTEN]


def picked(definition: Definition, step: Step) -> dict[str, str]:
    """What is picked on a page, on which it may hang what is asked."""
    known = {
        field.id: lawful(definition)[field.id]
        for field in step.fields
        if field.kind in ("choice", "choices", "yesno") and field.id in lawful(definition)
    }
    return {name: values[0] for name, values in typed(definition, known).items()}


def names(field: Field) -> list[str]:
    """The boxes that the page shows; where a map would say a place is, it does not."""
    return [name for name in boxes(field) if not name.endswith(("-lat", "-lon"))]


def encoded(form: dict[str, str]) -> bytes:
    return "&".join(f"{quote(name)}={quote_plus(value)}" for name, value in form.items()).encode()


def judged(answer: httpx.Response, *expected: int) -> str:
    assert answer.status_code in (expected or (200, 303, 401, 403, 404, 413, 422, 429)), answer.text[:800]
    assert "Traceback" not in answer.text
    return answer.text


texts = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\r"), max_size=60
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(page=st.sampled_from([(one, step) for one, step in PAGES if written(one, step)]), data=st.data())
def test_what_was_typed_is_there_again(stage: Stage, page: tuple[Definition, Step], data: st.DataObject) -> None:
    definition, step = page
    cookie, path = stage.begun(definition), f"/services/{definition.id}/{step.id}"
    fields = written(definition, step)
    form = {name: data.draw(texts) for field in fields for name in names(field)}
    now = judged(stage.post(path, encoded(picked(definition, step) | form), cookie), 303, 422)
    again = judged(stage.get(path, cookie), 200)
    for name, value in form.items():
        for shown in (again, now) if now else (again,):
            assert html.escape(value) in shown, (path, name, value)
        assert "<script>alert" not in again
        assert "<img src=x" not in again


@pytest.mark.parametrize("page", PAGES, ids=lambda one: f"{one[0].id}-{one[1].id}")
def test_the_longest_that_a_page_lets_one_type_is_taken(stage: Stage, page: tuple[Definition, Step]) -> None:
    """Every box full of the widest characters: whatever the boxes admit, the form does too."""
    definition, step = page
    fields, cookie = written(definition, step), stage.begun(definition)
    form = {
        name: "🚨" * (field.max or (MAX_LONG if field.kind == "long" else MAX_TEXT))
        for field in fields
        if field.kind in ("text", "long", "place")
        for name in names(field)
    }
    judged(
        stage.post(f"/services/{definition.id}/{step.id}", encoded(picked(definition, step) | form), cookie), 303, 422
    )
    again = judged(stage.get(f"/services/{definition.id}/{step.id}", cookie), 200)
    assert all(value in again for value in form.values())


def test_ten_megabytes_are_refused_and_lose_nothing(stage: Stage) -> None:
    theft = next(one for one in ONLINE if one.id == "theft")
    cookie, path = stage.begun(theft), "/services/theft/facts"
    stage.post(path, encoded({"account": WORDS}), cookie)
    for body, kind in (
        (b"account=" + b"x" * 10_000_000, FORM),
        (b"&".join([b"a=1"] * 100_000), FORM),
        (
            b'--b\r\ncontent-disposition: form-data; name="account"\r\n\r\n' + b"x" * 10_000_000 + b"\r\n--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
    ):
        text = judged(stage.post(path, body, cookie, kind), 413, 422)
        assert 'role="alert"' in text
        assert WORDS in judged(stage.get(path, cookie), 200)


KINDS = [
    FORM,
    "multipart/form-data",
    "multipart/form-data; boundary=b",
    "multipart/form-data; boundary=",
    "application/json",
    "text/plain",
    "",
    "é/è; charset=utf-16",
]
bodies = (
    st.binary(max_size=400)
    | st.sampled_from([b"%ED%A0%80=%ED%A0%80", b"account=%ED%A0%80%ff%", b"account=\xff", b"&&&===", b"=", b"--b", b"--b--", b"[" * 5000])
    | st.binary(max_size=200).map(lambda inner: b'--b\r\ncontent-disposition: form-data; name="evidence"; filename="a.pdf"\r\ncontent-type: application/pdf\r\n\r\n' + inner)
    | st.binary(max_size=200).map(lambda inner: b'--b\r\ncontent-disposition: form-data; name="account"\r\n\r\n' + inner + b"\r\n--b--\r\n")
)  # fmt: skip
ADDRESSES = [
    "/services/theft", "/services/theft/way", "/services/theft/check", "/services/theft/facts", "/services/theft/things", "/services/theft/nothing",
    "/services/nothing", "/services/file", "/services/file/files", "/services/file/withdraw", "/services/file/\u202e", "/services/hearing",
]  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    address=st.sampled_from(ADDRESSES),
    body=bodies,
    kind=st.sampled_from(KINDS),
    lang=st.sampled_from(["", "?lang=en", "?lang=%ff", "?lang=<"]),
)
def test_no_body_breaks_a_page(stage: Stage, address: str, body: bytes, kind: str, lang: str) -> None:
    theft = next(one for one in ONLINE if one.id == "theft")
    cookie = stage.begun(theft)
    headers = [(b"origin", stage.origin.encode()), (b"content-type", kind.encode()), (b"cookie", cookie.encode())]
    judged(stage.runner.run(stage.client.post(quote(address) + lang, content=body, headers=headers)))
    judged(stage.get("/services/theft/check" + lang, cookie), 200, 404, 422)


cookies = st.binary(max_size=200).filter(lambda one: not set(one) & set(b"\r\n\x00")) | st.builds(
    lambda name, value: f"{name}={value}".encode(),
    st.sampled_from(["__Host-egide-draft", "__Host-egide-draft-theft", "__Host-egide-file", "__Host-egide-who", "__Host-egide"]),
    st.sampled_from([".", "a.", ".b", "a.b", "'.'", "0" * 5000 + "." + "1" * 5000, "é.è", "%00.%00", "PL-2026-000001.AAAA", '"\\377.\\377"', "a.b; a.b"]),
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    address=st.sampled_from([*ADDRESSES, "/services/file/documents/0", "/services/file/files/0", "/services"]),
    cookie=cookies,
)
def test_no_cookie_breaks_a_page(stage: Stage, address: str, cookie: bytes) -> None:
    judged(stage.get(quote(address), cookie), 200, 303, 401, 403, 404, 405, 422)
    judged(stage.post(quote(address), b"going_on=no", cookie), 200, 303, 401, 403, 404, 405, 413, 422)


def test_a_version_that_no_longer_exists(stage: Stage) -> None:
    """Of a draft and of a file: a sentence, and everything is there when the version is back."""
    theft = next(one for one in ONLINE if one.id == "theft")
    cookie = stage.begun(theft)
    done = stage.runner.run(filed(stage.world, theft))
    mine = f"__Host-egide-file={done['number']}.{done['code']}"
    place = stage.world.settings.folder / "egide.db"
    for version, status in ((99, 404), (1, 200)):
        with (
            closing(sqlite3.connect(place, timeout=20)) as db,
            db,
        ):  # a connection of its own: the platform may be writing
            for table in ("service_draft", "service_file"):
                assert db.execute(f"update {table} set version = ?", (version,)).rowcount
        for path, held in (
            ("/services/theft/facts", cookie),
            ("/services/theft/check", cookie),
            ("/services/file", mine),
        ):
            text = judged(stage.get(path, held), status)
            assert (WORDS in text) is (status == 200), path
            assert ('<div class="wrong" role="alert"' in text) is (status == 404), path
        if status == 404:
            judged(stage.post("/services/theft/facts", encoded({"account": "x"}), cookie), 404)
            judged(stage.post("/services/file/withdraw", b"service=theft", mine), 404)
