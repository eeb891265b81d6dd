"""A transfer is the second phone of a call: somebody the callee is handed to. Its life is `stasis.transfer`."""

import msgspec

from app.domain.agent import TransferMode

ALIVE = "dialing"
"""State of a row whose originate may be sent."""
JOINED = "joined"


class CallTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `call_transfers`; `seq` counts the transfers of a call from 1 and is part of the channel's id.

    `number` is the target's of the agent's list, `number_dialed` what is really dialed (test mode differs).
    `state` and `outcome` are those of `stasis.transfer_model`, as plain strings. Times are UTC epoch milliseconds.
    """

    call_id: str
    seq: int
    tenant_id: str
    target: str
    number: str
    number_dialed: str
    mode: TransferMode
    reason: str
    wanted_by: str
    state: str
    outcome: str | None
    detail: str
    dialing_ms: int
    ringing_ms: int | None = None
    answered_ms: int | None = None
    joined_ms: int | None = None
    ended_ms: int | None = None


class NewTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer somebody wants: `target` and `number` are an entry of the agent's list."""

    target: str
    number: str
    mode: TransferMode
    reason: str
    wanted_by: str
