"""What an administrator does with the consortium's ledger by hand: look, vote a member in or out, take an orphan key off, deploy.

Proposing and voting are one call: the first vote for a change is its proposal. Keys are no matter of votes: each member's own are
listed by themselves once an act has made them (`border.key.make`); only a key whose owner has left has to be taken off by hand.
Each is decided and in the platform's ledger first; where the consortium refuses it afterwards, that stands there too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import msgspec

from egide.border.keys import CONSORTIUM, ROLES, Role
from egide.border.ledger.model import ADDRESS_BYTES, WORD_BYTES, Ledger, Member, address_of, quorum
from egide.border.realm import FACILITATION
from egide.kernel.act import Act, Ctx, Effect, Input, Receipt, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from egide.border.ledger.ballots import Ballot

DEPLOYER = "border-consortium-deployer"  # among the kernel’s things: (node, number of its chain, members) → the contract’s address
SPELLED = {2: "name+key", 3: "name+address+key"}


class Consortium(Ledger, Protocol):
    """The ledger as this house's member sees it."""

    @property
    def me(self) -> bytes:
        """This member's address."""

    @property
    def names(self) -> Mapping[bytes, str]:
        """What people call the first members, by address."""

    def ready(self) -> None:
        """Raises `Elsewhere` where another process writes for the member, `Unavailable` where nothing can be written now."""

    def ballots(self) -> tuple[Ballot, ...] | None:
        """The open votes; None where they are not known (on a node)."""


class Look(Input):
    """Nothing to say."""


class Vote(Input):
    """Address (40 hex digits), and the key (64) with which it becomes a member; an empty key: it leaves."""

    address: str
    key: str = ""


class Orphan(Input):
    """A key of a member that has left, or of one's own, by its name and role."""

    kid: str
    role: Role


class Deploy(Input):
    """The node's address (http, https), the number of its chain, and its first members as lines: NAME+ADDRESS+KEY."""

    node: str
    chain: int
    members: list[str]


class MemberShown(msgspec.Struct):
    """A member, in hex; `name` is empty where the genesis does not name it."""

    name: str
    address: str
    key: str
    here: bool


class KeyShown(msgspec.Struct):
    """A listed key; `owner` in hex, `orphan` where that one is no member any more."""

    kid: str
    role: str
    owner: str
    until: str
    orphan: bool


class BallotShown(msgspec.Struct):
    """An open vote; an empty key: the member leaves."""

    id: str
    name: str
    address: str
    key: str
    by: list[str]
    needed: int
    mine: bool
    since: str


class Shown(msgspec.Struct):
    """What the ledger says; `ballots` is null where it cannot be known. `needed`: votes that decide."""

    me: str
    needed: int
    members: list[MemberShown]
    keys: list[KeyShown]
    ballots: list[BallotShown] | None


class Voted(msgspec.Struct):
    """How the vote stands once it was counted: decided, or so many of so many."""

    decided: bool
    votes: int | None = None
    needed: int = 0


class Deployed(msgspec.Struct):
    """The contract's address, as the setting `consortium_contract` wants it."""

    contract: str = ""


def member_line(line: str) -> Member:
    """A member's public line: NAME+KEY (a chain), or NAME+ADDRESS+KEY (a node). Raises `BadInput`."""
    parts = line.strip().split("+")
    try:
        key = bytes.fromhex(parts[-1])
        address = bytes.fromhex(parts[1].removeprefix("0x")) if len(parts) == max(SPELLED) else address_of(key)
    except (ValueError, IndexError):
        key, address = b"", b""
    if len(parts) not in SPELLED or len(key) != WORD_BYTES or len(address) != ADDRESS_BYTES or not any(key):
        raise BadInput(
            Text(f"Ce n’est pas la ligne d’un membre : {line}", f"This is no member’s line: {line}"),
            Text("NOM+CLÉ, ou NOM+ADRESSE+CLÉ sur un nœud.", "NAME+KEY, or NAME+ADDRESS+KEY on a node."),
        )
    return Member(address, key)


def _consortium(ctx: Ctx) -> Consortium:
    found: Consortium | None = ctx.kernel.things.get(CONSORTIUM)
    if found is None:
        raise NotFound(
            Text("Cette plateforme n’est reliée à aucun consortium.", "This platform is connected to no consortium."),
            Text("Voyez docs/consortium.md, « Connecting a house ».", "See docs/consortium.md, “Connecting a house”."),
        )
    return found


@act(
    "border.consortium.show", verb="view", activity=FACILITATION.activity, roles=["administrator"], duty=True, input=Look,
    output=Shown, fr="Voir les membres, clés et votes du consortium", en="See the consortium’s members, keys and votes",
)  # fmt: skip
async def show(ctx: Ctx, _given: Look) -> Effect:
    """Reads; an act all the same, since a node of others may be asked for it."""
    ledger = _consortium(ctx)
    return Effect(await asyncio.to_thread(_shown, ledger))


