"""Security headers, per page: nothing inline, nothing from outside, no sensor but where a page needs it (ASVS 3.4)."""

from __future__ import annotations

PAGES = {
    "/": "index.html",
    "/sign-in": "sign-in.html",
    "/operations": "operations.html",
    "/files": "files.html",
    "/desk": "desk.html",
    "/oversight": "oversight.html",
    "/devices": "devices.html",
    "/administration": "administration.html",
    "/terminal": "terminal.html",
    "/pass": "pass.html",
    "/pass/enrol": "pass-enrol.html",
    "/kiosk": "kiosk.html",
    "/border": "border.html",
    "/border/gate": "gate.html",
    "/border/tablet": "tablet.html",
}
# Service workers; their scopes are /terminal, /field and /pass.
WORKERS = ("/terminal-worker.js", "/field-worker.js", "/pass-worker.js")
CAMERAS = ("/pass", "/pass/enrol", "/kiosk", "/border/gate")  # pages that look through the device's camera
_MAPPED = ("/operations", "/desk", "/terminal")  # pages with a map: MapLibre's worker, blobs for its sprites


def csp(path: str) -> str:
    """The page's content security policy."""
    maps = path in _MAPPED
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data: blob:" if maps else "'self' data:",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "default svelte-trusted-html dompurify",
        "report-uri": "/api/csp",
    }
    if maps:
        rules["worker-src"] = "'self'"
        rules["media-src"] = "blob:"  # a picture as fMP4, handed to the player by the page itself
    elif path == "/pass/enrol":  # the only page that computes a face, by onnxruntime-web
        rules["script-src"] = "'self' 'wasm-unsafe-eval'"
    elif path == "/files":
        rules["media-src"] = "'self'"  # the recording of a hearing
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def plain_csp() -> str:
    """The policy of a page without any script."""
    return (
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; report-uri /api/csp"
    )


def worker_csp() -> str:
    """The policy of the service worker: it asks this site for files, and nothing else."""
    return "default-src 'none'; connect-src 'self'; report-uri /api/csp"


def for_alerts(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same for the alert page: it may ask for the place, and its form says where it comes from."""
    changed = {
        b"permissions-policy": b"camera=(), microphone=(), geolocation=(self), xr-spatial-tracking=()",
        b"referrer-policy": b"same-origin",
    }
    return [(name, changed.get(name, value)) for name, value in headers]


def for_forms(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same for a page whose form must say where it comes from, also in a browser that knows no fetch metadata."""
    return [(name, b"same-origin" if name == b"referrer-policy" else value) for name, value in headers]


def for_hearings(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same for the two pages of a hearing by video: they may ask for the camera and the microphone."""
    return [
        (
            name,
            value.replace(b"camera=()", b"camera=(self)").replace(b"microphone=()", b"microphone=(self)")
            if name == b"permissions-policy"
            else value,
        )
        for name, value in headers
    ]


def for_cameras(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same for a page that reads codes or looks at a face: the camera, and no microphone."""
    return [
        (name, value.replace(b"camera=()", b"camera=(self)") if name == b"permissions-policy" else value)
        for name, value in headers
    ]


def for_the_field(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same for officers' pages: on duty, and only then, they ask the device where it is."""
    return [
        (name, value.replace(b"geolocation=()", b"geolocation=(self)") if name == b"permissions-policy" else value)
        for name, value in headers
    ]


def common(*, tls: bool) -> list[tuple[bytes, bytes]]:
    """Headers of every answer."""
    found = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-embedder-policy", b"require-corp"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (
            b"permissions-policy",
            b"camera=(), microphone=(), geolocation=(), xr-spatial-tracking=(), publickey-credentials-get=(self), publickey-credentials-create=(self)",
        ),
    ]
    if tls:
        found.append((b"strict-transport-security", b"max-age=31536000"))
    return found
