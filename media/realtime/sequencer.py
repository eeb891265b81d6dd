"""One response slot: every `response.create` and `response.cancel` of a session goes through here.

The API allows one response at a time in a conversation (else `conversation_already_has_active_response`), and its
own turn detection creates responses too. So what we want said waits in `wants` until the slot is free. Our own
requests are recognized by `metadata.od`; a server that does not echo it is taken at its word: the next response
created is ours unless an error names our event. Called by `media.realtime.conversation`.
"""

import msgspec

from media.realtime.client_events import ResponseCancel, ResponseCreate
from media.realtime.events import Response
from media.realtime.outbox import Outbox
from media.realtime.wants import ActiveResponse, Request, Want

SAY_PATIENCE_S = 3.0
"""`SayNow` waits this long for a callee who is speaking."""
AUTO_RESPONSE_S = 1.0
"""After the callee stopped, the server's own response is given this long to appear before ours is asked for."""
REQUEST_TIMEOUT_S = 10.0
STALL_TIMEOUT_S = 10.0
STALL_SPEAKING_S = 5.0
"""Once it speaks, speech comes faster than it is spoken."""
CANCEL_TIMEOUT_S = 5.0
SILENT_S = 5.0
"""Every request is answered by some event within far less, or the connection is dead without a word."""
MAX_REFUSALS = 3
REFUSED_PAUSE_S = 0.3
_CLOSED_KEPT = 128
_METADATA_KEY = "od"


