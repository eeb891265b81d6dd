"""Stasis applications: which websocket owns one, what it is subscribed to, and which events it filters away.

Pure state; delivery is a callable given at registration. An application whose socket is gone stays known, but
inactive, while a channel or bridge of it lives: its events are lost, and Stasis refuses new channels.
"""

from collections.abc import Callable
from typing import cast

from app.sim.asterisk.channels import Json

Deliver = Callable[[Json], None]


class StasisApp:
    """One registered application."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.deliver: Deliver | None = None
        self.channels: set[str] = set()
        self.bridges: set[str] = set()
        self.subscribed_to_all = False
        self.allowed: list[str] = []
        self.disallowed: list[str] = []

    @property
    def active(self) -> bool:
        """Whether a websocket is attached."""
        return self.deliver is not None

    def attach(self, deliver: Deliver, *, subscribe_all: bool) -> Deliver | None:
        """A new websocket takes over; returns the one that had the application. Filters do not survive."""
        replaced, self.deliver = self.deliver, deliver
        self.subscribed_to_all = subscribe_all
        self.allowed, self.disallowed = [], []
        return replaced

    def detach(self, deliver: Deliver) -> None:
        """A websocket closed; a replaced one no longer owns anything."""
        if self.deliver == deliver:  # bound methods are equal, not identical
            self.deliver = None

    def concerns(self, channel_id: str | None, bridge_id: str | None) -> bool:
        """Whether an event about these belongs to the application."""
        return self.subscribed_to_all or channel_id in self.channels or bridge_id in self.bridges

    def wants(self, event_type: str) -> bool:
        """The event filter: a disallowed type is dropped; an allowed list drops everything that is not in it."""
        if event_type in self.disallowed:
            return False
        return not self.allowed or event_type in self.allowed

    def set_filter(self, body: Json) -> bool:
        """PUT eventFilter; False when the body is malformed. An empty object clears both lists."""
        if not body:
            self.allowed, self.disallowed = [], []
            return True
        lists = {kind: _types_in(body[kind]) for kind in ("allowed", "disallowed") if kind in body}
        if None in lists.values():
            return False
        if "allowed" in lists:
            self.allowed = lists["allowed"] or []
        if "disallowed" in lists:
            self.disallowed = lists["disallowed"] or []
        return True

    def forget_channel(self, channel_id: str) -> None:
        self.channels.discard(channel_id)

    def to_json(self) -> Json:
        """GET /applications/{applicationName}."""
        return {
            "name": self.name,
            "channel_ids": sorted(self.channels),
            "bridge_ids": sorted(self.bridges),
            "endpoint_ids": [],
            "device_names": [],
            "events_allowed": [{"type": name} for name in self.allowed],
            "events_disallowed": [{"type": name} for name in self.disallowed],
        }


def _types_in(value: object) -> list[str] | None:
    if not isinstance(value, list):
        return None
    found: list[str] = []
    for entry in cast("list[object]", value):
        name = cast("Json", entry).get("type") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            return None
        found.append(name)
    return found
