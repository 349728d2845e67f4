"""EDXL-DE 1.0 — the distribution envelope (OASIS, 2006): who sends what to whom, around one or more messages.

Written only: an envelope that comes in is opened by `contents`, which gives what is inside and believes nothing of the outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from egide.protocols.safexml import Node, XmlError, parse, write

NAMESPACE = "urn:oasis:names:tc:emergency:EDXL:DE:1.0"
STATUS = ("Actual", "Exercise", "System", "Test")
KINDS = ("Report", "Update", "Cancel", "Request", "Response", "Dispatch", "Ack", "Error")
_SENDER = re.compile(r"[^\s@<&]+@[^\s@<&]+")  # §3.2.1: actor@domain-name


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """EDXL-DE §3.2: one distribution."""

    id: str
    sender: str
    sent: str
    status: str
    kind: str
    confidentiality: str
    content: Node
    description: str = ""
    language: str = ""
    recipients: tuple[tuple[str, str], ...] = ()  # (scheme, value)
    references: tuple[str, ...] = ()  # "id,sender,sent"


def seal(envelope: Envelope) -> bytes:
    """The envelope with its content. Raises `ValueError` for what EDXL-DE does not have."""
    if envelope.status not in STATUS or envelope.kind not in KINDS or not _SENDER.fullmatch(envelope.sender):
        raise ValueError("a status, kind or sender that EDXL-DE does not have")
    root = Node(NAMESPACE, "EDXLDistribution")
    for name, value in (
        ("distributionID", envelope.id), ("senderID", envelope.sender), ("dateTimeSent", envelope.sent),
        ("distributionStatus", envelope.status), ("distributionType", envelope.kind),
        ("combinedConfidentiality", envelope.confidentiality), ("language", envelope.language),
    ):  # fmt: skip
        if value:
            root.children.append(Node(NAMESPACE, name, text=value))
    root.children += [Node(NAMESPACE, "distributionReference", text=each) for each in envelope.references]
    for scheme, value in envelope.recipients:
        address = [
            Node(NAMESPACE, "explicitAddressScheme", text=scheme),
            Node(NAMESPACE, "explicitAddressValue", text=value),
        ]
        root.children.append(Node(NAMESPACE, "explicitAddress", children=address))
    inside = Node(
        NAMESPACE, "xmlContent", children=[Node(NAMESPACE, "embeddedXMLContent", children=[envelope.content])]
    )
    about = [Node(NAMESPACE, "contentDescription", text=envelope.description)] if envelope.description else []
    root.children.append(Node(NAMESPACE, "contentObject", children=[*about, inside]))
    return write(root)


def contents(data: bytes) -> list[Node] | None:
    """The messages inside an envelope; None where the document is none. Raises `XmlError`."""
    root = parse(data)
    if (root.space, root.name) != (NAMESPACE, "EDXLDistribution"):
        return None
    found = [message for node in _named(root, "embeddedXMLContent") for message in node.children]
    if not found:
        raise XmlError("L’enveloppe EDXL est vide.", "The EDXL envelope is empty.")
    return found


def _named(node: Node, name: str) -> list[Node]:
    here = [node] if (node.space, node.name) == (NAMESPACE, name) else []
    return here + [found for child in node.children if child.space == NAMESPACE for found in _named(child, name)]
