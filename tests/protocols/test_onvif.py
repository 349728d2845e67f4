"""ONVIF messages: digests as the profile's example, answers of cameras, and XML of nobody in good faith."""

import base64
import os
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import onvif
from egide.protocols.onvif import Fault, OnvifError, Profile
from egide.protocols.onvif.soap import DEVICE, ENVELOPE, MEDIA, SCHEMA
from egide.protocols.safexml import tree

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)


def envelope(body: str) -> bytes:
    return f'<s:Envelope xmlns:s="{ENVELOPE}" xmlns:tt="{SCHEMA}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def test_the_digest_of_the_onvif_programmers_guide() -> None:
    """ONVIF Application Programmer's Guide, 6.1.1: nonce, date and pass word of its example."""
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    made = onvif.token("user", "userpassword", datetime(2010, 9, 16, 7, 50, 45, tzinfo=UTC), nonce)
    assert made == ("user", "tuOSpGlFlIXsozq4HFNeeGeFLEI=", "LKqI6G/AikKCQrN0zqZFlg==", "2010-09-16T07:50:45Z")


def test_no_word_of_ours_becomes_markup() -> None:
    who = onvif.token('</Username><evil a="', "x", datetime.now(UTC), bytes(16))
    for request in (
        onvif.get_profiles(who),
        onvif.get_stream_uri(who, "<&>"),
        onvif.goto_preset(who, "a", '"><x/>'),
        onvif.continuous_move(who, "a]]>", 0.5, -1, 0, 2),
        onvif.stop(who, "a"),
        onvif.set_synchronization_point(who, "&"),
        onvif.get_capabilities(None),
        onvif.get_system_date_and_time(),
    ):
        assert tree(request).tag == f"{{{ENVELOPE}}}Envelope"
        assert b"<evil" not in request
        assert b"<x/>" not in request


def test_the_answers_of_a_camera() -> None:
    body = (
        "<d:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>7</tt:Hour><tt:Minute>8</tt:Minute><tt:Second>9</tt:Second></tt:Time>"
        "<tt:Date><tt:Year>2026</tt:Year><tt:Month>11</tt:Month><tt:Day>26</tt:Day></tt:Date></tt:UTCDateTime></d:SystemDateAndTime>"
    )
    said = f'<d:GetSystemDateAndTimeResponse xmlns:d="{DEVICE}">{body}</d:GetSystemDateAndTimeResponse>'
    assert onvif.clock(envelope(said)) == datetime(2026, 11, 26, 7, 8, 9, tzinfo=UTC)
    with pytest.raises(OnvifError):
        onvif.clock(envelope(said.replace(">26<", ">36<")))
    profiles = (
        f'<m:GetProfilesResponse xmlns:m="{MEDIA}"><m:Profiles token="p1"><tt:Name>A</tt:Name><tt:VideoEncoderConfiguration>'
        "<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>1920</tt:Width><tt:Height>x</tt:Height></tt:Resolution>"
        '</tt:VideoEncoderConfiguration><tt:PTZConfiguration/></m:Profiles><m:Profiles token="p2"/><m:Profiles/></m:GetProfilesResponse>'
    )
    assert onvif.profiles(envelope(profiles)) == [
        Profile("p1", "A", "H264", 1920, 0, True),
        Profile("p2", "", "", 0, 0, False),
    ]
    services = onvif.capabilities(envelope("<a><tt:Media><tt:XAddr> http://h/m </tt:XAddr></tt:Media></a>"))
    assert services == ("http://h/m", "")
    with pytest.raises(OnvifError):
        onvif.stream_uri(envelope("<a><tt:Uri>file:///etc/passwd</tt:Uri></a>"))


def test_a_refusal_is_told_apart() -> None:
    body = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code>"
        "<s:Reason><s:Text>Sender not Authorized</s:Text></s:Reason></s:Fault>"
    )
    with pytest.raises(Fault) as caught:
        onvif.profiles(envelope(body))
    assert caught.value.unauthorized
    with pytest.raises(Fault) as caught:
        onvif.profiles(envelope(body.replace("NotAuthorized", "InvalidArgVal").replace("not Authorized", "")))
    assert not caught.value.unauthorized


def answer(addresses: str, related: str = "uuid:7", scopes: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{ENVELOPE}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">'
        f"<s:Header><a:RelatesTo>{related}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>"
        f"<d:Scopes>{scopes}</d:Scopes><d:XAddrs>{addresses}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()


def test_answers_to_a_probe() -> None:
    scopes = "onvif://www.onvif.org/name/Cour%20nord%1b onvif://www.onvif.org/hardware/D-1"
    (match,) = onvif.matches(answer("https://[x http://198.51.100.9:8000/onvif/device_service", scopes=scopes), "7")
    assert match == ("http://198.51.100.9:8000/onvif/device_service", "Cour nord", "D-1", "")
    assert onvif.matches(answer("ftp://x file:///x"), "7") == []
    with pytest.raises(OnvifError, match="question"):
        onvif.matches(answer("http://h/"), "8")
    assert b"uuid:8" in onvif.probe("8")


def test_bombs_are_no_answer() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
    for read in (onvif.clock, onvif.capabilities, onvif.profiles, onvif.stream_uri):
        with pytest.raises(OnvifError, match="document type"):
            read(bomb)
    with pytest.raises(OnvifError, match="document type"):
        onvif.matches(bomb, "7")


@FUZZ
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(envelope)))
def test_any_answer_is_read_or_refused(data: bytes) -> None:
    for read in (onvif.clock, onvif.capabilities, onvif.profiles, onvif.stream_uri):
        try:
            read(data)
        except OnvifError:
            continue
    try:
        onvif.matches(data, "7")
    except OnvifError:
        return
