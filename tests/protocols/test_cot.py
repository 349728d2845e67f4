"""The CoT codec: real events both ways without loss, streams cut anywhere, and bytes nobody would send in good faith."""

from __future__ import annotations

import math
import os
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from takproto.proto import TakMessage

from egide.protocols import cot
from egide.protocols.cot import CotError, CotEvent, Splitter, canonical, from_payload, read, to_payload
from egide.protocols.cot.event import milliseconds, number
from egide.protocols.cot.message import TYPED

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
FILES = 21  # events of the shared data


def events(shared_data: Path) -> dict[str, bytes]:
    found = {file.name: file.read_bytes() for file in sorted((shared_data / "cot").glob("*.xml"))}
    assert len(found) == FILES
    return found


def one(stream: bytes) -> CotEvent:
    [piece] = Splitter().feed(stream)
    assert isinstance(piece, bytes), piece
    return read(piece)


def event(detail: str = "", **changed: str) -> bytes:
    given = {
        "version": "2.0", "uid": "U-1", "type": "a-f-G-U-C", "how": "m-g", "time": "2026-11-26T10:00:00.000Z",
        "start": "2026-11-26T10:00:00.000Z", "stale": "2026-11-26T10:05:00.000Z",
    } | changed  # fmt: skip
    head = " ".join(f"{name}={quoteattr(value)}" for name, value in given.items())
    return f'<event {head}><point lat="60.17" lon="24.94" hae="1.5" ce="2" le="NaN"/><detail>{detail}</detail></event>'.encode()


def independent(xml: bytes) -> object:
    """What an event says, read with the standard library's tree: compared before and after, without the codec's own eyes."""
    root = ET.fromstring(xml)

    def place(text: str) -> str:
        return "nan" if text == "NaN" else repr(float(text))

    def tree(node: ET.Element) -> object:
        given = dict(node.attrib)
        if node.tag == "track" and not len(node) and not node.text:
            given = {key: repr(float(text)) if key in ("speed", "course") else text for key, text in given.items()}
        return node.tag, sorted(given.items()), node.text or "", [(tree(child), child.tail or "") for child in node]

    point = root.find("point")
    assert point is not None
    head = {name: root.get(name, "") for name in ("uid", "type", "how", "access", "qos", "opex")}
    times = [milliseconds(root.get(name), name) for name in ("time", "start", "stale")]
    detail = root.find("detail")
    parts = list(detail) if detail is not None else []
    typed = sorted(repr(tree(part)) for part in parts if part.tag in TYPED)
    rest = [repr(tree(part)) for part in parts if part.tag not in TYPED]
    return head, times, {k: place(v) for k, v in point.attrib.items()}, typed, rest


# ── Real events ──


def test_every_real_event_is_the_same_after_protobuf(shared_data: Path) -> None:
    for name, stream in events(shared_data).items():
        before = one(stream)
        after = from_payload(to_payload(before))
        assert after is not None
        assert canonical(after) == canonical(before), name
        assert independent(after.raw) == independent(before.raw), name
        assert len(to_payload(before)) < len(before.raw), name


def test_the_original_bytes_are_kept(shared_data: Path) -> None:
    for name, stream in events(shared_data).items():
        before = one(stream)
        assert before.raw in stream, name
        assert before.detail in stream, name
        after = from_payload(to_payload(before))
        assert after is not None
        assert to_payload(after) is after.payload, "a protobuf goes on as the bytes it came as"


def test_the_traps_of_real_events(shared_data: Path) -> None:
    found = {name: one(stream) for name, stream in events(shared_data).items()}
    assert found["emergency-alert.xml"].callsign == "SP-Dev\nManual Alert: Gunshot"
    assert math.isnan(found["file-received.xml"].point.hae)
    assert found["uas-video-sensor.xml"].point.hae == 1381.333, "the point stands behind the detail"
    assert found["uas-video-sensor.xml"].how == ""
    assert found["chat-direct.xml"].destinations == ({"callsign": "JOKER MAN"},)
    assert [name for name, each in found.items() if each.self_report] == ["sa-atak.xml", "sa-itak.xml"]
    after = from_payload(to_payload(found["emergency-alert.xml"]))
    assert after is not None
    assert b"SP-Dev&#10;Manual" in after.raw, "a bare line break in an attribute would come back as a blank"


def test_fields_are_used_where_they_hold_everything(shared_data: Path) -> None:
    found = events(shared_data)
    message = TakMessage.FromString(to_payload(one(found["sa-itak.xml"])))
    detail = message.cotEvent.detail
    assert (detail.group.name, detail.takv.platform, detail.status.battery) == ("Yellow", "iTAK", 100)
    assert detail.track.course == 137.23542786
    assert "phone" in detail.xmlDetail, "the contact has an attribute that its field cannot hold"
    assert not detail.HasField("contact")
    marker = TakMessage.FromString(to_payload(one(found["marker-2525.xml"]))).cotEvent.detail
    assert not marker.HasField("status"), "readiness is not battery"
    assert 'readiness="true"' in marker.xmlDetail


