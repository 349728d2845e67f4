"""The kernel's tables. Personal content is never in a clear column: it is in `entry.body`, sealed by the vault.

`entry` is at once the ledger's leaf, the audit record and the outbox of `act.done` / `act.refused`; one row an act.
A column that may hold a person's id says in `info` what erasing that person does there (links.py); a sealed one, whose key seals
it, for what, and what it is bound to, in terms of the row's other columns (sealed_check.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()
BIG = BigInteger().with_variant(Integer, "sqlite")
HELD = "person/"  # a hold on all that belongs to a person
# Why a link to a person outlives their erasure, in words for people (GDPR 17(3)(b) and (d)).
SIGNED = (
    "Un arrêté signé nomme son auteur : le retirer détruirait la signature. Il part avec l’arrêté.",
    "A signed order names its author: taking that out would destroy the signature. It goes with the order.",
)

entry = Table(
    "entry",
    metadata,
    Column("realm", String(32), primary_key=True),
    Column("idx", BIG, primary_key=True),
    Column("leaf", LargeBinary, nullable=False),  # exactly the bytes that were hashed
    Column("body", LargeBinary),  # sealed input, facts and motive; null once erased
    Column("id", String(32), nullable=False),
    Column("at", BIG, nullable=False),  # µs since 1970 UTC
    Column("act", String(80), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("actor", String(40), info={"person": "null"}),  # person id: the link that erasure removes
    Column("order_id", String(40)),
    Index("entry_by_act", "realm", "act", "idx"),
    Index("entry_by_actor", "actor"),
    sqlite_with_rowid=False,
)

tile = Table(
    "ledger_tile",
    metadata,
    Column("realm", String(32), primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("number", BIG, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("realm", String(32), primary_key=True),
    Column("size", BIG, primary_key=True),
    Column("at", BIG, nullable=False),
    Column("note", Text, nullable=False),
)

cosignature = Table(
    "cosignature",
    metadata,
    Column("realm", String(32), primary_key=True),
    Column("size", BIG, primary_key=True),  # of the checkpoint that was cosigned
    Column("witness", String(200), primary_key=True),  # name of its key
    Column("at", BIG, nullable=False),  # µs; the witness's own time
    Column("line", Text, nullable=False),  # the signature line as it came, C2SP tlog-cosignature
)

stamp = Table(
    "stamp",
    metadata,
    Column("realm", String(32), primary_key=True),
    Column("size", BIG, primary_key=True),  # of the checkpoint whose body was stamped
    Column("at", BIG, nullable=False),  # µs; the authority's own time
    Column("token", LargeBinary, nullable=False),  # the whole answer, RFC 3161 TimeStampResp
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", BIG, primary_key=True, autoincrement=True),
    Column("at", BIG, nullable=False),
    Column("realm", String(32), nullable=False),
    Column("entry", String(32), nullable=False),  # id of the act that caused it
    Column("name", String(64), nullable=False),
    Column("payload", LargeBinary, nullable=False, info={"person": "within"}),
    Column("process", String(16), nullable=False, server_default=""),  # whose bus has told it already
)

rights = Table(
    "rights",
    metadata,
    Column("realm", String(32), primary_key=True),
    Column("epoch", BIG, nullable=False),  # grows with every change of a right, in every process
)

process = Table(
    "process",
    metadata,
    Column("id", String(16), primary_key=True),  # drawn at its start
    Column("machine", String(64), nullable=False),
    Column("pid", BIG, nullable=False),
    Column("started", BIG, nullable=False),
    Column("seen", BIG, nullable=False),  # µs; when it last said that it lives
)

handled = Table(
    "handled",
    metadata,
    Column("consumer", String(80), primary_key=True),
    Column("seq", BIG, primary_key=True),  # of the outbox: an event's effect is written once, with this row
)

client_act = Table(
    "client_act",
    metadata,
    Column("person", String(40), primary_key=True, info={"person": "delete"}),
    Column("client", String(64), primary_key=True),  # drawn by the person's device: the same again is done once
    Column("act", String(80), nullable=False),
    Column("at", BIG, nullable=False),
    Column("entry", String(32), nullable=False),
    Column("idx", BIG),  # known at the end of the transaction that inserts the row
    # what was asked (its digest) and the result
    Column("answer", LargeBinary, nullable=False, info={"sealed": ("{person}", "client-acts", "{client}")}),
    Index("client_act_by_time", "at"),
)

turn = Table(
    "turn",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("process", String(16), nullable=False),  # who does this now; empty: nobody
    Column("beat", BIG, nullable=False),  # grows while its holder lives
)

concern = Table(
    "concern",
    metadata,
    Column("realm", String(32), primary_key=True),
    Column("idx", BIG, primary_key=True),
    Column(
        "person", String(40), primary_key=True, info={"person": "delete"}
    ),  # whom another's act is about: the link that erasure removes
    Index("concern_by_person", "person"),
)

consumer = Table(
    "consumer",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("seq", BIG, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("id", String(64), primary_key=True),  # (cause, act): doing it twice is doing it once
    Column("due", BIG, nullable=False),
    Column("act", String(80), nullable=False),
    Column("input", LargeBinary, nullable=False, info={"person": "within"}),
    Column("cause", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Index("job_due", "state", "due"),
)

claim = Table(
    "job_claim",
    metadata,
    Column("job", String(64), primary_key=True),
    Column("process", String(16), nullable=False),  # who is doing it
    Column("until", BIG, nullable=False),  # µs; then another may
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", String(32), primary_key=True),  # drawn; names nobody
    Column("realm", String(32), nullable=False),
    Column("at", BIG, nullable=False),
    Column("state", String(12), nullable=False),  # rows | keys | wipe | backups | done
    # who, sealed under this erasure's own key until that is destroyed too
    Column("person", LargeBinary, info={"sealed": ("erasure:{id}", "erasure", "{id}")}),
    Column("kept", Text, nullable=False),  # what stays and how much, JSON: {"table.column": rows}
)

unit = Table("unit", metadata, Column("id", String(40), primary_key=True), Column("name", String(200), nullable=False))

person = Table(
    "person",
    metadata,
    Column("id", String(40), primary_key=True, info={"person": "delete"}),
    Column("name", LargeBinary, nullable=False, info={"sealed": ("{id}", "identity", "{id}")}),
    Column("unit", String(40)),
    Column("roles", String(200), nullable=False),  # space-separated
    Column("active", Boolean, nullable=False),
    Column("added", BIG, nullable=False),
)

passkey = Table(
    "passkey",
    metadata,
    Column("id", String(400), primary_key=True),  # credential id, base64url
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BIG, nullable=False),
    Column("label", String(80), nullable=False),
    Column("added", BIG, nullable=False),
    Column("revoked", BIG),
)

invitation = Table(
    "invitation",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 of the code; the code itself is shown once
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("until", BIG, nullable=False),
    Column("used", BIG),
)

session = Table(
    "session",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 of the cookie
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("started", BIG, nullable=False),
    Column("until", BIG, nullable=False),
    Column("strength", String(12), nullable=False),  # passkey | demo
    Column("ended", BIG),
)

habilitation = Table(
    "habilitation",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("scope", String(80), nullable=False),  # an activity id, or * for the realm
    Column("until", BIG, nullable=False),
    Column("withdrawn", BIG),
    Index("habilitation_by_person", "person"),
)

order = Table(
    "authorisation",
    metadata,
    Column("id", String(40), primary_key=True),
    # canonical JSON of OrderBody: the bytes that are signed
    Column("draft", LargeBinary, nullable=False, info={"person": "within", "while": "signed", "why": SIGNED}),
    Column("signature", LargeBinary),
    Column("vkey", String(200), info={"person": "keep", "why": SIGNED}),  # its name holds the issuer's id
    Column("issuer", String(40), nullable=False, info={"person": "delete", "while": "signed", "why": SIGNED}),
    Column("signed", BIG),
    Column("revoked", BIG),
    Column("revocation", LargeBinary),  # signature over (id, time, reason hash)
    Column("reason", LargeBinary, info={"sealed": ("order:{id}", "orders", "{id}")}),
    Column("paper", LargeBinary, info={"person": "within"}),  # reference, sha256 and importer of a paper original, JSON
    Column("document", LargeBinary, info={"sealed": ("order:{id}", "orders", "{id}")}),  # the paper original
)

retained = Table(
    "retained",
    metadata,
    Column("id", String(64), primary_key=True, info={"person": "delete", "prefix": HELD}),  # "<category>/<object id>"
    Column("category", String(64), nullable=False),
    Column("object", String(64), nullable=False),
    Column("trigger", BIG),  # when the clock starts; null while the trigger has not happened
    Column("erase_at", BIG),
    Column("state", String(12), nullable=False),  # open | sealed | erasing (key gone, objects not yet) | erased
    Index("retained_due", "state", "erase_at"),
)

hold = Table(
    "hold",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("retained", String(64), nullable=False, info={"person": "delete", "prefix": HELD}),
    # the procedure's reference
    Column("reference", LargeBinary, nullable=False, info={"sealed": ("hold:{id}", "retention", "{id}")}),
    Column("since", BIG, nullable=False),
    Column("until", BIG),
    Index("hold_by_object", "retained"),
)
