"""Notices: a person who left an address or a number is told that there is news in their file, and not a word of what
(GDPR 5(1)(c)): whoever else reads the screen or the mailbox learns neither service nor number.

Told after what an officer did, never after what the person did; by a job for each way, so that a relay that is away delays its
own notice and nothing else. A resident's browser is not woken: nothing of their pages stays there (docs/decisions/0062).
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
from egide.services.model import EventBody, body_of, definition_of, events_of, file_owner

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

SEND, TEXT = "services.notice.send", "services.notice.text"
# Among the kernel's things: who hands messages over; nobody without the settings `mail` and `sms`.
MAIL, SMS = "mail", "sms"
WAYS = {MAIL: SEND, SMS: TEXT}
SUBJECT = Text("Du nouveau", "There is news")
WORDS = Text(
    "Bonjour,\n\nIl y a du nouveau dans une démarche pour laquelle vous avez donné cette adresse.\n"
    "Ouvrez {origin}/services/file avec le numéro et le code que vous avez reçus.\n\n"
    "Personne ne vous demandera votre code, ni par message ni au téléphone. Ne répondez pas à ce message.\n",
    "Hello,\n\nThere is news in a request for which you gave this address.\n"
    "Open {origin}/services/file with the number and the code you were given.\n\n"
    "Nobody will ask you for your code, neither by message nor by telephone. Do not answer this message.\n",
)


# At most 160 letters with an address of 40: one message, in letters that a network need not widen (3GPP TS 23.038).
SHORT = Text(
    "Il y a du nouveau dans votre démarche : {origin}/services/file avec vos numéro et code. Ne les donnez à personne.",
    "There is news in your request: {origin}/services/file with your number and code. Give them to nobody.",
)


class Mail(Protocol):
    """Hands a message to one address."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Blocks for seconds at most. Raises `Unavailable`: try again later."""


class Sms(Protocol):
    """Hands a short message to one number, as the person typed it."""

    def send(self, to: str, text: str) -> None:
        """Blocks for seconds at most. Raises `Unavailable`: try again later."""


class News(Input):
    """A file in which there is news."""

    file: str


def jobs_of(kernel: Kernel, file: str, seq: int, now_us: int) -> list[dict[str, Any]]:
    """The rows that ask for notices after the event of that number: one for each way in which messages are handed over here."""
    raw = msgspec.json.encode(News(file=file))
    return [job(f"{file}.{seq}", act_, raw, now_us) for thing, act_ in WAYS.items() if thing in kernel.things]


@act(
    SEND, verb="disclose", activity="service-desk", roles=["system"], system=True, duty=True, input=News,
    fr="Prévenir une personne qu’il y a du nouveau, sans dire quoi", en="Tell a person that there is news, not what",
)  # fmt: skip
async def send(ctx: Ctx, given: News) -> Effect:
    row, to, lang = _reached(ctx, given, "email")
    mail: Mail | None = ctx.kernel.things.get(MAIL)
    if to and mail is not None:
        words = getattr(WORDS, lang).format(origin=ctx.kernel.settings.origin)
        await asyncio.to_thread(mail.send, to, getattr(SUBJECT, lang), words)
    return _done(row)


@act(
    TEXT, verb="disclose", activity="service-desk", roles=["system"], system=True, duty=True, input=News,
    fr="Prévenir une personne par SMS qu’il y a du nouveau, sans dire quoi", en="Tell a person by SMS that there is news, not what",
)  # fmt: skip
async def text(ctx: Ctx, given: News) -> Effect:
    row, to, lang = _reached(ctx, given, "phone")
    sms: Sms | None = ctx.kernel.things.get(SMS)
    if to and sms is not None:
        await asyncio.to_thread(sms.send, to, getattr(SHORT, lang).format(origin=ctx.kernel.settings.origin))
    return _done(row)


def _reached(ctx: Ctx, given: News, kind: str) -> tuple[Any, str, str]:
    """(the file, where its person wants to be told, in which language); None and "" where it was erased meanwhile."""
    row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
    if row is None:
        return None, "", "fr"
    return row, _left(ctx, row, kind), "en" if row.lang == "en" else "fr"


def _left(ctx: Ctx, row: Any, kind: str) -> str:
    """The address or number that the person left last, with a step or when it was filed; "" where they left none.

    A telephone counts only where it was asked for news: one that was given to be called back, alone, never rings for this.
    """
    definition = definition_of(row)
    told = [(event.step, msgspec.json.decode(body, type=EventBody).answers) for event, body in _events(ctx, row)]
    told = [(step, answers) for step, answers in told if answers]
    for step, answers in [*reversed(told), ("", body_of(ctx.kernel, row).answers)]:
        for field in definition.fields_of(step):
            if field.kind == kind and field.id in answers and (field.news or kind == "email"):
                return str(answers[field.id])
    return ""


def _events(ctx: Ctx, row: Any) -> list[tuple[Any, bytes]]:
    rows, bodies = events_of(ctx.kernel, ctx.db, row.id)
    return [(event, body) for event, body in zip(rows, bodies, strict=True) if body]


def _done(row: Any) -> Effect:
    return Effect(Nothing(), concerns=(file_owner(row.id),) if row is not None else ())


ACTS: tuple[Act, ...] = (send, text)
