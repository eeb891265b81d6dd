"""`client.channels`: the verbs of ARI's channels resource that a call needs. Rows first, then the methods."""

import re
from collections.abc import Callable
from typing import Literal

import msgspec

from stasis.model import Channel, RTPstat, Variable
from stasis.requests import CreateExternalMedia, Originate
from stasis.rest import NOTHING, Rest, operation

LIST = operation("GET", "/channels", "", list[Channel])
GET = operation("GET", "/channels/{channelId}", "", Channel)
ORIGINATE = operation(
    "POST",
    "/channels",
    "endpoint app appArgs callerId timeout channelId originator formats variables",
    Channel,
)
EXTERNAL_MEDIA = operation(
    "POST", "/channels/externalMedia", "channelId app external_host format data variables", Channel
)
ANSWER = operation("POST", "/channels/{channelId}/answer", "", NOTHING)
HANGUP = operation("DELETE", "/channels/{channelId}", "reason", NOTHING)
CONTINUE = operation("POST", "/channels/{channelId}/continue", "context extension priority", NOTHING)
DTMF = operation("POST", "/channels/{channelId}/dtmf", "dtmf between duration", NOTHING)
HOLD = operation("POST", "/channels/{channelId}/hold", "", NOTHING)
UNHOLD = operation("DELETE", "/channels/{channelId}/hold", "", NOTHING)
RING = operation("POST", "/channels/{channelId}/ring", "", NOTHING)
RING_STOP = operation("DELETE", "/channels/{channelId}/ring", "", NOTHING)
START_MOH = operation("POST", "/channels/{channelId}/moh", "mohClass", NOTHING)
STOP_MOH = operation("DELETE", "/channels/{channelId}/moh", "", NOTHING)
GET_VARIABLE = operation("GET", "/channels/{channelId}/variable", "variable", Variable)
SET_VARIABLE = operation("POST", "/channels/{channelId}/variable", "variable value", NOTHING)
RTP_STATISTICS = operation("GET", "/channels/{channelId}/rtp_statistics", "", RTPstat)
SNOOP = operation("POST", "/channels/{channelId}/snoop", "spy whisper app appArgs snoopId", Channel)

OPERATIONS = (
    LIST,
    GET,
    ORIGINATE,
    EXTERNAL_MEDIA,
    ANSWER,
    HANGUP,
    CONTINUE,
    DTMF,
    HOLD,
    UNHOLD,
    RING,
    RING_STOP,
    START_MOH,
    STOP_MOH,
    GET_VARIABLE,
    SET_VARIABLE,
    RTP_STATISTICS,
    SNOOP,
)

HangupReason = Literal["normal", "busy", "congestion", "no_answer", "rejected"]
Direction = Literal["none", "both", "out", "in"]

_DIGITS = re.compile(r"[0-9A-D*#w]{1,32}")


class Channels:
    """Every method raises AriError; 404 from `hangup` means it is gone already."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.before_originate: Callable[[Originate], None] | None = None
        """Asked right before every originate; raises AriError (`NotSent`) to hold it back."""

    async def list(self) -> list[Channel]:
        return await self._rest.call(LIST, {})

    async def get(self, channel_id: str) -> Channel:
        return await self._rest.call(GET, {"channelId": channel_id})

    async def originate(self, request: Originate) -> Channel:
        """Dial. Never sent twice: after a lost answer look the channel id up instead."""
        if self.before_originate is not None:
            self.before_originate(request)
        return await self._rest.call(ORIGINATE, {}, msgspec.to_builtins(request))

    async def external_media(self, request: CreateExternalMedia) -> Channel:
        """Make a media channel; the reply's `channelvars` hold UNICASTRTP_LOCAL_ADDRESS and _PORT."""
        return await self._rest.call(EXTERNAL_MEDIA, {}, msgspec.to_builtins(request))

    async def answer(self, channel_id: str) -> None:
        """Answer a caller's channel."""
        await self._rest.call(ANSWER, {"channelId": channel_id})

    async def hangup(self, channel_id: str, reason: HangupReason = "normal") -> None:
        await self._rest.call(HANGUP, {"channelId": channel_id}, {"reason": reason})

    async def continue_in_dialplan(
        self, channel_id: str, *, context: str, extension: str = "s", priority: int = 1
    ) -> None:
        where = {"context": context, "extension": extension, "priority": priority}
        await self._rest.call(CONTINUE, {"channelId": channel_id}, where)

    async def dtmf(self, channel_id: str, dtmf: str, *, duration_ms: int = 160, between_ms: int = 80) -> None:
        """Press keys; `w` waits. Returns before the digits are out: wait len * (duration + between).

        Raises ValueError unless `dtmf` is 1 to 32 of 0-9 A-D * # w.
        """
        if not _DIGITS.fullmatch(dtmf):
            raise ValueError("dtmf: 1 to 32 of 0-9 A-D * # w, please")
        keys = {"dtmf": dtmf, "between": between_ms, "duration": duration_ms}
        await self._rest.call(DTMF, {"channelId": channel_id}, keys)

    async def hold(self, channel_id: str) -> None:
        """Tell the far side it is on hold (a SIP indication; for music use `start_moh`)."""
        await self._rest.call(HOLD, {"channelId": channel_id})

    async def unhold(self, channel_id: str) -> None:
        await self._rest.call(UNHOLD, {"channelId": channel_id})

    async def ring(self, channel_id: str) -> None:
        """Let it hear a ringing tone, made by Asterisk; takes effect only while the channel is in no bridge."""
        await self._rest.call(RING, {"channelId": channel_id})

    async def ring_stop(self, channel_id: str) -> None:
        await self._rest.call(RING_STOP, {"channelId": channel_id})

    async def start_moh(self, channel_id: str, moh_class: str | None = None) -> None:
        """Play music on hold; takes effect only while the channel is in no bridge."""
        await self._rest.call(START_MOH, {"channelId": channel_id}, {"mohClass": moh_class})

    async def stop_moh(self, channel_id: str) -> None:
        await self._rest.call(STOP_MOH, {"channelId": channel_id})

    async def get_variable(self, channel_id: str, variable: str) -> str:
        reply = await self._rest.call(GET_VARIABLE, {"channelId": channel_id}, {"variable": variable})
        return reply.value

    async def set_variable(self, channel_id: str, variable: str, value: str) -> None:
        """Set a variable or a function such as `TALK_DETECT(set)`. Dangerous ones answer 204 and do nothing."""
        await self._rest.call(SET_VARIABLE, {"channelId": channel_id}, {"variable": variable, "value": value})

    async def rtp_statistics(self, channel_id: str) -> RTPstat:
        return await self._rest.call(RTP_STATISTICS, {"channelId": channel_id})

    async def snoop(
        self, channel_id: str, *, snoop_id: str, app: str, spy: Direction = "both", whisper: Direction = "none"
    ) -> Channel:
        """A channel that listens to another. It never gets a ChannelDestroyed, only a StasisEnd."""
        arguments = {"snoopId": snoop_id, "app": app, "spy": spy, "whisper": whisper}
        return await self._rest.call(SNOOP, {"channelId": channel_id}, arguments)
