"""MAVLink frames: what the reference implementation writes is read, and what nobody would send in good faith is survived."""

import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import mavlink, remoteid
from egide.protocols.mavlink.frame import checksum
from egide.protocols.mavlink.messages import LAYOUTS, Layout

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)

# Written by pymavlink 2.4.50, system 7, component 1.
HEARTBEAT = "fd090000000701000000000000000203810403725e"
HEARTBEAT_1 = "fe0900070100000000000203810403eb38"
ATTITUDE = "fd1000000007011e0000e8030000cdcccc3dcdcc4cbe0000c0bf50d7"  # three trailing rates of zero cut off
ATTITUDE_1 = "fe1c0007011ee8030000cdcccc3dcdcc4cbe0000c0bf0000000000000000000000004ebb"
POSITION = "fd1c000000070121000040e20100a036dd23104ede0e084c010060ea000006ffae01f4ff122f65c1"
POSITION_1 = "fe1c0007012140e20100a036dd23104ede0e084c010060ea000006ffae01f4ff122fe47a"
CAMERA = (
    "fd3400000007010f010088130000a036dd23104ede0e084c0100b05ddd232075de0effffff7f0000803f"
    "00000000000000000000000000007a420000c07fcb07"
)
BASIC = "fd280000000701643200000000000000000000000000000000000000000000000102313538314634424e4432323331303031f33b"
LOCATION = (
    "fd3b0000000701653200a036dd23104ede0e0000a0420000ab420000704200509a44122f0d026aff0000000000000000000000000000000000"
    "000000000002000a04040301bc59"
)
SELF_ID = "fd2100000007016732000000000000000000000000000000000000000000000000496e7370656374696f6ec670"
SYSTEM = (
    "fd360000000701683200900fdd230027de0e00007ac400007ac40000404180a9a90e01000000000000000000000000000000000000000000"
    "00000000010101030177"
)
OPERATOR = "fd270000000701693200000000000000000000000000000000000000000000000046524138376173747264676531326b383ff5"
AUTHENTICATION = "fd2f000000070166320080a9a90e0000000000000000000000000000000000000000000001000011000102030405060708090a0b0c0d0e0f1002af"
EVERY = (
    HEARTBEAT, HEARTBEAT_1, ATTITUDE, ATTITUDE_1, POSITION, POSITION_1, CAMERA, BASIC, LOCATION, SELF_ID, SYSTEM, OPERATOR, AUTHENTICATION,
)  # fmt: skip


def one(text):
    (frame,) = mavlink.frames(bytes.fromhex(text))
    assert (frame.system, frame.component) == (7, 1)
    return mavlink.decode(frame)


@pytest.mark.parametrize("text", [POSITION, POSITION_1])
def test_a_position_in_both_versions(text):
    got = one(text)
    assert (got.lat, got.lon, got.alt, got.height, got.heading) == (60.17, 24.945, 85.0, 60.0, 120.5)
    assert (got.north, got.east, got.down, got.boot_ms) == (-2.5, 4.3, -0.12, 123456)


@pytest.mark.parametrize("text", [ATTITUDE, ATTITUDE_1])
def test_an_attitude_with_its_trailing_zeros_cut_or_not(text):
    got = one(text)
    assert (got.roll, got.pitch) == (pytest.approx(math.degrees(0.1)), pytest.approx(math.degrees(-0.2)))
    assert got.yaw == pytest.approx(360 - math.degrees(1.5))


@pytest.mark.parametrize("text", [HEARTBEAT, HEARTBEAT_1])
def test_a_heartbeat(text):
    assert one(text) == mavlink.Heartbeat(kind=2, autopilot=3, state=4, armed=True)


def test_a_camera_that_knows_where_it_looks_but_not_how_high():
    got = one(CAMERA)
    assert (got.lat, got.image_lat, got.image_lon) == (60.17, 60.171, 24.946)
    assert (got.hfov, got.vfov) == (62.5, None)


