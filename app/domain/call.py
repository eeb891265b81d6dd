"""A call is one attempt at a task. Four separate fields tell its story and are never mixed:

`state` where in its life it is, `outcome` what it achieved, `ended_by` who ended it, `hangup_cause` what the
network said (Q.850). The values of outcome and ended_by are those of `stasis.outcome`, as plain strings.
"""

from enum import StrEnum
from typing import Literal

import msgspec


class CallState(StrEnum):
    """Life of a call, in order; a call only moves forward and may skip states."""

    PREPARE = "prepare"
    """Media and model session are made; nothing rings."""
    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    BRIDGED = "bridged"
    """The callee talks with the agent."""
    ENDING = "ending"
    ENDED = "ended"


ORDER: tuple[CallState, ...] = tuple(CallState)


def may_follow(state: CallState, following: CallState) -> bool:
    """Whether a call that is in `state` may be said to be in `following` now. Late reports answer False."""
    return ORDER.index(following) > ORDER.index(state)


def earlier(state: CallState) -> tuple[CallState, ...]:
    """All states before `state`."""
    return ORDER[: ORDER.index(state)]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `calls`; its id is the attempt id and part of every ARI id. Times are UTC epoch milliseconds.

    `number_requested` is what the task wants, `number_dialed` what was really dialed (test mode differs).
    `dialed` is False when it is certain that nobody was called. Of a call-back (`direction` inbound) the number is
    the caller's, `caller_channel` Asterisk's id of the caller, `task_before` the state its task had, if it moved.
    `agent_version` is the one that speaks; `answered_by` who answered (`media.answer`), empty when nobody can say.
    """

    id: str
    tenant_id: str
    task_id: str
    agent_id: str
    attempt_number: int
    node: str
    number_requested: str
    number_dialed: str
    state: CallState
    outcome: str | None
    ended_by: str | None
    hangup_cause: int | None
    tech_cause: int | None
    sip_call_id: str | None
    dialed: bool
    detail: str
    created_ms: int
    dialing_ms: int | None
    dial_deadline_ms: int | None
    ringing_ms: int | None
    answered_ms: int | None
    ended_ms: int | None
    cost_micro_usd: int
    recording_path: str | None
    direction: Literal["outbound", "inbound"] = "outbound"
    caller_channel: str = ""
    task_before: str = ""
    agent_version: int = 1
    answered_by: str = ""


class NewCall(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt about to be made. After `dial_deadline_ms` nobody may be dialed for it any more.

    With `caller_channel` it is a call-back: that channel is answered, and `number_dialed` is who calls.
    """

    id: str
    task_id: str
    node: str
    number_dialed: str
    dial_deadline_ms: int | None = None
    caller_channel: str = ""
    agent_version: int = 1


class CallEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended, as it is stored. `dialed` False gives the attempt back to the task."""

    call_id: str
    outcome: str
    ended_by: str
    dialed: bool
    hangup_cause: int | None = None
    tech_cause: int | None = None
    sip_call_id: str | None = None
    ringing_ms: int | None = None
    answered_ms: int | None = None
    ended_ms: int | None = None
    detail: str = ""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One finished turn of the conversation; `*_audio_ms` count from the answer."""

    speaker: str
    item_id: str
    text: str
    start_audio_ms: int = 0
    end_audio_ms: int = 0
    interrupted: bool = False
    heard_ms: int = 0
    generated_ms: int = 0
    response_id: str | None = None
    stop_to_response_ms: int | None = None
    """Callee's speech stopped -> response.created -> first delta -> first RTP packet; None where not measured."""
    response_to_delta_ms: int | None = None
    delta_to_rtp_ms: int | None = None
    seq: int = 0

    @property
    def delay_ms(self) -> int | None:
        """From the end of the callee's speech to the first packet of the answer."""
        parts = (self.stop_to_response_ms, self.response_to_delta_ms, self.delta_to_rtp_ms)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None
