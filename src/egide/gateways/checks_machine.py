"""Checks of what Égide runs on: Python, disk, pages, map, video, HTTPS, port."""

from __future__ import annotations

import shutil
import socket
import sys
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

from egide.gateways import certificate, standing
from egide.gateways.findings import Count, Finding, Findings, failed, same, size
from egide.gateways.headers import PAGES
from egide.gateways.telling import Mark
from egide.kernel.errors import StartupError, Text
from egide.kernel.settings import Settings

PYTHON = (3, 11)  # requires-python of pyproject.toml
SCARCE = 64 * 1024 * 1024  # bytes free; below it the health page turns amber as well
MODEST = 2 * 1024 * 1024 * 1024  # bytes free; about an hour of two cameras at 2 Mbit/s


def machine(settings: Settings, _count: Count) -> Findings:
    """Python, and room on the disk."""
    running = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON:
        yield Finding(
            "wrong",
            Text(f"Python {running} est trop ancien.", f"Python {running} is too old."),
            Text("Il faut Python 3.11.", "Python 3.11 is needed."),
        )
    else:
        yield Finding("good", Text(f"Python {running}", f"Python {running}"))
    free = shutil.disk_usage(
        next(place for place in (settings.folder, *settings.folder.absolute().parents) if place.exists())
    ).free
    what = Text(f"Disque : {size(free)} libres", f"Disk: {size(free)} free")
    do = Text(
        "Libérez de la place : disque plein, plus aucun acte n’est possible.",
        "Free some space: on a full disk no act is possible.",
    )
    yield (
        Finding("wrong", what, do)
        if free < SCARCE
        else Finding("note", what, do)
        if free < MODEST
        else Finding("good", what)
    )


def pages(settings: Settings, _count: Count) -> Findings:
    """The pages are built, the map is there."""
    static = Path(str(files("egide") / "static"))
    absent = [name for name in PAGES.values() if not (static / name).exists()]
    if absent:
        yield Finding(
            "wrong",
            Text(f"Pages non construites : {', '.join(absent)}", f"Pages not built: {', '.join(absent)}"),
            Text("Lancez « make setup ».", "Run “make setup”."),
        )
    else:
        yield Finding("good", Text("Pages construites", "Pages built"))
    archive = settings.folder / "map" / "town.pmtiles"
    if archive.exists():
        yield Finding("good", Text(f"Carte : {size(archive.stat().st_size)}", f"Map: {size(archive.stat().st_size)}"))
    else:
        yield Finding(
            "note",
            Text(
                "Pas de carte : le terrain s’affiche sur un fond vide.",
                "No map: operations are drawn on an empty ground.",
            ),
            same("egide map build EXTRAIT.osm.pbf"),
        )


def video(_settings: Settings, _count: Count) -> Findings:
    """PyAV, FFmpeg in it, and the program ffmpeg for two kinds of source."""
    try:
        import av  # noqa: PLC0415 — an extra of the installation: its absence is a finding

        found = ".".join(map(str, av.library_versions["libavcodec"]))
    except ImportError as error:
        yield Finding(
            "wrong",
            Text(f"PyAV ne se charge pas : pas de vidéo ({error}).", f"PyAV does not load: no video ({error})."),
            Text("Installez « egide[operations] ».", "Install “egide[operations]”."),
        )
        return
    yield Finding(
        "good",
        Text(f"Vidéo : PyAV {av.__version__}, libavcodec {found}", f"Video: PyAV {av.__version__}, libavcodec {found}"),
    )
    if shutil.which("ffmpeg") is None:
        yield Finding(
            "note",
            Text("Pas de ffmpeg : ni source SRT, ni source RTMP.", "No ffmpeg: neither SRT nor RTMP sources."),
            same("apt install ffmpeg"),
        )


def transport(settings: Settings, _count: Count) -> Findings:
    """The HTTPS certificate: there, ours, and for how long."""
    place = settings.folder / "tls"
    bad: Mark = "wrong" if settings.tls else "note"
    init = Text("Lancez « egide init ».", "Run “egide init”.")
    try:
        server = certificate.read(place / "server.pem")
        if server is None:
            yield Finding(bad, Text("Pas de certificat HTTPS.", "No HTTPS certificate."), init)
            return
        if not certificate.fits(place):
            yield Finding(
                bad,
                Text(
                    "Certificat, clé et autorité HTTPS ne vont pas ensemble.",
                    "HTTPS certificate, key and authority do not fit together.",
                ),
                Text(
                    f"Écartez {place / 'server.pem'}, puis relancez « egide init ».",
                    f"Move {place / 'server.pem'} away, then run “egide init” again.",
                ),
            )
            return
    except StartupError as error:
        yield failed(error)
        return
    left = server.not_valid_after_utc - datetime.now(UTC)
    what = Text(
        f"Certificat HTTPS : {max(left.days, 0)} jours restants", f"HTTPS certificate: {max(left.days, 0)} days left"
    )
    if left < timedelta(0):
        yield Finding(bad, Text("Le certificat HTTPS a expiré.", "The HTTPS certificate has expired."), init)
    else:
        yield Finding("note", what, init) if left < certificate.RENEW else Finding("good", what)
    if not settings.tls and settings.host not in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            "wrong",
            Text(f"Écoute sur {settings.host} sans HTTPS.", f"Listens on {settings.host} without HTTPS."),
            Text("Mettez tls = true dans egide.toml.", "Set tls = true in egide.toml."),
        )


def port(settings: Settings, _count: Count) -> Findings:
    """The server runs and is well, or its port is free."""
    said = standing.health(settings)
    if said is not None:
        amber = [part for part in said["parts"] if not part["ok"]]
        for part in amber:
            detail = f" : {part['detail']}" if part.get("detail") else ""
            yield Finding(
                "wrong", Text(f"Serveur — {part['name']['fr']}{detail}", f"Server — {part['name']['en']}{detail}")
            )
        if not amber:
            yield Finding(
                "good",
                Text(
                    f"Serveur en marche sur le port {settings.port}, en bonne santé",
                    f"Server running on port {settings.port}, healthy",
                ),
            )
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            trying.bind((settings.host, settings.port))
    except OSError as error:
        yield Finding(
            "wrong",
            Text(
                f"Le port {settings.port} n’est pas libre et Égide n’y répond pas ({error}).",
                f"Port {settings.port} is not free and Égide does not answer on it ({error}).",
            ),
            Text(
                "Arrêtez ce qui l’occupe, ou changez « port » dans egide.toml.",
                "Stop what holds it, or change “port” in egide.toml.",
            ),
        )
        return
    yield Finding(
        "good", Text(f"Serveur arrêté, port {settings.port} libre", f"Server stopped, port {settings.port} free")
    )
