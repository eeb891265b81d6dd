"""`client.applications`: what Asterisk knows about our Stasis application, and which events it sends us."""

from collections.abc import Iterable

from stasis.model import Application
from stasis.rest import NOTHING, Rest, operation

GET = operation("GET", "/applications/{applicationName}", "", Application)
FILTER = operation("PUT", "/applications/{applicationName}/eventFilter", "filter", Application, body="filter")
USER_EVENT = operation("POST", "/events/user/{eventName}", "application", NOTHING)

OPERATIONS = (GET, FILTER, USER_EVENT)


class Applications:
    """Every method raises AriError."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def get(self, app: str) -> Application:
        return await self._rest.call(GET, {"applicationName": app})

    async def filter_events(self, app: str, disallowed: Iterable[str]) -> Application:
        """Do not send these event types. There is no *allowed* list here on purpose: it would swallow types that
        come with a later release. The filter is forgotten with a websocket that we opened; with one that Asterisk
        opened it stays.
        """
        chosen = {"disallowed": [{"type": kind} for kind in disallowed]}
        return await self._rest.call(FILTER, {"applicationName": app}, {"filter": chosen})

    async def user_event(self, app: str, name: str) -> None:
        """Send whoever gets the events of `app` a ChannelUserevent of that name. NotFound: nobody has the app."""
        await self._rest.call(USER_EVENT, {"eventName": name}, {"application": app})
