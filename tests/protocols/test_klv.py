"""The KLV codec: real flight data, the standard's traps, and bytes nobody would send in good faith."""

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import klv
from egide.protocols.geodesy import Homography, Pose, distance
from egide.protocols.klv import KlvError, UasFrame, decode, encode, split, strip_au_header, to_json
from egide.protocols.klv.codec import _scale
from egide.protocols.klv.table import ITEMS, Item

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)


def packet(*items: bytes) -> bytes:
    """A packet of these items, rightly framed and summed."""
    body = b"".join(items)
    head = klv.KEY + klv.wire.write_length(len(body) + 4) + body + b"\x01\x02"
    return head + klv.checksum(head).to_bytes(2, "big")


# ── Real data ──


@pytest.fixture
def flight(shared_data: Path) -> list[bytes]:
    """The 407 packets of a real flight."""
    return list(split((shared_data / "klv" / "cheyenne.klv").read_bytes()))


def test_every_packet_of_a_real_flight_is_valid(flight: list[bytes]) -> None:
    assert len(flight) == 407
    frames = [decode(each) for each in flight]
    assert frames[0].mission == "ESRI_Metadata_Collect"
    assert frames[0].tail == "N97826"
    assert all(frame.unknown == {} for frame in frames)
    stamps = [frame.timestamp or 0 for frame in frames]
    assert stamps == sorted(stamps)
    assert (stamps[-1] - stamps[0]) / 1e6 == pytest.approx(84.9, abs=0.1)


def test_a_real_flight_is_written_back_byte_for_byte(flight: list[bytes]) -> None:
    assert [encode(decode(each)) for each in flight] == flight


