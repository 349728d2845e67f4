"""A hearing by video walked step by step, as the two sides take it; what any test may begin from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from egide.kernel.act import Ctx
from egide.services.contents import contents
from egide.services.definition import Definition, catalogue
from egide.services.filing import slug
from egide.services.model import definition_of, file_row
from tests.services.filings import WORDS, filed_remotely, lawful, taken
from tests.services.test_filing import asked as ask
from tests.world import World

STATEMENT = "Hier vers 18 h, rue de la Gare, un homme a pris mon vélo."
SEEN = "Carte nationale d’identité"
Held = dict[str, str]


def service(id_: str = "hearing") -> Definition:
    found = catalogue().find(id_)
    assert found is not None
    return found


def soon(world: World, hours: int = 26) -> str:
    """A moment to come."""
    return (world.clock.now() + timedelta(hours=hours)).replace(microsecond=0).isoformat()


class Case:
    """One hearing: whose it is, and what each side does."""

    def __init__(self, world: World, definition: Definition, done: Mapping[str, Any]) -> None:
        self.world, self.definition, self.name = world, definition, f"services.{slug(definition.id)}"
        self.file = str(done["file"])
        self.held: Held = {"number": done["number"], "code": done["code"]}

    async def mine(self, step: str, **given: Any) -> Any:
        return await ask(self.world, f"{self.name}.my_{step}", **self.held, **given)

    async def desk(self, step: str, who: str = "officer", **given: Any) -> Any:
        return await self.world.act(who, f"{self.name}.{step}", file=self.file, **given)

    async def look(self) -> dict[str, Any]:
        """The file as the person sees it."""
        found: dict[str, Any] = await ask(self.world, "services.file.follow", **self.held)
        return found

    async def room(self) -> dict[str, Any]:
        """The hearing as the officer sees it."""
        found: dict[str, Any] = (await self.desk("read"))["file"]["hearing"]
        return found

    async def write(self, text: str = STATEMENT) -> str:
        """The statement, saved over what is there."""
        done = await self.desk("write", text=text, base=(await self.room())["digest"])
        return str(done["digest"])

    async def step(self, id_: str) -> Any:
        """The next step, with whatever it needs said."""
        match id_:
            case "propose":
                return await self.desk("propose", slots=[soon(self.world), soon(self.world, 50)])
            case "choose":
                return await self.mine("choose", slot=(await self.look())["hearing"]["slots"][0])
            case "acknowledge":
                return await self.mine("acknowledge", sheet=(await self.look())["hearing"]["sheet"])
            case "ready":
                return await self.mine("ready", alone=True)
            case "identify":
                return await self.desk("identify", seen=SEEN)
            case "confirm":
                return await self.mine("confirm", statement=(await self.look())["hearing"]["digest"])
            case _:
                found = next(one for one in self.definition.transitions if one.id == id_)
                said = {"text": f"{WORDS} le dit."} if found.reason else {}
                if found.roles[0] == "holder":
                    return await self.mine(id_, **said)
                return await self.desk(id_, who=found.roles[0], **said)

    async def until(self, state: str) -> Case:
        """Takes the steps of the ordinary way up to a state."""
        ways = {
            "proposed": ["propose"], "booked": ["choose"], "informed": ["acknowledge"], "ready": ["ready"], "identified": ["identify"],
            "safe": ["ask_safe"], "heard": ["hear"], "read": ["read_back"], "confirmed": ["confirm"],
        }  # fmt: skip
        for reached, steps in ways.items():
            for one in steps:
                await self.step(one)
            if reached == "heard":
                await self.write()
            if reached == state:
                return self
        raise AssertionError(state)


def report(world: World, file: str, output: str = "report") -> dict[str, Any]:
    """What a document of a file says, before it is set."""
    kernel = world.kernel
    db = kernel.store.reader()
    row = file_row(db, file)
    definition = definition_of(row)
    ctx = Ctx(kernel, world.person("officer"), kernel.acts["services.document.draw"], world.clock.now_us(), db)
    found = next(one for one in definition.outputs if one.id == output)
    return contents(ctx, row, definition, found, "Commissariat")


async def begun(world: World, offence: str = "theft", id_: str = "hearing") -> Case:
    """A complaint that a resident wants to tell by video."""
    definition = service(id_)
    if offence == "theft":
        return Case(world, definition, await filed_remotely(world, definition))
    answers = lawful(definition) | {"offence": offence}
    for unasked in ("things", "loss"):
        answers.pop(unasked, None)
    done = await world.act(
        "officer", f"services.{slug(definition.id)}.take", channel="counter", version=definition.version, answers=answers, who={}
    )  # fmt: skip
    return Case(world, definition, done)


async def witness(world: World) -> Case:
    """A witness whom the prosecutor lets be heard by video."""
    definition = service("appointment")
    case = Case(world, definition, await taken(world, definition, "counter"))
    await case.desk("allow", who="magistrate", text="Oui.")
    return case
