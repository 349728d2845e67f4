"""The act: the one thing anyone does through any door.

An act is declared once — name, verb, input and output, the processing activity it belongs to, how its facts are gathered and
what it does. The declaration is the only way to get an HTTP route, a WebSocket message, a command, an OpenAPI entry, an
audit record and a line in the record of processing. `perform` (door.py) is the only way to run one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
from sqlalchemy import Connection, Table, UpdateBase

from egide.kernel.errors import EgideError, StartupError, Text

if TYPE_CHECKING:
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

Fact = bool | int | str
Facts = dict[str, Fact]
# The six log verbs of directive 2016/680 article 25, and view, decide, export, anchor, administer.
Verb = Literal[
    "collect", "alter", "consult", "disclose", "combine", "erase", "view", "decide", "export", "anchor", "administer"
]

NAME = re.compile(r"^[a-z][a-z_]*(\.[a-z][a-z_]*){1,3}$")


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No input, or no output."""


class Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of act inputs: unknown fields are refused, so that nobody sends more than the act asks for (GDPR 5(1)(c)).

    A field named `purpose` says for which of its activity's purposes the act is asked (GDPR 5(1)(b)), unless the input says
    with `says_purpose = False` that its own `purpose` is about something else. Fields named in `unkept` never enter the ledger,
    not even sealed, not even in a refusal: what must not be known at all (where an officer is off duty) must not be kept either.
    `held` is the field that names what one process alone has in memory, by an id that begins with that process (`<process>-…`):
    asked for over HTTP at another one, the act is passed on to it.
    """

    says_purpose: ClassVar[bool] = True
    held: ClassVar[str] = ""
    unkept: ClassVar[frozenset[str]] = frozenset()


@dataclass(slots=True)
class Ctx:
    """What an act may see: who asks, when, a read-only view of the store, and the live channel where there is one.

    `db` is a reader's connection while facts are gathered and effects computed, and the writer's own transaction when volatile
    facts are checked again.
    """

    kernel: Kernel
    principal: Principal
    act: Act
    now_us: int
    db: Connection
    purpose: str = ""
    cause: str = ""
    channel: Any = None  # gateways.live.Channel for stream acts; None through other doors
    # In a round of renewals, what was read in this round already; of acts asked for together, what they share (together.py).
    shared: dict[Any, Any] | None = None
    # Of emergency acts: what their ids and secrets are made of, so that the same act done again later makes the same ones.
    seed: bytes = b""
    address: str = ""  # of who is not signed in, for limits alone
    consumer: str = ""  # who handed it on once, where nobody asked for it just now: a listener, a device’s outbox
    replayed: bool = False  # an emergency act that was done already, and is now taken into the ledger

    seen: dict[Any, Any] = field(default_factory=dict)

    def first(self, key: Any, read: Callable[[], Any]) -> Any:
        """What `read` gives, read once for this act's facts and its handler."""
        if key not in self.seen:
            self.seen[key] = read()
        return self.seen[key]

    def once(self, key: Any, read: Callable[[], Any]) -> Any:
        """What `read` gives; in a round of renewals it is read once for all who ask for the same."""
        if self.shared is None:
            return read()
        if key not in self.shared:
            self.shared[key] = read()
        return self.shared[key]


@dataclass(slots=True)
class Receipt:
    """Where in the ledger the act stands."""

    realm: str
    index: int
    id: str