def test_the_pose_of_a_real_flight_looks_at_its_frame_centre(flight: list[bytes]) -> None:
    """Attitude, sensor angles and the aircraft's own computation of the centre agree: the convention is MISB's."""
    ratios = []
    for each in flight:
        frame = decode(each)
        pose = klv.pose_of(frame)
        assert pose is not None
        seen = pose.pixel_to_ground(0.5, 0.5)
        assert seen is not None
        assert frame.center_lat is not None
        assert frame.center_lon is not None
        assert frame.slant_range is not None
        ratios.append(distance(seen, (frame.center_lat, frame.center_lon)) / frame.slant_range)
    assert sorted(ratios)[len(ratios) // 2] < 0.005


def test_the_corners_of_a_real_flight_surround_its_frame_centre(flight: list[bytes]) -> None:
    frame = decode(flight[100])
    corners = frame.corners()
    assert corners is not None
    middle = Homography(corners).pixel_to_ground(0.5, 0.5)
    assert middle is not None
    assert frame.center_lat is not None
    assert frame.center_lon is not None
    assert distance(middle, (frame.center_lat, frame.center_lon)) < 1.0


def test_json_of_a_real_packet_has_the_promised_keys(flight: list[bytes]) -> None:
    got = to_json(decode(flight[0]))
    assert got["time"] == "2012-09-19T20:40:44.105300Z"
    assert set(got["platform"]) == {"heading", "pitch", "roll", "lat", "lon", "alt", "speed"}
    assert set(got["sensor"]) == {"lat", "lon", "alt", "hfov", "vfov", "rel_azimuth", "rel_elevation", "rel_roll"}
    assert set(got["center"]) == {"lat", "lon", "alt"}
    assert [len(corner) for corner in got["corners"]] == [2, 2, 2, 2]
    assert got["slant_range"] == pytest.approx(2096.39, abs=0.01)


def test_a_wrong_checksum_is_refused_and_readable_on_demand(shared_data: Path) -> None:
    raw = (shared_data / "klv" / "dynamic-constant-mismms.klv").read_bytes()
    with pytest.raises(KlvError, match="stored aa43, computed 3e1e"):
        decode(raw)
    frame = decode(raw, verify=False)
    assert frame.designation == "Predator"
    assert frame.security is not None
    assert dict(klv.items(frame.security))[3] == b"//USA"


def test_a_packet_without_corners_says_nothing_of_them(shared_data: Path) -> None:
    frame = decode((shared_data / "klv" / "dynamic-only-mismms.klv").read_bytes())
    assert frame.corners() is None
    assert "corners" not in to_json(frame)


# ── The standard's traps ──


def test_signed_minimum_means_out_of_range() -> None:
    frame = decode(packet(b"\x06\x02\x80\x00", b"\x0d\x04\x80\x00\x00\x00"))
    assert frame.pitch is None
    assert frame.sensor_lat is None
    assert to_json(frame) == {}


def test_ends_of_the_ranges() -> None:
    frame = decode(packet(b"\x05\x02\xff\xff", b"\x06\x02\x7f\xff", b"\x0d\x04\x80\x00\x00\x01", b"\x0f\x02\x00\x00"))
    assert frame.heading == pytest.approx(360)
    assert frame.pitch == pytest.approx(20)
    assert frame.sensor_lat == pytest.approx(-90)
    assert frame.sensor_alt == -900


def test_imapb_example_of_st_1201() -> None:
    """ST 1201 maps 10 in -900..19000 over three bytes to 0x038E00."""
    item = Item(0, "x", "imapb", -900, 19_000, 3)
    code = klv.codec._write_imapb(item, 10.0)
    assert code == bytes.fromhex("038e00")
    assert klv.codec._imapb_value(item, code) == pytest.approx(10.0)
    assert klv.codec._imapb_value(item, bytes.fromhex("c80000")) is None  # positive infinity


def test_full_corners_win_over_offsets() -> None:
    frame = UasFrame(center_lat=1.0, center_lon=2.0)
    for number in "1234":
        setattr(frame, f"offset_lat_{number}", 0.01)
        setattr(frame, f"offset_lon_{number}", -0.01)
    assert frame.corners() == ((1.01, 1.99),) * 4
    for number in "1234":
        setattr(frame, f"corner_lat_{number}", 5.0)
        setattr(frame, f"corner_lon_{number}", 6.0)
    assert frame.corners() == ((5.0, 6.0),) * 4


def test_long_tags_long_lengths_and_odd_sizes_are_kept_raw() -> None:
    long_tag = b"\x81\x0b\x03abc"  # BER-OID 139
    long_length = b"\x60\x81\x80" + bytes(128)
    odd_size = b"\x05\x03\x00\x00\x00"
    frame = decode(packet(long_tag, long_length, odd_size))
    assert frame.unknown == {139: b"abc", 96: bytes(128), 5: b"\0\0\0"}
    assert frame.target_width_extended is None
    assert decode(encode(UasFrame(unknown={139: b"abc"}))).unknown == {139: b"abc"}


def test_text_that_is_no_text_is_kept_raw() -> None:
    assert decode(packet(b"\x03\x01\xff")).unknown == {3: b"\xff"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "key is missing"),
        (klv.KEY, "length was expected"),
        (klv.KEY + b"\x80", "BER length"),
        (klv.KEY + b"\x05ab", "announces 5"),
        (klv.KEY + b"\x84\x7f\xff\xff\xff", "above the limit"),
        (klv.KEY + b"\x02\x03\x00", "does not end with its checksum"),
        (packet(b"\x03\x09a"), "runs past the end"),
        (packet(b"\xff\xff\xff\xff\xff\x01a"), "BER-OID"),
        (packet() + b"\0", "announces"),
    ],
)
def test_malformed_packets_are_refused(raw: bytes, why: str) -> None:
    with pytest.raises(KlvError, match=why):
        decode(raw)


@pytest.mark.parametrize(
    "frame",
    [
        UasFrame(heading=361.0),
        UasFrame(pitch=-21.0),
        UasFrame(sensor_alt=float("nan")),
        UasFrame(timestamp=-1),
        UasFrame(version=256),
        UasFrame(course=float("inf")),
        UasFrame(mission="\ud800"),
        UasFrame(unknown={1: b""}),
        UasFrame(unknown={-5: b""}),
        UasFrame(unknown={200: bytes(70_000)}),
    ],
)
def test_values_that_no_item_can_carry_are_refused(frame: UasFrame) -> None:
    with pytest.raises(KlvError):
        encode(frame)


def test_timestamp_is_first_and_checksum_last() -> None:
    raw = encode(UasFrame(mission="m", timestamp=1_700_000_000_000_000, version=19))
    assert raw[17:19] == b"\x02\x08"
    assert raw[-4:-2] == b"\x01\x02"


def test_table_and_struct_name_the_same_fields() -> None:
    assert {item.field for item in ITEMS} | {"unknown"} == set(UasFrame.__struct_fields__)
    assert len({item.tag for item in ITEMS}) == len(ITEMS)


