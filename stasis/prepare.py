"""What a call makes while nothing rings: bridge, media channel in the bridge, RTP peer, and a ready model session.

Only when all of it is there may the phone ring: an answered call is then heard at once. Used by `call`, which also
removes the two resources made here.
"""

from stasis.call_model import (
    AddToBridge,
    CallPlan,
    ConnectMediaPeer,
    CreateBridge,
    DestroyBridge,
    Effect,
    MediaInput,
    MediaOpened,
    MediaReady,
)
from stasis.errors import AriError
from stasis.legs import Leg
from stasis.model import Channel
from stasis.requests import CreateExternalMedia
from stasis.teardown import Resource

PrepareEffect = CreateBridge | CreateExternalMedia | AddToBridge


class Preparation:
    """`external_host` and `model_ready` come from the media side, the rest from Asterisk, in any order."""

    def __init__(self, plan: CallPlan) -> None:
        self.bridge = Resource(DestroyBridge(bridge_id=plan.ids.bridge))
        self.generation = 1
        self.media = Leg(plan.ids.media, plan.ids.bridge)
        self.external_host: str | None = None
        self.model_ready = False
        self.fault: str | None = None
        """Why this cannot succeed. Nothing here is tried again: a new attempt costs nobody anything."""
        self._peer: ConnectMediaPeer | None = None
        self._in_place = False
        """The media channel exists and its address was handed on."""
        self._plan = plan

    def take(self, given: MediaInput) -> None:
        """Word from the media side."""
        match given:
            case MediaOpened(rtp_host=host, rtp_port=port):
                self.external_host = f"{host}:{port}"
            case MediaReady():
                self.model_ready = True
            case _:
                pass

    @property
    def ready(self) -> bool:
        return self.model_ready and self._in_place and self.media.in_bridge

    @property
    def missing(self) -> str:
        """For the record of a preparation that took too long."""
        wanted = {
            "RTP socket": self.external_host is not None,
            "bridge": self.bridge.proven,
            "media channel": self.media.in_bridge,
            "model session": self.model_ready,
        }
        return ", ".join(name for name, there in wanted.items() if not there)

    def start(self) -> Effect:
        self.bridge.request()
        return CreateBridge(bridge_id=self._plan.ids.bridge)

    @property
    def restored(self) -> bool:
        """A renewed media channel is in place; the model session may follow."""
        return self._in_place and self.media.in_bridge

    def renew(self) -> Resource:
        """Another media channel, for the same bridge. Answers the former one, which is to be removed."""
        former = self.media.resource
        self.generation += 1
        self.media = Leg(self._plan.ids.media_of(self.generation), self._plan.ids.bridge)
        self.external_host = self._peer = None
        self.model_ready = self._in_place = False
        return former

    def adopt(self, generation: int) -> Resource:
        """An earlier process made it all. Answers the first media channel, if a later one is in its place."""
        former = self.media.resource
        self.generation = generation
        self.media = Leg(self._plan.ids.media_of(generation), self._plan.ids.bridge)
        self.bridge.prove()
        self.media.resource.prove()
        self.media.in_bridge = self.model_ready = self._in_place = True
        return former

    def advance(self) -> list[Effect]:
        """What has become possible."""
        effects: list[Effect] = []
        if self.bridge.untouched:
            return effects  # not started
        if self.external_host is not None and self.media.resource.untouched:
            self.media.resource.request()
            effects.append(self._plan.external_media(self.external_host, self.generation))
        if self._peer is not None and not self._in_place:
            self._in_place = True
            effects.append(self._peer)
        return [*effects, *(self.media.join() if self.bridge.proven else [])]

    def completed(self, effect: PrepareEffect, channel: Channel | None) -> None:
        match effect:
            case CreateBridge():
                self.bridge.prove()
            case AddToBridge():
                self.media.in_bridge = True
            case CreateExternalMedia():
                self.media.resource.prove()
                self._peer = _peer(channel)
                if self._peer is None:
                    self.fault = "Asterisk did not say where its media channel listens"

    def failed(self, effect: PrepareEffect, error: AriError, now: float) -> None:
        match effect:
            case CreateBridge():
                self.bridge.creation_failed(error, now)
                self.fault = f"could not create the bridge: {error}"
            case CreateExternalMedia():
                self.media.resource.creation_failed(error, now)
                self.fault = f"could not create the media channel: {error}"
            case AddToBridge():
                self.fault = f"could not put the media channel into the bridge: {error}"


def _peer(channel: Channel | None) -> ConnectMediaPeer | None:
    """Where the new media channel sends from and listens."""
    said = channel.channelvars if channel is not None else {}
    host, port = said.get("UNICASTRTP_LOCAL_ADDRESS", ""), said.get("UNICASTRTP_LOCAL_PORT", "")
    return ConnectMediaPeer(host=host, port=int(port)) if host and port.isdecimal() else None
