"""Documents by Typst: archival (PDF/A-2a) and accessible (PDF/UA-1), from templates that never see what people wrote as markup.

Why Typst: one self-contained wheel, no system library, tagged PDF of both standards, and data comes in as JSON
(`sys.inputs`), so that a text is a value and never a program. Fonts are those that Typst carries (Libertinus, DejaVu), under
the Open Font License and free; an operator may add a folder of others. Sources: ISO 19005-2, ISO 14289-1; not validated by a
third tool (docs/documents.md).

The compiler runs in one process beside the platform (typst_child.py says why), started at the first document. Documents are
set one after the other; each takes 20 to 60 ms.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
import segno

from egide.engines.typst_child import Question, read_frame, write_frame
from egide.engines.typst_text import absent_in, clean
from egide.kernel.documents import Lang, Unwritable
from egide.kernel.errors import Text, TooLarge, Unavailable

MAX_DATA = 1 << 20  # bytes of JSON: some 500 pages, 4 s
BIG = 128 * 1024  # bytes after which the process is given up: its caches would stay
MAX_URL = 1200  # characters, in a QR code of level M
ADDRESSES = {"url": "qr", "way": "way_qr"}  # what a document leads to: its proof, and a page; each with its picture
TRIES = 6  # each learns which characters have no glyph; what is learnt stays
LIMIT_S = 30  # s for one document; the longest that is let in takes 4 s on an idle core
CHILD = "egide.engines.typst_child"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")


class TypstRenderer:
    """Sets the templates `<name>.typ` of one folder; `base.typ` there is what they share and is no template itself."""

    def __init__(self, templates: Path, fonts: Path | None = None, *, limit_s: int = LIMIT_S) -> None:
        self._templates = templates.resolve()
        self._limit_s = limit_s
        self._fonts = [] if fonts is None else [str(fonts)]
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._absent: set[str] = set()

    def render(self, template: str, data: Mapping[str, object], lang: Lang, *, at: datetime) -> bytes:
        """See `kernel.documents.Renderer`. `data["url"]` and `data["way"]`, where there are some, also become QR codes."""
        file = self._templates / f"{template}.typ"
        if not _NAME.fullmatch(template) or template == "base" or not file.is_file():
            raise Unwritable(
                Text(f"Le modèle « {template[:40]} » n’existe pas.", f"There is no template “{template[:40]}”.")
            )
        if at.tzinfo is None:
            raise ValueError("the time needs its zone")
        inputs = {"lang": lang, "date": f"{at:%Y-%m-%d}"}
        for name, picture in ADDRESSES.items():
            address = data.get(name, "")
            if (
                not isinstance(address, str)
                or len(address) > MAX_URL
                or not (address.isascii() and address.isprintable())
            ):
                raise _unfit("an address that cannot be printed")
            inputs |= {name: address, picture: _qr(address) if address else ""}
        rest = {name: value for name, value in data.items() if name not in ADDRESSES}
        for _ in range(TRIES):
            question = Question(file.name, inputs | {"data": self._encode(rest)}, int(at.timestamp()))
            answer = self._ask(msgspec.json.encode(question))
            if answer.startswith(b"+"):
                return answer[1:]
            told = answer[1:].decode("utf-8", "replace")
            new = absent_in(told) - self._absent
            if not new:
                raise _unfit(told)
            self._absent |= new
        raise _unfit("characters without a glyph")

    def close(self) -> None:
        """Ends the process; the next document starts another."""
        with self._lock:
            self._end()

    def _encode(self, data: Mapping[str, object]) -> str:
        try:
            given = clean(data, self._absent)
        except ValueError as error:
            raise _unfit(str(error)) from error
        encoded = msgspec.json.encode(given)
        if len(encoded) > MAX_DATA:
            raise TooLarge(
                Text(
                    f"Ce texte est trop long pour un document : {len(encoded) // 1024} Kio, au plus {MAX_DATA // 1024}.",
                    f"This text is too long for a document: {len(encoded) // 1024} KiB, at most {MAX_DATA // 1024}.",
                ),
                Text("Joignez-le en pièce jointe.", "Attach it as a file."),
            )
        return encoded.decode()

    def _ask(self, asked: bytes) -> bytes:
        with self._lock:
            answer = self._exchange(asked)
            if answer is None or len(asked) > BIG:
                self._end()
        if answer is None:
            raise Unavailable(
                Text(
                    "Le document n’a pas pu être mis en page dans le temps et la mémoire prévus.",
                    "The document could not be set within its time and memory.",
                ),
                Text("Réessayez ; raccourcissez le texte si cela dure.", "Try again; shorten the text if it persists."),
            )
        return answer

    def _exchange(self, asked: bytes) -> bytes | None:
        """The answer, or None when the process ended over it."""
        if self._child is None or self._child.poll() is not None:
            self._end()
            command = [sys.executable, "-m", CHILD, str(self._limit_s), str(self._templates), *self._fonts]
            self._child = subprocess.Popen(  # noqa: S603 — the command line is our own
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        stdin, stdout = self._child.stdin, self._child.stdout
        if stdin is None or stdout is None:
            return None
        try:
            write_frame(stdin, asked)
            return read_frame(stdout) or None
        except OSError:
            return None

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _qr(url: str) -> str:
    """The address as an SVG of vectors; 15 % of it may be hidden or dirty (ISO/IEC 18004 level M)."""
    out = io.BytesIO()
    segno.make(url, error="m", micro=False, boost_error=False).save(out, kind="svg", border=4, xmldecl=False)
    return out.getvalue().decode()


def _unfit(told: str) -> Unwritable:
    line = next((line for line in told.splitlines() if line.strip()), "")[:300]
    return Unwritable(
        Text(f"Le document ne peut pas être mis en page : {line}", f"The document cannot be set: {line}"),
        Text("Signalez-le à votre administrateur.", "Tell your administrator."),
    )