def test_where_both_say_it_the_xml_counts() -> None:
    message = TakMessage()
    message.ParseFromString(to_payload(read(event('<status battery="7"/>'))))
    message.cotEvent.detail.xmlDetail = '<status battery="70" readiness="true"/>'
    after = from_payload(message.SerializeToString())
    assert after is not None
    assert [item.attributes for item in after.items] == [{"battery": "70", "readiness": "true"}]


def test_a_message_without_an_event_is_no_event() -> None:
    message = TakMessage()
    message.takControl.minProtoVersion = 1
    assert from_payload(message.SerializeToString()) is None


# ── Any event ──

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)
TEXT_WITH_BREAKS = st.builds(lambda a, b: a + "\n\t" + b, TEXT, TEXT) | TEXT
NAMES = st.sampled_from([*TYPED, "remarks", "link", "usericon", "__chat", "x:y", "é"])
ATTRIBUTES = ["callsign", "endpoint", "name", "role", "battery", "speed", "course", "device", "platform", "os", "version", "altsrc", "geopointsrc"]  # fmt: skip


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    name = draw(NAMES)
    keys = draw(st.lists(st.sampled_from(ATTRIBUTES), unique=True, max_size=4))
    if name in TYPED and draw(st.booleans()):
        _, needed, optional = TYPED[name]
        keys = [*needed, *optional]
    numbers = st.sampled_from(["0", "78", "078", "4294967296", "-0.0", "1e3", "1_0", "NaN", "INF", "٣", ""])
    values = {key: draw(numbers if key in ("battery", "speed", "course") else TEXT_WITH_BREAKS) for key in keys}
    head = "".join(
        f" {key}={quoteattr(value, {chr(10): '&#10;', chr(9): '&#9;'})}" for key, value in values.items()
    )  # fmt: skip
    if name == "x:y":
        head += ' xmlns:x="urn:x"'
    inner = draw(
        st.sampled_from(["", "", " ", "<!-- c -->", "<![CDATA[<a>]]>", "t&amp;t", "&#233;"])
        | (st.lists(elements(depth=depth + 1), max_size=2).map("".join) if depth < 3 else st.just(""))
    )
    blank = draw(st.sampled_from(["", "\n  ", "text", "<!-- c -->", "<![CDATA[ x ]]>"])) if depth == 0 else ""
    return (f"<{name}{head}>{inner}</{name}>" if inner else f"<{name}{head}/>") + blank


@FUZZ
@given(st.lists(elements(), max_size=5).map("".join), TEXT.filter(str.strip), st.sampled_from(["", "Undefined"]))
def test_any_event_is_the_same_after_protobuf(detail: str, uid: str, access: str) -> None:
    xml = event(detail, uid=uid, access=access)
    before = read(xml)
    assert before.raw == xml
    after = from_payload(to_payload(before))
    assert after is not None
    assert canonical(after) == canonical(before)
    again = from_payload(to_payload(read(after.raw)))
    assert again is not None
    assert again.raw == after.raw, "written twice, the same bytes"


@FUZZ
@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(allow_infinity=False), st.integers(0, 250_000_000_000_000))
def test_any_place_and_time_survive(lat: float, lon: float, hae: float, ms: int) -> None:
    before = read(
        cot.write(uid="u", type="a", how="", time=ms, start=ms, stale=ms, point=cot.Point(lat, lon, hae, 0.0, -0.0))
    )
    after = from_payload(to_payload(before))
    assert after is not None
    for each in (before, after):
        assert (each.point.lat, each.point.lon, each.time, each.stale) == (lat, lon, ms, ms)
        assert each.point.hae == hae or (math.isnan(hae) and math.isnan(each.point.hae))
    assert canonical(after) == canonical(before)


# ── Streams ──


@FUZZ
@given(st.data())
def test_a_stream_may_be_cut_anywhere(data: st.DataObject) -> None:
    sent = [event(uid=f"u{number}") for number in range(data.draw(st.integers(1, 4)))]
    proto = data.draw(st.booleans())
    payloads = [to_payload(read(xml)) for xml in sent]
    stream = (
        b"".join(cot.frame(payload) for payload in payloads)
        if proto
        else b"".join(
            data.draw(st.sampled_from([cot.DECLARATION, b"\n", b"<?xml version='1.0'?>"])) + xml for xml in sent
        )
    )
    splitter = Splitter()
    splitter.proto = proto
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    found = [
        piece
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for piece in splitter.feed(stream[start:end])
    ]
    assert found == (payloads if proto else sent)


