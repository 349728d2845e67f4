"""A service, defined once: what is asked, on which channels, under which text, how long it is kept, what may happen to it.

One TOML file of `catalogue/` is one service. It gives the form (schema.py), the pages, the officer's form without network, the
states a file goes through and what may leave the house; nothing of a service stands anywhere else. A published version is never
changed: `catalogue/published.toml` holds the SHA-256 of each, and a file that differs from it stops the start.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

from egide.kernel.capability import Words
from egide.kernel.errors import StartupError, Text

Kind = Literal[
    "text", "long", "choice", "choices", "yesno", "date", "time", "place", "phone", "email", "amount", "number", "files"
]
ChannelName = Literal["remote", "counter", "mobile"]
CHANNELS: tuple[ChannelName, ...] = ("remote", "counter", "mobile")
# How a person is known: 0 nobody, 1 by their own word and a way to reach them, 2 to 4 eIDAS low, substantial, high.
Level = Literal[0, 1, 2, 3, 4]
HOLDER = "holder"  # the person whose file it is, among the roles of a step
MAX_TEXT = 200  # characters of a line
MAX_LONG = 8_000  # characters of an account
MAX_FIELDS = 40  # of a service; more is another service
PUBLISHED = "published.toml"
# What a hearing by video cannot do without: the steps of decree 2024-139 (hearing.py says what each is).
HEARING_STEPS = (
    "propose", "choose", "acknowledge", "ready", "identify", "ask_safe", "hear", "read_back", "correct", "amend", "confirm", "sign",
)  # fmt: skip
# Its states in which the two may see and hear one another.
ROOM = ("ready", "identified", "safe", "heard", "read", "confirmed")


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer among those given."""

    id: str
    fr: str
    en: str


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"among": "is"}):
    """Holds while a field's answer is among these; of several choices, while one of them is."""

    field: str
    among: tuple[str, ...]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question. `when`: asked only while all of these hold. `past`: a date that cannot be in the future."""

    id: str
    kind: Kind
    label: Words
    hint: Words | None = None
    options: tuple[Option, ...] = ()
    required: bool = True
    max: int | None = None  # characters, or the highest number
    when: tuple[Condition, ...] = ()
    past: bool = False
    autocomplete: str = ""  # HTML's token, for what a browser may fill in about the person themselves
    news: bool = (
        False  # a telephone that is asked for so that its owner is told of news: for another end it is not used so
    )


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page: a few questions that belong together."""

    id: str
    title: Words
    fields: tuple[Field, ...]


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the first answers lead, other than on: another service (its answers go along), the counter, or help at once."""

    when: tuple[Condition, ...]
    to: str  # "counter", "emergency", "service:<id>"
    say: Words


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to the service. `identity`: the least level; at the counter and in the field an officer sees the document."""

    modes: tuple[Literal["form", "video", "chat", "wallet", "link", "visit"], ...]
    identity: Level = 0
    offline: bool = False


class Absence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why there is no such channel, and which article says so."""

    channel: ChannelName
    article: str
    say: Words


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a file may stand; `within`: how long it may stand there (ISO 8601), after which everyone sees that it is late."""

    id: str
    say: Words
    ends: bool = False
    within: str | None = None


class Transition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"origins": "from"}):
    """One step of a file, and who may take it: roles of officers, or "holder", the person whose file it is."""

    id: str
    origins: tuple[str, ...]
    to: str
    roles: tuple[str, ...]
    say: Words
    reason: bool = False
    signed: bool = False  # by the officer; where they have a passkey, it is asked over the act's hash (signing.py)
    step_up: bool = False  # of a signed one: also of an officer who has no passkey, and who then cannot sign
    output: str | None = None  # the document that comes of it
    groups: tuple[str, ...] = ()  # the packs' rule groups that apply to it beyond those of every step (step_facts.py)
    round: Words | None = None  # a patrol passes by: the holder reads these words and when, nothing else of it
    asks: tuple[
        Field, ...
    ] = ()  # what the person is asked when they take it themselves; files are those they add to theirs


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document: its template, and who gets it."""

    id: str
    template: Literal["receipt", "report", "attestation", "notice"]
    title: Words
    to: tuple[Literal["holder", "unit", "prosecutor"], ...]


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may leave: to whom, what for, which fields. What is not listed does not (deny by default)."""

    target: Literal["operations", "investigation"]
    event: str
    purpose: Words
    article: str
    fields: tuple[str, ...]
    on: tuple[str, ...] = ()  # the steps after which it leaves; none: when it is filed
    when: tuple[Condition, ...] = ()


