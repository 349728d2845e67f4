"""XML of nobody in good faith: bombs, depths, lengths and noise end at once; what is read is the same whichever way."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols.safexml import (
    MAX_ATTRIBUTES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    Node,
    XmlError,
    parse,
    tree,
    write,
)

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)
BOMB = (
    '<!DOCTYPE a [<!ENTITY x "'
    + "y" * 100
    + '">'
    + "".join(f'<!ENTITY x{n} "{"&x;" * 50}">' for n in range(20))
    + "]><a>&x1;</a>"
)
HOSTILE = {
    "entities": BOMB,
    "outside": '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    "outside by network": '<!DOCTYPE a SYSTEM "http://127.0.0.1/x"><a/>',
    "deep": "<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1),
    "endless depth": "<a>" * 100_000,
    "many": "<a>" + "<b/>" * MAX_ELEMENTS + "</a>",
    "attributes": "<a " + " ".join(f'x{n}=""' for n in range(MAX_ATTRIBUTES + 1)) + "/>",
    "long": "<a>" + " " * MAX_BYTES + "</a>",
    "crossed": "<a><b></a>",
    "nothing": "",
    "undeclared": "<a>&undeclared;</a>",
    "encoding": '<?xml version="1.0" encoding="klingon"?><a/>',
    "separator": '<a xmlns="x y"/>',
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_xml_ends_at_once_and_is_said_in_two_languages(message: str) -> None:
    began = time.monotonic()
    for read in (parse, tree):
        with pytest.raises(XmlError) as caught:
            read(message.encode())
        assert caught.value.fr != caught.value.en
    assert time.monotonic() - began < 5


def test_what_is_within_the_bounds_is_read() -> None:
    parse(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH)
    parse(b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>")
    parse(("<a " + " ".join(f'x{n}=""' for n in range(MAX_ATTRIBUTES)) + "/>").encode())
    parse(b"<a>" + b" " * (MAX_BYTES - 7) + b"</a>")


def test_both_ways_tell_the_same() -> None:
    data = b'<a xmlns="n" xmlns:m="o" m:x="1" y="2"> one <b>two</b> three </a>'
    node, element = parse(data), tree(data)
    assert (node.space, node.name, node.text) == ("n", "a", "one  three")
    assert (element.tag, element.text, element.findtext("{n}b")) == ("{n}a", "one  three", "two")
    assert dict(element.items()) == {"{o}x": "1", "y": "2"}


@FUZZ
@given(st.one_of(st.binary(max_size=300), st.text("<>/ab=\"' &;![]xmlns:", max_size=60).map(str.encode)))
def test_anything_is_read_or_refused(data: bytes) -> None:
    try:
        root = parse(data)
    except XmlError:
        return
    assert tree(data).tag.endswith(root.name)


NODES = st.recursive(
    st.builds(Node, st.just("n"), st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), st.text(max_size=9)), st.text(max_size=30)),
    lambda children: st.builds(Node, st.just("n"), st.sampled_from("abc"), children=st.lists(children, min_size=1, max_size=3)),
    max_leaves=8,
)  # fmt: skip


@FUZZ
@given(NODES)
def test_what_is_written_is_read_again(root: Node) -> None:
    once = parse(write(root))
    assert parse(write(once)) == once
    assert len(list(tree(write(root)).iter())) == _size(root)


def _size(node: Node) -> int:
    return 1 + sum(map(_size, node.children))
