"""The border's measures measure what their rows say: controls that pass, zones that are read, blocks that are taken."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest

from egide.bench import (
    border_controls,
    border_documents,
    border_faces,
    border_ledger,
    border_people,
    border_scene,
    border_tokens,
    border_zones,
)
from egide.bench.measure import Bench, BenchError, Row, peer
from egide.bench.table import measures
from egide.border.document.alike import Candidate
from egide.border.document.zone import Reading, Why, ZoneReader
from egide.border.room.parent import Nursery
from egide.border.token.verify import verify_online
from egide.exercise.travel_document import ERIKA
from egide.protocols import mrz
from egide.protocols.sdjwt.freshness import StatusLists
from egide.protocols.wallet.errors import WalletError
from tests.conftest import missing

FEW = 2_000  # tokens in a list


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """No peer runs: they are programs of their own, tried below where they are installed."""
    for module in (border_faces, border_ledger, border_tokens):
        monkeypatch.setattr(module, "peer", lambda *_arguments, **_how: None)
    monkeypatch.setattr(border_ledger, "_anvil", lambda _count: None)
    return Bench(True, tmp_path, lambda _words: None)


def named(bench: Bench) -> dict[str, Row]:
    return {each.name: each for each in bench.rows}


def test_the_capability_is_known():
    assert border_controls.controls in measures("border")
    assert border_zones.zones in measures("border")


def test_what_is_verified_would_be_refused_if_it_were_revoked():
    """A measure of refusals would be quick too."""
    airport = border_scene.Airport(FEW)
    token = airport.token()
    lists = StatusLists()
    lists.put(airport.list, border_scene.URI, airport.trusted, border_scene.NOW)
    given = (border_scene.asked(), (airport.trusted,), lists, border_scene.NOW, token.secret)
    shown = token.shown(border_scene.NONCE)
    assert verify_online(shown, *given).claims.flight == "EG 271"
    airport.place = next(place for place in range(FEW) if _revoked(airport, lists, place))
    with pytest.raises(WalletError, match="revoked"):
        verify_online(airport.token(secret=token.secret).shown(border_scene.NONCE), *given)


def _revoked(airport: border_scene.Airport, lists: StatusLists, place: int) -> bool:
    try:
        lists.check(border_tokens.Reference(place, border_scene.URI), airport.trusted, border_scene.NOW)
    except WalletError:
        return True
    return False


def test_tokens_and_their_status(bench: Bench):
    border_tokens.verifying(bench)
    border_tokens.status(bench)
    found = named(bench)
    assert bench.rows[0].peer == "sd-jwt: without status: absent"
    assert 0 < (found["status_check_ms"].value or 0) < (found["status_list_ms"].value or 0)
    limit = bench.rows[1]
    assert limit.ratio is not None
    assert limit.ratio < 1  # nothing is quicker than its own signatures


def test_documents_of_three_kinds(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(border_documents, "TIMES", 3)
    border_documents.passive(bench)
    assert set(named(bench)) == {f"passive_auth_ms {kind}" for kind in border_documents.KINDS}
    assert all(each.value for each in bench.rows)


def test_drawn_zones_are_read_in_most():
    try:
        font = border_zones._font()
    except BenchError as error:
        missing(str(error))
    reader, right = ZoneReader(), 0
    for number in range(4):
        lines, (picture,) = border_zones.page(number, font)
        right += border_zones._end(reader.read(picture, border_zones.TODAY), lines) == "right"
    assert right >= 2


def read_as(*documents: mrz.Mrz, why: Why = "") -> Reading:
    zones = [mrz.render(each) for each in documents]
    return Reading(
        mrz=documents[0], lines=zones[0], why=why, candidates=tuple(Candidate(each, (0.0,) * 9) for each in zones)
    )


def test_a_wrong_reading_is_told_from_a_right_one_and_a_name_from_a_number():
    meant, other = mrz.render(ERIKA), msgspec.structs.replace(ERIKA, number="L898902C4")
    assert border_zones._end(read_as(ERIKA), meant) == "right"
    assert border_zones._end(read_as(msgspec.structs.replace(ERIKA, given="Anna Marla")), meant) == "name"
    assert border_zones._end(read_as(other), meant) == "wrong"
    assert border_zones._end(read_as(other, ERIKA, why="unclear"), meant) == "choice"
    assert border_zones._end(read_as(other, why="unclear"), meant) == "missing"
    assert border_zones._end(Reading(mrz=None, why="flat"), meant) == "unread"


def test_pictures_are_taken_until_one_settles_it():
    sure, unsure = read_as(ERIKA), read_as(msgspec.structs.replace(ERIKA, number="L898902C4"), ERIKA, why="unclear")
    assert border_zones._settled([unsure, sure]).lines == mrz.render(ERIKA)
    assert border_zones._settled([sure, unsure]) == sure
    assert border_zones._settled([Reading(mrz=None, why="flat")] * 3).why == "flat"


def test_faces(bench: Bench):
    border_faces.faces(bench)
    assert (named(bench)["face_ms"].value or 0) > 1


def test_calls_and_blocks_of_the_ledger(bench: Bench):
    border_ledger.calls(bench)
    border_ledger.blocks(bench)
    found = named(bench)
    assert found["anchor_call_ms"].peer == "anvil: over HTTP, a block each, by the wall: absent"
    assert (found["block_with_signatures_ms"].value or 0) > (found["block_ms"].value or 0) > 0


def test_a_control_passes_in_a_room_of_its_own_and_each_part_of_it_is_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(border_controls, "Airport", lambda: border_scene.Airport(FEW))
    gate = border_controls.Gate()

    async def played() -> border_controls.Spent:
        nursery = await Nursery.start("face")
        try:
            spent = await gate.control(nursery, document=True)
            assert await gate.challenge(nursery) > spent.compare / 10
            gate.frames = [border_scene.jpeg(np.zeros((480, 640, 3), dtype=np.uint8))] * 3
            with pytest.raises(BenchError, match="should have passed"):  # nobody stands there: no figure
                await gate.control(nursery)
        finally:
            await nursery.close()
        return spent

    spent = asyncio.run(played())
    assert min(spent.start, spent.picture, spent.chip, spent.admit, spent.compare) > 0
    assert spent.decision == pytest.approx(spent.picture + spent.chip + spent.admit + spent.compare)


def test_people_are_the_same_each_time_and_take_what_is_stated():
    people, again = border_people.People(4000), border_people.People(4000)
    offered = people.offer()
    assert (offered == again.offer()).all()
    assert float(offered.mean()) == pytest.approx(border_people.OFFER_S, rel=0.03)
    assert float(offered.min()) > 0
    moved, chip = people.challenge(0.01), people.chip()
    least = border_people.READY_S + (border_people.FIRST_MS + border_people.PAUSE_MS) / 1000 + border_people.ROUND_S
    assert float(moved.min()) > least
    followed = 2 * (border_people.FOLLOW_S + border_people.MOVE_S + border_people.FRAME_S / 2)
    assert float(moved.mean()) > followed + least, "nobody is quicker than what is stated"
    slow = border_people.People(4000)
    slow.offer()
    assert float(slow.challenge(1.0).mean()) > float(moved.mean()) + 1, "a room that is slow is waited for"
    assert border_people.OPENING_S < float(chip.min()) < float(chip.max()) < 5


def test_the_reference_verifies_the_same_presentations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(border_tokens, "TOKENS", FEW)
    monkeypatch.setattr(border_tokens, "Airport", lambda: border_scene.Airport(FEW))
    bench = Bench(True, tmp_path, lambda _words: None)
    border_tokens.verifying(bench)
    assert (bench.rows[0].peer_value is not None) == (find_spec("sd_jwt") is not None)


@pytest.mark.parametrize(("name", "needs"), [("eth_tester_calls", "eth_tester"), ("dlib_face", "dlib")])
def test_a_peer_measures_or_says_that_it_is_absent(tmp_path: Path, name: str, needs: str):
    file = tmp_path / "faces.npy"
    np.save(file, np.stack([border_scene.drawn(1)]))
    found = peer(name, "2" if needs == "eth_tester" else str(file))
    assert (found is not None) == (find_spec(needs) is not None)
    if found is not None:
        assert found["ms"] > 0
