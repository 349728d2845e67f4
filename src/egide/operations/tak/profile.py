"""What a client is given to know us: the address in the code, and data packages with our authority and the settings.

A data package is a ZIP with `MANIFEST/manifest.xml`, preferences and files; ATAK, WinTAK and iTAK import it as it is. What is
handed out before the certificate names nobody; the callsign comes afterwards, over TLS, to the enrolled device alone.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import uuid4
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from egide.kernel.settings import Settings
    from egide.operations.tak.authority import Authority

SCHEME = "tak://com.atakmap.app/enroll"  # what ATAK opens when it photographs a code
STORE = "truststore-egide.p12"
APP = "com.atakmap.app_preferences"
NAME = "Égide"


def address(settings: Settings, device: str, token: str) -> str:
    """What the code to photograph holds: host, the device's drawn name, the token."""
    return f"{SCHEME}?" + urlencode({"host": settings.public_name, "username": device, "token": token})


def connection(settings: Settings, authority: Authority, device: str, token: str) -> bytes:
    """The package that stands for the code: where to connect, our authority, and the token with which to enrol."""
    streams: dict[str, str | int | bool] = {
        "count": 1, "description0": NAME, "enabled0": True, "connectString0": _stream(settings),
        "caLocation0": f"cert/{STORE}", "caPassword0": "atakatak", "enrollForCertificateWithTrust0": True, "useAuth0": True,
        "username0": device, "password0": token, "cacheCreds0": "Cache credentials",
    }  # fmt: skip
    pref = preferences({"cot_streams": streams, APP: _ports(settings)})
    return package("egide-tak-connection", {"certs/config.pref": pref, f"certs/{STORE}": authority.trust_store()})


def enrolled(settings: Settings, authority: Authority, callsign: str) -> bytes:
    """What an enrolled device is told: its callsign, our ports, our authority."""
    app = {"locationCallsign": callsign, **_ports(settings)}
    files = {"certs/preference.pref": preferences({APP: app}), f"certs/{STORE}": authority.trust_store()}
    return package("egide-tak-profile", files)


def package(name: str, files: dict[str, bytes]) -> bytes:
    """A data package of these files."""
    contents = "".join(f'<Content ignore="false" zipEntry={quoteattr(entry)}/>' for entry in files)
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<MissionPackageManifest version="2"><Configuration>'
        f'<Parameter name="uid" value="{uuid4()}"/><Parameter name="name" value={quoteattr(name)}/>'
        '<Parameter name="onReceiveDelete" value="true"/>'
        f"</Configuration><Contents>{contents}</Contents></MissionPackageManifest>\n"
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("MANIFEST/manifest.xml", manifest)
        for entry, content in files.items():
            out.writestr(entry, content)
    return made.getvalue()


def preferences(groups: dict[str, dict[str, str | int | bool]]) -> bytes:
    """A preference file, as Android's shared preferences are written."""
    kinds = {bool: "Boolean", int: "Integer", str: "String"}
    told = "".join(
        f'<preference version="1" name={quoteattr(group)}>'
        + "".join(
            f'<entry key={quoteattr(key)} class="class java.lang.{kinds[type(value)]}">{escape(_text(value))}</entry>'
            for key, value in entries.items()
        )
        + "</preference>"
        for group, entries in groups.items()
    )
    return f"<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<preferences>{told}</preferences>\n".encode()


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stream(settings: Settings) -> str:
    return f"{settings.public_name}:{settings.tak_port or DEFAULT_STREAM}:ssl"


def _ports(settings: Settings) -> dict[str, str | int | bool]:
    return {
        "apiSecureServerPort": str(settings.tak_marti_port),
        "apiCertEnrollmentPort": str(settings.tak_enrol_port),
        "displayServerConnectionWidget": True,
    }


DEFAULT_STREAM = 8089  # the port TAK servers stream on
