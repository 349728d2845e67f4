"""The process that sets type: reads a question, answers with a PDF or with what Typst said, until its input ends.

Why a process of its own: a compiler cannot be stopped from a thread. A text of one megabyte takes 4 s and leaves 180 MB of
caches; a hostile one could take for ever. Here the time is the kernel's (an alarm that nothing catches), the memory is
bounded, no file can be written, and whatever goes wrong costs this process only. Started by typst_documents.py.

    question = length (4 bytes, big-endian) ‖ JSON {"template": file name, "inputs": {…}, "at": s since 1970}
    answer   = length ‖ "+" and the PDF, or "-" and Typst's diagnostics (UTF-8)
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
from typing import IO

import msgspec
import typst

MEMORY = 2 << 30  # bytes of data
MAX_QUESTION = 16 << 20  # bytes; the text is bounded before it comes here
STANDARDS: list[typst.PDFStandard] = ["a-2a", "ua-1"]  # ISO 19005-2 level A, ISO 14289-1


class Question(msgspec.Struct, frozen=True):
    """What to set."""

    template: str
    inputs: dict[str, str]
    at: int


def read_frame(source: IO[bytes]) -> bytes | None:
    """The next frame; None at the end or when it is cut."""
    head = source.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack(">I", head)
    body = source.read(size)
    return body if len(body) == size else None


def write_frame(sink: IO[bytes], body: bytes) -> None:
    """One frame."""
    sink.write(struct.pack(">I", len(body)) + body)
    sink.flush()


def main(limit_s: int, root: str, fonts: list[str]) -> None:
    """Answers until the input ends."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = f"{root}/no-packages"  # none is looked for in the account's folders, none comes from the network
    compiler = typst.Compiler(
        root=root, font_paths=fonts, ignore_system_fonts=True, package_path=nowhere, package_cache_path=nowhere
    )
    while (asked := read_frame(sys.stdin.buffer)) is not None:
        signal.alarm(limit_s)
        write_frame(sys.stdout.buffer, _set(compiler, root, asked))
        signal.alarm(0)


def _set(compiler: typst.Compiler, root: str, asked: bytes) -> bytes:
    question = msgspec.json.decode(asked, type=Question)
    try:
        pdf = compiler.compile(
            f"{root}/{question.template}",
            format="pdf",
            sys_inputs=question.inputs,
            pdf_standards=STANDARDS,
            timestamp=question.at,
        )
    except typst.TypstError as error:
        return b"-" + (error.diagnostic or str(error)).encode("utf-8", "replace")
    return b"+" + pdf if isinstance(pdf, bytes) else b"-no document"


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
