"""`egide border consortium`: what the members agree on, and what this one says to it. All are acts of the running server.

Look, vote a member in or out (the first vote is the proposal), take a departed member's key off, create the contract on a node.
"""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from egide.border.consortium import member_line
from egide.gateways.server_call import call
from egide.gateways.telling import raw, tell
from egide.kernel.errors import NotFound, Text
from egide.kernel.settings import Settings

SHOW, VOTE, REMOVE, DEPLOY = (f"border.consortium.{each}" for each in ("show", "vote", "remove_key", "deploy"))


def show(settings: Settings, console: Console, *, as_json: bool) -> int:
    """Members, keys and open votes; 0."""
    found = _asked(settings, SHOW, {})
    if as_json:
        console.print_json(json.dumps(found, ensure_ascii=False))
        return 0
    members = Table("Membre / member", "Adresse / address", "")
    for each in found["members"]:
        members.add_row(escape(each["name"] or "–"), each["address"], "ici / here" if each["here"] else "")
    console.print(members)
    names = {each["address"]: each["name"] for each in found["members"]}
    keys = Table("Clé / key", "Rôle / role", "De / of", "Jusqu’à / until")
    for each in found["keys"]:
        whose = "parti / left" if each["orphan"] else names.get(each["owner"]) or each["owner"]
        keys.add_row(escape(each["kid"]), each["role"], escape(whose), each["until"])
    console.print(keys)
    _tell_votes(found, console)
    for each in (each for each in found["keys"] if each["orphan"]):
        command = f"egide border consortium remove-key {each['kid']} --role {each['role']}"
        tell(
            console,
            Text(f"{each['kid']} : clé d’un membre parti.", f"{each['kid']}: a key of a member that left."),
            "note",
            Text(f"Radiez-la : {command}", f"Take it off: {command}"),
        )
    return 0


def _tell_votes(found: dict[str, Any], console: Console) -> None:
    if found["ballots"] is None:
        tell(
            console,
            Text(
                "Un nœud ne tient pas la liste des votes : demandez aux autres membres ce qu’ils proposent.",
                "A node keeps no list of votes: ask the other members what they propose.",
            ),
            "note",
        )
    elif not found["ballots"]:
        tell(console, Text("Aucun vote en cours.", "No vote is open."), "good")
    for each in found["ballots"] or ():
        who = each["name"] or each["address"]
        what = Text("entrée", "to come in") if each["key"] else Text("sortie", "to leave")
        counted = f"{len(each['by'])}/{each['needed']}"
        tell(
            console,
            Text(f"{each['id']} : {who}, {what.fr}, {counted} voix.", f"{each['id']}: {who}, {what.en}, {counted} votes."),
            "note",
            None if each["mine"] else Text(
                f"Vérifiez de vive voix, puis : egide border consortium vote {each['id']}",
                f"Check it by voice, then: egide border consortium vote {each['id']}",
            ),
        )  # fmt: skip


def vote_in(settings: Settings, line: str, console: Console) -> int:
    """For a new member, by its public line; 0. Raises `EgideError`."""
    member = member_line(line)
    return _vote(settings, member.address.hex(), member.key.hex(), console)


def vote_out(settings: Settings, who: str, console: Console) -> int:
    """For one to leave, by its name in the genesis or its address; 0. Raises `NotFound`."""
    members = _asked(settings, SHOW, {})["members"]
    found = [each["address"] for each in members if who in (each["name"], each["address"])]
    if len(found) != 1:
        raise NotFound(
            Text(f"Aucun membre ne s’appelle ainsi : {who}", f"No member is called so: {who}"),
            Text("Donnez son adresse, d’après « … show ».", "Give its address, as “… show” says it."),
        )
    return _vote(settings, found[0], "", console)


def vote_for(settings: Settings, ballot: str, console: Console) -> int:
    """With those who voted for this already; 0. Raises `NotFound`."""
    ballots = _asked(settings, SHOW, {})["ballots"] or []
    found = [each for each in ballots if each["id"] == ballot]
    if len(found) != 1:
        raise NotFound(
            Text(f"Aucun vote en cours ne porte ce numéro : {ballot}", f"No open vote has this number: {ballot}"),
            Text("Regardez « egide border consortium show ».", "Look at “egide border consortium show”."),
        )
    return _vote(settings, found[0]["address"], found[0]["key"], console)


def _vote(settings: Settings, address: str, key: str, console: Console) -> int:
    result = _asked(settings, VOTE, {"address": address, "key": key})
    if result["decided"]:
        tell(console, Text("Voté, et décidé.", "Voted, and decided."), "good")
    elif result["votes"] is None:
        tell(console, Text("Voté.", "Voted."), "good", Text("D’autres doivent voter.", "Others have to vote."))
    else:
        counted = f"{result['votes']}/{result['needed']}"
        tell(
            console,
            Text(f"Voté : {counted} voix.", f"Voted: {counted} votes."),
            "good",
            Text("Prévenez les autres membres : à eux de voter.", "Tell the other members: it is theirs to vote."),
        )
    return 0


def remove_key(settings: Settings, kid: str, role: str, console: Console) -> int:
    """Takes a key off; 0."""
    _asked(settings, REMOVE, {"kid": kid, "role": role})
    tell(console, Text("Radiée : elle ne vaut plus nulle part.", "Taken off: it counts nowhere any more."), "good")
    return 0


def deploy(settings: Settings, node: str, chain: int, lines: list[str], console: Console) -> int:
    """Creates the contract; says the setting that all members copy; 0. Raises `BadInput`."""
    for line in lines:
        member_line(line)
    result = _asked(settings, DEPLOY, {"node": node, "chain": chain, "members": lines})
    tell(
        console,
        Text(
            f"Contrat créé, avec {len(lines)} membres. Tous mettent dans egide.toml, puis redémarrent :",
            f"The contract is created, with {len(lines)} members. All put this into egide.toml, and start again:",
        ),
        "good",
    )
    raw(console, f'consortium = "{node}"')
    raw(console, f'consortium_contract = "{result["contract"]}"')
    return 0


def _asked(settings: Settings, name: str, given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = call(settings, name, given)["result"]
    return found
