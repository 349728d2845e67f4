"""Enterprise sync: data packages and other files, asked for by the SHA-256 of their content."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

from egide.kernel.errors import NotSignedIn, Text
from egide.operations.tak.marti.door import PLAIN, ZIP, Answer, Request, Route, route, still, told
from egide.operations.tak.marti.multipart import FilePart
from egide.operations.tak.marti.shapes import searched
from egide.operations.tak.packages import Resource
from egide.operations.tak.uploads import parts_of, uploads

PACKAGE_WORD = "missionpackage"  # the keyword under which clients look for data packages
ENVELOPE = 64 * 1024  # bytes that a form adds to its file
Described = tuple[str, str, list[str]]  # name, media type, keywords: known once the file is read


async def missionquery(request: Request) -> Answer:
    """Whether a package is there already: its address, else 404."""
    found = await request.act("package.read", hash=request.one("hash"))
    return _address(request, found.hash)


async def missionupload(request: Request) -> Answer:
    """A data package, as a form's file; the answer is its address."""
    form = FilePart(request.headers.get("content-type", ""))
    name = request.one("filename")
    found = await _kept(
        request, form.read(request.chunks()), ENVELOPE, lambda: (name or form.filename, form.media_type, [PACKAGE_WORD])
    )
    return _address(request, found.hash)


async def upload(request: Request) -> Answer:
    """Any file, as the body; the answer is what we know of it."""
    media = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip()
    form = FilePart(request.headers.get("content-type", "")) if media == "multipart/form-data" else None
    chunks = request.chunks() if form is None else form.read(request.chunks())

    def described() -> Described:
        name = request.one("name", "filename") or ("" if form is None else form.filename)
        return name, media if form is None else form.media_type, request.all("keywords")

    return told(searched(await _kept(request, chunks, 0 if form is None else ENVELOPE, described)))


async def _kept(
    request: Request, chunks: AsyncIterator[bytes], more: int, described: Callable[[], Described]
) -> Resource:
    """Takes the bytes in, then asks the act to keep them; what is not kept is destroyed."""
    held = uploads(request.kernel)
    announced = None if request.announced is None else max(0, request.announced - more)
    taken = held.begin(request.who.id, announced)
    try:
        await held.take(taken, chunks)
        if not still(request):
            raise NotSignedIn(Text("Cet appareil a été révoqué.", "This device was revoked."))
        name, media, words = described()
        found: Resource = await request.act(
            "package.keep", upload=taken.id, device=request.device.id, name=name or "file", mime=media, keywords=words,
            tool=request.one("tool", "Tool") or "public", groups=request.all("group"), hash=request.one("hash"),
        )  # fmt: skip
        return found
    finally:
        await held.drop(taken)


async def content(request: Request) -> Answer:
    """A file's bytes, as long as the device may receive them."""
    asked = {"hash": request.one("hash")} if request.one("hash") else {"id": request.one("uid")}
    found = await request.act("package.read", **asked)
    headers = {
        "content-length": str(found.bytes),
        # RFC 6266: the name goes encoded; none of its characters can end the header.
        "content-disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "etag": f'"{found.hash}"',
    }
    media = ZIP if found.name.lower().endswith(".zip") else _media(found.mime)
    return Answer(200, _while_allowed(request, found), media, headers)


async def _while_allowed(request: Request, found: Resource) -> AsyncIterator[bytes]:
    async for part in parts_of(request.kernel, found.id, found.parts):
        if not still(request):
            raise NotSignedIn(Text("Cet appareil a été révoqué.", "This device was revoked."))
        yield part


async def search(request: Request) -> Answer:
    """Files that may be found, by keyword or name."""
    found = await request.act("package.find", words=request.one("keywords", "name"), tool=request.one("tool"))
    results = [searched(each) for each in found.resources]
    return told({"resultCount": len(results), "results": results})


async def tag(request: Request, hash_: str) -> Answer:
    """Who may find a file: `public`, or `private`."""
    if request.method == "GET":
        found = await request.act("package.read", hash=hash_)
    else:
        found = await request.act("package.tag", hash=hash_, tool=(await request.body(256)).decode("utf-8", "replace"))
    return Answer(body=found.tool.encode(), media_type=PLAIN)


async def delete(request: Request) -> Answer:
    """The sender takes a file back."""
    await request.act("package.remove", hash=request.one("hash", "Hash"))
    return Answer(200)


def _address(request: Request, hash_: str) -> Answer:
    return Answer(body=f"https://{request.host}/Marti/sync/content?hash={hash_}".encode(), media_type=PLAIN)


def _media(given: str) -> str:
    """A media type that a browser would never run as ours."""
    kind = given.lower()
    return (
        kind
        if kind.startswith(("image/jp", "image/png", "video/", "application/octet", "application/pdf"))
        else "application/octet-stream"
    )


ROUTES: tuple[Route, ...] = (
    route("GET HEAD", "/Marti/sync/missionquery", missionquery),
    route("POST", "/Marti/sync/missionupload", missionupload),
    route("POST PUT", "/Marti/sync/upload", upload),
    route("GET HEAD", "/Marti/sync/content", content),
    route("GET", "/Marti/sync/search", search),
    route("DELETE", "/Marti/sync/delete", delete),
    route("GET PUT", "/Marti/api/sync/metadata/{hash_}/tool", tag),
)
