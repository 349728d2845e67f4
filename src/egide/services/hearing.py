"""The hearing by video, step by step (decree 2024-139): acts of each service that has one, beside those of its state table.

The officer proposes times and the person chooses one, or comes to a station; the rights are read and acknowledged by their
hash; “are you alone and safe?” is asked in writing before the two see one another, and aloud afterwards; the statement is written
before the person's eyes, corrected in their words, confirmed by its hash. Steps that say nothing more than themselves are
generated (desk.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from egide.kernel.act import Act, Ctx, Effect, Facts, Gather, Handler, act
from egide.kernel.clock import from_us, iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text, TooMany
from egide.kernel.limits import Buckets
from egide.kernel.randomness import draw
from egide.services import hearing_model as model
from egide.services import tables
from egide.services.answers import clean
from egide.services.definition import ROOM, Definition, Transition
from egide.services.entitled import works_on
from egide.services.filing import OFFICERS, slug
from egide.services.hearing_inputs import (
    Acknowledged,
    Alone,
    Chosen,
    Confirmed,
    FileInput,
    Fixed,
    Identified,
    Proposed,
    Said,
    Saved,
    StatementSaved,
)
from egide.services.hearing_model import HearingBody, InPerson, digest_of, sheet_digest
from egide.services.holding import Held, HeldStep, StepDone, held_facts, held_row, step
from egide.services.model import definition_of, file_owner, file_row, no_file

CHANGED = "service.room"  # the event that tells both sides to look again
MAX_SLOTS = 6
AHEAD = timedelta(days=60)  # as far as an appointment may lie
MAX_STATEMENT = 20_000  # characters
MAX_LINE = 2_000
MAX_SEEN, MAX_PLACE = 120, 200
RATE, BURST = 1.0, 20  # lines of one file


# -- what they have in common -----------------------------------------------------------------------------------------


def of_service(ctx: Ctx, file: str) -> tuple[Any, Definition]:
    """A file of the service whose act this is, and its definition. Raises `NotFound`."""
    row = file_row(ctx.db, file)
    definition = definition_of(row)
    if slug(row.service) != ctx.act.name.split(".")[1] or definition.hearing is None:
        raise NotFound(Text("Ce dossier n’est pas d’une audition.", "This file is not of a hearing."))
    return row, definition


def held(ctx: Ctx, given: Held) -> Any:
    """The file of who asks. Raises `NotFound`."""
    row = held_row(ctx, given)
    if row is None or slug(row.service) != ctx.act.name.split(".")[1]:
        raise no_file()
    return row


def transition(definition: Definition, id_: str) -> Transition:
    """A step by its id. Raises `Conflict` where this version has none."""
    for one in definition.transitions:
        if one.id == id_:
            return one
    raise Conflict(Text("Ce dossier ne le permet pas.", "This file does not allow it."))


def _also(effect: Effect, write: Callable[[Connection], None]) -> Effect:
    first = effect.apply

    def apply(connection: Connection) -> None:
        if first is not None:
            first(connection)
        write(connection)

    effect.apply = apply
    return effect


def _changing(ctx: Ctx, effect: Effect, file: str, how: Callable[[HearingBody], None]) -> Effect:
    return _also(effect, lambda connection: model.change(ctx.kernel, connection, file, how))


def _said(row: Any, result: Any, *, mine: bool) -> Effect:
    """The effect of what takes no step: both sides look again."""
    events = [(CHANGED, {"file": row.id, "service": row.service})]
    owner = file_owner(row.id)
    return Effect(result, events=events, actor=owner if mine else None, concerns=(owner,))


def _short(text: str, most: int) -> str:
    said = clean(text)
    if not said or len(said) > most:
        raise BadInput(
            Text(f"Écrivez quelques mots, {most} signes au plus.", f"Write a few words, {most} characters at most.")
        )
    return said


def _moment(ctx: Ctx, text: str) -> str:
    """A moment to come, as it is kept. Raises `BadInput`."""
    now = from_us(ctx.now_us)
    try:
        moment = datetime.fromisoformat(text)
        good = moment.tzinfo is not None and now < moment < now + AHEAD
    except (ValueError, OverflowError):
        good = False
    if not good:
        raise BadInput(
            Text(
                f"« {text[:40]} » n’est pas une heure des {AHEAD.days} jours qui viennent.",
                f"“{text[:40]}” is no time within the {AHEAD.days} days to come.",
            )
        )
    return iso(round(moment.timestamp()) * 1_000_000)


# -- the officer's side -----------------------------------------------------------------------------------------------


def _by_officer(ctx: Ctx, row: Any, found: Transition, text: str = "") -> Effect:
    who = ctx.principal
    return step(ctx, row, found, text, who.id, officer=who.id, unit=row.unit or who.unit)


def propose(ctx: Ctx, given: Proposed) -> Effect:
    """Times from which the person chooses; a new proposal stands instead of the one before."""
    row, definition = of_service(ctx, given.file)
    slots = sorted({_moment(ctx, one) for one in given.slots})
    if not 0 < len(slots) <= MAX_SLOTS:
        raise BadInput(
            Text(f"Proposez de 1 à {MAX_SLOTS} créneaux.", f"Propose 1 to {MAX_SLOTS} times."),
        )

    def write(body: HearingBody) -> None:
        body.slots, body.slot, body.alone, body.call = slots, "", "", ""

    return _changing(ctx, _by_officer(ctx, row, transition(definition, "propose")), row.id, write)


def identify(ctx: Ctx, given: Identified) -> Effect:
    """The person showed an identity document, and it is theirs: which one stands in the chain (R2-26)."""
    row, definition = of_service(ctx, given.file)
    return _by_officer(ctx, row, transition(definition, "identify"), _short(given.seen, MAX_SEEN))


def write(ctx: Ctx, given: StatementSaved) -> Effect:
    """The statement so far: the person sees it at once."""
    row, _definition = of_service(ctx, given.file)
    if row.state not in model.WRITING:
        raise Conflict(
            Text("Le texte ne se modifie plus à cette étape.", "The text can no longer be changed at this step."),
            Text("La personne peut demander une correction.", "The person may ask for a correction."),
        )
    text = clean(given.text)
    if len(text) > MAX_STATEMENT:
        raise BadInput(
            Text(f"Le texte dépasse {MAX_STATEMENT} signes.", f"The text is longer than {MAX_STATEMENT} characters.")
        )

    def change(body: HearingBody) -> None:
        if given.base != digest_of(body.statement):
            raise Conflict(
                Text("Le texte a été changé ailleurs.", "The text was changed elsewhere."),
                Text("Relisez-le, puis reprenez.", "Read it again, then go on."),
            )
        body.statement = text

    effect = _said(row, Saved(digest_of(text)), mine=False)
    return _changing(ctx, effect, row.id, change)


def say(ctx: Ctx, given: Said) -> Effect:
    """Words to the person, in the room."""
    row, _definition = of_service(ctx, given.file)
    return _line(ctx, row, given.text, ctx.principal.id)


def fix(ctx: Ctx, given: Fixed) -> Effect:
    """When and where the hearing in person is that must, or shall, follow."""
    row, _definition = of_service(ctx, given.file)
    if row.state not in ROOM:
        raise Conflict(Text("Cela se fixe pendant l’audition.", "That is fixed during the hearing."))
    in_person = InPerson(_moment(ctx, given.at), _short(given.place, MAX_PLACE))

    def change(body: HearingBody) -> None:
        body.in_person = in_person

    return _changing(ctx, _said(row, StepDone(row.number, row.state), mine=False), row.id, change)


def _line(ctx: Ctx, row: Any, text: str, by: str | None) -> Effect:
    """Words of either side: they go on when the picture does not."""
    if row.state not in ROOM:
        raise Conflict(Text("La salle n’est pas ouverte.", "The room is not open."))
    paces: Buckets = ctx.kernel.things.setdefault("hearing-pace", Buckets(RATE, BURST))
    if not paces.take(row.id):
        raise TooMany(
            Text("Trop de messages en peu de temps.", "Too many messages in a short time."),
            Text("Attendez quelques secondes.", "Wait a few seconds."),
        )
    said, id_ = _short(text, MAX_LINE), draw(16).hex()
    effect = _said(row, StepDone(row.number, row.state), mine=by is None)
    kernel, now = ctx.kernel, ctx.now_us
    return _also(effect, lambda connection: model.write_line(kernel, connection, row.id, id_, now, by, said))


# -- the person's side ------------------------------------------------------------------------------------------------


def choose(ctx: Ctx, given: Chosen) -> Effect:
    """One of the times proposed: the appointment is the person's own choice (R2-25 II)."""
    row = held(ctx, given)
    if given.slot not in model.kept(ctx.kernel, ctx.db, row.id).slots:
        raise Conflict(
            Text("Ce créneau n’est plus proposé.", "This time is no longer proposed."),
            Text("Choisissez parmi ceux qui restent.", "Choose among those that remain."),
        )

    def change(body: HearingBody) -> None:
        body.slot, body.slots = given.slot, []

    return _changing(
        ctx, step(ctx, row, transition(definition_of(row), "choose"), "", None), row.id, change
    )  # fmt: skip


