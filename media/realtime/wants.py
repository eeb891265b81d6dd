"""Responses in their three stages: wanted, asked for, being made. Vocabulary of `media.realtime.sequencer`."""

from typing import Literal

import msgspec

from media.realtime.client_events import ResponseConfig

WantKind = Literal["greeting", "tool", "say", "owed"]


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """A response we want. `owed` = the callee waits for an answer that did not come."""

    kind: WantKind
    asked_at: float
    config: ResponseConfig = ResponseConfig()
    not_before: float = 0.0
    tool_call_ids: frozenset[str] = frozenset()
    refusals: int = 0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A `response.create` on its way; `overtaken` = the callee began to speak after it was sent."""

    event_id: str
    want: Want
    sent_at: float
    overtaken: bool = False


class ActiveResponse:
    """The response the server is generating. `muted`: nothing of it is played any more."""

    def __init__(self, response_id: str, now: float, request: Request | None) -> None:
        self.response_id = response_id
        self.created_at = now
        self.last_event_at = now
        self.request = request
        self.has_audio = False
        self.has_text_only = False
        self.muted = False
        self.cancelled_at: float | None = None
