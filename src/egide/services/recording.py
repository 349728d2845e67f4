"""Recording a hearing by video: off unless the operator allows it, and then with both agreements only, in writing, beforehand.

    record_ask        officer     proposes it
    my_record_answer  the person  agrees or refuses on their own page, and says what becomes of it should they stop it
    record_begin      officer     agrees and begins: a grant under which parts come (gateways/recordings.py)
    record_stop       officer     stops it           my_record_stop   the person takes their agreement back: stopped, and erased
    record_end        the platform itself: nothing comes any more, or the hearing is over
    record_watch      officer     watches it, for a purpose and a reason: an address that streams on a lease
    my_recording      the person  a copy of their own

Nothing is transcribed or analysed, and there is no code that could. Words and hashes are events of the file's chain.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, insert

from egide.kernel.act import Act, Ctx, Effect, Facts, Gather, Handler, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.identity import digest, new_id, new_secret
from egide.kernel.retention import begun
from egide.kernel.tables import retained
from egide.services import recording_model as model
from egide.services import recording_sheet, recording_store
from egide.services import recording_tables as tables
from egide.services.answers import clean
from egide.services.definition import ROOM, Definition, catalogue
from egide.services.filing import OFFICERS, slug
from egide.services.hearing import CHANGED, concerned, held, of_service
from egide.services.hearing_inputs import FileInput
from egide.services.hearing_model import since_asked
from egide.services.holding import Held, StepDone, held_facts, held_row
from egide.services.model import EventBody, bound, definition_of, events_of, file_owner, note
from egide.services.recording_store import CATEGORY, LONGEST_US, PART_MS, PURPOSE, START, How, recordings

ALLOWED, CONSENTS, KEPT, COPY = (
    "hearing-recording", "hearing-recording-begin", "hearing-recording-kept", "hearing-recording-copy",
)  # rule groups of law/fr/cpp  # fmt: skip
WATCH_US = 3_600_000_000  # µs an address for watching lasts, on its lease: the longest hearing is watched in it, twice if need be
MAX_REASON = 300  # characters
MEDIA = "video/webm"


class Answered(Held):
    """The person's answer: to which words, by their hash; and whether what was recorded shall be kept should they stop it."""

    agree: bool = False
    words: str = ""
    keep: bool = False


class Begin(FileInput):
    """To which words the officer agrees, by their hash."""

    words: str = ""


class Granted(msgspec.Struct):
    """Under what the parts come: each of `ms` milliseconds."""

    recording: str
    secret: str
    ms: int


class Ended(FileInput):
    """Which recording ended by itself, and how."""

    recording: str
    how: Literal["cut", "over"] = "cut"


class Watched(FileInput):
    """A recording, for which purpose it is watched, and why."""

    recording: str
    purpose: str = "verify"
    reason: str = ""


class Copied(Held):
    """A recording of one's own."""

    recording: str


class Address(msgspec.Struct):
    """Where it is."""

    url: str


# -- facts ------------------------------------------------------------------------------------------------------------


def _done(ctx: Ctx, row: Any) -> model.Done:
    return since_asked(definition_of(row), *events_of(ctx.kernel, ctx.db, row.id))


def _may_ask(definition: Definition) -> Gather:
    known = concerned(definition)

    def gather(ctx: Ctx, given: FileInput) -> Facts:
        found = dict(known(ctx, given)) | {"recording_allowed": recording_sheet.allowed(ctx.kernel, definition)}
        # Of whom it is not the business nothing may be learnt.
        return found | {"hearing_open": of_service(ctx, given.file)[0].state in ROOM if found["concerned"] else True}

    return gather


def _may_begin(definition: Definition) -> Gather:
    asking = _may_ask(definition)

    def gather(ctx: Ctx, given: Begin) -> Facts:
        found = dict(asking(ctx, given)) | {"person_consents": True, "officer_consents": True}
        if found["concerned"] and found["recording_allowed"]:
            now = recording_sheet.digest(ctx.kernel, definition)
            _asked, answer, words = model.standing(_done(ctx, of_service(ctx, given.file)[0]))
            agreed = answer in (model.AGREE, model.AGREE_KEPT) and words == now
            found |= {"person_consents": agreed, "officer_consents": given.words == now}
        return found

    return gather


def _may_answer(definition: Definition) -> Gather:
    def gather(ctx: Ctx, given: Held) -> Facts:
        row = held_row(ctx, given)
        return held_facts(ctx, given) | {
            "recording_allowed": recording_sheet.allowed(ctx.kernel, definition), "hearing_open": row.state in ROOM if row is not None else True,
        }  # fmt: skip

    return gather


