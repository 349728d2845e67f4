"""Operations' tables. Who watched, who was on the roster, which aircraft flew: rows; what people wrote or said: sealed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, text

from egide.kernel.tables import BIG

metadata = MetaData()

source = Table(
    "source",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(8), nullable=False),
    # camera addresses may hold passwords
    Column("url", LargeBinary, nullable=False, info={"sealed": ("source:{id}", "sources", "{id}")}),
    Column("aerial", Boolean, nullable=False),
    Column("aircraft", String(120), nullable=False),
    Column("pilot", LargeBinary, nullable=False, info={"sealed": ("source:{id}", "sources", "{id}")}),
    Column("service", String(20), nullable=False),
    Column("tags", String(400), nullable=False),  # space-separated
    Column("lat", Float),  # declared take-off point, used until telemetry speaks
    Column("lon", Float),
    Column("removed", BIG),
)

mission = Table(
    "mission",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("title", String(200), nullable=False),
    Column("order_id", String(40), nullable=False),
    Column("opened", BIG, nullable=False),
    Column("closed", BIG),
)

roster = Table(
    "roster",
    metadata,
    Column("mission", String(40), primary_key=True),
    Column("person", String(40), primary_key=True, info={"person": "delete"}),
    Column("since", BIG, nullable=False),
    Column("gone", BIG),
    Index("roster_by_person", "person"),
)

deployment = Table(
    "deployment",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("source", String(40), nullable=False),
    Column("mission", String(40), nullable=False),
    Column("order_id", String(40), nullable=False),
    Column("started", BIG, nullable=False),
    Column("ended", BIG),
    Column("home_interior", BIG),  # when the inside of a home was seen, and recording stopped
    Column(
        "process", String(16), nullable=False, server_default=""
    ),  # the process that films; when it is gone, so is the camera
    Index("deployment_active", "ended"),
    # A source flies once at a time, whichever process starts it.
    Index(
        "deployment_one",
        "source",
        unique=True,
        sqlite_where=text("ended IS NULL"),
        postgresql_where=text("ended IS NULL"),
    ),
)

watch = Table(
    "watch",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("deployment", String(40), nullable=False),
    Column("person", String(40), nullable=False, info={"person": "blank"}),
    Column("order_id", String(40), nullable=False),
    Column("opened", BIG, nullable=False),
    Column("closed", BIG),
    Column("process", String(16), nullable=False, server_default=""),  # the process that shows the picture
    Index("watch_open", "closed"),
)

recording = Table(
    "recording",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("deployment", String(40), nullable=False),
    Column("source", String(40), nullable=False),
    Column("started", BIG, nullable=False),
    Column("ended", BIG),
    Column("codec", String(40), nullable=False),
    Column("chain", String(64), nullable=False),  # the hash chain's last link
    Column("segments", Integer, nullable=False),
    Column("bytes", BIG, nullable=False),
    Column("erased", BIG),
)

note = Table(
    "note",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("mission", String(40), nullable=False),
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("at", BIG, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("body", LargeBinary, nullable=False, info={"sealed": ("{person}", "field-notes", "{id}")}),
    Column("made", BIG),  # µs; the device's own time, where it was made without network: shown, never ordered by
)

register = Table(
    "register_sending",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("sent", BIG, nullable=False),
    Column("interventions", Integer, nullable=False),
)

alert = Table(
    "alert",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("secret", String(64), nullable=False),  # SHA-256 of what the resident's page holds
    Column("at", BIG, nullable=False),  # µs; when it was sent
    Column("lang", String(2), nullable=False),
    # words, place, how to reach the person
    Column("body", LargeBinary, nullable=False, info={"sealed": ("alert:{id}", "distress-alerts", "{id}")}),
    Column("taken", String(40), info={"person": "null"}),  # the officer who is on it
    Column("closed", BIG),
    Index("alert_open", "closed"),
)

alert_word = Table(
    "alert_word",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("alert", String(40), nullable=False),
    Column("at", BIG, nullable=False),
    Column("officer", Boolean, nullable=False),  # who says it: an officer, or the resident
    Column("body", LargeBinary, nullable=False, info={"sealed": ("alert:{alert}", "distress-alerts", "{id}")}),
    Index("alert_word_of", "alert", "at"),
)

duty = Table(
    "duty",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("unit", String(40), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("began", BIG, nullable=False),  # µs
    Column("until", BIG, nullable=False),  # µs; the declared end, at which it ends by itself
    Column("ended", BIG),
    Column("how", String(8)),  # self, command, shift
    Index("duty_by_person", "person", "began"),
    # Nobody is on duty twice, whichever process is asked.
    Index(
        "duty_one", "person", unique=True, sqlite_where=text("ended IS NULL"), postgresql_where=text("ended IS NULL")
    ),
)

track = Table(
    "track",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("duty", String(40), nullable=False),
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("at", BIG, nullable=False),  # µs of the first fix
    # fixes of a minute; the key is the person's own, one for each duty, so that a duty can be erased alone
    Column("body", LargeBinary, nullable=False, info={"sealed": ("{person}", "officer-location:{duty}", "{id}")}),
    Index("track_of", "duty", "at"),
)

vehicle = Table(
    "vehicle",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("unit", String(40), nullable=False),
    Column("removed", BIG),
)

geofence = Table(
    "geofence",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("mission", String(40), nullable=False),
    Column("name", String(80), nullable=False),
    Column("kind", String(8), nullable=False),  # enter, leave, no-go
    Column("shape", LargeBinary, nullable=False),  # GeoJSON polygon, or a circle {lat, lon, radius}
    Column("drawn", BIG, nullable=False),
    Column("until", BIG, nullable=False),
    Column("removed", BIG),
    Index("geofence_standing", "removed", "until"),
)

crossing = Table(
    "crossing",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("geofence", String(40), nullable=False),
    Column("person", String(40), info={"person": "delete"}),  # the officer who crossed
    Column("thing", String(40)),  # or the vehicle or aircraft
    Column("way", String(8), nullable=False),  # in, out
    Column("at", BIG, nullable=False),
    Column("acknowledged", BIG),
    Column("acknowledged_by", String(40), info={"person": "null"}),
    Index("crossing_open", "acknowledged"),
)
