"""Peer: the way such a service is usually built: FastAPI, SQLAlchemy, casbin for rights, an audit table, a session in a cookie.

It does less than an act (no law, no sealing, no proof); like an act it is durable (SQLite, WAL, FULL) before the answer.

    python -m egide.bench.peers.server PORT FOLDER      prints {"cookie": …} once it is ready to start, then serves

(No `from __future__ import annotations` here: SQLAlchemy and FastAPI look the annotations of local classes up by name.)
"""

import hashlib
import json
import secrets
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""


def build(folder: Path) -> tuple[Any, str]:
    """(application, cookie of a signed-in person)."""
    import casbin
    from fastapi import Cookie, Depends, FastAPI, HTTPException
    from pydantic import BaseModel, Field
    from sqlalchemy import String, create_engine, event
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

    class Base(DeclarativeBase):
        pass

    class Login(Base):
        __tablename__ = "session"
        hash: Mapped[str] = mapped_column(String(64), primary_key=True)
        person: Mapped[str]
        until: Mapped[float]

    class Mission(Base):
        __tablename__ = "mission"
        id: Mapped[str] = mapped_column(primary_key=True)
        order_id: Mapped[str]

    class Note(Base):
        __tablename__ = "note"
        id: Mapped[str] = mapped_column(primary_key=True)
        mission: Mapped[str]
        person: Mapped[str]
        at: Mapped[float]
        lat: Mapped[float]
        lon: Mapped[float]
        body: Mapped[str]

    class Audit(Base):
        __tablename__ = "audit"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[float]
        person: Mapped[str]
        act: Mapped[str]
        outcome: Mapped[str]
        detail: Mapped[str]

    engine = create_engine(
        f"sqlite:///{folder / 'peer.db'}", connect_args={"check_same_thread": False, "timeout": 30}, pool_size=40
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    (folder / "model.conf").write_text(MODEL, "utf-8")
    policies = [
        f"p, {role}, {thing}, {act}"
        for role in ("officer", "command", "pilot")
        for thing in ("note", "mission")
        for act in ("add", "read")
    ]
    (folder / "policy.csv").write_text("\n".join([*policies, "g, camille, officer"]) + "\n", "utf-8")
    enforcer = casbin.Enforcer(str(folder / "model.conf"), str(folder / "policy.csv"))
    secret = secrets.token_urlsafe(32)
    with sessions.begin() as db:
        db.add(Login(hash=hashlib.sha256(secret.encode()).hexdigest(), person="camille", until=time.time() + 3600))
        db.add(Mission(id="mission-1", order_id="order-1"))

    class NewNote(BaseModel):
        mission: str
        text: str = Field(max_length=10_000)
        lat: float = Field(ge=-90, le=90)
        lon: float = Field(ge=-180, le=180)

    class NoteId(BaseModel):
        id: str

    def database() -> Any:
        with sessions() as db:
            yield db

    app = FastAPI()
    one_writer = threading.Lock()  # without it 40 threads wait in SQLite's busy handler and requests time out

    def write(given: NewNote, session: str, db: Session) -> str:
        login = db.get(Login, hashlib.sha256(session.encode()).hexdigest())
        if login is None or login.until < time.time():
            raise HTTPException(401)
        allowed = enforcer.enforce(login.person, "note", "add")
        if allowed and db.get(Mission, given.mission) is None:
            raise HTTPException(404)
        id_ = secrets.token_hex(8)
        if allowed:
            db.add(
                Note(
                    id=id_,
                    mission=given.mission,
                    person=login.person,
                    at=time.time(),
                    lat=given.lat,
                    lon=given.lon,
                    body=given.text,
                )
            )
        detail = given.model_dump_json()
        db.add(
            Audit(
                at=time.time(),
                person=login.person,
                act="note.add",
                outcome="allowed" if allowed else "refused",
                detail=detail,
            )
        )
        db.commit()
        if not allowed:
            raise HTTPException(403)
        return id_

    @app.post("/notes")
    def add(given: NewNote, session: Annotated[str, Cookie()], db: Annotated[Session, Depends(database)]) -> NoteId:
        with one_writer:
            id_ = write(given, session, db)
        return NoteId(id=id_)

    return app, f"session={secret}"


def main() -> None:
    """Serves until told to end."""
    try:
        app, cookie = build(Path(sys.argv[2]))
        import uvicorn
    except ImportError as error:
        print(json.dumps({"absent": error.name}), flush=True)
        return
    print(json.dumps({"cookie": cookie}), flush=True)
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="error")


if __name__ == "__main__":
    main()
