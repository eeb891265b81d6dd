"""`client.applications`: what Asterisk knows about our Stasis application, and which events it sends us."""

from collections.abc import Iterable

from stasis.model import Application
from stasis.rest import Rest, operation

GET = operation("GET", "/applications/{applicationName}", "", Application)
FILTER = operation("PUT", "/applications/{applicationName}/eventFilter", "filter", Application, body="filter")

OPERATIONS = (GET, FILTER)


class Applications:
    """Every method raises AriError."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def get(self, app: str) -> Application:
        return await self._rest.call(GET, {"applicationName": app})

    async def filter_events(self, app: str, disallowed: Iterable[str]) -> Application:
        """Do not send these event types. There is no *allowed* list here on purpose: it would swallow types that
        come with a later release. The filter is forgotten with the websocket.
        """
        chosen = {"disallowed": [{"type": kind} for kind in disallowed]}
        return await self._rest.call(FILTER, {"applicationName": app}, {"filter": chosen})
