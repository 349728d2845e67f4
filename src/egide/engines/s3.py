"""The S3 engine: objects in a bucket, over obstore (docs/decisions/0018).

Credentials, region and endpoint come from the environment (`AWS_*`), never from settings. Each object is one PUT, never a
multipart upload: S3 shows it whole or not at all, and an interrupted one leaves no parts behind.
Source: Amazon S3 API, PutObject, GetObject, ListObjectsV2, DeleteObjects; strong read-after-write consistency since 2020.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from egide.kernel.errors import StartupError, Text
from egide.kernel.objects import Objects, away, checked, checked_prefix, checked_range, checked_size, gone

if TYPE_CHECKING:
    from obstore.store import S3Store

log = logging.getLogger("egide.objects")

CONNECT_S = 2  # s
REQUEST_S = 8  # s of one request, the longest that a caller waits: an object of 32 MiB needs 34 Mbit/s
RETRY_S = 4  # s after the first request from which on no other is tried
RETRIES = 3


class S3Objects(Objects):
    """A bucket, or a prefix of one."""

    name: ClassVar[str] = "S3"
    remains: ClassVar[Text] = Text(
        "Rien, si le compartiment ne garde ni versions ni répliques ; sinon des octets scellés, illisibles une fois la clé détruite.",
        "Nothing, if the bucket keeps neither versions nor replicas; otherwise sealed bytes, unreadable once the key is destroyed.",
    )

    def __init__(self, address: str) -> None:
        self._store = _open(address)

    def put(self, name: str, content: bytes) -> None:
        """One PUT."""
        checked(name)
        checked_size(content)
        with _plain():
            self._store.put(name, content, use_multipart=False)

    def get(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """One GET; a range asks for the size first, since a server may refuse one that reaches beyond the end."""
        checked(name)
        checked_range(start, end)
        with _plain(name):
            if start == 0 and end is None:
                return bytes(self._store.get(name).bytes())
            size = int(self._store.head(name)["size"])
            end = size if end is None else min(end, size)
            return bytes(self._store.get_range(name, start=start, end=end)) if start < end else b""

    def size(self, name: str) -> int:
        """One HEAD."""
        checked(name)
        with _plain(name):
            return int(self._store.head(name)["size"])

    def names(self, prefix: str) -> list[str]:
        """Lists page by page."""
        checked_prefix(prefix)
        with _plain():
            found = [str(each["path"]) for page in self._store.list(prefix) for each in page]
        return sorted(found)

    def delete(self, name: str) -> None:
        """One DELETE; S3 says yes to what is gone already."""
        checked(name)
        with _plain():
            self._store.delete([name])

    def delete_prefix(self, prefix: str) -> None:
        """Lists, deletes, and looks again until nothing is there."""
        while names := self.names(prefix):
            with _plain():
                self._store.delete(names)


def _open(address: str) -> S3Store:
    from obstore.exceptions import BaseError  # noqa: PLC0415 — optional: only installations with S3 have it
    from obstore.store import S3Store  # noqa: PLC0415 — as above

    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise _wrong(address, "s3://bucket/prefix")
    try:
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            # Options given here replace those of the environment: this one is read by us. Plain HTTP is for private servers.
            client_options={
                "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "timeout": timedelta(seconds=REQUEST_S),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
        )
    except (BaseError, ValueError) as error:
        raise _wrong(address, str(error).splitlines()[0][:200]) from error


def _wrong(address: str, why: str) -> StartupError:
    return StartupError(
        Text(f"Stockage d’objets incorrect : {urlsplit(address).scheme}://… ({why})", f"Wrong object store: {why}"),
        Text(
            "Donnez s3://compartiment/préfixe ; les identifiants viennent de AWS_*.",
            "Give s3://bucket/prefix; credentials come from AWS_*.",
        ),
        file="egide.toml",
    )


@contextmanager
def _plain(name: str = "") -> Iterator[None]:
    """Whatever obstore raises, as a sentence; with a name, that something is not there means the object."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 — as above

    try:
        yield
    except FileNotFoundError as error:
        if name:
            raise gone(name) from error
        log.warning("%s", str(error).partition("\n")[0][:300])
        raise away("S3: no such bucket") from error
    except (BaseError, OSError, ValueError) as error:
        log.warning("%s", str(error).partition("\n")[0][:300])
        raise away(f"S3: {type(error).__name__}") from error
