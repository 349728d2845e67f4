"""The press: Typst sets, pyHanko seals; both loaded with the first document, so that a start waits for neither.

One for the platform. Any thread may call. The highest level of seal that can be had now is taken: where the time-stamping
authority is away, a document without a stamp today is worth more to a person than a better one next week; it says which it has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from egide.kernel.documents import Lang, Level, Renderer, Sealed, Sealer, SealReport
from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.stamping import AUTHORITY

if TYPE_CHECKING:
    from egide.engines.seal_keys import SealKey


class Press:
    """Sets and seals documents from the templates of one folder."""

    def __init__(
        self,
        templates: Path,
        keys: Path,
        name: str,
        *,
        now: Callable[[], datetime],
        key: Callable[[], SealKey] | None = None,
        stamps: str = "",
    ) -> None:
        """`keys`: the folder of keys and certificates; `key`: gives a token's key, else the file's; `stamps`: the authority."""
        self._templates, self._keys, self._name = templates, keys, name
        self._now, self._key, self._stamps = now, key, stamps
        self._lock = threading.Lock()
        self._made: tuple[Renderer, Sealer] | None = None
        self._closed = False

    def set(self, template: str, data: Mapping[str, object], lang: Lang, *, at: datetime) -> bytes:
        """One document, not sealed yet; same data, same time, same bytes. Raises `Unwritable`, `TooLarge`, `Unavailable`."""
        with self._lock:  # one after the other: so is the typesetting
            return self._both()[0].render(template, data, lang, at=at)

    def seal(self, pdf: bytes, *, at: datetime, reason: str) -> Sealed:
        """A document that was set, sealed. Raises `Unsealable`, `TooLarge`, `Unavailable`."""
        with self._lock:
            sealer = self._both()[1]
            best = sealer.levels[-1]
            try:
                return self._sealed(sealer, pdf, at, reason, best)
            except Unavailable:
                if best is Level.B:
                    raise
            return self._sealed(sealer, pdf, at, reason, Level.B)

    @staticmethod
    def _sealed(sealer: Sealer, pdf: bytes, at: datetime, reason: str, level: Level) -> Sealed:
        made = sealer.seal(pdf, reason=reason, at=at, level=level)
        return Sealed(made, sha256(made).digest(), level)

    def verify(self, pdf: bytes, *, expected: bytes | None = None) -> SealReport:
        """See `kernel.documents.Sealer`."""
        with self._lock:
            sealer = self._both()[1]
        return sealer.verify(pdf, expected=expected)

    def close(self) -> None:
        """Ends what runs beside the platform, once the document at hand is done; no other begins."""
        with self._lock:
            self._closed = True
            made, self._made = self._made, None
        if made is not None:
            made[0].close()

    def _both(self) -> tuple[Renderer, Sealer]:
        if self._closed:
            raise Unavailable(Text("La plateforme s’arrête.", "The platform is stopping."))
        if self._made is None:
            from egide.engines.pades import Pades  # noqa: PLC0415 — see above
            from egide.engines.typst_documents import TypstRenderer  # noqa: PLC0415 — see above

            sealer = Pades(
                self._keys,
                self._name,
                now=self._now,
                key=self._key() if self._key is not None else None,
                stamps=self._stamps,
                stampers=self._stampers(),
            )
            self._made = (TypstRenderer(self._templates), sealer)
        return self._made

    def _stampers(self) -> list[x509.Certificate]:
        if not self._stamps:
            return []
        file = self._keys / AUTHORITY
        try:
            return x509.load_pem_x509_certificates(file.read_bytes())
        except (OSError, ValueError) as error:
            raise StartupError(
                Text(
                    "Le certificat de l’autorité d’horodatage manque.",
                    "The time-stamping authority’s certificate is missing.",
                ),
                file=str(file),
            ) from error
