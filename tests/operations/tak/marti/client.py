"""A TAK client written against the published protocol alone: nothing of ours is imported, nothing is assumed of the server.

It does what ATAK does when it photographs a code: reads the address, draws a key, sends its request to the enrolment port, keeps
the certificate, and speaks HTTPS with it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import ssl
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def request(key: Key, name: str = "nobody") -> bytes:
    """A certificate request, as ATAK sends it: base64 without header and footer."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER))


def package(name: str = "QuickPic", files: dict[str, bytes] | None = None, manifest: bytes | None = None) -> bytes:
    """A data package as ATAK's QuickPic makes it: an image and its manifest."""
    files = files if files is not None else {"a1b2/picture.jpg": b"\xff\xd8\xff\xe0 not much of a picture"}
    contents = "".join(f'<Content ignore="false" zipEntry="{entry}"/>' for entry in files)
    written = (
        manifest
        or (
            f'<MissionPackageManifest version="2"><Configuration><Parameter name="uid" value="3f0c"/><Parameter name="name" value="{name}"/>'
            f"</Configuration><Contents>{contents}</Contents></MissionPackageManifest>"
        ).encode()
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("MANIFEST/manifest.xml", written)
        for entry, content in files.items():
            out.writestr(entry, content)
    return made.getvalue()


def sha256(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(content).hexdigest()


class Client:
    """One device."""

    def __init__(self, folder: Path, uid: str, enrol_port: int, marti_port: int) -> None:
        folder.mkdir(parents=True)
        self.folder, self.uid = folder, uid
        self.enrol_port, self.marti_port = enrol_port, marti_port
        self.key: Key = ec.generate_private_key(ec.SECP256R1())
        self.host = self.name = self.token = ""
        self.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.https: httpx.AsyncClient
        self.settings: dict[str, str] = {}

    def read_code(self, url: str) -> None:
        """What is in the photographed code."""
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc, parts.path) == ("tak", "com.atakmap.app", "/enroll")
        told = parse_qs(parts.query, strict_parsing=True)
        self.host, self.name, self.token = (told[each][0] for each in ("host", "username", "token"))

    def read_package(self, zipped: bytes) -> None:
        """The data package in its stead: manifest, preferences, trust store."""
        with zipfile.ZipFile(io.BytesIO(zipped)) as found:
            listed = [
                each.get("zipEntry") for each in ET.fromstring(found.read("MANIFEST/manifest.xml")).iter("Content")
            ]
            for entry in listed:
                assert entry is not None
                if entry.endswith(".p12"):
                    self._trust(found.read(entry))
                else:
                    prefs = ET.fromstring(found.read(entry))
                    self.settings |= {str(each.get("key")): each.text or "" for each in prefs.iter("entry")}
        self.host = self.settings["connectString0"].split(":")[0]
        self.name, self.token = self.settings["username0"], self.settings["password0"]

    def _trust(self, store: bytes) -> None:
        found = pkcs12.load_pkcs12(store, b"atakatak")
        (authority,) = found.additional_certs
        self.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.trust.load_verify_locations(cadata=authority.certificate.public_bytes(serialization.Encoding.PEM).decode())

    def enrolling(self, token: str | None = None) -> httpx.AsyncClient:
        """The enrolment port, with name and token."""
        given = self.token if token is None else token
        return httpx.AsyncClient(
            base_url=f"https://{self.host}:{self.enrol_port}", verify=self.trust, auth=(self.name, given), timeout=10
        )  # fmt: skip

    async def enrol(self) -> None:
        """Names, request, certificate, profile: in ATAK's order."""
        async with self.enrolling() as https:
            names = await https.get("/Marti/api/tls/config")
            assert names.status_code == 200, names.text
            assert [each.get("name") for each in ET.fromstring(names.content).iter() if each.tag.endswith("nameEntry")]
            signed = await https.post(
                "/Marti/api/tls/signClient/v2", params={"clientUid": self.uid, "version": "5.1"}, content=request(self.key),
                headers={"accept": "application/json"},
            )  # fmt: skip
            assert signed.status_code == 200, signed.text
            told = signed.json()
            self.certificate = x509.load_der_x509_certificate(base64.b64decode(told["signedCert"]))
            profile = await https.get("/Marti/api/tls/profile/enrollment", params={"clientUid": self.uid})
            assert profile.status_code == 200, profile.text
            with zipfile.ZipFile(io.BytesIO(profile.content)) as found:
                self.profile = {entry: found.read(entry) for entry in found.namelist()}
        self.connect()

    def connect(self) -> None:
        """HTTPS with the certificate."""
        chain, key = self.folder / "client.pem", self.folder / "client.key"
        chain.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.trust.load_cert_chain(chain, key)
        self.https = httpx.AsyncClient(base_url=f"https://{self.host}:{self.marti_port}", verify=self.trust, timeout=15)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """GET."""
        return await self.https.get(path, params=params)

    async def data(self, path: str, **params: Any) -> Any:
        """What is in Marti's envelope."""
        found = await self.https.get(path, params=params)
        assert found.status_code == 200, found.text
        assert found.json()["version"] == "3"
        return found.json()["data"]

    async def upload(self, content: bytes, name: str = "QuickPic.zip", **params: Any) -> httpx.Response:
        """A data package, as ATAK sends it."""
        asked = {"hash": sha256(content), "filename": name, "creatorUid": self.uid} | params
        files = {"assetfile": (name, content, "application/x-zip-compressed")}
        return await self.https.post("/Marti/sync/missionupload", params=asked, files=files)
