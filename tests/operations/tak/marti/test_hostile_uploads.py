"""What must not get in: too much, bombs, names that lead elsewhere, other contents than announced; and nobody else feels it."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import func, select

from egide.kernel.errors import TooMany
from egide.operations.tak import tables
from egide.operations.tak.uploads import AT_ONCE, uploads
from tests.operations.tak.marti.client import Client, package, sha256
from tests.operations.tak.marti.ports import TakWorld

pytestmark = pytest.mark.anyio


def stored(tak: TakWorld) -> int:
    """Kept packages; fails where a byte lies about that belongs to none."""
    kept = int(tak.kernel.store.reader().execute(select(func.count()).select_from(tables.package)).scalar_one())
    assert kept or tak.kernel.objects.names("documents/tak") == []
    return kept


async def endless(parts: int) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(parts):
        yield bytes(1024 * 1024)
        await asyncio.sleep(0)


async def test_a_hundred_megabytes_are_refused_early(tak: TakWorld) -> None:
    client = await tak.device("officer", "A")
    taken = 0
    take = uploads(tak.kernel).take

    async def counted(upload: object, chunks: AsyncIterator[bytes]) -> None:
        nonlocal taken
        taken += 1
        await take(upload, chunks)  # type: ignore[arg-type]  # as it came

    uploads(tak.kernel).take = counted  # type: ignore[method-assign]  # to see that not a byte is taken
    answer = await client.https.post("/Marti/sync/upload", params={"name": "big"}, content=bytes(100 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.json()["title"]["fr"] == "Fichier trop volumineux : 64 Mio au plus."
    assert taken == 0
    assert (await client.get("/Marti/api/version")).status_code == 200


async def test_what_does_not_say_its_size_stops_at_the_limit(tak: TakWorld) -> None:
    object.__setattr__(tak.kernel, "settings", msgspec.structs.replace(tak.settings, tak_package_max_mib=9))
    client = await tak.device("officer", "A")
    answer = await client.https.post("/Marti/sync/upload", params={"name": "big"}, content=endless(12))
    assert answer.status_code == 413
    assert stored(tak) == 0


async def test_bombs_and_names_that_lead_out(tak: TakWorld) -> None:
    client = await tak.device("officer", "A")
    bomb = b"<MissionPackageManifest>" + b" " * (3 * 1024 * 1024) + b"</MissionPackageManifest>"
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><MissionPackageManifest>&b;</MissionPackageManifest>'
    hostile = {
        "manifest bomb": package(manifest=bomb),
        "entities": package(manifest=entities),
        "traversal": package(files={"../../../etc/cron.d/x": b"x"}),
        "backslashes": package(files={"..\\..\\x": b"x"}),
        "absolute": package(files={"/etc/passwd": b"x"}),
        "drive": package(files={"C:/windows/x": b"x"}),
        "manifest elsewhere": package(manifest=b'<M><Content zipEntry="../x"/></M>'),
        "no manifest xml": package(manifest=b"<M"),
        "cut short": package()[:-30],
    }
    for name, content in hostile.items():
        answer = await client.upload(content)
        assert answer.status_code == 422, name
        assert "passed on" in answer.json()["title"]["en"], name
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as out:
        for number in range(10_001):
            out.writestr(f"{number}", b"")
    assert (await client.upload(many.getvalue())).status_code == 422
    assert stored(tak) == 0


async def test_other_contents_than_announced(tak: TakWorld) -> None:
    client = await tak.device("officer", "A")
    assert "SHA-256" in (await client.upload(package(), hash="0" * 64)).json()["title"]["en"]
    for body, kind in (
        (b"x", "text/plain"),
        (b"--a\r\n\r\nx\r\n--a--", "multipart/form-data; boundary=a"),
        (b"--b", "multipart/form-data"),
    ):
        answer = await client.https.post("/Marti/sync/missionupload", content=body, headers={"content-type": kind})
        assert answer.status_code == 422, body
    for name in ("..", "a\nb", "x" * 300):
        answer = await client.https.post("/Marti/sync/upload", params={"name": name}, content=b"x")
        assert answer.status_code == 422, name
    assert stored(tak) == 0


async def test_a_name_is_only_a_name(tak: TakWorld) -> None:
    client = await tak.device("officer", "A")
    told = (await client.https.post("/Marti/sync/upload", params={"name": '../../"x\\y";.zip'}, content=b"x")).json()
    assert told["Name"] == 'y";.zip'
    got = await client.get("/Marti/sync/content", hash=told["Hash"])
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''y%22%3B.zip"


async def test_a_hash_alone_opens_nothing(tak: TakWorld) -> None:
    """Naming another group's content in a mission of one's own does not give it."""
    await tak.mission(await tak.order(), "officer")
    officer, off = await tak.device("officer", "A"), await tak.device("other-officer", "B")
    content = package()
    await officer.upload(content)
    await off.https.put("/Marti/api/missions/mine")
    put = await off.https.put("/Marti/api/missions/mine/contents", json={"hashes": [sha256(content)]})
    assert put.status_code == 404
    assert (await off.get("/Marti/sync/content", hash=sha256(content))).status_code == 404
    assert (await off.data("/Marti/api/missions/mine"))[0]["contents"] == []
    # Nor does asking for somebody else's group, device or upload.
    assert (await off.upload(b"x", group="Sécurisation")).status_code == 404
    assert (await off.https.put("/Marti/api/missions/other", params={"group": "Sécurisation"})).status_code == 404
    for act, given in (
        ("mission.create", {"name": "x", "device": officer.name}),
        ("package.keep", {"upload": "0" * 16, "device": off.name, "name": "x"}),
    ):
        with pytest.raises(Exception, match=r"exist|yours"):
            await tak.act("other-officer", f"operations.tak.{act}", **given)


async def test_few_uploads_at_once_and_none_is_left_behind(tak: TakWorld) -> None:
    held = uploads(tak.kernel)
    under_way = [held.begin("officer", None) for _ in range(AT_ONCE)]
    with pytest.raises(TooMany):
        held.begin("officer", None)
    await held.take(under_way[0], endless(5))
    assert tak.kernel.objects.names("documents/tak") != []
    for each in under_way:
        await held.drop(each)
    assert stored(tak) == 0
    lost = held.begin("officer", None)
    await held.take(lost, endless(1))
    held._held.clear()  # as after a power cut
    assert held.sweep() == 1
    assert stored(tak) == 0


async def test_odd_requests(tak: TakWorld) -> None:
    client: Client = await tak.device("officer", "A")
    for path in ("/Marti/api/missions/%00", "/Marti/api/missions/a%2Fb", "/Marti/api/missions/" + "x" * 3000):
        assert (await client.get(path)).status_code in (404, 422), path
    assert (await client.https.put("/Marti/api/missions/x", content=b"PK")).status_code == 422
    assert (await client.https.put("/Marti/api/missions/" + "x" * 101)).status_code == 422
    for body in (b"{", b"[1]", b'{"hashes": 1}', b"\xff", b"[" * 60_000):
        await client.https.put("/Marti/api/missions/x")
        assert (await client.https.put("/Marti/api/missions/x/contents", content=body)).status_code == 422, body
    assert (await client.https.put("/Marti/api/missions/x/contents", content=bytes(70_000))).status_code == 413
    assert (await client.get("/Marti/api/missions/x/changes", secago="-1")).status_code == 422
    assert (await client.https.get("/Marti/api/missions?" + "a=1&" * 200)).status_code == 422
    assert (await client.https.get("/Marti/api/missions?" + "a" * 9000)).status_code == 413
