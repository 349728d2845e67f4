"""What destroys an alert, an incident or a mission's work when its time has come: keys, rows, and what the ledger said of it.

The leaf of each act stays and its proof still verifies; its sealed body goes (GDPR 17; directive 2016/680, 16(2)).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, update

from egide.kernel.forget import forget_acts
from egide.operations import incident_tables as tables
from egide.operations.incident_model import incident_owner, mission_owner

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


def incident(kernel: Kernel, id_: str) -> Callable[[Connection], None]:
    """An incident: its key, its log, its drawings, its link to the call for help."""
    owner = incident_owner(id_)

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner)
        connection.execute(delete(tables.incident_line).where(tables.incident_line.c.incident == id_))
        connection.execute(delete(tables.incident_alert).where(tables.incident_alert.c.incident == id_))
        connection.execute(delete(tables.drawing).where(tables.drawing.c.scope == owner))
        connection.execute(update(tables.task).where(tables.task.c.incident == id_).values(incident=None))
        connection.execute(delete(tables.incident).where(tables.incident.c.id == id_))
        forget_acts(connection, owner)

    return destroy


def mission_work(kernel: Kernel, mission: str) -> Callable[[Connection], None]:
    """A mission's tasks and drawings."""
    owner = mission_owner(mission)

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner)
        connection.execute(delete(tables.task).where(tables.task.c.mission == mission))
        connection.execute(delete(tables.drawing).where(tables.drawing.c.scope == owner))
        forget_acts(connection, owner)

    return destroy