def _shown(ledger: Consortium) -> Shown:
    members, ballots = ledger.members(), ledger.ballots()
    here, needed, listed = {each.address for each in members}, quorum(len(members)), ledger.keys()
    return Shown(
        ledger.me.hex(),
        needed,
        [
            MemberShown(ledger.names.get(each.address, ""), each.address.hex(), each.key.hex(), each.address == ledger.me)
            for each in members
        ],
        [
            KeyShown(each.kid, each.role.name.lower(), each.owner.hex(), iso(each.until * 1_000_000), each.owner not in here)
            for each in listed
        ],
        None if ballots is None else [_ballot(ledger, each, needed) for each in ballots],
    )  # fmt: skip


def _ballot(ledger: Consortium, of: Ballot, needed: int) -> BallotShown:
    return BallotShown(
        of.id, ledger.names.get(of.address, ""), of.address.hex(), (of.key or b"").hex(), [each.hex() for each in of.by],
        needed, ledger.me in of.by, iso(of.at * 1_000_000),
    )  # fmt: skip


@act(
    "border.consortium.vote", verb="administer", activity=FACILITATION.activity, roles=["administrator"], duty=True, input=Vote,
    output=Voted, fr="Voter l’entrée ou la sortie d’un membre du consortium", en="Vote a member of the consortium in or out",
)  # fmt: skip
def vote(ctx: Ctx, given: Vote) -> Effect:
    """The first vote for a change is its proposal."""
    ledger, result = _consortium(ctx), Voted(decided=False)
    address, key = _hex(given.address, ADDRESS_BYTES), _hex(given.key, WORD_BYTES) if given.key else None
    ledger.ready()

    def say() -> None:
        ledger.vote(address, key)
        members = {each.address: each.key for each in ledger.members()}
        result.decided, result.needed = members.get(address) == key, quorum(len(members))
        found = [each for each in ledger.ballots() or () if (each.address, each.key) == (address, key)]
        result.votes = len(found[0].by) if found else None

    return Effect(result, after=_afterwards(say))


@act(
    "border.consortium.remove_key", verb="administer", activity=FACILITATION.activity, roles=["administrator"], duty=True,
    input=Orphan, fr="Radier du consortium une clé d’un membre parti", en="Take a key of a member that left off the consortium’s list",
)  # fmt: skip
def remove_key(ctx: Ctx, given: Orphan) -> Effect:
    """One's own as well: it is then never listed again."""
    ledger = _consortium(ctx)
    ledger.ready()
    return Effect(after=_afterwards(lambda: ledger.remove_key(given.kid, ROLES[given.role])))


@act(
    "border.consortium.deploy", verb="administer", activity=FACILITATION.activity, roles=["administrator"], duty=True, input=Deploy,
    output=Deployed, fr="Créer le contrat du consortium sur un nœud", en="Create the consortium’s contract on a node",
)  # fmt: skip
def deploy(ctx: Ctx, given: Deploy) -> Effect:
    """Once, by one member; the others take its address. What it costs is paid from this member's account."""
    members, result = tuple(map(member_line, given.members)), Deployed()
    if ctx.kernel.things.get(CONSORTIUM) is not None:
        raise Conflict(
            Text("Cette plateforme a déjà son consortium.", "This platform has its consortium already."),
            Text("Retirez d’abord « consortium » des réglages.", "Take “consortium” out of the settings first."),
        )
    if not given.node.startswith(("http://", "https://")) or given.chain < 1:
        raise BadInput(Text("Il faut http(s)://nœud et un numéro.", "It takes http(s)://node and a number."))
    if len({each.address for each in members}) != len(members):
        raise BadInput(Text("Un membre est donné deux fois.", "A member is given twice."))
    create: Callable[[str, int, tuple[Member, ...]], bytes] = ctx.kernel.things[DEPLOYER]

    def make() -> None:
        result.contract = f"{given.chain}:0x{create(given.node, given.chain, members).hex()}"

    return Effect(result, after=_afterwards(make))


def _afterwards(what: Callable[[], None]) -> Callable[[Receipt], Awaitable[None]]:
    """In a thread: the others' signatures, or a block of a node, take seconds."""

    async def after(_receipt: Receipt) -> None:
        await asyncio.to_thread(what)

    return after


def _hex(text: str, length: int) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != length:
        raise BadInput(
            Text(f"Il faut {2 * length} chiffres hexadécimaux.", f"It takes {2 * length} hex digits."),
            Text("Recopiez la ligne du membre.", "Copy the member’s line."),
        )
    return found


ACTS: tuple[Act, ...] = (show, vote, remove_key, deploy)
