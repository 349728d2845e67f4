"""CAP 1.2 — Common Alerting Protocol (OASIS, 1 July 2010; ITU-T X.1303 bis): reading, checking and writing of alert messages."""

from __future__ import annotations

from egide.protocols.cap.codec import NAMESPACE, CapError, Problem, alert_of, node_of, parse, write
from egide.protocols.cap.model import Alert, Area, Circle, Info, Pair, Reference, Resource

__all__ = [
    "NAMESPACE",
    "Alert",
    "Area",
    "CapError",
    "Circle",
    "Info",
    "Pair",
    "Problem",
    "Reference",
    "Resource",
    "alert_of",
    "node_of",
    "parse",
    "write",
]
