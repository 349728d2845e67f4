"""What a border never does: look for one face among many; keep anything of a traveller; let two realms or two controls meet."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Table

import egide.border
from egide.border import tables
from egide.border.realm import BOTH
from egide.kernel.errors import NotFound, Refused
from egide.protocols.vapid import decoded
from tests.border.airport import Airport
from tests.border.traveller import Token, values

pytestmark = pytest.mark.anyio
SOURCE = Path(egide.border.__file__).parent
MANY = ("gallery", "galleries", "candidates", "watchlist", "people", "persons", "identities")


def arguments() -> Iterator[tuple[Path, str, str]]:
    for file in sorted(SOURCE.rglob("*.py")):
        if "evaluate" in file.parts:
            continue  # pairs of a set that its user owns; never imported by acts
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                    yield file, node.name, each.arg


def test_no_function_takes_many_faces_to_look_among() -> None:
    found = [(file.name, function, name) for file, function, name in arguments() if name in MANY]
    assert found == []


async def test_asking_for_a_search_is_refused_by_article_and_the_refusal_is_in_the_ledger(airport: Airport) -> None:
    before = airport.kernel.log.size
    with pytest.raises(Refused) as caught:
        await airport.ask("border.search.refuse")
    refused = {reason.rule: reason.article for reason in caught.value.decision.reasons}
    assert {"AIA-5-1-h", "AIA-26-10", "EDPB-11-2"} <= refused.keys()
    assert refused["AIA-5-1-h"] == "5(1)(h)"
    assert airport.kernel.log.size == before + 1


@pytest.mark.parametrize(
    "name", ["border.identify", "border.identify.face", "border.search.crowd", "border.watchlist.add"]
)
async def test_a_search_by_any_name_is_refused_by_article_and_nothing_of_its_input_is_kept(
    airport: Airport, name: str
) -> None:
    assert name not in airport.kernel.acts
    with pytest.raises(Refused) as caught:
        await airport.kernel.perform(name, b'{"picture":"quokka8822"}', airport.person("officer"))
    assert "AIA-5-1-h" in {reason.rule for reason in caught.value.decision.reasons}
    assert b"quokka8822" not in b"".join(file.read_bytes() for file in airport.folder.rglob("*") if file.is_file())
    with pytest.raises(NotFound):
        await airport.ask("border.identity")


def test_the_two_realms_have_no_table_and_no_act_in_common() -> None:
    mine, theirs = (
        {table.name for table in vars(of.tables).values() if isinstance(table, Table)} for of in BOTH
    )  # fmt: skip
    assert mine
    assert not mine & theirs
    assert not [each for table in tables.metadata.tables.values() for each in table.foreign_keys]
    assert {of.activity for of in BOTH} == {"border-facilitation", "border-police"}


def test_no_column_holds_a_person() -> None:
    allowed = {
        "key": {"kid", "role", "x", "y", "since", "until", "body"},
        "consent": {"id", "secret", "until", "body"},
    }  # fmt: skip
    named = {column.name for table in tables.metadata.tables.values() for column in table.columns}
    assert not named & {
        "name",
        "face",
        "template",
        "portrait",
        "document",
        "number",
        "nationality",
        "flight",
        "journey",
    }
    assert {column.name for column in tables.consent.columns} == allowed["consent"]
    assert {column.name for column in tables.facilitation.key.columns} == allowed["key"]


def shown(token: Token) -> set[str]:
    """Every piece of eight characters of every value that a gate is shown of a token: 48 bits agree by chance with nothing."""
    signed, *disclosures = token.issued.credential.removesuffix("~").split("~")
    head, body, signature = signed.split(".")
    read = [json.loads(decoded(part)) for part in (head, body, *disclosures)]
    return {text[at : at + 8] for text in (*values(read), signature) for at in range(len(text) - 7)}


async def test_two_tokens_of_one_traveller_have_nothing_in_common(airport: Airport) -> None:
    one, other = await airport.traveller(), await airport.traveller(name="SOMEBODY ELSE", nationality="D")
    everybodys = shown(other.tokens["bag-drop"])
    common = shown(one.tokens["bag-drop"]) & shown(one.tokens["security"])
    assert common, "a control: issuer, kind, end and flight are everybody's"
    assert not common - everybodys
    for point in ("bag-drop", "security"):
        await airport.passes(point, one)
    spent = airport.kernel.store.reader().execute(tables.facilitation.spent.select()).all()
    assert len({row.mark for row in spent}) == 2