class Hearing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one is heard by video: whose rights are told (rights.toml), and after which answers a hearing in person must follow."""

    rights: Literal["victim", "witness", "statement"]
    in_person: tuple[Condition, ...] = ()


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a person reaches a file that an officer opened about them: by a notice with number, code and link.

    `output`: the document; `paid`: the step by which a payment is recorded; `shows`: the answers that the page shows, who is
    meant not among them; the words say how else it is paid, how it is contested, and what is possible once the time is over.
    """

    output: str
    paid: str
    shows: tuple[str, ...]
    pay: Words
    contest: Words
    late: Words


class Definition(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """One version of a service. `code` begins its numbers; `text` and `article` are its basis in the packs."""

    id: str
    version: int
    code: str
    title: Words
    lead: Words
    activity: str
    text: str
    article: str
    human: Words  # which decision a person takes
    lead_time: Words
    channels: dict[ChannelName, Channel]
    initial: str
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    outputs: tuple[Output, ...]
    absent: tuple[Absence, ...] = ()
    questions: tuple[Field, ...] = ()  # before any sign-in
    ways: tuple[Way, ...] = ()
    steps: tuple[Step, ...] = ()
    exports: tuple[Export, ...] = ()
    keywords: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # the packs' rule groups that apply to its filing, beyond those of every service
    hearing: Hearing | None = None
    notice: Notice | None = None
    digest: str = ""  # SHA-256 of its file; no file says it of itself

    def __hash__(self) -> int:
        return hash((self.id, self.version, self.digest))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every question, in the order it is asked."""
        return self.questions + tuple(field for step in self.steps for field in step.fields)

    @cached_property
    def deciding(self) -> tuple[Field, ...]:
        """The questions whose answers decide which others are asked."""
        named = {condition.field for field in self.fields for condition in field.when}
        return tuple(field for field in self.fields if field.id in named)

    @cached_property
    def attachments(self) -> tuple[str, ...]:
        """The question that is answered by files, by its id; at most one."""
        return tuple(field.id for field in self.fields if field.kind == "files")

    @property
    def on_pages(self) -> bool:
        """Whether residents ask for it on its pages: a form, a wallet, or a hearing by video where `[hearing]` says how."""
        remote = self.channels.get("remote")
        modes = remote.modes if remote is not None else ()
        return "form" in modes or "wallet" in modes or ("video" in modes and self.hearing is not None)

    def fields_of(self, step: str) -> tuple[Field, ...]:
        """The questions of one step; "" for those of filing. Raises `KeyError`."""
        if not step:
            return self.fields
        for transition in self.transitions:
            if transition.id == step:
                return transition.asks
        raise KeyError(step)

    def field(self, id_: str) -> Field:
        """A question by its id. Raises `KeyError`."""
        for field in self.fields:
            if field.id == id_:
                return field
        raise KeyError(id_)

    def state(self, id_: str) -> State:
        """A state by its id. Raises `KeyError`."""
        for state in self.states:
            if state.id == id_:
                return state
        raise KeyError(id_)

    def absence(self, channel: ChannelName) -> Absence | None:
        """Why a channel is not there; None where it is."""
        return next((one for one in self.absent if one.channel == channel), None)


class Catalogue:
    """Every version of every service."""

    def __init__(self, versions: Mapping[tuple[str, int], Definition]) -> None:
        self.versions = versions
        self._newest: dict[str, Definition] = {}
        for definition in versions.values():
            if definition.id not in self._newest or self._newest[definition.id].version < definition.version:
                self._newest[definition.id] = definition

    def current(self) -> list[Definition]:
        """The newest version of each, in the order of their titles' files."""
        return list(self._newest.values())

    def find(self, id_: str, version: int | None = None) -> Definition | None:
        """One version, or the newest; None where there is none."""
        if version is not None:
            return self.versions.get((id_, version))
        return self._newest.get(id_)


def fingerprint(content: bytes) -> str:
    """SHA-256 of a definition's file: a published version is these bytes and no others."""
    return hashlib.sha256(content).hexdigest()


@cache
def catalogue() -> Catalogue:
    """The services that are shipped. Raises `StartupError` with the file and what is wrong in it."""
    return load(files("egide.services") / "catalogue")


def load(folder: Traversable) -> Catalogue:
    """Reads a folder of definitions. Raises `StartupError`."""
    published: dict[str, str] = tomllib.loads((folder / PUBLISHED).read_text("utf-8"))
    versions: dict[tuple[str, int], Definition] = {}
    for place in sorted(folder.iterdir(), key=lambda one: one.name):
        if not place.name.endswith(".toml") or place.name == PUBLISHED:
            continue
        content = place.read_bytes()
        definition = parse(content, place.name)
        key = (definition.id, definition.version)
        if key in versions:
            raise _wrong(place.name, "deux fichiers pour une même version", "two files for one version")
        known = published.get(f"{definition.id}-{definition.version}")
        if known != fingerprint(content):
            raise _wrong(
                place.name,
                "cette version est publiée autrement : augmentez « version » et ajoutez son empreinte à published.toml",
                "this version was published otherwise: raise “version” and add its fingerprint to published.toml",
            )
        versions[key] = definition
    _same_questions(versions.values())
    return Catalogue(versions)


def parse(content: bytes, name: str) -> Definition:
    """One definition, checked. Raises `StartupError`."""
    try:
        definition = msgspec.convert(tomllib.loads(content.decode()), Definition)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise _wrong(name, str(error), str(error)) from error
    for problem in problems(definition):
        raise _wrong(name, problem.fr, problem.en)
    return msgspec.structs.replace(definition, digest=fingerprint(content))


def problems(definition: Definition) -> Iterable[Text]:
    """What a definition says that cannot be."""
    yield from _channel_problems(definition)
    yield from _field_problems(definition)
    yield from _state_problems(definition)
    if definition.hearing is not None:
        yield from _condition_problems(
            definition.hearing.in_person, {field.id: field for field in definition.fields}, "hearing"
        )
        steps = {transition.id for transition in definition.transitions}
        yield from (
            Text(f"une audition par vidéo sans l’étape « {id_} »", f"a hearing by video without the step “{id_}”")
            for id_ in HEARING_STEPS
            if id_ not in steps
        )


def _channel_problems(definition: Definition) -> Iterable[Text]:
    absent = {one.channel for one in definition.absent}
    for channel in CHANNELS:
        if (channel in definition.channels) == (channel in absent):
            yield Text(
                f"canal « {channel} » : décrivez-le, ou dites quel article l’exclut",
                f"channel “{channel}”: describe it, or say which article excludes it",
            )
    # Nobody is ever sent away for want of a computer (visioplainte is never imposed; Conseil d’État, 3 June 2022, 452798).
    if set(definition.channels) == {"remote"} and definition.absence("counter") is None:
        yield Text("un service sans guichet ni agent", "a service without a counter or an officer")


def _field_problems(definition: Definition) -> Iterable[Text]:
    seen: dict[str, Field] = {}
    yield from _question_problems(definition.fields, seen)
    if len(definition.attachments) > 1:  # files belong to a draft as a whole
        yield Text("plus d’une question à fichiers", "more than one question for files")
    for way in definition.ways:
        yield from _condition_problems(way.when, {one.id: one for one in definition.questions}, way.to)
    for export in definition.exports:
        for id_ in export.fields:
            if id_ not in seen:
                yield _unknown(id_, seen)
        yield from _condition_problems(export.when, seen, export.event)
    if definition.notice is not None:
        yield from (_unknown(id_, seen) for id_ in definition.notice.shows if id_ not in seen)
    for step in definition.transitions:
        yield from _question_problems(step.asks, {})
        if step.asks and step.roles != (HOLDER,):
            yield Text(
                f"« {step.id} » pose des questions : ce n’est donc une étape que de la personne",
                f"“{step.id}” asks questions: it is then a step of the person’s alone",
            )


def _question_problems(fields: tuple[Field, ...], seen: dict[str, Field]) -> Iterable[Text]:
    if len(fields) > MAX_FIELDS:
        yield Text(f"plus de {MAX_FIELDS} questions", f"more than {MAX_FIELDS} questions")
    for field in fields:
        if field.id in seen:
            yield Text(f"question « {field.id} » posée deux fois", f"question “{field.id}” asked twice")
        if (field.kind in ("choice", "choices")) != bool(field.options):
            yield Text(
                f"« {field.id} » : des choix, et eux seuls, ont des options",
                f"“{field.id}”: choices, and only they, have options",
            )
        yield from _condition_problems(field.when, seen, field.id)
        seen[field.id] = field


def _condition_problems(conditions: Iterable[Condition], seen: Mapping[str, Field], where: str) -> Iterable[Text]:
    for condition in conditions:
        asked = seen.get(condition.field)
        if asked is None:
            yield _unknown(condition.field, seen)
            continue
        known = {"yes", "no"} if asked.kind == "yesno" else {option.id for option in asked.options}
        for value in condition.among:
            if value not in known:
                yield Text(
                    f"« {where} » attend « {value} » de « {asked.id} »", f"“{where}” expects “{value}” of “{asked.id}”"
                )


def _state_problems(definition: Definition) -> Iterable[Text]:
    states = {state.id for state in definition.states}
    outputs = {output.id for output in definition.outputs}
    steps = {transition.id for transition in definition.transitions}
    yield from (_unknown(id_, steps) for export in definition.exports for id_ in export.on if id_ not in steps)
    notice = definition.notice
    if notice is not None and notice.paid not in steps:
        yield _unknown(notice.paid, steps)
    for output in definition.outputs:
        if (output.template == "notice") != (notice is not None and notice.output == output.id):
            yield Text(
                f"« {output.id} » : l’avis de [notice], et lui seul, a le modèle « notice »",
                f"“{output.id}”: the notice of [notice], and only it, has the template “notice”",
            )
    reached = {definition.initial}
    for transition in definition.transitions:
        for id_ in (*transition.origins, transition.to):
            if id_ not in states:
                yield _unknown(id_, states)
        if transition.output is not None and transition.output not in outputs:
            yield _unknown(transition.output, outputs)
        if transition.step_up and not transition.signed:
            yield Text(
                f"« {transition.id} » demande une clé d’accès sans être signée",
                f"“{transition.id}” asks for a passkey and is not signed",
            )
        reached.add(transition.to)
    for state in definition.states:
        if state.id not in reached:
            yield Text(f"l’état « {state.id} » n’est jamais atteint", f"state “{state.id}” is never reached")
        leaves = any(state.id in transition.origins for transition in definition.transitions)
        if leaves == state.ends:
            yield Text(
                f"« {state.id} » : la fin, et elle seule, n’a pas de suite",
                f"“{state.id}”: an end, and only an end, leads nowhere",
            )


def _same_questions(definitions: Iterable[Definition]) -> None:
    """The same id is the same question in every service, so that answers can go along from one to another."""
    first: dict[str, tuple[Field, str]] = {}
    for definition in definitions:
        for field in (*definition.fields, *(one for step in definition.transitions for one in step.asks)):
            known, where = first.setdefault(field.id, (field, definition.id))
            if (known.kind, tuple(o.id for o in known.options)) != (field.kind, tuple(o.id for o in field.options)):
                raise _wrong(
                    f"{definition.id}.toml",
                    f"« {field.id} » n’est pas la question de {where}.toml : donnez-lui un autre nom",
                    f"“{field.id}” is not the question of {where}.toml: give it another name",
                )


def _unknown(id_: str, known: Iterable[str]) -> Text:
    near = difflib.get_close_matches(id_, list(known), 1)
    fr, en = (f" ; peut-être « {near[0]} »", f"; perhaps “{near[0]}”") if near else ("", "")
    return Text(f"« {id_} » n’existe pas{fr}", f"“{id_}” does not exist{en}")


def _wrong(name: str, fr: str, en: str) -> StartupError:
    return StartupError(
        Text(f"Service mal défini : {fr}", f"Wrong service definition: {en}"), file=f"egide/services/catalogue/{name}"
    )
