"""A chip opened and read: the worked examples of Doc 9303 part 11, both sides against each other, and whoever is in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.exercise.travel_document import ERIKA, files
from egide.protocols.emrtd import access, apdu, bac, keys, lds, pace, tlv
from egide.protocols.emrtd.access import PaceInfo
from egide.protocols.emrtd.apdu import Command
from egide.protocols.emrtd.chip import Chip
from egide.protocols.emrtd.curves import BRAINPOOL_256, BY_PARAMETER
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import of_can, of_zone
from egide.protocols.emrtd.passive import authenticate
from egide.protocols.emrtd.reader import MAX_COMMANDS, Terminal
from egide.protocols.emrtd.secure import Channel
from egide.protocols.mrz import Mrz
from tests.protocols.emrtd.conftest import JPEG, NOW, Utopia

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
CAN = "739406"
WAYS = tuple(PaceInfo(oid, 2, parameter) for oid in access.SUITES for parameter in (12, 13))
AES128_P256, AES256_BRAINPOOL = WAYS[0], WAYS[5]


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def scripted(*parts: bytes) -> Callable[[int], bytes]:
    """What would be drawn, in its order; longer than asked for: from the right."""
    left = list(parts)
    return lambda count: left.pop(0)[-count:].rjust(count, b"\0")


# ── Appendix D: basic access ──

SPECIMEN = Mrz(
    format="TD2", code="I", state="UTO", number="L898902C", surname="X", nationality="UTO", birth="690806", expiry="940623"
)  # fmt: skip
RND_IC, RND_IFD = hexed("4608F91988702212"), hexed("781723860C06C226")
K_IFD, K_IC = hexed("0B795240CB7049B01C19B33E32804F0B"), hexed("0B4F80323EB3191CB04970CB4052790B")


def test_the_keys_of_basic_access_are_those_of_the_example() -> None:
    password = of_zone(SPECIMEN)
    assert password.secret[:16] == hexed("239AB9CB282DAF66231DC5A4DF6BFBAE")
    assert keys.derived(password.secret[:16], keys.ENCRYPTION, "3des") == hexed("AB94FDECF2674FDFB9B391F85D7F76F2")
    assert keys.derived(password.secret[:16], keys.MAC, "3des") == hexed("7962D9ECE03D1ACD4C76089DCE131543")


def test_the_mutual_authentication_is_that_of_the_example() -> None:
    password = of_zone(SPECIMEN)
    terminal = hexed("72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A7")
    chip = hexed("46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D7449")
    assert bac.said(password, RND_IFD, RND_IC, K_IFD) == terminal
    assert bac.said(password, RND_IC, RND_IFD, K_IC) == chip
    assert bac.heard(password, chip, RND_IFD) == (RND_IC, K_IC)
    assert bac.heard(password, terminal, RND_IC) == (RND_IFD, K_IFD)


def test_the_secured_messages_are_those_of_the_example() -> None:
    channel = bac.channel((RND_IFD, K_IFD), (RND_IC, K_IC))
    select = Command(apdu.SELECT, 0x02, 0x0C, hexed("011E"))
    assert channel.protect(select)[:-1] == hexed("0CA4020C158709016375432908C044F68E08BF8B92D635FF24F8")
    assert channel.open(hexed("990290008E08FA855A5D4C50A8ED9000")) == hexed("9000")
    assert channel.protect(Command(apdu.READ, expected=4)) == hexed("0CB000000D9701048E08ED6705417E96BA5500")
    assert channel.open(hexed("8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000")) == hexed("60145F019000")
    assert channel.protect(Command(apdu.READ, 0, 4, expected=0x12)) == hexed("0CB000040D9701128E082EA28A70F3C7B53500")
    read = channel.open(hexed("871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000"))
    assert hexed("60145F01") + read[:-2] == hexed("60145F0104303130365F36063034303030305C026175")


# ── Appendix G.1: PACE, generic mapping over brainpoolP256r1 ──

EXAMPLE = PaceInfo(tlv.oid(f"{access.PACE}.2.2"), 2, 13)
NONCE = hexed("3F00C4D39D153F2B2A214A078D899B22")
TERMINAL_MAP = hexed("7F4EF07B9EA82FD78AD689B38D0BC78CF21F249D953BC46F4C6E19259C010F99")
CHIP_MAP = hexed("498FF49756F2DC1587840041839A85982BE7761D14715FB091EFA7BCE9058560")
TERMINAL_KEY = hexed("A73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595")
CHIP_KEY = hexed("107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A")
MAPPED_X = hexed("8CED63C91426D4F0EB1435E7CB1D74A46723A0AF21C89634F65A9AE87A9265E2")


def exact(scalar: bytes) -> bytes:
    """What must be drawn for this private key to come out."""
    return (int.from_bytes(scalar, "big") - 1).to_bytes(len(scalar), "big")


def test_the_nonce_is_encrypted_as_in_the_example() -> None:
    zone = msgspec.structs.replace(SPECIMEN, number="T22000129", birth="640812", expiry="101031")
    password = of_zone(zone)
    assert password.secret == hexed("7E2D2A41C74EA0B38CD36F863939BFA8E9032AAD")
    side = pace.Side(EXAMPLE, password, os.urandom)
    assert side.encrypted(NONCE) == hexed("95A3A016522EE98D01E76CB6B98B42C3")
    assert side.decrypted(hexed("95A3A016522EE98D01E76CB6B98B42C3")) == NONCE


def test_the_key_agreement_is_that_of_the_example() -> None:
    terminal = pace.Side(EXAMPLE, of_can(CAN), scripted(exact(TERMINAL_MAP), exact(TERMINAL_KEY)))
    chip = pace.Side(EXAMPLE, of_can(CAN), scripted(exact(CHIP_MAP), exact(CHIP_KEY)))
    one, two = terminal.drawn(), chip.drawn()
    assert one[1:33] == hexed("7ACF3EFC982EC45565A4B155129EFBC74650DCBFA6362D896FC70262E0C2CC5E")
    assert two[1:33] == hexed("824FBA91C9CBE26BEF53A0EBE7342A3BF178CEA9F45DE0B70AA601651FBA3F57")
    terminal.mapped(NONCE, two)
    chip.mapped(NONCE, one)
    assert terminal._generator == chip._generator
    assert terminal._generator[0].to_bytes(32, "big") == MAPPED_X
    one, two = terminal.drawn(), chip.drawn()
    assert one[1:33] == hexed("2DB7A64C0355044EC9DF190514C625CBA2CEA48754887122F3A5EF0D5EDD301C")
    assert two[1:33] == hexed("9E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB")
    terminal.agreed(two)
    chip.agreed(one)
    assert terminal._secret == hexed("28768D20701247DAE81804C9E780EDE582A9996DB4A315020B2733197DB84925")
    assert terminal._key(keys.ENCRYPTION) == hexed("F5F0E35C0D7161EE6724EE513A0D9A7F")
    assert terminal._key(keys.MAC) == hexed("FE251C7858B356B24514B3BD5F4297D1")
    assert terminal.token() == hexed("C2B0BD78D94BA866")
    assert chip.token() == hexed("3ABB9674BCE93C08")
    terminal.check(chip.token())
    chip.check(terminal.token())


# ── Both sides ──


@pytest.fixture(scope="module")
def whole(utopia: Utopia) -> dict[str, bytes]:
    """A document whose DG14 says the ways that its chip offers."""
    group = tlv.encode(0x6E, access.written((AES128_P256,)))
    return files(utopia.signer, NOW, JPEG, more={"DG14": group})


def test_basic_access_reads_every_file_and_the_document_is_proved(whole: dict[str, bytes], utopia: Utopia) -> None:
    read = Terminal(Chip(whole, ERIKA).transmit).read(of_zone(ERIKA))
    assert read.files == whole
    assert (read.opened, read.confirmed) == ("bac", None)
    assert authenticate(read.files, utopia.trust, NOW).verdict == "proved"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.suite}-{BY_PARAMETER[way.parameter].name}")
def test_pace_reads_the_files_with_either_password(way: PaceInfo, whole: dict[str, bytes]) -> None:
    password = of_zone(ERIKA) if way.parameter == 12 else of_can(CAN)
    chip = Chip(whole, ERIKA, can=CAN, offered=(way,), basic=False)
    read = Terminal(chip.transmit).read(password, ("COM", "SOD", "DG1", "DG14", "DG15"))
    assert read.opened == "pace"
    assert read.files == {name: whole[name] for name in ("COM", "SOD", "DG1", "DG14")}
    assert read.confirmed == (way == AES128_P256)


def test_the_strongest_way_is_taken_and_unknown_ones_are_left() -> None:
    unknown = PaceInfo(tlv.oid(f"{access.PACE}.1.2"), 2, 0)
    offered = (AES128_P256, unknown, AES256_BRAINPOOL, PaceInfo(AES256_BRAINPOOL.oid, 1, 13))
    assert access.chosen(access.card_access(access.written(offered))) == AES256_BRAINPOOL
    assert access.chosen((unknown,)) is None
    assert access.group14(tlv.encode(0x6E, access.written(offered))) == offered


def test_a_chip_that_offers_only_unknown_ways_is_opened_by_basic_access(whole: dict[str, bytes]) -> None:
    chip = Chip(whole, ERIKA, offered=(PaceInfo(tlv.oid(f"{access.PACE}.1.2"), 2, 0),))
    read = Terminal(chip.transmit).read(of_zone(ERIKA), ("DG1",))
    assert read.opened == "bac"
    assert read.confirmed is False


def test_a_large_portrait_is_read_beyond_what_an_offset_names(utopia: Utopia) -> None:
    large = files(utopia.signer, NOW, JPEG + bytes(40_000))
    for chip in (Chip(large, ERIKA), Chip(large, ERIKA, offered=(AES128_P256,))):
        assert Terminal(chip.transmit).read(of_zone(ERIKA), ("DG2",)).files["DG2"] == large["DG2"]


def test_who_has_not_seen_the_document_does_not_get_in(whole: dict[str, bytes]) -> None:
    other = of_zone(msgspec.structs.replace(ERIKA, birth="740813"))
    ways: tuple[tuple[Any, ...], ...] = ((other, ()), (other, (AES128_P256,)), (of_can("000000"), (AES128_P256,)))
    for password, offered in ways:
        chip = Chip(whole, ERIKA, can=CAN, offered=offered)
        with pytest.raises(EmrtdError) as caught:
            Terminal(chip.transmit).read(password)
        assert caught.value.why == "access"
    with pytest.raises(EmrtdError):
        Terminal(Chip(whole, ERIKA, can=CAN).transmit).read(of_can(CAN))


def test_a_chip_gives_nothing_before_it_is_opened(whole: dict[str, bytes]) -> None:
    chip = Chip(whole, ERIKA)
    select = Command(apdu.SELECT, 0x02, 0x0C, lds.FILES["DG1"].to_bytes(2, "big")).encode()
    assert chip.transmit(select) == hexed("6982")
    assert chip.transmit(Command(apdu.READ, expected=8).encode()) == hexed("6982")
    assert chip.transmit(hexed("00FF0000")) == hexed("6D00")


def test_a_challenge_is_answered_once(whole: dict[str, bytes]) -> None:
    chip, password = Chip(whole, ERIKA), of_zone(ERIKA)
    theirs = chip.transmit(Command(apdu.CHALLENGE, expected=8).encode())[:8]
    wrong = bac.said(of_zone(SPECIMEN), RND_IFD, theirs, K_IFD)
    assert chip.transmit(Command(apdu.EXTERNAL, data=wrong, expected=40).encode()) == hexed("6300")
    right = bac.said(password, RND_IFD, theirs, K_IFD)
    assert chip.transmit(Command(apdu.EXTERNAL, data=right, expected=40).encode()) == hexed("6982")


@pytest.mark.parametrize("offered", [(), (AES128_P256,)], ids=["3des", "aes"])
def test_an_answer_that_somebody_changed_ends_the_exchange(offered: Any, whole: dict[str, bytes]) -> None:
    for change in (
        lambda answer: answer[:20] + bytes([answer[20] ^ 1]) + answer[21:],
        lambda answer: answer[-2:],
        lambda answer: b"",
        lambda answer: b"\x53\x02ab\x90\x00",
    ):
        chip, seen = Chip(whole, ERIKA, offered=offered), []

        def between(command: bytes, chip: Chip = chip, seen: list[bytes] = seen, change: Any = change) -> bytes:
            answer = chip.transmit(command)
            seen.append(command)
            secured = command[0] & apdu.SECURE and command[1] == apdu.READ
            return change(answer) if secured else answer

        with pytest.raises(EmrtdError):
            Terminal(between).read(of_zone(ERIKA))
        assert seen[-1][1] == apdu.READ


def test_an_answer_played_again_ends_the_exchange(whole: dict[str, bytes]) -> None:
    chip, kept = Chip(whole, ERIKA), {}

    def between(command: bytes) -> bytes:
        answer = chip.transmit(command)
        secured = bool(command[0] & apdu.SECURE) and command[1] == apdu.READ
        return kept.setdefault("first", answer) if secured else answer

    with pytest.raises(EmrtdError) as caught:
        Terminal(between).read(of_zone(ERIKA))
    assert caught.value.why == "channel"


def test_a_command_in_clear_closes_an_open_chip(whole: dict[str, bytes]) -> None:
    chip = Chip(whole, ERIKA)
    Terminal(chip.transmit).read(of_zone(ERIKA), ("DG1",))
    assert chip.transmit(Command(apdu.READ, expected=8).encode()) == hexed("6982")
    secured = Channel("3des", bytes(16), bytes(16), bytes(8)).protect(Command(apdu.READ, expected=8))
    assert chip.transmit(secured) == hexed("6988")


def test_our_own_key_played_back_is_refused() -> None:
    side = pace.Side(AES128_P256, of_can(CAN), os.urandom)
    own = side.drawn()
    with pytest.raises(EmrtdError):
        side.mapped(NONCE, own)
    with pytest.raises(EmrtdError):
        side.agreed(b"\4" + bytes(64))


def test_a_chip_that_never_ends_a_file_is_left(whole: dict[str, bytes]) -> None:
    """Its length says more than the largest portrait; or it answers with nothing, for ever."""
    endless = Chip(whole | {"DG1": b"\x61\x83\x7f\xff\xff"}, ERIKA)
    with pytest.raises(EmrtdError) as caught:
        Terminal(endless.transmit).read(of_zone(ERIKA), ("DG1",))
    assert caught.value.why == "too-large"
    empty = Chip(whole | {"DG1": b"\x61\x82\x7f\xff" + bytes(20)}, ERIKA)
    with pytest.raises(EmrtdError) as caught:
        Terminal(empty.transmit).read(of_zone(ERIKA), ("DG1",))
    assert caught.value.why == "chip"


def test_a_chip_that_gives_a_byte_at_a_time_is_left() -> None:
    said: list[bytes] = []

    def transmit(command: bytes) -> bytes:
        """EF.CardAccess of 60,000 bytes, one after the other."""
        said.append(command)
        if command[1] == apdu.SELECT:
            return b"\x90\x00"
        return (b"\x31\x82\xea\x60\0\0\0\0" if len(said) == 2 else b"\0") + b"\x90\x00"

    with pytest.raises(EmrtdError) as caught:
        Terminal(transmit).read(of_zone(ERIKA))
    assert caught.value.why == "chip"
    assert len(said) == MAX_COMMANDS


def test_passwords_are_not_shown() -> None:
    assert CAN not in repr(of_can(CAN))
    for wrong in ("12345", "abcdef", "1234567", "١٢٣٤٥٦"):
        with pytest.raises(EmrtdError):
            of_can(wrong)


# ── Anything ──


@CASES
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=6), st.integers(0, 40))
def test_a_chip_that_answers_anything_is_refused_with_our_own_error(answers: list[bytes], count: int) -> None:
    real = Chip({}, ERIKA, offered=(AES128_P256,) if count % 2 else ())
    said: list[int] = []

    def transmit(command: bytes) -> bytes:
        said.append(0)
        return real.transmit(command) if len(said) <= count // 4 else answers[len(said) % len(answers)]

    try:
        Terminal(transmit).read(of_zone(ERIKA))
    except EmrtdError:
        return


@CASES
@given(st.binary(max_size=300))
def test_a_terminal_that_says_anything_gets_an_answer(data: bytes) -> None:
    chip = Chip({}, ERIKA, offered=(AES128_P256,))
    for command in (
        data,
        b"\0\x22\xc1\xa4" + data,
        b"\x10\x86\0\0" + data,
        b"\0\x82\0\0" + data,
        b"\x0c\xb0\0\0" + data,
    ):
        assert len(chip.transmit(command)) >= 2
    for function in (access.card_access, access.group14, apdu.command, apdu.answer, lds.common):
        try:
            function(data)
        except EmrtdError:
            continue


@CASES
@given(
    st.sampled_from(["3des", "aes-128", "aes-256"]),
    st.binary(max_size=200),
    st.integers(0, 255),
    st.sampled_from([0xB0, 0xB1]),
)
def test_what_one_side_secures_the_other_opens(suite: Any, data: bytes, le: int, ins: int) -> None:
    size = keys.SIZES[suite]
    one, two = (Channel(suite, bytes(range(size)), bytes(size), b"\xff" * keys.block_of(suite)) for _ in "12")
    given_ = Command(ins, 1, 2, data, le + 1)
    assert two.accept(apdu.command(one.protect(given_))) == given_
    assert one.open(two.reply(data, 0x9000, odd=ins == 0xB1)) == data + b"\x90\0"


def test_the_curve_of_the_example_is_the_one_that_its_number_names() -> None:
    assert EXAMPLE.curve is BRAINPOOL_256