def acknowledge(ctx: Ctx, given: Acknowledged) -> Effect:
    """The rights were read: which sheet, by its hash, stands in the chain (R2-27)."""
    row = held(ctx, given)
    definition = definition_of(row)
    sheet = sheet_digest(definition)
    if definition.hearing is not None and given.sheet != sheet:
        raise Conflict(
            Text("La fiche des droits a changé.", "The sheet of rights has changed."),
            Text("Relisez-la, puis confirmez.", "Read it again, then confirm."),
        )
    return step(ctx, row, transition(definition, "acknowledge"), "", None, digest=sheet)


def ready(ctx: Ctx, given: Alone) -> Effect:
    """Alone and safe: into the waiting room. Not: the officer is told, and nothing on the person's own pages says so."""
    row = held(ctx, given)
    found = transition(definition_of(row), "ready")
    call = clean(given.call)[:MAX_PLACE]

    def change(body: HearingBody) -> None:
        body.alone, body.call = ("", "") if given.alone else (iso(ctx.now_us), call)

    if given.alone:
        return _changing(ctx, step(ctx, row, found, "", None), row.id, change)
    if row.state not in found.origins:
        raise Conflict(Text("Ce dossier ne le permet pas.", "This file does not allow it."))
    return _changing(ctx, _said(row, StepDone(row.number, row.state), mine=True), row.id, change)


