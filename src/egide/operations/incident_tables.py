"""Incidents, their tasks and drawings. What they are about is sealed: with the incident's own key, or with its mission's.

Clear are only what the list sorts and filters by: kind, urgency, state, times. One key destroyed erases one incident.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.operations.tables import metadata

incident = Table(
    "incident",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("priority", Integer, nullable=False),  # 1 at once … 4 when there is time
    Column("state", String(12), nullable=False),
    Column("opened", BIG, nullable=False),
    Column("closed", BIG),
    Column("origin", String(8), nullable=False),  # hand, alert, cap, service
    Column(
        "reference", String(64), nullable=False
    ),  # SHA-256 of the CAP message's sender and identifier; a file's number; ""
    Column("person", String(40), info={"person": "null"}),  # who opened it
    Column("mission", String(40)),
    Column("merged", String(40)),  # the incident that took this one in
    # title, words, place, address
    Column("body", LargeBinary, nullable=False, info={"sealed": ("incident:{id}", "incidents", "{id}")}),
    Index("incident_open", "closed"),
    Index("incident_by_mission", "mission"),
    Index("incident_by_reference", "reference"),
)

# Both ways: from the call for help to its incident, and back. Gone with the call.
incident_alert = Table(
    "incident_alert",
    metadata,
    Column("alert", String(40), primary_key=True),
    Column("incident", String(40), nullable=False),
    Column("since", BIG, nullable=False),
    Index("incident_alert_of", "incident"),
)

# The narrative log: only ever added to.
incident_line = Table(
    "incident_line",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident", String(40), nullable=False),
    Column("at", BIG, nullable=False),
    Column("kind", String(12), nullable=False),  # note, state, changed, alert, merged, task, cap, export
    Column("person", String(40), info={"person": "null"}),
    Column("body", LargeBinary, nullable=False, info={"sealed": ("incident:{incident}", "incidents", "{id}")}),
    Index("incident_line_of", "incident", "at"),
)

task = Table(
    "task",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("mission", String(40), nullable=False),
    Column("incident", String(40)),
    Column("state", String(12), nullable=False),
    Column("created", BIG, nullable=False),
    Column("changed", BIG, nullable=False),
    Column("deadline", BIG),
    Column("lat", Float),
    Column("lon", Float),
    Column("person", String(40), info={"person": "null"}),  # the officer who has it
    Column("unit", String(40), nullable=False),  # any of its officers may take it; "" where it is one officer's
    Column("author", String(40), info={"person": "null"}),
    # title, words, why it was declined or cancelled
    Column("body", LargeBinary, nullable=False, info={"sealed": ("mission:{mission}", "mission-work", "{id}")}),
    Index("task_of", "mission", "state"),
    Index("task_by_person", "person"),
    Index("task_by_unit", "unit"),
)

drawing = Table(
    "drawing",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("scope", String(60), nullable=False),  # whose key seals it: mission:… or incident:…
    Column("at", BIG, nullable=False),
    Column("expires", BIG),
    Column("removed", Boolean, nullable=False),
    Column("person", String(40), info={"person": "null"}),
    # shape, places, colour by role, symbol, words
    Column("body", LargeBinary, nullable=False, info={"sealed": ("{scope}", "drawings", "{id}")}),
    Index("drawing_of", "scope", "removed"),
)
