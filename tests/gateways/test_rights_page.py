"""One's rights over the pages: a copy to read and one to take along, a correction with its term, an erasure that asks twice."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import msgspec
import pytest

from egide.gateways import file_pages, hearing_pages, rights_page
from egide.services.definition import catalogue
from egide.services.holding import MAX_WORDS
from tests.gateways.test_service_pages import Browser
from tests.kernel.test_emergency import plug, unplug
from tests.services.desk import photo
from tests.services.filings import WORDS, filed_remotely, lawful
from tests.services.forms import typed
from tests.services.test_entitled import sent
from tests.services.test_filing import asked, drafted
from tests.world import World

pytestmark = pytest.mark.anyio
HERE = "/services/file/rights"


async def test_a_person_exercises_their_rights_without_a_script(world: World) -> None:
    service = catalogue().find("follow-up")
    assert service is not None
    done, browser = await filed_remotely(world, service), Browser(world)
    assert "Ouvrez d’abord" in await browser.open(HERE)
    await browser.send("/services/file", {"number": [done["number"]], "code": [done["code"]]})
    assert f'href="{HERE}?lang=fr"' in browser.answer.text
    text = await browser.send(HERE, {"do": ["copy"]})
    assert WORDS in text
    assert "Qui l’a utilisé" in text
    assert "Code des relations entre le public et l’administration, article L112-8" in text
    assert not re.search(r"\b(fr|eu)/[a-z]", text), "an identifier is not a word"
    assert re.search(r"\d\u202f\d{3} octets · SHA-256 ", text)
    assert re.search(r"\d,\d{3} bytes · SHA-256 ", await browser.send(f"{HERE}?lang=en", {"do": ["copy"]}))
    await browser.send(HERE, {"do": ["take"]})
    assert browser.answer.headers["content-disposition"] == f'attachment; filename="{done["number"]}.json"'
    taken = msgspec.json.decode(browser.answer.content)
    assert taken["file"]["number"] == done["number"]
    assert taken["bases"] == ["fr/crpa, L112-8"], "as the record has it"
    assert taken["bases_in_words"] == ["Code des relations entre le public et l’administration, article L112-8"]
    text = await browser.send(HERE, {"do": ["rectification"], "text": ["<b>Mon nom</b>"]})
    assert 'data-right="rectification"' in text
    assert "&lt;b&gt;Mon nom" in await browser.open("/services/file")
    # It is open: the law does not erase it, and says what remains.
    text = await browser.send(HERE, {"do": ["erase"]})
    assert "Oui, effacer définitivement" in text
    text = await browser.send(HERE, {"do": ["erase"], "sure": ["yes"]})
    assert "17(3)(b)" in text
    world.move(days=32)
    assert 'class="late" data-right' in await browser.open(HERE)
    await world.act("officer", "services.rights.grant", file=done["file"], text="Corrigé.")
    await world.act("officer", "services.follow_up.reply", file=done["file"], text="Voici.")
    assert "Le dossier est effacé" in await browser.send(HERE, {"do": ["erase"], "sure": ["yes"]})
    assert "Ouvrez d’abord" in await browser.open(HERE)
    await browser.close()


async def test_as_much_as_the_box_takes_arrives_in_any_script(world: World) -> None:
    service = catalogue().find("follow-up")
    assert service is not None
    done, browser = await filed_remotely(world, service), Browser(world)
    await browser.send("/services/file", {"number": [done["number"]], "code": [done["code"]]})
    text = await browser.send(HERE, {"do": ["rectification"], "text": ["漢" * MAX_WORDS]})
    assert 'data-right="rectification"' in text
    for page in (file_pages, hearing_pages, rights_page):
        assert len(urlencode({"text": "漢" * MAX_WORDS})) + 1024 < page.MAX_FORM, page.__name__
    await browser.close()


async def test_a_file_that_an_objection_stopped_offers_no_step(world: World) -> None:
    service = catalogue().find("follow-up")
    assert service is not None
    done, browser = await filed_remotely(world, service), Browser(world)
    text = await browser.send("/services/file", {"number": [done["number"]], "code": [done["code"]]})
    assert "/services/file/cancel" in text
    await browser.send(HERE, {"do": ["objection"], "text": ["Ma situation est particulière."]})
    await world.act("officer", "services.rights.grant", file=done["file"], text="Nous arrêtons.")
    text = await browser.open("/services/file")
    assert "Nous arrêtons." in text
    assert "/services/file/cancel" not in text
    await browser.close()


async def test_what_was_asked_while_the_ledger_is_away_is_sent_once_more(world: World) -> None:
    service = catalogue().find("follow-up")
    assert service is not None
    done, browser = await filed_remotely(world, service), Browser(world)
    await browser.send("/services/file", {"number": [done["number"]], "code": [done["code"]]})
    for path, form in (
        (HERE, {"do": ["rectification"], "text": ["Mon nom est Petit."]}),
        ("/services/file/cancel", {"service": ["follow-up"], "text": ["Je retire ma demande."]}),
    ):
        unplug(world)
        text = await browser.send(f"{path}?lang=fr", form)
        assert browser.answer.status_code == 503
        plug(world)
        assert f'name="text" value="{form["text"][0]}"' in text
        assert f'action="{path}?lang=fr"' in text
        await browser.send(f"{path}?lang=fr", form)
        assert browser.answer.status_code == 200
    await browser.close()


async def test_the_copy_says_who_one_is_in_words(world: World) -> None:
    service, browser = catalogue().find("follow-up"), Browser(world)
    assert service is not None
    vouched = {"level": 3, "given_name": "Zoé", "family_name": "Petit", "birthdate": "1988-02-29", "method": "wallet"}
    who = (
        await world.kernel.perform(
            "services.identity.open", msgspec.json.encode(vouched), world.kernel.system("resident-identity")
        )
    ).result
    draft = await drafted(world, typed(service, lawful(service)), service.id)
    await sent(world, f"draft:{draft['draft']}", draft["secret"], photo())
    done = await asked(world, "services.follow_up.file", **draft, identity=who.id, identity_secret=who.secret)
    await browser.send("/services/file", {"number": [done["number"]], "code": [done["code"]]})
    assert "Zoé Petit 29/02/1988 par portefeuille d’identité<" in await browser.send(HERE, {"do": ["copy"]})
    assert "Zoé Petit 29/02/1988 by identity wallet<" in await browser.send(f"{HERE}?lang=en", {"do": ["copy"]})
    await browser.close()
