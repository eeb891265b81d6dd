"""`client.asterisk`: the Asterisk itself."""

from typing import Literal

from stasis.model import AsteriskInfo, AsteriskPing
from stasis.rest import Rest, operation

INFO = operation("GET", "/asterisk/info", "only", AsteriskInfo)
PING = operation("GET", "/asterisk/ping", "", AsteriskPing)

OPERATIONS = (INFO, PING)


class Asterisk:
    """Every method raises AriError."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def info(self, only: Literal["build", "system", "config", "status"] | None = None) -> AsteriskInfo:
        """`status.startup_time` tells a restart, `system.version` the release."""
        return await self._rest.call(INFO, {}, {"only": only})

    async def ping(self) -> AsteriskPing:
        return await self._rest.call(PING, {})