def test_a_pose_travels_through_a_packet() -> None:
    pose = Pose(60.17, 24.94, 320.0, 12.0, heading=350, pitch=3, roll=-4, rel_azimuth=20, rel_elevation=-50, hfov=50)
    frame = decode(encode(klv.frame_of(pose, 1_700_000_000_000_000, mission="exercice", tail="F-EXER")))
    again = klv.pose_of(frame)
    assert again is not None
    for u, v in ((0, 0), (1, 0), (0.3, 0.7), (1, 1)):
        here, there = pose.pixel_to_ground(u, v), again.pixel_to_ground(u, v)
        assert here is not None
        assert there is not None
        assert distance(here, there) < 1.0  # 16-bit heights and fields of view


# ── Streams ──


def test_split_finds_packets_between_garbage() -> None:
    first, second = packet(b"\x41\x01\x13"), packet(b"\x03\x03abc")
    assert list(split(b"noise" + first + b"\0\0" + second + second[:20])) == [first, second]


def test_split_recovers_from_a_length_that_swallows_the_next_packet() -> None:
    good = packet(b"\x41\x01\x13")
    broken = bytearray(good)
    broken[16] = 60
    assert list(split(bytes(broken) + good + good)) == [good, good]


def test_au_cells_are_unwrapped_and_joined() -> None:
    raw = packet(b"\x41\x01\x13")
    half = len(raw) // 2
    cell = b"\xfc\x00\xdf" + half.to_bytes(2, "big") + raw[:half]
    rest = b"\xfc\x01\x5f" + (len(raw) - half).to_bytes(2, "big") + raw[half:]
    assert strip_au_header(cell + rest) == raw
    assert strip_au_header(raw) == raw
    for bad in (b"", b"\xfc\0", cell[:-1]):
        with pytest.raises(KlvError):
            strip_au_header(bad)


# ── Any frame, any bytes ──


def values(item: Item) -> st.SearchStrategy[object]:
    """Every value the item can carry, or None."""
    if item.kind == "text":
        return st.none() | st.text(st.characters(codec="utf-8"), max_size=40)
    if item.kind == "bytes":
        return st.none() | st.binary(max_size=200)
    if item.low is not None and item.high is not None:
        return st.none() | st.floats(item.low, item.high)
    bits = 8 * item.width
    low, high = (0, 2**bits - 1) if item.kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.none() | st.integers(low, high)


FRAMES = st.fixed_dictionaries({item.field: values(item) for item in ITEMS}).map(lambda fields: UasFrame(**fields))


@FUZZ
@given(FRAMES)
def test_round_trip(frame: UasFrame) -> None:
    raw = encode(frame)
    got = decode(raw)
    assert encode(got) == raw
    for item in ITEMS:
        before, after = getattr(frame, item.field), getattr(got, item.field)
        if item.low is None or before is None:
            assert before == after
        else:
            step = 2.0 if item.kind == "imapb" else _scale(item)[0] * 0.51
            assert after == pytest.approx(before, abs=step)
    to_json(got)


@FUZZ
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_give_a_frame_or_a_klv_error(noise: bytes, framed: bool) -> None:
    for raw in (noise, klv.KEY + noise, packet(noise) if framed else noise):
        try:
            to_json(decode(raw, verify=framed))
        except KlvError:
            continue
    list(split(noise + klv.KEY + noise))


@FUZZ
@given(FRAMES, st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 7)), min_size=1, max_size=12))
def test_flipped_bits_give_a_frame_or_a_klv_error(frame: UasFrame, flips: list[tuple[int, int]]) -> None:
    raw = bytearray(encode(frame))
    for at, bit in flips:
        raw[at % len(raw)] ^= 1 << bit
    for each in [bytes(raw), *split(bytes(raw) * 2)]:
        try:
            to_json(decode(each, verify=False))
        except KlvError:
            continue


@FUZZ
@given(st.binary(max_size=200))
def test_helpers_raise_nothing_else(noise: bytes) -> None:
    for helper in (strip_au_header, lambda raw: list(klv.items(raw))):
        try:
            helper(noise)
        except KlvError:
            continue


def test_memory_is_bounded_on_hostile_streams() -> None:
    hostile = (klv.KEY + b"\x84\xff\xff\xff\xff") * 20_000 + (klv.KEY + b"\x82\xff\xff") * 5_000
    tracemalloc.start()
    assert list(split(hostile)) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