def _kept(ctx: Ctx, file: str, recording: str) -> bool:
    found = [one for one in recording_store.of_file(ctx.db, file) if one.id == recording]
    return bool(found) and recording_store.kept(ctx.kernel, ctx.db, found[0])


def _may_watch(definition: Definition) -> Gather:
    known = concerned(definition)

    def gather(ctx: Ctx, given: Watched) -> Facts:
        found = dict(known(ctx, given))
        return found | {"recording_kept": _kept(ctx, given.file, given.recording) if found["concerned"] else True}

    return gather


def _may_have(ctx: Ctx, given: Copied) -> Facts:
    row, found = held_row(ctx, given), held_facts(ctx, given)
    if row is None:
        return found | {"recording_kept": True, "hearing_over": True}
    return found | {"recording_kept": _kept(ctx, row.id, given.recording), "hearing_over": row.state not in ROOM}


# -- to agree ---------------------------------------------------------------------------------------------------------


def _noted(ctx: Ctx, row: Any, step: str, *, words: str = "", by: str | None = None, over: str = "") -> Effect:
    """The effect of something said about it; `over`: it stops, and both pages are told so at once."""
    kernel, now = ctx.kernel, ctx.now_us

    def apply(connection: Connection) -> None:
        effect.bulk = bound([note(kernel, connection, row.id, step, now, EventBody(digest=words), by).hash])

    told = {"file": row.id, "service": row.service} | ({"recording": over} if over else {})
    owner = file_owner(row.id)
    actor = None if by or ctx.principal.id else owner
    effect = Effect(
        StepDone(row.number, row.state), apply=apply, events=[(CHANGED, told)], actor=actor, concerns=(owner,)
    )
    return effect


def ask(ctx: Ctx, given: FileInput) -> Effect:
    """The officer proposes it: the words appear on the person's page."""
    row, _definition = of_service(ctx, given.file)
    asked, answer, _words = model.standing(_done(ctx, row))
    if asked and answer in ("", model.AGREE, model.AGREE_KEPT):
        raise Conflict(Text("C’est déjà proposé.", "It has been proposed already."))
    return _noted(ctx, row, model.ASK, by=ctx.principal.id)


def _asked(ctx: Ctx, connection: Connection, row: Any) -> bool:
    """Whether the person is asked, and has not answered yet."""
    done = since_asked(definition_of(row), *events_of(ctx.kernel, connection, row.id))
    asked, said, _words = model.standing(done)
    return asked and not said


def answer(ctx: Ctx, given: Answered) -> Effect:
    """The person's answer, to these very words."""
    row = held(ctx, given)
    definition = definition_of(row)
    now = recording_sheet.digest(ctx.kernel, definition)
    if not _asked(ctx, ctx.db, row):
        raise Conflict(Text("Rien ne vous est demandé à ce sujet.", "You are not asked about this."))
    if given.words != now:
        raise Conflict(
            Text("Ces mots ont changé.", "These words have changed."),
            Text("Relisez-les, puis répondez.", "Read them again, then answer."),
        )
    agreed = model.AGREE_KEPT if given.keep else model.AGREE
    effect = _noted(ctx, row, agreed if given.agree else model.REFUSE, words=now)
    write = effect.apply

    def apply(connection: Connection) -> None:
        if not _asked(ctx, connection, row):  # of two answers at once the first counts
            raise Conflict(Text("Vous venez de répondre.", "You have just answered."))
        if write is not None:
            write(connection)

    effect.apply = apply
    return effect


