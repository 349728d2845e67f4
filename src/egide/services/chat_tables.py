"""The tables of help by chat. Every word is sealed with the conversation's own key, which is destroyed with it (chat_acts.py)."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.services.tables import metadata

chat = Table(
    "service_chat",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("secret", String(64), nullable=False),  # SHA-256 of what the person's window holds
    Column("version", Integer, nullable=False),  # of the service's definition
    Column("lang", String(2), nullable=False),
    Column("at", BIG, nullable=False),  # µs
    Column("state", String(40), nullable=False),
    Column("since", BIG, nullable=False),  # µs; in this state, with this officer or none
    Column("officer", String(40), info={"person": "null"}),  # the one who answers; None: nobody yet
    Column(
        "number", String(40), nullable=False
    ),  # of the file that comes of it, where the person wants one; "" otherwise
    Column("code", String(64), nullable=False),  # SHA-256 of that file's code
    Column("words", Boolean, nullable=False),  # whether the person wants the words kept
    Column("closed", BIG),
    # what the person gave to be called back
    Column("body", LargeBinary, nullable=False, info={"sealed": ("chat:{id}", "victim-chat", "{id}")}),
)

line = Table(
    "service_chat_line",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("chat", String(40), nullable=False),
    Column("at", BIG, nullable=False),
    Column("officer", Boolean, nullable=False),
    Column("by", String(40), info={"person": "null"}),  # which officer
    Column("step", String(40), nullable=False),  # "": words alone
    Column("body", LargeBinary, nullable=False, info={"sealed": ("chat:{chat}", "victim-chat", "{id}")}),
    Index("service_chat_line_by_chat", "chat", "at"),
)
