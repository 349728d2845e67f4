"""The board of open alerts: in memory, so that it is read and told while the database is away.

It is filled from the store at the start, by each act as it is done, by the emergency journal, and by other processes' events.
Nothing here decides: who may see the board the law says to `operations.alert.list`, and the habilitation again at each push.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from egide.kernel.act import Receipt
from egide.kernel.clock import iso
from egide.kernel.errors import EgideError
from egide.kernel.limits import Buckets
from egide.operations import incident_tables, tables

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.alerts")

PURPOSE = "distress-alerts"
CHANGED = "alert.changed"
ERASED = "person.erased"
INCIDENT = "incident.changed"
# What the sender is told of an incident: that somebody comes, never who.
PROGRESS = {
    "reported": "seen",
    "confirmed": "seen",
    "assigned": "on_way",
    "on_scene": "there",
    "resolved": "over",
    "closed": "over",
}
# A crowd in distress may stand behind one address (a station's network): many at once, then one every two seconds.
RATE, BURST = 0.5, 60
HELD = 20_000  # open alerts on the board; the oldest goes first, and stays in the store


class AlertBody(msgspec.Struct):
    """What the resident wrote; sealed with the alert's own key in the store."""

    text: str
    lat: float | None = None
    lon: float | None = None
    reach: str = ""


@dataclass(slots=True)
class AlertWord:
    """One thing said."""

    id: str
    at: int  # µs
    officer: bool
    text: str


@dataclass(slots=True)
class Alert:
    """One alert as everyone concerned sees it."""

    id: str
    secret: str  # SHA-256 of the resident's secret
    at: int  # µs; when it was sent
    lang: str
    body: AlertBody
    taken: str = ""  # person id
    taken_name: str = ""
    words: list[AlertWord] = field(default_factory=list)
    closed: bool = False
    waiting: set[str] = field(default_factory=set)  # entry ids that are in the emergency journal only
    incident: str = ""  # what was opened from it
    progress: str = ""  # how far that is, in the few words its sender is told: "", seen, on_way, there, over


def owner(alert: str) -> str:
    """Whose key seals what an alert says: its own."""
    return f"alert:{alert}"


