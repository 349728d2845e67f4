"""Border's tables, twice: those of facilitation (consent) and those of the border police (law), with no column to join them by.

What is kept of a traveller is the consent, which status indexes belong to it, and when both end; nothing is kept of a control but
a count by the hour. There is no table of faces, names or documents, and none of journeys.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

from egide.kernel.tables import BIG

metadata = MetaData()

FACILITATION, POLICE = "border-facilitation", "border-police"  # the two activities, each with keys of its own


class RealmTables:
    """What both realms have, each its own."""

    def __init__(self, prefix: str, activity: str) -> None:
        self.key = Table(
            f"{prefix}_key",
            metadata,
            Column("kid", String(16), primary_key=True),
            Column("role", String(8), nullable=False),  # issuer | verifier
            Column("x", String(43), nullable=False),  # base64url
            Column("y", String(43), nullable=False),
            Column("since", BIG, nullable=False),  # µs
            Column("until", BIG),  # µs; since when it is no longer trusted
            # the private key, PKCS#8 DER
            Column("body", LargeBinary, nullable=False, info={"sealed": ("border-key:{kid}", activity, "{kid}")}),
        )
        self.lane = Table(
            f"{prefix}_lane",
            metadata,
            Column("point", String(32), primary_key=True),
            Column("equal_open", Boolean, nullable=False),  # the way without biometrics
            Column("staffed", Boolean, nullable=False),  # an officer is there, who may overrule the machine
        )
        self.count = Table(
            f"{prefix}_count",
            metadata,
            Column("point", String(32), primary_key=True),
            Column("hour", BIG, primary_key=True),  # since 1970
            Column("outcome", String(12), primary_key=True),  # pass | unsure | refused | officer | admitted | turned
            Column("n", Integer, nullable=False),
        )
        self.spent = Table(
            f"{prefix}_spent",
            metadata,
            Column("mark", String(64), primary_key=True),  # of a single-use token: it says nothing of its holder
            Column("until", BIG, nullable=False),  # µs; when no gate takes the token any more: nobody need remember it
        )
        self.ticket = Table(
            f"{prefix}_ticket",
            metadata,
            Column("id", String(32), primary_key=True),  # drawn; handed out at the entry of a lane, gone at its end
            Column("point", String(32), nullable=False),
            Column("lane", String(8), nullable=False),  # token | equal
            Column("at", BIG, nullable=False),  # µs
            Index(f"{prefix}_ticket_by_time", "at"),
        )
        self.wait = Table(
            f"{prefix}_wait",
            metadata,
            Column("point", String(32), primary_key=True),
            Column("lane", String(8), primary_key=True),
            Column("slot", BIG, primary_key=True),  # quarters of an hour since 1970
            Column("band", Integer, primary_key=True),  # which of lanes.BANDS_S the wait fell into
            Column("n", Integer, nullable=False),
        )


facilitation = RealmTables("border", FACILITATION)
police = RealmTables("border_police", POLICE)

consent = Table(
    "border_consent",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("secret", String(64), nullable=False),  # SHA-256 of what the wallet holds
    Column("until", BIG, nullable=False),  # µs; departure and a day
    # the points agreed to, the version of the notice, the journey’s pseudonym
    Column("body", LargeBinary, nullable=False, info={"sealed": ("consent:{id}", FACILITATION, "{id}")}),
)

issued = Table(
    "border_issued",
    metadata,
    Column("idx", Integer, primary_key=True),  # of the status list
    Column("consent", String(32), nullable=False),  # the only link from a status to a consent; it goes with it
    Index("border_issued_by_consent", "consent"),
)

status = Table(
    "border_status",
    metadata,
    Column("idx", Integer, primary_key=True),
    Column("until", BIG, nullable=False),  # µs; the token’s end
    Column("revoked", Boolean, nullable=False),
)

leaf = Table(
    "border_leaf",
    metadata,
    Column("hash", String(64), primary_key=True),  # of an erasure receipt, which only the wallet keeps
    Column("at", BIG, nullable=False),  # µs
    Column("batch", String(32)),  # the root it went into; None until then
    Column("place", Integer),  # in that batch
    Index("border_leaf_by_batch", "batch", "place"),
)

batch = Table(
    "border_batch",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", BIG, nullable=False),  # µs
    Column("size", Integer, nullable=False),
    Column(
        "total", BIG, nullable=False
    ),  # leaves of this and all batches before: under this the consortium’s ledger has it
    Column("root", String(64), nullable=False),
    Column("anchored", Boolean, nullable=False),  # whether the consortium’s ledger has it
    Index("border_batch_by_time", "at"),
)
