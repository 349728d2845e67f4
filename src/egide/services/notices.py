"""Notices: a person who left an address is told that there is news in their file, and not a word of what (GDPR 5(1)(c)).

Whoever else reads the screen or the mailbox learns neither service nor number. Told after what an officer did, never after what
the person did; by a job, so that a relay that is away delays the notice and nothing else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.errors import Text
from egide.kernel.jobs import job
from egide.services import tables
from egide.services.model import body_of, definition_of, file_owner

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

SEND = "services.notice.send"
MAIL = "mail"  # among the kernel's things: who hands messages over; nobody without the setting `mail`
SUBJECT = Text("Du nouveau", "There is news")
WORDS = Text(
    "Bonjour,\n\nIl y a du nouveau dans une démarche pour laquelle vous avez donné cette adresse.\n"
    "Ouvrez {origin}/services/file avec le numéro et le code que vous avez reçus.\n\n"
    "Personne ne vous demandera votre code, ni par message ni au téléphone. Ne répondez pas à ce message.\n",
    "Hello,\n\nThere is news in a request for which you gave this address.\n"
    "Open {origin}/services/file with the number and the code you were given.\n\n"
    "Nobody will ask you for your code, neither by message nor by telephone. Do not answer this message.\n",
)


class Mail(Protocol):
    """Hands a message to one address."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Blocks for seconds at most. Raises `Unavailable`: try again later."""


class News(Input):
    """A file in which there is news."""

    file: str


def job_of(kernel: Kernel, file: str, seq: int, now_us: int) -> dict[str, Any] | None:
    """The row that asks for a notice after the event of that number; None where nobody hands messages over."""
    if MAIL not in kernel.things:
        return None
    return job(f"{file}.{seq}", SEND, msgspec.json.encode(News(file=file)), now_us)


@act(
    SEND, verb="disclose", activity="service-desk", roles=["system"], system=True, duty=True, input=News,
    fr="Prévenir une personne qu’il y a du nouveau, sans dire quoi", en="Tell a person that there is news, not what",
)  # fmt: skip
async def send(ctx: Ctx, given: News) -> Effect:
    kernel = ctx.kernel
    row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
    mail: Mail | None = kernel.things.get(MAIL)
    if row is None or mail is None:
        return Effect(Nothing())  # erased meanwhile, or switched off
    to = _address(definition_of(row), body_of(kernel, row).answers)
    if to:
        lang = "en" if row.lang == "en" else "fr"
        subject, words = getattr(SUBJECT, lang), getattr(WORDS, lang)
        await asyncio.to_thread(mail.send, to, subject, words.format(origin=kernel.settings.origin))
    return Effect(Nothing(), concerns=(file_owner(row.id),))


def _address(definition: Any, answers: dict[str, Any]) -> str:
    """The first address the person left; "" where they left none."""
    return next(
        (str(answers[field.id]) for field in definition.fields if field.kind == "email" and field.id in answers), ""
    )


ACTS: tuple[Act, ...] = (send,)
