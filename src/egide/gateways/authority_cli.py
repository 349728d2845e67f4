"""`egide authority`: a member's key, the genesis that all members have, an authority of its own process, what the chain says.

For parties without a platform (an observer, an airline); a platform whose settings say so is an authority by itself.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from egide.border.consortium import member_line
from egide.border.ledger.evidence import decode_fault
from egide.gateways.composition import composed
from egide.gateways.consortium_files import (
    Founder,
    GenesisFile,
    OfChain,
    OfNode,
    account_line,
    draw_account,
    draw_key,
    founder,
    given,
    line_of,
)
from egide.gateways.consortium_machines import OwnChain
from egide.gateways.telling import raw, tell
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, StartupError, Text
from egide.kernel.settings import Settings

FEWEST = 4  # members of which one may be away or lie: 3f+1 (model.quorum)
LOOK_S = 1.0  # s between two looks at whether it is still to run


def key(folder: Path, name: str, console: Console) -> None:
    """`egide authority key`: draws the member's key where there is none, and says the line for the others."""
    line = line_of(name, draw_key(folder))
    _founder(line)
    _say_line(line, console)


def node_key(folder: Path, name: str, console: Console) -> None:
    """`egide authority key --node`: the same for a contract on a node."""
    drawn = draw_account(folder)
    line = account_line(name, composed().node(OfNode("", 0, b"", drawn)).account, drawn)
    member_line(line)
    _say_line(line, console)


def _say_line(line: str, console: Console) -> None:
    tell(
        console,
        Text("La clé reste ici. À remettre aux autres membres :", "The key stays here. For the other members:"),
        "good",
    )
    raw(console, line)


def genesis(lines: Sequence[str], out: Path, console: Console) -> None:
    """`egide authority genesis`: how the chain begins, from the lines of its first members. Raises `BadInput`."""
    founders = sorted((_founder(line) for line in lines), key=lambda each: each.member().address)
    file = GenesisFile(1, int(time.time()), tuple(founders))
    try:
        name = file.genesis().name()
    except ValueError as error:
        raise BadInput(
            Text(
                "Il faut de 1 à 13 membres, de noms et de clés distincts.",
                "It takes 1 to 13 members, of distinct names and keys.",
            )
        ) from error
    try:
        with out.open("xb") as written:
            written.write(msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n")
    except OSError as error:
        raise BadInput(
            Text(f"{out} existe déjà, ou ne peut pas être écrit.", f"{out} exists already, or cannot be written.")
        ) from error
    few = 1 < len(founders) < FEWEST
    tell(
        console,
        Text(
            f"{out} : {len(founders)} membres. Tous en prennent la même copie.",
            f"{out}: {len(founders)} members. All take the same copy.",
        ),
        "good",
    )
    tell(console, Text("L’empreinte, à comparer de vive voix :", "Its digest, to be compared by voice:"))
    raw(console, name.hex())
    if few:
        tell(
            console,
            Text(
                "À moins de quatre, tous doivent signer : un absent arrête les écritures.",
                "With fewer than four, all must sign: one away stops the writes.",
            ),
            "note",
        )


def serve(settings: Settings, console: Console) -> None:
    """`egide authority serve`: until a signal. Raises `StartupError`."""
    machine, ending = _opened(settings), threading.Event()
    try:
        machine.step()
        if machine.authority is None:
            raise StartupError(
                machine.trouble()
                or Text("Une autorité tourne déjà sur ce dossier.", "An authority already runs on this folder."),
                file=settings.data,
            )
        for number in (signal.SIGINT, signal.SIGTERM):  # before anybody is told that it runs
            signal.signal(number, lambda *_: ending.set())
        tell(
            console,
            Text(f"Autorité : {settings.consortium_listen}", f"Authority: {settings.consortium_listen}"),
            "good",
        )
        while not ending.wait(LOOK_S):
            machine.step()
    finally:
        machine.close()


def show(settings: Settings, console: Console) -> int:
    """`egide authority show`: height, members, faults, running or not; 1 where a member is known to have lied."""
    place = _of_chain(settings)
    machine = _opened(settings)
    try:
        members, keys = machine.chain.reading.members(), machine.chain.reading.keys()
        when = iso(machine.chain.at * 1_000_000)
        tell(
            console,
            Text(
                f"Bloc {machine.chain.height}, du {when} ; {len(keys)} clés.",
                f"Block {machine.chain.height}, of {when}; {len(keys)} keys.",
            ),
        )
        table = Table("Membre / member", "Adresse / address", "")
        for each in members:
            here = "ici / here" if each.address == machine.me else ""
            table.add_row(place.names.get(each.address, "–"), each.address.hex(), here)
        console.print(table)
        found = [decode_fault(each) for each in machine.chain.store.faults()]
    finally:
        machine.close()
    counted = Counter((fault.by, fault.kind, bool(fault.proof or fault.blocks)) for fault in found)
    for (by, kind, proved), count in sorted(counted.items()):
        who = place.names.get(by, by.hex())
        how = (
            Text("prouvé", "proved")
            if proved
            else Text("sans preuve : voyez d’abord le lien", "no proof: look at the link first")
        )
        tell(
            console,
            Text(f"{who} : {kind}, {count} fois ({how.fr}).", f"{who}: {kind}, {count} times ({how.en})."),
            "wrong" if proved else "note",
        )
    if not found:
        tell(console, Text("Aucune faute connue.", "No fault is known."), "good")
    return int(any(proved for _, _, proved in counted))


def _founder(line: str) -> Founder:
    try:
        return founder(line)
    except ValueError as error:
        raise BadInput(
            Text(f"Ce n’est pas la ligne d’un membre : {line}", f"This is no member’s line: {line}"),
            Text("NOM+CLÉ, comme « egide authority key » la donne.", "NAME+KEY, as “egide authority key” gives it."),
        ) from error


def _of_chain(settings: Settings) -> OfChain:
    found = given(settings) if settings.consortium else None
    if not isinstance(found, OfChain):
        raise StartupError(
            Text("Aucun fichier de genèse dans les réglages.", "The settings name no genesis file."),
            Text(
                'Dans egide.toml : consortium = "genesis.json", consortium_listen, consortium_peers.',
                'In egide.toml: consortium = "genesis.json", consortium_listen, consortium_peers.',
            ),
            file=settings.data,
        )
    return found


def _opened(settings: Settings) -> OwnChain:
    place = _of_chain(settings)
    return OwnChain(place, composed().chain(place.folder), time.time)
