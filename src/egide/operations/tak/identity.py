"""Whose device speaks: what a client certificate stands for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TakDevice:
    """An enrolled device: its id, whose it is (a person's id), the call sign it was given, its certificate's SHA-256 in hex."""

    id: str
    person: str
    callsign: str
    fingerprint: str