def test_remote_identification_inside_mavlink_is_the_same_as_by_radio():
    assert one(BASIC) == remoteid.BasicId(1, 2, "1581F4BND2231001")
    assert one(SELF_ID) == remoteid.SelfId(0, "Inspection")
    assert one(OPERATOR) == remoteid.OperatorId(0, "FRA87astrdge12k8")
    where = one(LOCATION)
    assert (where.lat, where.lon, where.alt, where.alt_pressure, where.height) == (60.17, 24.945, 85.5, 80.0, 60.0)
    assert (where.status, where.direction, where.speed, where.climb, where.hour_s) == (2, 120.5, 5.25, -1.5, 1234.5)
    pilot = one(SYSTEM)
    assert (pilot.lat, pilot.lon, pilot.alt, pilot.ceiling) == (60.169, 24.944, 12.0, None)
    assert (pilot.category, pilot.eu_class, pilot.at) == (1, 3, 1_546_300_800 + 246_000_000)
    signed = one(AUTHENTICATION)
    assert (signed.auth_type, signed.length, signed.data[:17]) == (1, 17, bytes(range(17)))


def test_a_pack_gives_its_messages_and_a_false_one_nothing():
    inside = remoteid.encode(remoteid.BasicId(1, 2, "X1")) + remoteid.encode(remoteid.OperatorId(0, "FRA1"))
    for size, count, expected in ((25, 2, 2), (24, 2, None), (25, 0, None), (25, 10, None)):
        payload = bytes(2) + bytes(20) + bytes((size, count)) + inside.ljust(225, b"\0")
        got = mavlink.decode(mavlink.Frame(2, 0, 1, 1, 12915, payload))
        assert (None if got is None else len(got)) == expected


def test_several_frames_among_noise_and_their_counts():
    counts = mavlink.Counts()
    noise = b"\xfe\xfd\x00GARBAGE\xfe"
    stranger = bytearray(bytes.fromhex(HEARTBEAT))
    stranger[7] = 99  # an unknown message
    data = noise + bytes.fromhex(POSITION) + noise + bytes(stranger) + bytes.fromhex(HEARTBEAT_1) + b"\xfd\x09"
    got = list(mavlink.frames(data, counts))
    assert [frame.message for frame in got] == [33, 0]
    assert counts.frames == 2
    assert counts.unknown >= 1


@pytest.mark.parametrize("text", EVERY)
def test_every_flipped_bit_is_noticed(text):
    whole = bytes.fromhex(text)
    for at in range(len(whole)):
        for bit in (0, 3, 7):
            broken = bytearray(whole)
            broken[at] ^= 1 << bit
            assert all(frame.payload != next(mavlink.frames(whole)).payload for frame in mavlink.frames(bytes(broken)))


def test_a_signed_frame_is_read_and_an_unknown_flag_is_not():
    body = bytearray(bytes.fromhex(HEARTBEAT)[:-2])
    body[2] = 1
    crc = checksum(b"\x32", checksum(bytes(body[1:])))
    signed = bytes(body) + crc.to_bytes(2, "little") + bytes(13)
    assert len(list(mavlink.frames(signed + bytes.fromhex(POSITION)))) == 2
    body[2] = 2
    crc = checksum(b"\x32", checksum(bytes(body[1:])))
    assert list(mavlink.frames(bytes(body) + crc.to_bytes(2, "little"))) == []


def test_numbers_that_are_none_give_no_message():
    payload = LAYOUTS[30].unpack.pack(1, math.nan, 0, 0, 0, 0, 0)
    assert mavlink.decode(mavlink.Frame(2, 0, 1, 1, 30, payload)) is None
    payload = LAYOUTS[30].unpack.pack(1, math.inf, 0, 0, 0, 0, 0)
    assert mavlink.decode(mavlink.Frame(2, 0, 1, 1, 30, payload)) is None
    assert isinstance(LAYOUTS[30], Layout)


@FUZZ
@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([bytes.fromhex(text) for text in EVERY])), max_size=12)
)
def test_any_bytes_give_messages_or_nothing(parts):
    for frame in mavlink.frames(b"".join(parts)):
        mavlink.decode(frame)


@FUZZ
@given(st.sampled_from(sorted(LAYOUTS)), st.binary(max_size=255))
def test_any_payload_with_a_right_checksum_is_survived(message, payload):
    payload = payload[: LAYOUTS[message].size]
    head = bytes((len(payload), 0, 0, 1, 7, 1)) + message.to_bytes(3, "little")
    crc = checksum(bytes((LAYOUTS[message].extra,)), checksum(head + payload))
    (frame,) = mavlink.frames(b"\xfd" + head + payload + crc.to_bytes(2, "little"))
    got = mavlink.decode(frame)
    if isinstance(got, mavlink.GlobalPosition):
        assert abs(got.lat) < 215
