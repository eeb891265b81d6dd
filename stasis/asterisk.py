"""`client.asterisk`: the Asterisk itself."""

from typing import Literal

from stasis.model import AsteriskInfo, AsteriskPing, Variable
from stasis.rest import NOTHING, Rest, operation

INFO = operation("GET", "/asterisk/info", "only", AsteriskInfo)
PING = operation("GET", "/asterisk/ping", "", AsteriskPing)
GET_VARIABLE = operation("GET", "/asterisk/variable", "variable", Variable)
SET_VARIABLE = operation("POST", "/asterisk/variable", "variable value", NOTHING)

OPERATIONS = (INFO, PING, GET_VARIABLE, SET_VARIABLE)


class Asterisk:
    """Every method raises AriError."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def info(self, only: Literal["build", "system", "config", "status"] | None = None) -> AsteriskInfo:
        """`status.startup_time` tells a restart, `system.version` the release."""
        return await self._rest.call(INFO, {}, {"only": only})

    async def get_variable(self, name: str) -> str:
        """A global variable; empty when there is none."""
        return (await self._rest.call(GET_VARIABLE, {}, {"variable": name})).value

    async def set_variable(self, name: str, value: str | None) -> None:
        """Set a global variable; None removes it. Asterisk says yes to functions it does not have, too."""
        await self._rest.call(SET_VARIABLE, {}, {"variable": name, "value": value})

    async def ping(self) -> AsteriskPing:
        return await self._rest.call(PING, {})