def begin(ctx: Ctx, given: Begin) -> Effect:
    """The officer agrees as well, and it begins. A recording whose browser is gone is closed by it, and that is written."""
    row, _definition = of_service(ctx, given.file)
    kernel, now, who = ctx.kernel, ctx.now_us, ctx.principal
    id_, secret = new_id(), new_secret()
    fresh = {
        "id": id_, "file": row.id, "officer": who.id, "secret": digest(secret), "began": now, "until": now + LONGEST_US, "seen": now,
        "ended": None, "how": "", "parts": 0, "bytes": 0, "chain": START, "erased": None,
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        before = recording_store.running(connection, row.id)
        made = [] if before is None else [_ended(ctx, connection, row, before, model.CUT, "cut", None)]
        made.append(note(kernel, connection, row.id, model.BEGIN, now, EventBody(digest=given.words), who.id).hash)
        effect.bulk = bound(made)
        connection.execute(insert(tables.recording), fresh)
        connection.execute(insert(retained), begun(kernel, CATEGORY, id_, now))

    events = [(CHANGED, {"file": row.id, "service": row.service})]
    owner = file_owner(row.id)
    effect = Effect(
        Granted(id_, secret, PART_MS), apply=apply, events=events, concerns=(owner,), keys=((recording_store.owner(id_), PURPOSE),),
        after=lambda _receipt: recordings(kernel).heard(id_),
    )  # fmt: skip
    return effect


# -- to stop ----------------------------------------------------------------------------------------------------------


def _ended(ctx: Ctx, connection: Connection, row: Any, recording: Any, step: str, how: How, by: str | None) -> bytes:
    """Closes it and writes how, with the hash of what was recorded and, of a cut, when its last part came."""
    closed = recording_store.close(connection, recording.id, ctx.now_us, how)
    made = iso(closed.seen) if step == model.CUT else ""
    return note(ctx.kernel, connection, row.id, step, ctx.now_us, EventBody(made=made, digest=closed.chain), by).hash


def _stopped(ctx: Ctx, row: Any, step: str, how: How, by: str | None, *, erased: bool = False) -> Effect:
    """The effect of a stop: from its commit on no part is taken; `erased`: what there is goes at the clock's next look."""
    effect, kernel, now = _noted(ctx, row, step, by=by, over="over"), ctx.kernel, ctx.now_us

    def apply(connection: Connection) -> None:
        under_way = recording_store.running(connection, row.id)
        if under_way is not None:
            made = _ended(ctx, connection, row, under_way, step, how, by)
        else:
            made = note(kernel, connection, row.id, step, now, EventBody(), by).hash
        effect.bulk = bound([made])
        if erased:
            recording_store.release(connection, row.id, now)

    effect.apply = apply
    return effect


def stop(ctx: Ctx, given: FileInput) -> Effect:
    """The officer stops it, and with it takes their own agreement back: beginning again asks both anew."""
    row, _definition = of_service(ctx, given.file)
    if recording_store.running(ctx.db, row.id) is None:
        raise Conflict(Text("Rien n’est enregistré.", "Nothing is being recorded."))
    return _stopped(ctx, row, model.STOP, "stop", ctx.principal.id)


def withdraw(ctx: Ctx, given: Held) -> Effect:
    """The person takes their agreement back: it stops, and what was recorded is erased unless they had said otherwise."""
    row = held(ctx, given)
    if row.closed is not None:
        raise Conflict(
            Text("L’audition est signée.", "The hearing is signed."),
            Text("Demandez au guichet, ou faites valoir vos droits.", "Ask at the counter, or exercise your rights."),
        )
    agreed = model.agreement(event.step for event in events_of(ctx.kernel, ctx.db, row.id)[0])
    if not agreed:
        raise Conflict(Text("Il n’y a pas d’accord à retirer.", "There is no agreement to take back."))
    erased = agreed == model.AGREE
    step = model.WITHDRAW_ERASE if erased else model.WITHDRAW
    return _stopped(ctx, row, step, "withdraw", None, erased=erased)


def ended(ctx: Ctx, given: Ended) -> Effect:
    """Nothing comes any more, or the hearing is over: written as it was."""
    row, _definition = of_service(ctx, given.file)
    under_way = recording_store.running(ctx.db, row.id)
    if under_way is None or under_way.id != given.recording:
        raise Conflict(Text("Cet enregistrement est terminé.", "This recording has ended."))
    step = model.CUT if given.how == "cut" else model.OVER
    effect = _noted(ctx, row, step, over="cut" if given.how == "cut" else "over")

    def apply(connection: Connection) -> None:
        effect.bulk = bound([_ended(ctx, connection, row, under_way, step, given.how, None)])

    effect.apply = apply
    return effect


# -- to watch ---------------------------------------------------------------------------------------------------------


def _proved(ctx: Ctx, row: Any, recording: str) -> Any:
    """A recording whose hash is one that the file's chain tells. Raises `NotFound`, `Conflict`."""
    found = next((one for one in recording_store.of_file(ctx.db, row.id) if one.id == recording), None)
    if found is None:
        raise NotFound(Text("Cet enregistrement n’existe pas.", "This recording does not exist."))
    words = [msgspec.json.decode(one, type=EventBody) for one in events_of(ctx.kernel, ctx.db, row.id)[1] if one]
    if found.chain not in {one.digest for one in words}:
        raise recording_store.altered()
    return found


def watch(ctx: Ctx, given: Watched) -> Effect:
    """An address that this officer's browser plays from, for an hour at most and only while the law lets it."""
    row, _definition = of_service(ctx, given.file)
    if not clean(given.reason) or len(given.reason) > MAX_REASON:
        raise BadInput(
            Text("Dites pourquoi il vous le faut.", "Say why you need it."),
            Text(f"Quelques mots, {MAX_REASON} signes au plus.", f"A few words, {MAX_REASON} characters at most."),
        )
    _proved(ctx, row, given.recording)
    secret, table = new_secret(), tables.view
    view = {
        "ticket": digest(secret), "recording": given.recording, "person": ctx.principal.id, "act": ctx.act.name, "purpose": ctx.purpose,
        "until": ctx.now_us + WATCH_US,
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        connection.execute(delete(table).where(table.c.until < ctx.now_us))
        connection.execute(insert(table), view)

    concerns = (file_owner(row.id), recording_store.owner(given.recording))
    return Effect(Address(f"/api/recordings/{secret}"), apply=apply, concerns=concerns)


def copy(ctx: Ctx, given: Copied) -> Effect:
    """The person's own copy: an address for a minute."""
    row = held(ctx, given)
    found = _proved(ctx, row, given.recording)
    kernel = ctx.kernel
    url = kernel.downloads.offer(
        ctx.principal.id,
        ctx.now_us,
        f"{row.number}-{found.id[:8]}.webm",
        MEDIA,
        lambda: recordings(kernel).read(found),
    )
    owner = file_owner(row.id)
    return Effect(
        Address(url), actor=None if ctx.principal.id else owner, concerns=(owner, recording_store.owner(found.id))
    )


# -- their declarations -----------------------------------------------------------------------------------------------


def acts_of(definition: Definition) -> tuple[Act, ...]:
    """The acts of recording hearings of one service."""
    name, title = f"services.{slug(definition.id)}", definition.title
    officers: dict[str, Any] = {"roles": OFFICERS}
    persons: dict[str, Any] = {"roles": ["anyone"]}
    asks, answers = _may_ask(definition), _may_answer(definition)
    desk, mine = ["need-to-know"], ["collection", "service-holder"]
    declared: list[tuple[str, Handler, type[Any], type[Any], dict[str, Any], str, str]] = [
        ("record_ask", ask, FileInput, StepDone, officers | {"groups": [*desk, ALLOWED], "gather": asks},
         "Proposer l’enregistrement de l’audition", "Propose to record the hearing"),
        ("my_record_answer", answer, Answered, StepDone, persons | {"groups": [*mine, ALLOWED], "gather": answers},
         "Accepter ou refuser l’enregistrement", "Agree to the recording or refuse it"),
        ("record_begin", begin, Begin, Granted, officers | {"groups": [*desk, ALLOWED, CONSENTS], "gather": _may_begin(definition), "recheck": _may_begin(definition)},
         "Commencer l’enregistrement", "Begin the recording"),
        ("record_stop", stop, FileInput, StepDone, officers | {"groups": desk, "gather": concerned(definition)},
         "Arrêter l’enregistrement", "Stop the recording"),
        ("my_record_stop", withdraw, Held, StepDone, persons | {"groups": mine, "gather": held_facts},
         "Retirer son accord à l’enregistrement", "Take back one’s agreement to the recording"),
        ("record_end", ended, Ended, StepDone, {"roles": ["system"], "system": True},
         "Noter la fin d’un enregistrement", "Note the end of a recording"),
        ("record_watch", watch, Watched, Address, officers | {"groups": [*desk, KEPT], "gather": _may_watch(definition), "verb": "consult", "duty": False},
         "Revoir l’enregistrement d’une audition", "Watch the recording of a hearing"),
        ("my_recording", copy, Copied, Address, persons | {"groups": ["service-holder", KEPT, COPY], "gather": _may_have, "verb": "view"},
         "Recevoir copie de l’enregistrement de son audition", "Be given a copy of the recording of one’s hearing"),
    ]  # fmt: skip
    common: dict[str, Any] = {"verb": "collect", "activity": PURPOSE, "duty": True}
    return tuple(
        act(
            f"{name}.{id_}",
            **common
            | said
            | {"input": given, "output": output, "fr": f"{fr} ({title.fr})", "en": f"{en} ({title.en})"},
        )(handler)
        for id_, handler, given, output, said, fr, en in declared
    )


ACTS: tuple[Act, ...] = tuple(
    one for definition in catalogue().current() if recording_sheet.recordable(definition) for one in acts_of(definition)
)
