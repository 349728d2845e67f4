"""An hour of acts decided again under other law: the test knows what it did, and says by itself what must come out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, EgideError, Failed, Refused
from egide.kernel.identity import OPERATOR
from egide.kernel.law import PACKS
from egide.kernel.law_overlay import packs_in
from tests.world import OUTSIDE, Terminal, World

pytestmark = pytest.mark.anyio
CASES = int(os.environ.get("EGIDE_FUZZ", "100"))
PACK = "fr/csi-l242"
CAMERA = '["personal-data", "led", "ai", "aerial-camera"]'
ORDER = '["personal-data", "led", "ai", "aerial-order"]'
VIEW = '["personal-data", "led", "ai", "aerial-camera", "aerial-view", "consult-disclose"]'


def rule(identity: str, groups: str, condition: str) -> str:
    return f"""
@id("{identity}")
@article("L242-3 bis")
@fr("L’urgence ne dispense plus d’informer le public.")
@en("Urgency no longer exempts from informing the public.")
@remedy_fr("Informez le public.")
@remedy_en("Inform the public.")
@ask("prefect")
@evidence("mem")
forbid (principal, action in [{groups}], resource) {condition};
"""


def case(identity: str, groups: str, facts: str, expect: str) -> str:
    return f'\n[[case]]\nrule = "{identity}"\nname = "{expect}"\ngroups = {groups}\nfacts = {{ {facts} }}\nexpect = "{expect}"\n'


def ours() -> dict[str, str]:
    """The very pack in force."""
    return packs_in(PACKS / PACK)


def edited(**files: str) -> dict[str, str]:
    """Our pack, with text added to its files ("rules", "cases", "text")."""
    names = {"rules": "rules.cedar", "cases": "cases.toml", "text": "text.toml"}
    given_ = ours()
    for short, added in files.items():
        given_[f"{PACK}/{names[short]}"] += added
    return given_


def stricter(**notes: str) -> dict[str, str]:
    """No exemption by urgency."""
    text = rule(
        "CSI-NO-URGENCY",
        'Action::"aerial-camera", Action::"aerial-order"',
        'when { context.public_information == "exempt-urgency" }',
    )
    for name, value in notes.items():
        text = text.replace('@evidence("mem")', f'@evidence("mem")\n@{name}("{value}")')
    urgency = 'public_information = "exempt-urgency", aerial_purpose = "gathering"'
    return edited(
        rules=text,
        cases=case("CSI-NO-URGENCY", CAMERA, urgency, "refuse") + case("CSI-NO-URGENCY", ORDER, "", "allow"),
    )


def nightly() -> dict[str, str]:
    """Nobody watches at night: a fact that nobody ever gathered."""
    return edited(
        text='\n[facts.night]\ntype = "Bool"\nprovider = "act"\nlawful = false\nprohibiting = true\n'
        'doc = { fr = "Il fait nuit.", en = "It is night." }\n[extends.aerial-view]\nfacts = ["night"]\n',
        rules=rule("CSI-NIGHT", 'Action::"aerial-view"', "when { context.night }"),
        cases=case("CSI-NIGHT", VIEW, "night = true", "refuse") + case("CSI-NIGHT", VIEW, "", "allow"),
    )


@dataclass
class Done:
    """An act as the test did it."""

    index: int
    act: str
    who: str
    allowed: bool
    urgent: bool = False  # under an order that the urgency exempts


@dataclass
class Hour:
    """Does acts, and remembers each."""

    world: World
    since: str
    done: list[Done] = field(default_factory=list)

    async def do(
        self, who: str, act: str, channel: Terminal | None = None, /, *, urgent: bool = False, **given_: Any
    ) -> Any:
        try:
            outcome = await self.world.perform(who, act, channel, **given_)
        except Refused as refusal:
            _realm, index = refusal.receipt or ("", -1)
            self.done.append(Done(index, act, who, False, urgent))
            return None
        assert outcome.receipt is not None
        self.done.append(Done(outcome.receipt.index, act, who, True, urgent))
        return msgspec.to_builtins(outcome.result)

    async def play(self) -> None:
        world = self.world
        exempt = {
            "public_information": "exempt-urgency",
            "information_exemption": "Attaque en cours",
            "purpose": "terrorism",
        }
        for number in range(4):
            urgent = number % 2 == 1
            draft = world.draft(cap=1, **(exempt if urgent else {}))
            order = (await self.do("prefect", "orders.draft", urgent=urgent, **draft))["id"]
            await self.do("prefect", "orders.sign", urgent=urgent, order=order)
            mission = (
                await self.do(
                    "command", "operations.mission.open", title="M", order=order, roster=["officer", "command"]
                )
            )["id"]
            await self.start(await world.source(audio=True, name=f"S{number}"), mission, urgent)
            await self.start(await world.source(at=OUTSIDE, name=f"O{number}"), mission, urgent)
            flown = await self.start(await world.source(name=f"D{number}"), mission, urgent)
            purpose = {"purpose": "terrorism"} if urgent else {}
            for who in ("officer", "command", "other-officer"):
                channel = Terminal(world.person(who))
                await self.do(
                    who, "operations.watch.open", channel, urgent=urgent, deployment=flown["deployment"], **purpose
                )
                channel.leave()
            for text in ("Portail ouvert", "Foule calme"):
                note = {"mission": mission, "text": text, "lat": 60.17, "lon": 24.94}
                await self.do("officer", "operations.note.add", **note)
            await self.do("officer", "orders.sign", order=order)
            world.move(minutes=10)

    async def start(self, source: str, mission: str, urgent: bool) -> Any:
        purpose = {"purpose": "terrorism"} if urgent else {}
        return await self.do(
            "command", "operations.camera.start", urgent=urgent, source=source, mission=mission, **purpose
        )

    async def replay(self, files: dict[str, str], **more: Any) -> dict[str, Any]:
        """All pages of a replay of the hour, by the data protection officer."""
        given_ = {
            "files": files,
            "since": self.since,
            "until": iso(self.world.clock.now_us()),
            "motive": "Contrôle",
        } | more
        whole: dict[str, Any] = {"counts": {}, "changed": [], "untold": []}
        while True:
            page = await self.world.act("dpo", "oversight.law.replay", **given_)
            for kind, count in page["counts"].items():
                whole["counts"][kind] = whole["counts"].get(kind, 0) + count
            whole["changed"] += page["changed"]
            whole["untold"] += page["untold"]
            whole |= {name: page[name] for name in ("law", "first", "end")}
            if page["next"] is None:
                return whole
            given_["cursor"] = page["next"]


@pytest.fixture
async def hour(world: World) -> Hour:
    played = Hour(world, iso(world.clock.now_us()))
    await played.play()
    return played


async def test_a_stricter_pack_lists_exactly_what_it_would_refuse(hour: Hour) -> None:
    asks = ("orders.sign", "operations.camera.start", "operations.watch.open")
    expected = {each.index for each in hour.done if each.allowed and each.urgent and each.act in asks}
    found = await hour.replay(stricter())
    assert len(expected) == 2 + 2 + 4, "the hour was played as it was meant"
    assert {each["index"] for each in found["changed"]} == expected
    for each in found["changed"]:
        assert each["kind"] == "now_refused"
        assert [reason["rule"] for reason in each["reasons"]] == ["CSI-NO-URGENCY"]
        assert each["reasons"][0]["article"] == "L242-3 bis"
        assert each["reasons"][0]["fr"]
        assert each["reasons"][0]["en"]
        assert each["actor"] not in ("officer", "command", "prefect"), "subject ids, not person ids"
    refused = {each.index for each in hour.done if not each.allowed}
    assert found["counts"]["still_refused"] == len(refused)
    assert not found["untold"]
    assert sum(found["counts"].values()) == found["end"] - found["first"]


async def test_the_same_law_changes_nothing_for_any_act(hour: Hour) -> None:
    found = await hour.replay(ours(), since="2020-01-01T00:00:00Z")
    assert found["first"] == 0
    assert not found["changed"]
    assert not found["untold"]
    assert found["counts"]["still_allowed"] + found["counts"]["still_refused"] == found["end"]
    # What the replay of each act finds is what became of it.
    assert found["counts"]["still_refused"] == sum(not each.allowed for each in hour.done)
    assert found["law"]["hash"] == hour.world.kernel.book.hash


async def test_pages_add_up(hour: Hour) -> None:
    whole, paged = await hour.replay(stricter()), await hour.replay(stricter(), limit=3)
    assert paged["changed"] == whole["changed"]
    assert paged["counts"] == whole["counts"]


async def test_a_fact_that_was_never_gathered(hour: Hour) -> None:
    found = await hour.replay(nightly())
    watched = [each for each in hour.done if each.act == "operations.watch.open"]
    allowed = {each.index for each in watched if each.allowed}
    assert {each["index"] for each in found["untold"]} == allowed
    assert {each["kind"] for each in found["untold"]} == {"not_gathered"}
    assert found["untold"][0]["facts"] == ["night"]
    assert found["untold"][0]["why"]["en"] == "Fact not gathered: night (It is night)."
    assert found["untold"][0]["why"]["fr"] == "Fait non recueilli : night (Il fait nuit)."
    assert not found["changed"], "who was refused would be refused by day and by night"


async def test_a_person_erased(hour: Hour) -> None:
    hour.world.kernel.vault.shred("officer")
    found = await hour.replay(stricter())
    theirs = {each.index for each in hour.done if each.who == "officer"}
    assert {each["index"] for each in found["untold"]} >= theirs
    assert {each["kind"] for each in found["untold"]} == {"erased"}
    assert found["untold"][0]["why"]["en"].startswith("Erased")
    assert not theirs & {each["index"] for each in found["changed"]}
    others = {each.index for each in hour.done if each.who != "officer" and each.urgent and each.allowed}
    assert {each["index"] for each in found["changed"]} <= others


async def test_other_obligations_are_listed(hour: Hour) -> None:
    files = ours()
    name = f"{PACK}/parameters.toml"
    assert '"P7D"' in files[name]
    files[name] = files[name].replace('"P7D"', '"P5D"', 1)
    found = await hour.replay(files)
    started = {
        each.index
        for each in hour.done
        if each.allowed and each.act in ("operations.camera.start", "operations.watch.open")
    }
    assert {each["index"] for each in found["changed"]} == started
    first = found["changed"][0]
    assert first["kind"] == "other_obligations"
    assert any("P5D" in duty["detail"] for duty in first["more"])
    assert any("P7D" in duty["detail"] for duty in first["less"])


async def test_a_pack_that_begins_later_counts_as_begun(hour: Hour) -> None:
    found = await hour.replay(stricter(valid_from="2031-05-01"))
    assert found["law"]["day"] == "2031-05-01"
    assert len(found["changed"]) == 8


async def test_a_looser_pack_says_who_would_be_allowed(hour: Hour) -> None:
    files = ours()
    name = f"{PACK}/rules.cedar"
    files[name] = files[name].replace(
        "unless { context.on_roster };", "when { !context.on_roster && context.audio_track };"
    )
    with pytest.raises(BadInput, match="audio_track"):
        await hour.replay(files)  # the view group does not bring that fact: the loader says so
    files[name] = files[name].replace(
        "!context.on_roster && context.audio_track", "!context.on_roster && !context.motive_given"
    )
    files[f"{PACK}/cases.toml"] = files[f"{PACK}/cases.toml"].replace(
        "{ on_roster = false }", "{ on_roster = false, motive_given = false }"
    )
    found = await hour.replay(files)
    strangers = {each.index for each in hour.done if each.who == "other-officer"}
    assert {each["index"] for each in found["changed"]} == strangers
    assert {each["kind"] for each in found["changed"]} == {"now_allowed"}


async def test_who_may_and_that_it_is_in_the_ledger(world: World) -> None:
    span = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z", "motive": "Contrôle"}
    for who in ("officer", "administrator", "prefect"):
        await world.refused(who, "oversight.law.replay", files=ours(), **span)
    assert await world.refused("dpo", "oversight.law.replay", files=ours(), **(span | {"log_purpose": "curiosity"}))
    assert await world.refused("dpo", "oversight.law.replay", files=ours(), **(span | {"motive": " "}))
    raw = msgspec.json.encode({"files": ours()} | span)
    done = await world.kernel.perform("oversight.law.replay", raw, OPERATOR)
    assert done.receipt is not None
    assert done.result.counts["still_allowed"] > 0


async def test_a_broken_pack_is_told_by_file_and_line(world: World) -> None:
    files = edited(rules=rule("CSI-X", 'Action::"aerial-view"', "when { context.on_rooster }"))
    with pytest.raises(BadInput) as caught:
        await world.act(
            "dpo",
            "oversight.law.replay",
            files=files,
            since="2020-01-01T00:00:00Z",
            until="2030-01-01T00:00:00Z",
            motive="m",
        )
    assert caught.value.what.en.startswith("fr/csi-l242/rules.cedar:")
    assert caught.value.do is not None
    assert "on_roster" in caught.value.do.en


NAMES = st.sampled_from(
    [f"{PACK}/{name}" for name in ("text.toml", "rules.cedar", "cases.toml", "parameters.toml")]
    + ["../x", "fr/jurisdiction.toml"]
)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@given(
    files=st.dictionaries(st.one_of(NAMES, st.text(max_size=20)), st.text(max_size=200), max_size=5),
    since=st.one_of(st.just("2020-01-01T00:00:00Z"), st.text(max_size=12)),
    cursor=st.one_of(st.none(), st.integers()),
    limit=st.integers(),
    base=st.booleans(),
)
@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_input_gets_an_answer_or_a_sentence(
    world: World, files: dict[str, str], since: str, cursor: int | None, limit: int, base: bool
) -> None:
    if base:
        files = ours() | {name: ours().get(name, "") + text for name, text in files.items()}
    raw = msgspec.json.encode(
        {
            "files": files,
            "since": since,
            "until": "2031-01-01T00:00:00Z",
            "cursor": cursor,
            "limit": limit,
            "motive": "m",
        }
    )
    told = 0
    try:
        outcome = await world.kernel.perform("oversight.law.replay", raw, world.person("dpo"))
        told = sum(outcome.result.counts.values())
    except Failed:
        raise
    except EgideError:
        told = 0
    assert told <= 50_000
