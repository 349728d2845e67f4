"""TAK's tables: devices and their certificates, packages, missions with what changed in them, partners of the federation.

A row names the device that did something, not the person: whoever is erased loses the device's row, and the name of a device
alone says nothing of anybody. What people wrote, and the ids their applications gave themselves, are sealed.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.operations.tables import metadata

PURPOSE = "tak-data"  # the activity, and with it what the keys are for

device = Table(
    "tak_device",
    metadata,
    Column("id", String(40), primary_key=True),  # drawn; also the name in the certificate
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("callsign", LargeBinary, nullable=False, info={"sealed": ("{person}", PURPOSE, "{id}")}),
    Column("uid", LargeBinary, info={"sealed": ("{person}", PURPOSE, "{id}:uid")}),  # what its application calls itself
    Column("token", String(64), nullable=False),  # SHA-256 of the enrolment token
    Column("token_until", BIG, nullable=False),  # µs
    Column("enrolment", String(32), nullable=False),  # the act that gave the token
    Column("signed", BIG),  # when the token was used
    Column("fingerprint", String(64)),  # SHA-256 of the certificate
    Column("until", BIG),  # µs; the certificate's end
    Column("revoked", BIG),
    Index("tak_device_by_fingerprint", "fingerprint", unique=True),
    Index("tak_device_by_person", "person"),
)

package = Table(
    "tak_package",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("hash", String(64), nullable=False),  # SHA-256 of the content, by which clients ask
    Column("bytes", BIG, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("tool", String(40), nullable=False),  # public: found by searching; anything else: by its hash only
    Column("at", BIG, nullable=False),
    Column("person", String(40), info={"person": "null"}),
    Column("device", String(40), nullable=False),
    # name, media type, keywords
    Column("body", LargeBinary, nullable=False, info={"sealed": ("tak-package:{id}", PURPOSE, "{id}")}),
    Index("tak_package_by_hash", "hash"),
)

package_group = Table(
    "tak_package_group",
    metadata,
    Column("package", String(40), primary_key=True),
    Column("shared", String(80), primary_key=True),  # a group: unit:… or mission:…
    Index("tak_package_group_by_group", "shared"),
)

mission = Table(
    "tak_mission",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(120), nullable=False),  # by which clients ask
    Column("tool", String(40), nullable=False),
    Column("created", BIG, nullable=False),
    Column("removed", BIG),
    Column("person", String(40), info={"person": "null"}),
    Column("device", String(40), nullable=False),
    # description, keywords
    Column("body", LargeBinary, nullable=False, info={"sealed": ("tak-mission:{id}", PURPOSE, "{id}")}),
    Index("tak_mission_by_name", "name"),
)

mission_group = Table(
    "tak_mission_group",
    metadata,
    Column("mission", String(40), primary_key=True),
    Column("shared", String(80), primary_key=True),
    Index("tak_mission_group_by_group", "shared"),
)

subscriber = Table(
    "tak_mission_subscriber",
    metadata,
    Column("mission", String(40), primary_key=True),
    Column("device", String(40), primary_key=True),
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("at", BIG, nullable=False),
)

content = Table(
    "tak_mission_content",
    metadata,
    Column("mission", String(40), primary_key=True),
    Column("ref", String(200), primary_key=True),  # hash:<SHA-256 of a package> or uid:<of an object on the map>
    Column("at", BIG, nullable=False),
    Column("device", String(40), nullable=False),
    Column("package", String(40)),  # of a file: which
    # of an object on the map: its last event
    Column("body", LargeBinary, info={"sealed": ("tak-mission:{mission}", PURPOSE, "{ref}")}),
    Index("tak_mission_content_by_package", "package"),
)

change = Table(
    "tak_mission_change",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("mission", String(40), nullable=False),
    Column("at", BIG, nullable=False),
    Column("kind", String(24), nullable=False),  # CREATE_MISSION, ADD_CONTENT, REMOVE_CONTENT, DELETE_MISSION
    Column("ref", String(200), nullable=False),
    Column("device", String(40), nullable=False),
    Index("tak_mission_change_at", "mission", "at"),
)

log = Table(
    "tak_mission_log",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("mission", String(40), nullable=False),
    Column("at", BIG, nullable=False),
    Column("person", String(40), info={"person": "null"}),
    Column("device", String(40), nullable=False),
    Column("body", LargeBinary, nullable=False, info={"sealed": ("tak-mission:{mission}", PURPOSE, "{id}")}),
    Index("tak_mission_log_at", "mission", "at"),
)

invitation = Table(
    "tak_mission_invitation",
    metadata,
    Column("mission", String(40), primary_key=True),
    Column("invited", String(40), primary_key=True),  # a device
    Column("device", String(40), nullable=False),
    Column("at", BIG, nullable=False),
)

peer = Table(
    "tak_peer",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),  # the recipient, as the administrator names it
    Column("host", String(255), nullable=False),  # empty: it calls us
    Column("port", Integer, nullable=False),
    Column("authority", LargeBinary, nullable=False),  # DER of its certificate authority: public
    Column("sends", String(2000), nullable=False),  # groups whose events go there, space-separated
    Column("receives", String(2000), nullable=False),  # groups in which what comes from there is shown
    Column("since", BIG, nullable=False),
    Column("revoked", BIG),
)