class Board:
    """Open alerts, and the terminals that watch them. Lives in `kernel.things["alerts"]`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._alerts: dict[str, Alert] = {}
        self._entries: dict[str, str] = {}  # journalled entry → alert
        self._watchers: dict[Any, None] = {}
        self.buckets = Buckets(RATE, BURST)

    def start(self) -> None:
        """Reads what is open, and listens."""
        table, db = tables.alert, self._kernel.store.reader()
        for (alert,) in db.execute(select(table.c.id).where(table.c.closed.is_(None)).order_by(table.c.at)).all():
            self._read(alert)
        self._kernel.bus.watch(self._changed)
        self._kernel.emergency.on_appended.append(self._appended)

    # -- what is on it ------------------------------------------------------------------------------------------------

    def find(self, alert: str) -> Alert | None:
        """One alert, None where it is closed or was never."""
        return self._alerts.get(alert)

    def shown(self) -> list[dict[str, Any]]:
        """The open alerts, oldest first."""
        return [self.show(alert) for alert in sorted(self._alerts.values(), key=lambda each: each.at)]

    def show(self, alert: Alert) -> dict[str, Any]:
        """An alert as consoles take it. `journal`: not all of it is in the ledger yet."""
        return {
            "id": alert.id, "at": iso(alert.at), "lang": alert.lang, "text": alert.body.text, "lat": alert.body.lat, "lon": alert.body.lon,
            "reach": alert.body.reach, "taken": alert.taken_name or None, "closed": alert.closed, "journal": bool(alert.waiting),
            "incident": alert.incident or None, "progress": alert.progress,
            "words": [{"id": w.id, "at": iso(w.at), "officer": w.officer, "text": w.text} for w in alert.words],
        }  # fmt: skip

    # -- changes ------------------------------------------------------------------------------------------------------

    def put(self, alert: Alert, receipt: Receipt) -> None:
        """A new alert."""
        self._alerts.setdefault(alert.id, alert)
        while len(self._alerts) > HELD:
            self._alerts.pop(next(iter(self._alerts)))
        self._touched(self._alerts[alert.id], receipt)

    def say(self, alert: Alert, word: AlertWord, receipt: Receipt) -> None:
        """Something more was said."""
        if all(each.id != word.id for each in alert.words):
            alert.words.append(word)
            alert.words.sort(key=lambda each: each.at)
        self._touched(alert, receipt)

    def take(self, alert: Alert, person: str, name: str, receipt: Receipt) -> None:
        """An officer is on it."""
        alert.taken, alert.taken_name = person, name
        self._touched(alert, receipt)

    def close(self, alert: Alert, receipt: Receipt) -> None:
        """It is over: gone from the board."""
        alert.closed = True
        self._touched(alert, receipt)
        self._alerts.pop(alert.id, None)

    def _touched(self, alert: Alert, receipt: Receipt) -> None:
        if receipt.index < 0:
            alert.waiting.add(receipt.id)
            self._entries[receipt.id] = alert.id
        self._push(alert)

    # -- who watches --------------------------------------------------------------------------------------------------

    def join(self, channel: Any) -> None:
        """A console watches from now on."""
        if channel not in self._watchers:
            self._watchers[channel] = None
            channel.on_close(lambda: self._watchers.pop(channel, None))

    def _push(self, alert: Alert) -> None:
        """Tells who watches and is habilitated at this moment, as far as memory knows."""
        kernel, act = self._kernel, self._kernel.acts["operations.alert.list"]
        message = {"push": "alert", "alert": self.show(alert)}
        for channel in tuple(self._watchers):
            if kernel.identity.still(channel.principal).may(act, kernel.clock.latest_us()):
                channel.push(message)

    # -- the ledger and other processes -----------------------------------------------------------------------------------

    def _appended(self, entry: str, _receipt: Receipt) -> None:
        alert = self._alerts.get(self._entries.pop(entry, ""))
        if alert is not None:
            alert.waiting.discard(entry)
            if not alert.waiting:
                self._push(alert)

    def _changed(self, name: str, payload: dict[str, Any]) -> None:
        """Another process did something with an alert: it is read again. Somebody was erased: they are in charge of nothing."""
        if name == ERASED:
            self._erased()
        if name == INCIDENT:
            self._moved(payload["incident"])
        if name != CHANGED or payload.get("process") == self._kernel.process:
            return
        try:
            self._read(payload["alert"])
        except (DatabaseError, EgideError) as error:
            log.warning("an alert of another process is not seen: %s", error)

    def _moved(self, incident: str) -> None:
        """An incident changed: the alerts behind it say how far it is."""
        try:
            link = incident_tables.incident_alert.c
            found = self._kernel.store.reader().execute(select(link.alert).where(link.incident == incident))
            ids = {row.alert for row in found} | {
                alert.id for alert in self._alerts.values() if alert.incident == incident
            }
            for alert in [self._alerts[id_] for id_ in ids if id_ in self._alerts]:
                self._link(alert)
                self._push(alert)
        except DatabaseError as error:
            log.warning("how far an incident is cannot be told: %s", error)

    def _link(self, alert: Alert) -> None:
        """What the store says of the incident that was opened from an alert."""
        link, incident = incident_tables.incident_alert, incident_tables.incident
        query = (
            select(incident.c.id, incident.c.state)
            .join(link, link.c.incident == incident.c.id)
            .where(link.c.alert == alert.id)
        )
        row = self._kernel.store.reader().execute(query).first()
        alert.incident, alert.progress = ("", "") if row is None else (row.id, PROGRESS.get(row.state, ""))

    def _erased(self) -> None:
        try:
            for alert in self._alerts.values():
                if alert.taken and not self._kernel.identity.name(alert.taken):
                    alert.taken = alert.taken_name = ""
                    self._push(alert)
        except (DatabaseError, EgideError) as error:
            log.warning("who was erased may still be shown: %s", error)

    def _read(self, id_: str) -> None:
        db, vault, table = self._kernel.store.reader(), self._kernel.vault, tables.alert
        row = db.execute(select(table).where(table.c.id == id_)).first()
        if row is None:
            return
        try:
            found = Alert(
                id_, row.secret, row.at, row.lang,
                msgspec.json.decode(vault.open_(owner(id_), PURPOSE, row.body, id_.encode()), type=AlertBody),
                closed=row.closed is not None,
            )  # fmt: skip
            if row.taken is not None:
                found.taken, found.taken_name = row.taken, self._kernel.identity.name(row.taken)
            said = tables.alert_word
            for word in db.execute(select(said).where(said.c.alert == id_).order_by(said.c.at)).all():
                text = vault.open_(owner(id_), PURPOSE, word.body, word.id.encode()).decode()
                found.words.append(AlertWord(word.id, word.at, word.officer, text))
        except EgideError:
            self._alerts.pop(id_, None)  # erased meanwhile
            return
        self._link(found)
        before = self._alerts.get(id_)
        if before is not None:
            found.waiting = before.waiting
            if found.waiting:  # what the ledger does not have yet stays on the board
                known = {word.id for word in found.words}
                found.words += [word for word in before.words if word.id not in known]
                found.words.sort(key=lambda each: each.at)
                if not found.taken:
                    found.taken, found.taken_name = before.taken, before.taken_name
        if found.closed:
            self._alerts.pop(id_, None)
        else:
            self._alerts[id_] = found
        self._push(found)


def board(kernel: Kernel) -> Board:
    """The board of this process."""
    found: Board = kernel.things["alerts"]
    return found
