"""The officer's card signs inside the document, then the platform seals it; whatever is wrong with a card is a plain sentence."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pypdf
import pytest
from sqlalchemy import select

import egide
from egide.engines.card import Card, bears, words
from egide.engines.pades import Pades
from egide.engines.typst_documents import TypstRenderer
from egide.kernel.documents import CardTrouble, SealReport
from egide.kernel.errors import Unavailable
from egide.services import signing, tables
from egide.services.model import PURPOSE, EventBody, events_of, file_owner
from tests.engines.cards import CODE, DAY, NOW, Issuer, card
from tests.engines.softhsm import SoftHsm
from tests.gateways.test_document_page import sent
from tests.passkeys import Passkey
from tests.services.filings import taken
from tests.services.test_step_up import added, answer, report
from tests.world import World

TEMPLATES = Path(egide.__file__).parent / "services" / "templates"
DATA = {"title": "Procès-verbal", "number": "PC-2026-000001", "unit": "Brigade", "sections": []}
NAME, ON_CARD = "Camille Aubert", "AUBERT Camille 1234567"
SIGN = "services.field_report.sign"


@pytest.fixture(scope="module")
def pdf() -> bytes:
    renderer = TypstRenderer(TEMPLATES)
    try:
        return renderer.render("report", DATA, "fr", at=NOW)
    finally:
        renderer.close()


@pytest.fixture
def reader(hsm: SoftHsm, tmp_path: Path) -> Iterator[tuple[Card, Issuer, Path]]:
    """(the reader, the authority that the operator trusts, the folder of keys); afterwards no card is left in it."""
    keys, issuer, before = tmp_path / "keys", Issuer(), set(hsm.tokens.iterdir())
    issuer.trusted(keys)
    yield Card(hsm.library, keys), issuer, keys
    for one in set(hsm.tokens.iterdir()) - before:
        shutil.rmtree(one, ignore_errors=True)


def signed(reader: Card, pdf: bytes, *, pin: str = CODE, name: str = NAME) -> bytes:
    return reader.sign(pdf, pin=pin, name=name, reason="Procès-verbal", at=NOW)


def codes(report: SealReport, *, good: bool | None) -> list[str]:
    return [each.code for each in report.findings if each.good is good]


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_the_officer_signs_then_the_platform_seals(
    hsm: SoftHsm, reader: tuple[Card, Issuer, Path], pdf: bytes, kind: str
) -> None:
    here, issuer, keys = reader
    card(hsm, issuer, ON_CARD, kind=kind)
    theirs = signed(here, pdf)
    assert theirs.startswith(pdf)
    sealer = Pades(keys, "egide.example/police", now=lambda: NOW)
    sealed = sealer.seal(theirs, reason="Procès-verbal", at=NOW)
    assert sealed.startswith(theirs)
    report = sealer.verify(sealed)
    assert codes(report, good=False) == []
    assert (report.holds, report.officer, report.officer_holds) == (True, ON_CARD, True)
    assert not report.officer_qualified
    said = " ".join(each.text.fr for each in report.findings)
    assert "Signature de l’agent non qualifiée" in said
    assert "avec sa carte, avant le cachet" in said
    fields = pypdf.PdfReader(io.BytesIO(sealed)).trailer["/Root"]["/AcroForm"]["/Fields"]
    assert [each.get_object()["/T"] for each in fields] == ["Officer", "Seal"]
    if kind == "ec":
        for at in (len(pdf) // 2, len(pdf) + 40, (len(pdf) + len(theirs)) // 2, len(theirs) + 40, len(sealed) - 8):
            changed = bytearray(sealed)
            changed[at] ^= 1
            assert not sealer.verify(bytes(changed)).holds, at
        assert not sealer.verify(theirs).holds, "a signature alone is no seal"
        assert not sealer.verify(sealed + b"\n%").holds
        (keys / "card-roots.pem").unlink()
        unknown = sealer.verify(sealed)
        assert (unknown.holds, unknown.officer_holds) == (True, False)
        assert codes(unknown, good=False) == ["officer"]
        issuer.trusted(keys)
        later = Pades(keys, "egide.example/police", now=lambda: NOW + 400 * DAY)
        assert later.verify(sealed).officer_holds, "the certificate counted when the seal was made"


def test_whatever_is_wrong_with_a_card_is_said(
    hsm: SoftHsm, reader: tuple[Card, Issuer, Path], pdf: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    here, issuer, keys = reader
    with pytest.raises(CardTrouble, match="no officer’s card"):
        signed(here, pdf)
    mine = card(hsm, issuer, ON_CARD)
    with pytest.raises(CardTrouble, match="not yours"):
        signed(here, pdf, name="Noé Lambert")
    with pytest.raises(CardTrouble, match="not yours"):
        signed(here, pdf, name="")
    with pytest.raises(CardTrouble, match="refused this PIN") as caught:
        signed(here, pdf, pin="135791")
    assert caught.value.do is not None
    assert "locks itself" in caught.value.do.en
    for pin in ("", "1" * 65, "12"):
        with pytest.raises(CardTrouble, match="refused this PIN"):
            signed(here, pdf, pin=pin)
    assert signed(here, pdf).startswith(pdf), "a wrong code costs nothing but a try"
    for secret in (CODE, "135791"):
        assert secret not in caplog.text
        assert secret not in str(caught.value)
    shutil.rmtree(mine)  # pulled out
    with pytest.raises(CardTrouble, match=r"no officer’s card|no longer answers"):
        signed(here, pdf)
    for begins, ends in ((NOW - 9 * DAY, NOW - timedelta(hours=1)), (NOW + timedelta(hours=1), NOW + DAY)):
        old = card(hsm, issuer, ON_CARD, begins=begins, ends=ends)
        with pytest.raises(CardTrouble, match="has expired"):
            signed(here, pdf)
        shutil.rmtree(old)
    card(hsm, Issuer("Une autre autorité"), ON_CARD)
    with pytest.raises(CardTrouble, match="authority not known"):
        signed(here, pdf)
    with pytest.raises(Unavailable, match="card reader"):
        signed(Card(str(keys / "absent.so"), keys), pdf)


def test_whose_card_it_is() -> None:
    assert words("Aïcha d’Été-Martin") == {"aicha", "d", "ete", "martin"}

    class Named:
        def __init__(self, **subject: str) -> None:
            self.subject = msgspec.defstruct("Subject", ["native"])(subject)

    assert bears(Named(common_name="LAMBERT Noe 77"), "Noé Lambert")  # type: ignore[arg-type]
    assert bears(Named(common_name="Agent 77", given_name="Noé", surname="LAMBERT"), "Noé Lambert")  # type: ignore[arg-type]
    assert not bears(Named(common_name="Noé Lambert", given_name="Nora", surname="Lambert"), "Noé Lambert")  # type: ignore[arg-type]
    assert not bears(Named(), "")  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_report_is_signed_by_passkey_and_card_in_one_act(
    hsm: SoftHsm, reader: tuple[Card, Issuer, Path], tmp_path: Path
) -> None:
    _, issuer, _ = reader
    world = World(tmp_path / "data", card_module=hsm.library)
    await world.start()
    try:
        issuer.trusted(world.folder / "keys")
        card(hsm, issuer, ON_CARD)
        key = Passkey(world.settings.origin)
        await added(world, key)
        file = (await taken(world, report(), "mobile"))["file"]
        (offer,) = [
            one
            for one in (await world.act("officer", "services.field_report.read", file=file))["steps"]
            if one["act"] == SIGN
        ]
        assert (offer["step_up"], offer["card"]) == (True, True)
        challenge = await world.act("officer", "services.signature.begin", file=file, step="sign", card=True)
        mine = answer(key, challenge)
        with pytest.raises(CardTrouble, match="refused this PIN"):
            await world.act("officer", SIGN, file=file, pin="000000", **mine)
        done = await world.perform(
            "officer", SIGN, None, file=file, pin=CODE, **mine
        )  # the same answer: nothing was lost
        db, vault = world.kernel.store.reader(), world.kernel.vault
        body = msgspec.json.decode(events_of(world.kernel, db, file)[1][-1], type=EventBody)
        assert body.card
        assert body.proof is not None
        kept = db.execute(select(tables.document).where(tables.document.c.id == body.document)).one()
        pdf = vault.open_(file_owner(file), PURPOSE, kept.body, f"document.{kept.id}".encode())
        signing.holds(body.proof, pdf)
        seal = world.kernel.things["press"].verify(pdf, expected=bytes.fromhex(kept.sha256))
        assert (seal.holds, seal.officer, seal.officer_holds, seal.officer_qualified) == (True, ON_CARD, True, False)
        text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
        assert "avec sa carte" in " ".join(text.split())
        assert done.receipt is not None
        page = (await sent(world, pdf)).text
        assert "data-valid" in page
        for told in (
            f"Signé par « {ON_CARD} » avec sa carte",
            "Signature de l’agent non qualifiée",
            "Cachet non qualifié",
        ):
            assert told in page
        everything = b"".join(path.read_bytes() for path in world.folder.rglob("*") if path.is_file())
        assert CODE.encode() not in everything, "a card’s code is kept nowhere"
    finally:
        await world.stop()