Rows = list[tuple[Table, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Change:
    """A statement, built once for all acts (no IN over a list: it runs for many at once), and this act's values for it.

    `missed`: it must touch exactly one row; what is raised where it does not, and the act is not done.
    """

    statement: UpdateBase
    values: dict[str, Any]
    missed: Callable[[], EgideError] | None = None

    def make(self, connection: Connection) -> None:
        """Makes it alone."""
        done = connection.execute(self.statement, self.values)
        if self.missed is not None and done.rowcount != 1:
            raise self.missed()


@dataclass(frozen=True, slots=True)
class Numbered:
    """The next number of a series, in the act's transaction. `draw(connection, series, count)` gives the first of so many."""

    series: str
    draw: Callable[[Connection, str, int], int]
    told: Callable[[int], None]


@dataclass(slots=True)
class Effect:
    """What an allowed act does, computed beforehand; the writer only applies it.

    Made together with other acts', in this order: `numbered` is told its number; `rows` are inserted, and what `sealed` gives,
    asked once number and keys are there; `changes` are made, in their order, and concern this act's objects alone; the keys of
    `shreds` are destroyed. `apply` is for anything else and runs after them under a savepoint, which costs a commit of many
    acts dear; `after` runs once the act is durable and is where an effect leaves the store (a thread starts, a picture opens).
    """

    result: Any = None
    rows: Rows = field(default_factory=list)
    sealed: Callable[[], Rows] | None = None
    numbered: Numbered | None = None
    changes: tuple[Change, ...] = ()
    shreds: tuple[tuple[str, str | None], ...] = ()  # (person, purpose or all) of keys to destroy
    apply: Callable[[Connection], None] | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    order: str | None = None
    rights_changed: bool = False
    bulk: tuple[int, bytes] | None = None  # rows of one act and their Merkle sub-root
    after: Callable[[Receipt], Awaitable[None] | None] | None = None
    started: Callable[[], None] | None = (
        None  # for stream acts: runs after the answer has been queued, frames follow it
    )
    # For who subscribes: the result as it is when it is told. What changed between the decision and its commit would else be
    # neither in the result nor among what `started` sends from then on.
    latest: Callable[[], Any] | None = None
    set_cookie: tuple[str, int] | None = (
        None  # session secret and its life in seconds; an empty secret ends the session
    )
    # (person, purpose) of keys that `sealed` or `apply` may be the first to use beside the actor's: made before the transaction,
    # all those of a commit at once.
    keys: tuple[tuple[str, str], ...] = ()
    # Set by sign-in acts: the person whose act this turned out to be.
    actor: str | None = None
    # Persons whom the act's input names, other than its actor: erasing them erases the act's body too.
    concerns: tuple[str, ...] = ()

    @property
    def inserts(self) -> Rows:
        """Every row to insert."""
        return self.rows if self.sealed is None else [*self.rows, *self.sealed()]


Handler = Callable[[Ctx, Any], Effect | Awaitable[Effect]]
Gather = Callable[[Ctx, Any], Mapping[str, Fact]]
Prepare = Callable[[Ctx, Any], Awaitable[None]]


def no_facts(_ctx: Ctx, _given: Any) -> Mapping[str, Fact]:
    """For acts whose law needs nothing beyond what the kernel and the activity know."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A declaration. See `@act` for the meaning of the fields."""

    name: str
    verb: Verb
    activity: str
    summary: Text
    input: type[Any]
    output: type[Any]
    handler: Handler
    gather: Gather
    recheck: Gather | None
    prepare: Prepare | None
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    open: bool
    live: bool
    duty: bool
    system: bool
    emergency: bool
    max_bytes: int
    decoder: msgspec.json.Decoder[Any]


def act(
    name: str,
    *,
    verb: Verb,
    activity: str,
    fr: str,
    en: str,
    input: type[Any] = Nothing,  # noqa: A002 — the word of the field, used nowhere else here
    output: type[Any] = Nothing,
    roles: Iterable[str] = (),
    gather: Gather = no_facts,
    recheck: Gather | None = None,
    prepare: Prepare | None = None,
    groups: Iterable[str] = (),
    open: bool = False,  # noqa: A002 — design's name of the class
    live: bool = False,
    duty: bool = False,
    system: bool = False,
    emergency: bool = False,
    max_bytes: int = 64 * 1024,
) -> Callable[[Handler], Act]:
    """Declares an act; the decorated function is its handler.

    `roles`: who may be habilitated for it ("*" = anyone habilitated, "self" = anyone signed in, about
    themselves, "anyone" = also people not signed in).
    `prepare`: slow looking (a probe of a source) that must precede the facts; it may await. `gather`: the facts that only
    this act knows; quick, and repeatable inside the writer's transaction. `recheck`: those among them that another act may
    change meanwhile (counters): gathered again inside the writer's transaction. `groups`: the law packs' rule groups that
    apply beyond those of the activity's regime and the verb. `open`: public pages and keys; counted, no personal data,
    never in the ledger.
    `live`: only over a live connection. `duty`: the mission is the motive, no words are asked.
    `system`: performed by the platform's own named activities only; no route, message or command.
    `emergency`: never refused because the ledger is away (emergency.py). Its handler sees no store at all, only memory and
    `ctx.seed`; what it writes it writes in `Effect.apply`, what it shows it shows in `Effect.after`.
    """
    if not NAME.match(name):
        raise StartupError(Text(f"Nom d’acte incorrect : {name}", f"Wrong act name: {name}"))

    def declare(handler: Handler) -> Act:
        return Act(
            name=name,
            verb=verb,
            activity=activity,
            summary=Text(fr, en),
            input=input,
            output=output,
            handler=handler,
            gather=gather,
            recheck=recheck,
            prepare=prepare,
            groups=tuple(groups),
            roles=tuple(roles),
            open=open,
            live=live,
            duty=duty,
            system=system,
            emergency=emergency,
            max_bytes=max_bytes,
            decoder=msgspec.json.Decoder(input),
        )

    return declare
