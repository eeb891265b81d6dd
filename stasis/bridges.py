"""`client.bridges`: the verbs of ARI's bridges resource that a call needs. Rows first, then the methods."""

from typing import Literal

from stasis.model import Bridge, LiveRecording
from stasis.rest import NOTHING, Rest, operation

LIST = operation("GET", "/bridges", "", list[Bridge])
GET = operation("GET", "/bridges/{bridgeId}", "", Bridge)
CREATE = operation("POST", "/bridges", "type bridgeId name", Bridge)
DESTROY = operation("DELETE", "/bridges/{bridgeId}", "", NOTHING)
ADD_CHANNEL = operation("POST", "/bridges/{bridgeId}/addChannel", "channel", NOTHING)
REMOVE_CHANNEL = operation("POST", "/bridges/{bridgeId}/removeChannel", "channel", NOTHING)
RECORD = operation("POST", "/bridges/{bridgeId}/record", "name format maxDurationSeconds ifExists", LiveRecording)

OPERATIONS = (LIST, GET, CREATE, DESTROY, ADD_CHANNEL, REMOVE_CHANNEL, RECORD)


class Bridges:
    """Every method raises AriError; 404 from `destroy` means it is gone already."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def list(self) -> list[Bridge]:
        return await self._rest.call(LIST, {})

    async def get(self, bridge_id: str) -> Bridge:
        return await self._rest.call(GET, {"bridgeId": bridge_id})

    async def create(self, bridge_id: str, *, type: Literal["mixing", "holding"] = "mixing") -> Bridge:
        return await self._rest.call(CREATE, {}, {"bridgeId": bridge_id, "type": type})

    async def destroy(self, bridge_id: str) -> None:
        """The channels in it stay alive, in Stasis and in no bridge."""
        await self._rest.call(DESTROY, {"bridgeId": bridge_id})

    async def add_channel(self, bridge_id: str, channel_id: str) -> None:
        """Valid only after the channel's own StasisStart: 422 before."""
        await self._rest.call(ADD_CHANNEL, {"bridgeId": bridge_id}, {"channel": channel_id})

    async def remove_channel(self, bridge_id: str, channel_id: str) -> None:
        await self._rest.call(REMOVE_CHANNEL, {"bridgeId": bridge_id}, {"channel": channel_id})

    async def record(
        self,
        bridge_id: str,
        name: str,
        *,
        format: str = "wav",
        max_duration_s: int = 0,
        if_exists: Literal["fail", "overwrite", "append"] = "fail",
    ) -> LiveRecording:
        """Mono mix on Asterisk's disk. `name` may contain directories: never make it from user text."""
        arguments = {"name": name, "format": format, "maxDurationSeconds": max_duration_s, "ifExists": if_exists}
        return await self._rest.call(RECORD, {"bridgeId": bridge_id}, arguments)
