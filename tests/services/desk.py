"""Somebody who sends files, the files they send, and a platform where the secret "right" opens any draft."""

from __future__ import annotations

import asyncio
import io
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pikepdf
from PIL import Image

from egide.kernel.act import Ctx
from egide.kernel.errors import NotFound, Text
from egide.kernel.identity import ANONYMOUS
from egide.services import entitled, upload_acts, upload_reading
from egide.services.quarantine import quarantine
from tests.world import World

MAKER, PLACE = b"SECRETMAKER", b"SECRETPLACE"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def _may(ctx: Ctx, owner: str, secret: str, _doing: str) -> None:
    if not (owner.startswith("draft:") and (secret == "right" or (not secret and ctx.principal.kind == "person"))):
        raise NotFound(Text("Pas pour vous.", "Not for you."))


class Desk(World):
    """A platform and what people do with it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)

    async def start(self) -> None:
        await super().start()
        upload_acts.may = upload_reading.may = _may

    async def stop(self) -> None:
        upload_acts.may = upload_reading.may = entitled.may
        await super().stop()

    async def ask(self, name: str, /, who: str = "", **given: Any) -> Any:
        principal = self.person(who) if who else ANONYMOUS
        outcome = await self.kernel.perform(
            f"services.upload.{name}", msgspec.json.encode(given), principal, address="" if who else "192.0.2.7"
        )
        return msgspec.to_builtins(outcome.result)

    async def open(self, content: bytes, name: str = "note.txt", **given: Any) -> Any:
        asked = {"owner": "draft:1", "secret": "right", "name": name, "bytes": len(content)} | given
        return await self.ask("open", **asked)

    async def send(self, content: bytes, name: str = "note.txt", **given: Any) -> Any:
        """Opened, brought in 300,000-byte chunks, sealed."""
        opened = await self.open(content, name, **given)
        for at in range(0, len(content), 300_000):
            quarantine(self.kernel).take(opened["id"], opened["secret"], at, content[at : at + 300_000])
        return await self.ask("seal", upload=opened["id"], secret=opened["secret"], sha256=sha256(content).hexdigest())

    async def examined(self, upload: str) -> Any:
        """Once the job has done its work."""
        for _ in range(600):
            shown = await self.ask("follow", upload=upload, secret="right")
            if shown["scan"] != "waiting":
                return shown
            if not await self.kernel.things["jobs"].tick():
                await asyncio.sleep(0.05)  # the platform's own runner has it
        raise AssertionError("not examined")

    def client(self, **more: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.application, client=("192.0.2.7", 1))
        return httpx.AsyncClient(transport=transport, base_url=self.kernel.settings.origin, **more)

    async def fetched(self, address: str) -> httpx.Response:
        async with self.client() as client:
            return await client.get(address)

    def copy(self, upload: str) -> bytes:
        row = next(
            iter(
                self.kernel.store.reader().exec_driver_sql(
                    "select copy_bytes from service_upload where id = ?", (upload,)
                )
            )
        )
        return b"".join(quarantine(self.kernel).copy(upload, row[0]))


def photo(form: str = "JPEG", size: tuple[int, int] = (300, 200)) -> bytes:
    """A picture that tells its maker and its place, and lies on its side."""
    image = Image.new("RGB", size, (200, 10, 10))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = 6, MAKER.decode()
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[27] = "N", (48.0, 51.0, 29.0), PLACE
    out = io.BytesIO()
    image.save(out, form, exif=exif)
    return out.getvalue()


def document(*, acts: bool = False, password: str = "") -> bytes:
    """A PDF that tells its author, with a photo; where it acts, with a script, a launch and an attachment."""
    pdf = pikepdf.new()
    page = pdf.add_blank_page()
    with pdf.open_metadata() as meta:
        meta["dc:creator"] = ["SECRETXMP"]
    pdf.docinfo["/Author"] = "SECRETAUTHOR"
    image = pikepdf.Stream(
        pdf, photo(), Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Image, Width=300, Height=200, ColorSpace=pikepdf.Name.DeviceRGB,
        BitsPerComponent=8, Filter=pikepdf.Name.DCTDecode,
    )  # fmt: skip
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=pdf.make_indirect(image)))
    if acts:
        pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        pdf.attachments["notes.txt"] = b"SECRETATTACHED"
        link = pikepdf.Dictionary(S=pikepdf.Name.Launch, F="SECRETPROGRAM")
        page.Annots = pikepdf.Array(
            [pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 1, 1], A=link)]
        )
    out = io.BytesIO()
    pdf.save(out, encryption=pikepdf.Encryption(owner=password, user=password) if password else False)
    return out.getvalue()


def packed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def everything(pdf: bytes) -> bytes:
    """A PDF with every stream that can be opened opened, so that a word can be searched in it."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        opened.save(
            out,
            qdf=True,
            compress_streams=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
    return out.getvalue()