def test_the_published_frame() -> None:
    payload = bytes(300)
    assert cot.frame(payload)[:3] == bytes([0xBF, 0xAC, 0x02])
    assert cot.datagram(b"\xbf\x01\xbf" + to_payload(read(event()))) is not None
    assert cot.datagram(cot.DECLARATION + event()) is not None
    with pytest.raises(CotError, match="another protocol version"):
        cot.datagram(b"\xbf\x02\xbf")


def test_a_pass_word_message_before_the_first_event_is_passed_over() -> None:
    stream = b'<auth><cot username="a" password="b" uid="c"/></auth>' + cot.DECLARATION + event()
    assert one(stream).uid == "U-1"


# ── Nobody sends this in good faith ──

BOMB = b'<?xml version="1.0"?><!DOCTYPE event [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + event(
    "<remarks>&b;</remarks>"
)


def test_entity_bombs_are_refused_before_any_entity_exists() -> None:
    [refused] = Splitter().feed(BOMB)
    assert isinstance(refused, CotError)
    assert refused.reason == "dtd"
    with pytest.raises(CotError) as caught:
        read(BOMB)
    assert caught.value.reason == "dtd"
    with pytest.raises(CotError, match="not well-formed"):
        read(event("<remarks>&b;</remarks>"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (event(type=""), "missing"),
        (event(uid="u" * 2000), "missing"),
        (event(time="yesterday"), "time"),
        (event(time="2026-02-30T10:00:00Z"), "time"),
        (event(time="1969-12-31T23:59:59Z"), "time"),
        (event().replace(b'lat="60.17"', b'lat="600.17"'), "number"),
        (event().replace(b'lat="60.17"', b'lat="NaN"'), "number"),
        (event().replace(b'lat="60.17"', b'lat="6_0"'), "number"),
        (event().replace(b'hae="1.5"', b'hae="1e999"'), "number"),
        (event().replace(b"<point", b"<pint"), "missing"),
        (event().replace(b"<detail>", b"<detail><a>"), "malformed"),
        (event().replace(b"<detail>", b"<detail/><detail>"), "malformed"),
        (event("<a>" * 100 + "</a>" * 100), "malformed"),
        (event("<x:a/>"), "malformed"),
        (event("<x:a/>", **{"xmlns:x": "urn:x"}), "namespace"),
        (event(xmlns="urn:x"), "namespace"),
        (event("\x01"), "malformed"),
        (event().replace(b"U-1", b"\xff\xfe"), "malformed"),
        (event("x" * cot.MAX_EVENT), "too-long"),
    ],
)
def test_what_is_no_event_is_refused_with_its_reason(bad: bytes, reason: str) -> None:
    with pytest.raises(CotError) as caught:
        read(bad)
    assert caught.value.reason == reason


def test_a_schema_hint_on_the_event_does_no_harm() -> None:
    hint = {"xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance", "xsi:noNamespaceSchemaLocation": "x.xsd"}
    assert read(event("<remarks/>", **hint)).items[0].name == "remarks"


