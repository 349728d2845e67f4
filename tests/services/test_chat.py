"""Help by chat: one interlocutor, nobody else reads, nothing is kept but by choice; heard also while the ledger is down."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import BadInput, Conflict, NotFound, NotSignedIn, Refused, TooLarge, TooMany, Unavailable
from egide.kernel.identity import ANONYMOUS
from egide.kernel.vault import Erased
from egide.services import chat_tables, tables
from egide.services.chat_board import BURST, PURPOSE, SILENCE, WORDS, owner
from tests.kernel.test_emergency import back, leaves, plug, unplug
from tests.services.test_filing import asked
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio

WRITTEN, ANSWERED = "Il a cassé mon téléphone hier soir", "Êtes-vous en sécurité maintenant ?"
CALL = {
    "callback": ["yes"], "phone": ["06 12 34 56 78"], "safe_time": ["mardi matin"], "whereabouts": ["Rennes, quartier nord"],
}  # fmt: skip


async def person(world: World, name: str, /, **given: Any) -> Any:
    return await asked(world, f"services.chat.{name}", **given)


async def officer(world: World, name: str, who: str = "officer", /, **given: Any) -> Any:
    return await world.act(who, f"services.chat.{name}", **given)


async def begun(world: World, *, taken: bool = True) -> dict[str, str]:
    """A conversation with two lines, or one that waits."""
    made = await person(world, "open", text=WRITTEN)
    held = {"chat": made["id"], "secret": made["secret"]}
    if taken:
        await officer(world, "take", chat=held["chat"])
        await officer(world, "answer", chat=held["chat"], text=ANSWERED)
    return held


def rows(world: World, table: Any) -> int:
    return int(world.kernel.store.reader().execute(select(func.count()).select_from(table)).scalar_one())


async def gone(world: World) -> None:
    await world.until(lambda: rows(world, chat_tables.chat) + rows(world, chat_tables.line) == 0)


async def test_one_officer_from_beginning_to_end(world: World) -> None:
    desk = Terminal(world.person("officer"))
    other = Terminal(world.person("other-officer"))
    for terminal in (desk, other):
        await world.act(terminal.principal.id, "services.chat.list", terminal)
    held = await begun(world, taken=False)
    waiting = other.pushed[-1]["chat"]
    assert waiting["id"] == held["chat"]
    assert waiting["due"] > waiting["since"]
    assert WRITTEN not in json.dumps(other.pushed, ensure_ascii=False), "who has not taken it reads nothing"

    taken = (await officer(world, "take", chat=held["chat"]))["chat"]
    assert [line["text"] for line in taken["lines"]] == [WRITTEN, ""]
    with pytest.raises(Conflict):
        await officer(world, "take", "other-officer", chat=held["chat"])
    await officer(world, "answer", chat=held["chat"], text=ANSWERED)
    for name, more in (
        ("answer", {"text": "x"}), ("alert", {"text": "x"}), ("relay", {"text": "x"}), ("back", {}), ("close", {}), ("hand_over", {"text": "x"}),
    ):  # fmt: skip
        broken = await world.refused("other-officer", f"services.chat.{name}", chat=held["chat"], **more)
        assert "PNAV-one-voice" in broken, name
    assert other.pushed[-1]["chat"]["closed"], "for the others it is off the list"
    assert (await officer(world, "list", "other-officer"))["chats"] == []
    assert ANSWERED not in json.dumps(other.pushed, ensure_ascii=False)
    seen = await person(world, "follow", **held)
    assert [(line["officer"], line["text"]) for line in seen["lines"]] == [
        (False, WRITTEN),
        (True, ""),
        (True, ANSWERED),
    ]
    assert "Camille" not in json.dumps(seen), "the person is not told who answers"
    assert ANSWERED in json.dumps(desk.pushed, ensure_ascii=False)


async def test_a_relay_is_said(world: World) -> None:
    held = await begun(world)
    await officer(world, "relay", chat=held["chat"], text="Un collègue continue avec vous.")
    with pytest.raises(Refused):
        await officer(world, "answer", chat=held["chat"], text="encore moi")
    await officer(world, "take", "other-officer", chat=held["chat"])
    await officer(world, "answer", "other-officer", chat=held["chat"], text="Je suis là.")
    said = [line["text"] for line in (await person(world, "follow", **held))["lines"]]
    assert said[-3:] == ["Un collègue continue avec vous.", "", "Je suis là."]
    # Who commands frees a conversation whose officer cannot go on, and reads nothing of it.
    shown = (await officer(world, "list", "command"))["chats"]
    assert [(one["taken"], one["lines"]) for one in shown] == [(True, [])]
    await officer(world, "relay", "command", chat=held["chat"], text="Un autre agent arrive.")
    await officer(world, "take", chat=held["chat"])


async def test_nobody_else_reads(world: World) -> None:
    held, other = await begun(world), await begun(world, taken=False)
    for secret in ("", "x", other["secret"], held["secret"][:-1]):
        for name, more in (
            ("follow", {}),
            ("say", {"text": "x"}),
            ("news", {"seen": ""}),
            ("keep", {"words": True}),
            ("leave", {}),
        ):
            with pytest.raises(NotFound):
                await person(world, name, chat=held["chat"], secret=secret, **more)
    for name in ("list", "take", "answer", "close"):
        with pytest.raises(NotSignedIn):
            await person(
                world,
                name,
                **({} if name == "list" else {"chat": held["chat"]}),
                **({"text": "x"} if name == "answer" else {}),
            )
    assert "GDPR-29" in await world.refused("prefect", "services.chat.list")
    with pytest.raises(NotFound):
        await officer(world, "exported", chat=held["chat"])  # the platform's own, for no one at a door


async def test_hostile_words_are_words(world: World) -> None:
    for text in ("<script>alert(1)</script>", "\u202eabc\u2066 שלום 😀", "a\x00b\x07c", "x" * 4000):
        made = await person(world, "open", text=text)
        said = (await person(world, "follow", chat=made["id"], secret=made["secret"]))["lines"][0]["text"]
        assert said == text.replace("\x00", "").replace("\x07", "")


async def test_what_is_no_message(world: World) -> None:
    for text in ("", " \n\t ", "\x00", "x" * 4001):
        with pytest.raises(BadInput):
            await person(world, "open", text=text)
    with pytest.raises(TooLarge):
        await person(world, "open", text="x" * 10_000_000)
    held = await begun(world)
    with pytest.raises(BadInput):
        await person(world, "keep", **held, words=False, form=CALL | {"phone": ["appelez-moi"]})
    with pytest.raises(BadInput):
        await officer(world, "alert", chat=held["chat"], text="armé", whereabouts="x" * 500)
    for _ in range(BURST):
        made = await world.kernel.perform("services.chat.open", b'{"text":"x"}', ANONYMOUS, address="192.0.2.9")
    with pytest.raises(TooMany):
        await world.kernel.perform("services.chat.open", b'{"text":"x"}', ANONYMOUS, address="192.0.2.9")
    assert made.result.id


@pytest.mark.parametrize("by", ["person", "officer"])
async def test_what_was_said_is_erased_when_it_ends(world: World, by: str) -> None:
    held = await begun(world)
    sealed = world.kernel.store.reader().execute(select(chat_tables.line.c.body, chat_tables.line.c.id)).all()
    assert all(WRITTEN.encode() not in row.body for row in sealed)
    if by == "person":
        await person(world, "leave", **held)
    else:
        await officer(world, "close", chat=held["chat"])
    with pytest.raises(NotFound):
        await person(world, "follow", **held)
    await gone(world)
    for row in sealed:
        with pytest.raises(Erased):
            world.kernel.vault.open_(owner(held["chat"]), PURPOSE, row.body, row.id.encode())
    entry = kernel_tables.entry.c
    about = select(entry.act, entry.body, entry.actor).where(entry.act.like("services.chat.%"))
    for said in world.kernel.store.reader().execute(about):
        assert said.actor != owner(held["chat"])
        assert said.body is None or said.act in ("services.chat.list", "services.chat.close"), said.act
    assert rows(world, tables.file) == 0
    left = select(kernel_tables.retained.c.id).where(kernel_tables.retained.c.object == held["chat"])
    assert [row.id for row in world.kernel.store.reader().execute(left)] == [f"{WORDS}/{held['chat']}"]


async def test_a_conversation_that_nobody_ends_is_erased_after_a_day(world: World) -> None:
    held = await begun(world)
    world.move(hours=20)
    await person(world, "say", **held, text="Encore là ?")
    world.move(hours=20)
    await person(world, "follow", **held)
    world.move(hours=5)
    await gone(world)
    left = select(kernel_tables.retained.c.id).where(kernel_tables.retained.c.object == held["chat"])
    assert [row.id for row in world.kernel.store.reader().execute(left)] == [f"{SILENCE}/{held['chat']}"]
    await world.until(lambda: world.kernel.things["chats"].find(held["chat"]) is None)  # the board is told by an event
    with pytest.raises(NotFound):
        await person(world, "follow", **held)
    assert (await officer(world, "list"))["chats"] == []


async def test_what_was_to_be_kept_is_a_file_though_nobody_ends_the_conversation(world: World) -> None:
    """Who is watched closes the window: number and code hold all the same, and so does the call."""
    words, call, forgot = [await begun(world) for _ in range(3)]
    kept = await person(world, "keep", **words, words=True)
    called = await person(world, "keep", **call, words=False, form=CALL)
    await person(world, "keep", **forgot, words=True)
    await person(world, "keep", **forgot, words=False)
    world.move(hours=20)
    await person(world, "say", **words, text="Encore là ?")
    world.move(hours=5)
    await world.until(lambda: rows(world, chat_tables.chat) == 1)  # in which somebody wrote
    assert rows(world, tables.file) == 1
    file = await asked(world, "services.file.follow", number=called["number"], code=called["code"])
    assert (file["state"], file["closed"], file["wrong"]) == ("handed_over", False, None)
    assert WRITTEN not in json.dumps(file, ensure_ascii=False), "to be called back is not to have one’s words kept"
    queue = (await world.act("officer", "services.desk.queue"))["files"]
    assert [one["number"] for one in queue] == [called["number"]]
    world.move(hours=20)
    await gone(world)
    file = await asked(world, "services.file.follow", number=kept["number"], code=kept["code"])
    assert (file["state"], file["closed"], file["wrong"]) == ("closed", True, None)
    assert "Encore là ?" in file["events"][-1]["text"]
    assert file["events"][-1]["text"].endswith("plus personne n’y a écrit.")
    assert rows(world, tables.file) == 2


async def test_kept_by_choice_it_is_a_file_with_number_and_code(world: World) -> None:
    waiting = await begun(world, taken=False)
    with pytest.raises(Conflict):
        await person(world, "keep", **waiting, words=True)
    held = await begun(world)
    chosen = await person(world, "keep", **held, words=True)
    assert chosen["number"].startswith("VC-")
    assert (await person(world, "keep", **held, words=True))["code"] == "", "the code is said once"
    await person(world, "say", **held, text="Merci.")
    await officer(world, "close", chat=held["chat"])
    file = await asked(world, "services.file.follow", number=chosen["number"], code=chosen["code"])
    assert (file["state"], file["closed"], file["wrong"]) == ("closed", True, None)
    assert [one["step"] for one in file["events"]] == ["file", "answer", "close"]
    for words in (WRITTEN, ANSWERED, "Merci."):
        assert words in file["events"][-1]["text"]
    await world.until(lambda: rows(world, chat_tables.chat) == 1)  # the one that still waits
    world.move(days=364)
    assert (await asked(world, "services.file.follow", number=chosen["number"], code=chosen["code"]))["closed"]
    world.move(days=2)
    await world.until(lambda: rows(world, tables.file) == 0)


async def test_a_choice_can_be_taken_back(world: World) -> None:
    held = await begun(world)
    await person(world, "keep", **held, words=True)
    await person(world, "keep", **held, words=False)
    await person(world, "leave", **held)
    await gone(world)
    assert rows(world, tables.file) == 0


async def test_handed_over_as_the_person_agreed(world: World) -> None:
    held = await begun(world)
    assert "PNAV-agreed" in await world.refused(
        "officer", "services.chat.hand_over", chat=held["chat"], text="À rappeler"
    )
    chosen = await person(world, "keep", **held, words=False, form=CALL)
    shown = (await officer(world, "list"))["chats"][0]
    assert shown["callback"]["phone"] == "06 12 34 56 78"
    with pytest.raises(BadInput):
        await officer(world, "hand_over", chat=held["chat"], text="À rappeler", unit="nowhere")
    await officer(world, "hand_over", chat=held["chat"], text="À rappeler mardi, jamais le soir", unit="brigade")
    await gone(world)
    queue = (await world.act("officer", "services.desk.queue"))["files"]
    assert [(one["number"], one["state"]) for one in queue] == [(chosen["number"], "handed_over")]
    opened = await world.act("officer", "services.violence_chat.read", file=queue[0]["id"])
    assert opened["file"]["answers"]["safe_time"] == "mardi matin"
    told = json.dumps(opened, ensure_ascii=False)
    assert "jamais le soir" in told
    assert WRITTEN not in told, "to be called back is not to have one’s words kept"
    await world.act("officer", "services.violence_chat.call", file=queue[0]["id"])
    mine = await asked(world, "services.file.follow", number=chosen["number"], code=chosen["code"])
    assert mine["state"] == "called"


async def test_a_team_is_asked_for_with_what_is_exported_and_no_more(world: World) -> None:
    heard: list[dict[str, Any]] = []
    world.kernel.bus.watch(lambda name, payload: heard.append(payload) if name == "help.needed" else None)
    held = await begun(world)
    system = world.kernel.system(PURPOSE)
    ref = json.dumps({"chat": held["chat"]}).encode()
    with pytest.raises(NotFound):
        await world.kernel.perform("services.chat.exported", ref, system)
    shown = await officer(
        world, "alert", chat=held["chat"], text="Il est armé", whereabouts="12 rue de la Gare", phone="0612345678"
    )
    assert shown["chat"]["state"] == "alerted"
    await world.until(lambda: heard)
    assert heard == [{"chat": held["chat"], "service": "violence-chat", "to": "operations"}]
    done = await world.kernel.perform("services.chat.exported", ref, system)
    assert done.result.fields == {"whereabouts": "12 rue de la Gare", "phone": "0612345678"}
    seen = await person(world, "follow", **held)
    assert seen["state"] == "alerted"
    assert "armé" not in json.dumps(seen, ensure_ascii=False), "why is for the team"
    await officer(world, "back", chat=held["chat"])
    assert (await person(world, "follow", **held))["state"] == "talking"


async def test_the_ledger_is_down_and_they_go_on(world: World) -> None:
    held = await begun(world, taken=False)
    unplug(world)
    other = await begun(world)
    await officer(world, "take", chat=held["chat"])
    await person(world, "say", **held, text="Vous êtes là ?")
    await officer(world, "answer", chat=held["chat"], text="Oui.")
    await officer(world, "alert", chat=held["chat"], text="armé", whereabouts="Rennes")
    await officer(world, "back", chat=held["chat"])
    assert (await person(world, "follow", **held))["journal"]
    with pytest.raises(Unavailable):
        await person(world, "leave", **other)
    plug(world)
    await back(world)
    assert not (await person(world, "follow", **held))["journal"]
    assert len(leaves(world, "services.chat.open")) == 2
    # Started again, it is all there.
    await world.stop()
    await world.start()
    seen = await person(world, "follow", **held)
    assert [line["text"] for line in seen["lines"]] == [WRITTEN, "", "Vous êtes là ?", "Oui."]
    assert len((await officer(world, "list"))["chats"]) == 2
    await person(world, "leave", **other)


async def test_of_two_choices_at_once_one_number_is_given(world: World) -> None:
    """A button that is pressed twice draws one number, and files the conversation once."""
    held = await begun(world)
    told = await asyncio.gather(*(person(world, "keep", **held, words=True) for _ in range(2)))
    assert {one["number"] for one in told} == {"VC-2026-000001"}
    await officer(world, "close", chat=held["chat"])
    codes = [one["code"] for one in told]
    followed = await asked(world, "services.file.follow", number=told[-1]["number"], code=codes[-1])
    assert followed["number"] == "VC-2026-000001"
    assert rows(world, tables.file) == 1
