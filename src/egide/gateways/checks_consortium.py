"""Checks of the consortium: the last block and its time, who of the authorities answers, whether enough do to decide.

Reads the blocks of this folder, and calls each authority once without a word: whoever listens is taken for one that runs. The
platform's own view (roots that wait, an authority that failed) is told by `checks_machine.port`, from its health.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from egide.border.ledger.model import Member, quorum
from egide.gateways.composition import composed
from egide.gateways.consortium_files import OfChain, OfNode, given
from egide.gateways.findings import Count, Finding, Findings, failed
from egide.kernel.clock import iso
from egide.kernel.errors import EgideError, Text
from egide.kernel.settings import Settings

if TYPE_CHECKING:
    from egide.border.ledger.tcp import Place

ANSWERS_S = 2.0  # s an authority has to take a call, as a link has (tcp.LINK_S)
DRIFT_S = 10  # s that clocks may be apart: later blocks are refused (chain.DRIFT_S)
STILL_S = 2 * 3600  # s without a block after which something is asked: a root goes out every hour (clerk.py)
FILE = "consortium.db"  # in the chain's folder (engines/chain_store.py)
CLOCK = Text("Réglez l’heure de cette machine (NTP).", "Set this machine’s clock right (NTP).")


def consortium(settings: Settings, _count: Count) -> Findings:
    """Where one is configured: its chain and its authorities, or its node and the contract there."""
    if not settings.consortium:
        return
    try:
        place = given(settings)
        yield from _of_chain(place) if isinstance(place, OfChain) else _of_node(place)
    except EgideError as error:
        yield failed(error)
    except ImportError:
        yield Finding(
            "wrong",
            Text("Le registre du consortium ne peut pas tourner ici.", "The consortium’s ledger cannot run here."),
            Text("Installez « egide[border] ».", "Install “egide[border]”."),
        )


def _of_chain(place: OfChain) -> Findings:
    members, me = place.genesis.members, place.key.public_key().public_bytes_raw()
    if (place.folder / FILE).exists():
        from egide.border.ledger.chain import Chain  # noqa: PLC0415 — the machine is an extra of the installation

        store = composed().chain(place.folder)
        try:
            chain = Chain(place.genesis, store)
        finally:
            store.close()
        members = chain.members
        yield _block(chain.height, chain.at)
    else:
        yield Finding(
            "note",
            Text("Consortium : aucun bloc ici encore.", "Consortium: no block here yet."),
            Text(
                "L’autorité les demande aux autres dès qu’elle tourne.", "The authority asks the others once it runs."
            ),
        )
    mine = next((each for each in members if each.key == me), None)
    yield from _membership(mine is not None)
    yield from _reached(place, members, mine)


def _of_node(place: OfNode) -> Findings:
    from egide.border.ledger.evm import EvmLedger  # noqa: PLC0415 — as above

    node = composed().node(place)
    yield _block(*node.latest())
    members = EvmLedger(node).members()
    yield Finding(
        "good",
        Text(f"Consortium : contrat de {len(members)} membres", f"Consortium: contract of {len(members)} members"),
    )
    yield from _membership(any(each.address == node.account for each in members))


def _block(height: int, at: int) -> Finding:
    age = int(time.time()) - at
    when = iso(at * 1_000_000)
    what = Text(f"Consortium : bloc {height}, du {when}", f"Consortium: block {height}, of {when}")
    if age < -DRIFT_S:
        return Finding(
            "wrong",
            Text(
                f"{what.fr} : l’horloge d’ici retarde d’au moins {-age} s.",
                f"{what.en}: this machine’s clock is at least {-age} s behind.",
            ),
            CLOCK,
        )
    if age > STILL_S:
        hours = age // 3600
        return Finding(
            "note",
            Text(f"{what.fr} : rien depuis {hours} h.", f"{what.en}: nothing for {hours} h."),
            Text(
                "Si des écritures attendent (page de santé), voyez qui ne répond pas.",
                "If writes wait (health page), see who does not answer.",
            ),
        )
    return Finding("good", what)


def _membership(member: bool) -> Findings:
    if not member:
        yield Finding(
            "wrong",
            Text("La clé du consortium n’est celle d’aucun membre.", "The consortium’s key is no member’s."),
            Text(
                "Remettez keys/consortium.key, ou demandez aux membres de vous admettre (« egide border consortium vote-in »).",
                "Put keys/consortium.key back, or ask the members to let you in (“egide border consortium vote-in”).",
            ),
        )


def _reached(place: OfChain, members: tuple[Member, ...], mine: Member | None) -> Iterator[Finding]:
    """Who answers, and whether that decides. One's own counts: where it does not run, starting it is the remedy."""
    runs = _answers(place.listen)
    others = [each for each in members if each is not mine]
    unknown = [each for each in others if each.address not in place.peers]
    places = {each: place.peers[each.address] for each in others if each.address in place.peers}
    with ThreadPoolExecutor(max(1, len(places))) as calls:
        silent = [
            each for each, answers in zip(places, calls.map(_answers, places.values()), strict=True) if not answers
        ]
    if mine is not None and not runs:
        yield Finding(
            "note",
            Text("L’autorité d’ici ne tourne pas.", "This house’s authority does not run."),
            Text(
                "Lancez « egide serve » (sans plateforme : « egide authority serve »).",
                "Run “egide serve” (without a platform: “egide authority serve”).",
            ),
        )
    for each in unknown:
        yield Finding(
            "note",
            Text(f"Adresse inconnue : {_name(place, each)}.", f"Address unknown: {_name(place, each)}."),
            Text("Ajoutez-le à [consortium_peers] d’egide.toml.", "Add it to [consortium_peers] in egide.toml."),
        )
    there, needed = len(places) - len(silent) + (mine is not None), quorum(len(members))
    answer = len(places) - len(silent) + (mine is not None and runs)
    what = Text(
        f"Consortium : {answer} autorités sur {len(members)} répondent, {needed} décident",
        f"Consortium: {answer} of {len(members)} authorities answer, {needed} decide",
    )
    names = ", ".join(sorted(_name(place, each) for each in silent))
    away = Text(f"Ne répondent pas : {names}.", f"Not answering: {names}.")
    if there < needed:
        yield Finding(
            "wrong",
            Text(f"{what.fr} : aucune écriture ne passe.", f"{what.en}: no write is decided."),
            Text(
                f"{away.fr} Vérifiez réseau, pare-feu et leur service ; ici, les portes continuent.",
                f"{away.en} Check network, firewall and their service; gates here go on.",
            ),
        )
    elif silent:
        yield Finding("note", what, Text(f"{away.fr} Prévenez ces membres.", f"{away.en} Tell these members."))
    else:
        yield Finding("good", what)


def _answers(place: Place) -> bool:
    try:
        socket.create_connection(place, ANSWERS_S).close()
    except OSError:
        return False
    return True


def _name(place: OfChain, member: Member) -> str:
    return place.names.get(member.address, member.address.hex())