def test_a_hundred_megabytes_are_passed_over_in_bounded_memory() -> None:
    splitter = Splitter()
    tracemalloc.start()
    found: list[bytes | CotError] = splitter.feed(event()[:60])
    for _ in range(1600):
        found += splitter.feed(bytes(65536))
    found += splitter.feed(b"</event>" + cot.DECLARATION + event(uid="next"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * cot.MAX_EVENT
    assert isinstance(found[0], CotError)
    assert found[0].reason == "too-long"
    assert found[1:] == [event(uid="next")], "told once; then the stream goes on"


@pytest.mark.parametrize(
    "frames", [b"\xbf\xff\xff\xff\xff\xff\xff\xff", b"\xbf\x80\x80\x80\x80\x01", b"<event/>", b"\xbf\x81\x80\x40"]
)
def test_wrong_frames_break_the_stream_and_say_so(frames: bytes) -> None:
    splitter = Splitter()
    splitter.proto = True
    [broken] = splitter.feed(frames)
    assert isinstance(broken, CotError)
    assert broken.fatal
    assert splitter.feed(cot.frame(b"x")) == []


@pytest.mark.parametrize(
    "payload", [b"\x12\x05abc", b"\x12\xff\xff\xff\xff\x0f", b"\x12\x05\x0a\x03\xff\xfe\xfd", b"\xff"]
)
def test_wrong_protobuf_is_refused(payload: bytes) -> None:
    with pytest.raises(CotError) as caught:
        from_payload(payload)
    assert caught.value.reason == "protobuf"


def test_protobuf_whose_detail_is_no_xml_is_refused() -> None:
    message = TakMessage.FromString(to_payload(read(event())))
    for bad in ("<a>", "</detail><detail>", "</detail></event><event>", "&b;", "<!DOCTYPE a>"):
        message.cotEvent.detail.xmlDetail = bad
        with pytest.raises(CotError):
            from_payload(message.SerializeToString())


@FUZZ
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_an_event_or_an_error(data: bytes, proto: bool) -> None:
    splitter = Splitter()
    splitter.proto = proto
    for piece in splitter.feed(data) + splitter.feed(b"<event" + data + b"</event>"):
        if isinstance(piece, bytes):
            try:
                found = from_payload(piece) if proto else read(piece)
            except CotError:
                continue
            assert found is None or found.uid
    for reader in (cot.datagram, read, from_payload):
        try:
            reader(data)
        except CotError:
            continue


@FUZZ
@given(st.integers(0, 700), st.binary(min_size=1, max_size=3))
def test_a_damaged_event_is_an_event_or_an_error(at: int, put: bytes) -> None:
    for good, reader in (
        (event('<status battery="7"/><a>t</a>'), read),
        (to_payload(read(event("<a/>"))), from_payload),
    ):
        bad = good[: at % len(good)] + put + good[at % len(good) + len(put) :]
        try:
            found = reader(bad)  # type: ignore[operator]
        except CotError:
            continue
        if found is not None:
            after = from_payload(to_payload(found))
            assert after is not None
            assert canonical(after) == canonical(found)


@FUZZ
@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_time_or_an_error(text: str) -> None:
    for reader in (number, milliseconds):
        try:
            reader(text, "x")
        except CotError:
            continue


# ── Talk about the connection, symbols ──


def test_negotiation_says_what_the_protocol_says() -> None:
    offer = ET.fromstring(cot.offer("protouid", 1000).raw)
    assert offer.get("type") == "t-x-takp-v"
    support = offer.find("detail/TakControl/TakProtocolSupport")
    assert support is not None
    assert support.get("version") == "1"
    asked = read(event('<TakControl><TakRequest version="1"/></TakControl>', type="t-x-takp-q"))
    assert cot.wanted_version(asked) == "1"
    assert cot.wanted_version(read(event())) == ""
    response = ET.fromstring(cot.answer("protouid", 1000, accepted=True).raw).find("detail/TakControl/TakResponse")
    assert response is not None
    assert response.get("status") == "true"
    assert cot.pong(1000).type == "t-x-c-t-r"


def test_a_chat_holds_any_words() -> None:
    said = cot.chat(id_="1", to="ANDROID-1", sender="EGIDE", callsign="Égide", text='<b> & "é"', now_ms=1000)
    remarks = ET.fromstring(said.raw).find("detail/remarks")
    assert remarks is not None
    assert remarks.text == '<b> & "é"'
    assert said.uid == "GeoChat.EGIDE.ANDROID-1.1"


@pytest.mark.parametrize(
    ("cot_type", "code"),
    [
        ("a-f-G-U-C", "SFGPUC---------"),
        ("a-f-A-M-H-Q", "SFAPMHQ--------"),
        ("a-h-G-E-V-A-T", "SHGPEVAT-------"),
        ("a-n-G", "SNGP-----------"),
        ("a-u-S-X-M", "SUSPXM---------"),
        ("a-f-G-E-V-C-medic", "SFGPEVC--------"),
        ("b-m-p-s-p-loc", "SFGPES---------"),
        ("b-t-f", None),
        ("a-f", None),
    ],
)
def test_types_and_symbols(cot_type: str, code: str | None) -> None:
    assert cot.sidc(cot_type) == code
    if code is not None and cot_type.startswith("a-") and cot_type[-1].isupper():
        assert cot.type_of(code) == cot_type


def test_the_icon_a_client_chose_counts_before_the_type() -> None:
    for path in ("COT_MAPPING_2525B/a-h/a-h-G-U-C", "COT_MAPPING_2525C:a-h:a-h-G-U-C", "COT_MAPPING_2525B:a-h-G-U-C"):
        assert cot.sidc_of(read(event(f'<usericon iconsetpath="{path}"/>', type="a-u-G"))) == "SHGPUC---------"
    assert cot.sidc_of(read(event('<usericon iconsetpath="COT_MAPPING_2525B/"/>'))) == "SFGPUC---------"
    assert cot.sidc_of(read(event('<__milsym id="SNGX-----------"/>'))) == "SNGX-----------"
    assert cot.type_of("SDGPUC----") == "a-f-G-U-C", "an exercise's friend"
    assert cot.type_of("rubbish") is None


@FUZZ
@given(st.text(max_size=20))
def test_any_text_has_a_symbol_or_none(text: str) -> None:
    for code in (cot.sidc(text), cot.sidc("a-f-G-" + text)):
        assert code is None or len(code) == 15
    cot.type_of(text)
