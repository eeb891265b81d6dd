"""Linter rules for an Asterisk that dials us: `type = outbound_websocket` of ari.conf with websocket_client.conf.

Asterisk ignores most mistakes here in silence and then never connects, or connects without keeping any event.
`lint_outbound(folder)` is called by asterisk_config.py; without such a section it has nothing to say.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from app.doctor.asterisk_files import Document, Finding, Section, Setting, Severity, clean, finding, read
from app.doctor.asterisk_secrets import file_mode, password_strength
from app.doctor.asterisk_trunk import placeholders

CLIENTS = "websocket_client.conf"
PATH = "/ari"
LOOPBACK = ("127.0.0.1", "::1")
SLOW_RECONNECT_MS = 1000


def lint_outbound(folder: Path) -> list[Finding]:
    """Findings for outbound websockets and the clients they use. Raises OSError."""
    ari, clients = read(folder, "ari.conf"), read(folder, CLIENTS)
    outbound = [one for one in ari.live() if one.value("type") == "outbound_websocket"] if ari else []
    if ari is None or not outbound:
        return []
    found = [one for section in outbound for one in _outbound(ari, section, clients)]
    if clients is None:
        return found
    found += [*clients.findings, *placeholders(clients), *file_mode(folder / CLIENTS, "websocket", "ws-file-mode")]
    return found or [clean(clients)]


def _outbound(ari: Document, section: Section, clients: Document | None) -> Iterator[Finding]:
    users = [one.name for one in ari.live() if one.value("type") == "user"]
    if section.value("local_ari_user") not in users:
        text = "local_ari_user names no user of this file, so Asterisk drops the whole section: name the user"
        yield finding(Severity.FAIL, "ws-user", section.at("local_ari_user"), text)
    apps = [one.strip() for one in section.value("apps").split(",") if one.strip()]
    if len(apps) != 1:
        text = f"{len(apps)} applications on one connection: set apps to the ARI_APP of one engine"
        yield finding(Severity.FAIL, "ws-apps", section.at("apps"), text)
    wanted = section.value("websocket_client_id")
    named = [one for one in clients.named(wanted) if one.value("type") == "websocket_client"] if clients else []
    if not named:
        text = f"{CLIENTS} has no websocket_client [{wanted}], so Asterisk never connects: see asterisk/README.md"
        yield finding(Severity.FAIL, "ws-client", section.at("websocket_client_id"), text)
    for client in named:
        yield from _client(client)


def _client(client: Section) -> Iterator[Finding]:
    if client.value("connection_type") != "persistent":
        text = "only a persistent connection hears of calls before they are answered and keeps events for us"
        yield finding(Severity.FAIL, "ws-type", client.at("connection_type"), f"{text}: set it to persistent")
    if "ari" not in [one.strip() for one in client.value("protocols").split(",")]:
        text = "the engine refuses a websocket without its subprotocol: set protocols = ari"
        yield finding(Severity.FAIL, "ws-protocol", client.at("protocols"), text)
    yield from _address(client, client.at("uri"))
    yield from password_strength(client.at("password"), client.value("username"), "websocket", "ws-password")
    interval = client.value("reconnect_interval", "500")
    if interval.isdecimal() and int(interval) > SLOW_RECONNECT_MS:
        text = "whoever answers before Asterisk is back hears silence: set reconnect_interval = 500"
        yield finding(Severity.WARN, "ws-reconnect", client.at("reconnect_interval"), text)


def _address(client: Section, where: Setting) -> Iterator[Finding]:
    parts = urlsplit(where.value)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.path != PATH:
        text = f"this is not the engine's address: write uri = ws://127.0.0.1:8765{PATH}"
        yield finding(Severity.FAIL, "ws-uri", where, text)
    elif parts.scheme == "ws" and parts.hostname not in LOOPBACK:
        text = "password and events would cross the network in clear text: use wss, or 127.0.0.1 (numeric)"
        yield finding(Severity.FAIL, "ws-clear", where, text)
    if parts.scheme == "wss" and not client.truthy("verify_server_cert", default=True):
        text = "anybody on the way can pose as the engine: remove verify_server_cert = no"
        yield finding(Severity.FAIL, "ws-verify", client.at("verify_server_cert"), text)