def confirm(ctx: Ctx, given: Confirmed) -> Effect:
    """This is what I said: of this text and no other (R2-29)."""
    row = held(ctx, given)
    definition = definition_of(row)
    now = digest_of(model.kept(ctx.kernel, ctx.db, row.id).statement)
    if definition.hearing is not None and given.statement != now:
        raise Conflict(
            Text("Le texte a changé depuis.", "The text has changed since."),
            Text("Relisez-le, puis confirmez.", "Read it again, then confirm."),
        )
    digest = now if definition.hearing is not None else ""
    return step(ctx, row, transition(definition, "confirm"), "", None, digest=digest)


def my_say(ctx: Ctx, given: HeldStep) -> Effect:
    """Words to the officer, in the room."""
    return _line(ctx, held(ctx, given), given.text, None)


# -- their declarations -----------------------------------------------------------------------------------------------


def concerned(definition: Definition) -> Gather:
    """Whether this officer works on a file of this service."""

    def gather(ctx: Ctx, given: FileInput) -> Facts:
        table = tables.file
        row = ctx.db.execute(table.select().where(table.c.id == given.file)).first()
        mine = row is not None and row.service == definition.id
        return {"concerned": mine and works_on(ctx.principal, row)}

    return gather


def acts_of(definition: Definition) -> tuple[Act, ...]:
    """The acts of a service in which one is heard by video; none of any other."""
    if definition.hearing is None:
        return ()
    name, title = f"services.{slug(definition.id)}", definition.title
    steps = {one.id: one for one in definition.transitions}
    made: list[Act] = []

    def officers(id_: str, handler: Handler, given: type[Any], output: type[Any], fr: str, en: str) -> None:
        found = steps.get(id_)
        roles = found.roles if found is not None else OFFICERS
        made.append(
            act(
                f"{name}.{id_}", verb="alter", activity=definition.activity, roles=roles, groups=["need-to-know"],
                gather=concerned(definition), duty=True, input=given, output=output, max_bytes=128 * 1024,
                fr=f"{fr} ({title.fr})", en=f"{en} ({title.en})",
            )(handler)
        )  # fmt: skip

    def persons(id_: str, handler: Handler, given: type[Any], fr: str, en: str) -> None:
        made.append(
            act(
                f"{name}.my_{id_}", verb="alter", activity=definition.activity, roles=["anyone"], groups=["collection", "service-holder"],
                gather=held_facts, duty=True, input=given, output=StepDone, fr=f"{fr} ({title.fr})", en=f"{en} ({title.en})",
            )(handler)
        )  # fmt: skip

    officers("propose", propose, Proposed, StepDone, "Proposer des créneaux", "Propose times")
    officers("identify", identify, Identified, StepDone, "Vérifier l’identité", "Check the identity")
    officers("write", write, StatementSaved, Saved, "Écrire la déclaration", "Write the statement")
    officers(
        "say", say, Said, StepDone, "Écrire à la personne pendant l’audition", "Write to the person during the hearing"
    )
    officers(
        "fix", fix, Fixed, StepDone, "Fixer l’audition sur place qui suit", "Fix the hearing in person that follows"
    )
    persons("choose", choose, Chosen, "Choisir un créneau", "Choose a time")
    persons(
        "acknowledge", acknowledge, Acknowledged, "Dire qu’on a lu ses droits", "Say that one has read one’s rights"
    )
    persons("ready", ready, Alone, "Dire si l’on est seul et en sécurité", "Say whether one is alone and safe")
    persons("confirm", confirm, Confirmed, "Confirmer sa déclaration", "Confirm one’s statement")
    persons("say", my_say, HeldStep, "Écrire à l’agent pendant l’audition", "Write to the officer during the hearing")
    return tuple(made)
