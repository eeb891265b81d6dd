"""Who may talk to the console from a browser: Host and Origin checks, and the headers of every answer.

Cross-site requests are refused by Origin (websockets are outside any CSRF token), DNS rebinding by Host. Scripts
and styles come from our own files only; nothing is inline. Referrers stay on the site, but exist: without any,
browsers send our own forms with "Origin: null" (Fetch standard, "append a request Origin header").
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from litestar.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
WITH_MICROPHONE = (b"permissions-policy", b"camera=(), geolocation=(), microphone=(self)")
SPOKEN_AT = re.compile(r"/|/(calls|wall|agents|chat|test-calls)(/.*)?")
"""Pages whose people may speak: into a call, with an agent, or with the planner."""


async def add_headers(message: Message, scope: Scope) -> None:
    """`before_send` hook: security headers on every answer, errors included; pages are never cached."""
    if message["type"] == "http.response.start":
        caching = b"no-cache" if scope["path"].startswith("/static/") else b"no-store"
        own = [*HEADERS[:-1], WITH_MICROPHONE] if SPOKEN_AT.fullmatch(scope["path"]) else HEADERS
        message["headers"] = [*message["headers"], *own, (b"cache-control", caching)]


def host_allowed(host: str, allowed: frozenset[str]) -> bool:
    """Whether a Host header (`name`, `name:port`, `[v6]:port`) names us."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in allowed or f"[{name}]" in allowed


def origin_allowed(origin: str | None, host: str) -> bool:
    """Whether a request that carries this Origin comes from one of our own pages."""
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
        return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
    except ValueError:
        return False


def guard(allowed: frozenset[str]) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware: 400 for a foreign Host; a websocket without our own Origin is closed before it opens (403)."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
            host = headers.get(b"host", "")
            if scope["type"] == "websocket":
                if host_allowed(host, allowed) and origin_allowed(headers.get(b"origin"), host):
                    await app(scope, receive, send)
                else:
                    await receive()  # the server speaks first: websocket.connect
                    await send({"type": "websocket.close", "code": 4403, "reason": "foreign origin"})
            elif host_allowed(host, allowed):
                await app(scope, receive, send)
            else:
                text = b"This host name is not ours. Add it to WEB_ALLOWED_HOSTS if it should be.\n"
                plain = [(b"content-type", b"text/plain; charset=utf-8")]
                await send({"type": "http.response.start", "status": 400, "headers": plain})
                await send({"type": "http.response.body", "body": text, "more_body": False})

        return guarded

    return wrap