class Sequencer:
    """`active`, `requested` and `wants` are the slot; at most one of the first two is ours at any time."""

    def __init__(self, outbox: Outbox) -> None:
        self.active: ActiveResponse | None = None
        self.requested: Request | None = None
        self.wants: list[Want] = []
        self._outbox = outbox
        self._echoes_metadata = False
        self.user_speaking = False
        self._auto_response_until = float("-inf")
        self._closed: dict[str, None] = {}
        self.heard_at = 0.0
        """When the server last sent anything."""

    @property
    def busy(self) -> bool:
        """Something is generated or asked for."""
        return self.active is not None or self.requested is not None

    @property
    def idle(self) -> bool:
        """Not busy and nothing wanted."""
        return not self.busy and not self.wants

    # --- what we want -------------------------------------------------------------------------------------------
    def ask(self, want: Want, *, instead: bool = False) -> None:
        """Queue a response; a farewell goes before everything else, an owed answer is owed once. `instead`: what
        was to be said before it is not said any more.
        """
        if instead:
            self.wants = [other for other in self.wants if other.kind != "say"]
        if want.kind == "owed" and any(other.kind == "owed" for other in self.wants):
            return
        if want.kind == "say":
            self.wants = [other for other in self.wants if other.kind not in {"greeting", "owed"}]
            self.wants.insert(sum(other.kind == "say" for other in self.wants), want)
        elif want.kind == "tool":
            self.wants = [*(other for other in self.wants if other.kind != "owed"), want]
        else:
            self.wants.append(want)

    def pump(self, now: float) -> None:
        """Send what may be sent now: a request into the free slot, a cancel if a farewell waits for silence."""
        self._expire(now)
        if self._farewell_waits():
            self.cancel(now)
        if self.busy:
            return
        for want in self.wants:
            if self._ready_at(want) <= now:
                self.wants.remove(want)
                self._request(want, now)
                return

    def speech_started(self, *, yields: bool = True) -> None:
        """The callee speaks: greeting and owed turn are off; the agent `yields`, or talks on for now."""
        self.user_speaking = True
        if yields:
            self.yield_floor()
        if self.requested is not None:
            self.requested = msgspec.structs.replace(self.requested, overtaken=True)
        self.wants = [want for want in self.wants if want.kind not in {"greeting", "owed"}]

    def yield_floor(self) -> None:
        """Nothing more of the response in the making is played."""
        if self.active is not None:
            self.active.muted = True

    def speech_stopped(self, now: float, *, answered: bool = True) -> None:
        """Unless told otherwise the server will create a response by itself: leave it the slot."""
        self.user_speaking = False
        if answered:
            self._auto_response_until = now + AUTO_RESPONSE_S

    def cancel(self, now: float) -> None:
        """Cancel the active response, once."""
        if self.active is None or self.active.cancelled_at is not None:
            return
        self.active.muted = True
        self.active.cancelled_at = now
        self._outbox.send(ResponseCancel(event_id=self._outbox.event_id(), response_id=self.active.response_id))

    def drop_answered(self, acknowledged: frozenset[str]) -> None:
        """The server created a response by itself: it answers what was owed, and tool results it already has."""
        self.wants = [
            want
            for want in self.wants
            if want.kind == "say" or (want.kind == "tool" and not want.tool_call_ids <= acknowledged)
        ]

    def reset(self) -> bool:
        """The session is gone. True if an answer was being made or wanted. A farewell stays wanted."""
        unfinished = self.active is not None and not self.active.muted
        owed = unfinished or self.requested is not None or bool(self.wants)
        says = [want for want in self.wants if want.kind == "say"]
        if self.requested is not None and self.requested.want.kind == "say":
            says.insert(0, self.requested.want)
        if self.active is not None:
            request = self.active.request
            if unfinished and request is not None and request.want.kind == "say":
                says.insert(0, request.want)
            self._close(self.active.response_id)
        self.active = self.requested = None
        self.wants = says
        self.user_speaking = False
        self._auto_response_until = float("-inf")
        return owed and not says

    # --- what the server says -----------------------------------------------------------------------------------
    def is_active(self, response_id: str) -> bool:
        """The server is generating this response."""
        return self.active is not None and self.active.response_id == response_id

    def touch(self, response_id: str, now: float) -> ActiveResponse | None:
        """The response an event belongs to; None for one that is over. Unknown ones are taken as created."""
        if self.active is not None and self.active.response_id == response_id:
            self.active.last_event_at = now
            return self.active
        if response_id in self._closed:
            return None
        return self.created(Response(id=response_id), now)

    def created(self, response: Response, now: float) -> ActiveResponse | None:
        """A response began. None if it is known already."""
        if response.id in self._closed:
            return None
        if self.active is not None and self.active.response_id == response.id:
            self.active.request = self.active.request or self._take_request(response)
            return None
        if self.active is not None:
            self._close(self.active.response_id)
        request = self._take_request(response)
        self.active = ActiveResponse(response.id, now, request)
        self._auto_response_until = float("-inf")
        return self.active

    def done(self, response: Response, now: float) -> ActiveResponse | None:
        """A response ended (perhaps without ever having begun). None if that is known already."""
        if response.id in self._closed:
            return None
        active = self.active
        if active is None or active.response_id != response.id:
            over = ActiveResponse(response.id, now, self._take_request(response))
            self._close(response.id)
            return over
        self.active = None
        self._close(response.id)
        return active

    def refused(self, event_id: str | None, *, retry: bool, now: float) -> Want | None:
        """An error named this event: the want behind it if it was a request of ours, queued again with `retry`."""
        request = self.requested
        if request is not None and request.event_id == event_id:
            self.requested = None
        elif self.active is not None and self.active.request is not None:
            request = self.active.request
            if request.event_id != event_id:
                return None
            self.active.request = None
        else:
            return None
        if retry and request.want.refusals < MAX_REFUSALS:
            refusals = request.want.refusals + 1
            self.ask(msgspec.structs.replace(request.want, refusals=refusals, not_before=now + REFUSED_PAUSE_S))
        return request.want

    @property
    def next_deadline(self) -> float | None:
        """When `pump` may have something to do without an event."""
        times = [] if self.busy else [self._ready_at(want) for want in self.wants]
        if self.requested is not None:
            times.append(self.requested.sent_at + REQUEST_TIMEOUT_S)
            if self.heard_at <= self.requested.sent_at:
                times.append(self.requested.sent_at + SILENT_S)
        if self.active is not None:
            times.append(self._stall_at(self.active))
        return min((time for time in times if time != float("inf")), default=None)

    def server_silent(self, now: float) -> bool:
        """A request was sent, and not one event of any kind came since."""
        asked = self.requested
        return asked is not None and self.heard_at <= asked.sent_at and now >= asked.sent_at + SILENT_S

    # --- inside -------------------------------------------------------------------------------------------------
    def _farewell_waits(self) -> bool:
        active = self.active
        if active is None or active.has_audio or active.muted or not self.wants or self.wants[0].kind != "say":
            return False
        request = active.request
        return request is None or request.want.kind != "say"

    def _ready_at(self, want: Want) -> float:
        ready = max(want.not_before, self._auto_response_until)
        if not self.user_speaking:
            return ready
        return max(ready, want.asked_at + SAY_PATIENCE_S) if want.kind == "say" else float("inf")

    def _request(self, want: Want, now: float) -> None:
        event_id = self._outbox.event_id()
        config = msgspec.structs.replace(want.config, metadata={_METADATA_KEY: event_id})
        self.requested = Request(event_id=event_id, want=want, sent_at=now)
        self._outbox.send(ResponseCreate(event_id=event_id, response=config))

    def _take_request(self, response: Response) -> Request | None:
        request = self.requested
        marker = (response.metadata or {}).get(_METADATA_KEY)
        if marker is not None:
            self._echoes_metadata = True
        if request is None or (marker is None and self._echoes_metadata):
            return None
        if marker is not None and marker != request.event_id:
            return None
        self.requested = None
        return request

    def _expire(self, now: float) -> None:
        request = self.requested
        if request is not None and now >= request.sent_at + REQUEST_TIMEOUT_S:
            self._outbox.fault("response_timeout", "the server did not begin a response that was asked for", now)
            self.refused(request.event_id, retry=True, now=now)
        active = self.active
        if active is None or now < self._stall_at(active):
            return
        if active.cancelled_at is None:
            self._outbox.fault("response_stalled", "the server stopped in the middle of a response", now)
            if not active.muted:
                self._ask_again(active, now)
            self.cancel(now)
        else:
            self.active = None
            self._close(active.response_id)

    def _ask_again(self, active: ActiveResponse, now: float) -> None:
        """What was begun is gone on with, what was not is asked for once more."""
        asked = None if active.has_audio or active.request is None else active.request.want
        want = asked or Want(kind="owed", asked_at=now)
        if want.refusals < MAX_REFUSALS:
            self.ask(msgspec.structs.replace(want, refusals=want.refusals + 1))

    def _stall_at(self, active: ActiveResponse) -> float:
        if active.cancelled_at is not None:
            return active.cancelled_at + CANCEL_TIMEOUT_S
        return active.last_event_at + (STALL_SPEAKING_S if active.has_audio else STALL_TIMEOUT_S)

    def _close(self, response_id: str) -> None:
        self._closed[response_id] = None
        if len(self._closed) > _CLOSED_KEPT:
            del self._closed[next(iter(self._closed))]
