"""Pure: what the steering panel of a call shows: the line, whom it may be handed to, what was ordered."""

from collections.abc import Sequence

import msgspec

from app.domain.agent import Agent
from app.domain.call import Call, CallState
from app.domain.command import Command, CommandKind, CommandState
from app.domain.line import line_after

SHOWN = 12
"""Orders listed, the newest last."""
KIND_WORDS: dict[str, str] = {
    CommandKind.SEND_DTMF: "Press keys",
    CommandKind.END_CALL: "Hang up",
    CommandKind.RESCHEDULE: "Call again another time",
    CommandKind.TRANSFER: "Transfer",
    CommandKind.HOLD: "Hold",
    CommandKind.UNHOLD: "End of hold",
    CommandKind.MUTE: "Mute the agent",
    CommandKind.UNMUTE: "Unmute the agent",
    CommandKind.SAY: "Say",
    CommandKind.WHISPER: "Whisper",
    CommandKind.TAKE_OVER: "Take over",
    CommandKind.HAND_BACK: "Hand back",
}
STATE_WORDS: dict[CommandState, str] = {
    CommandState.QUEUED: "… waiting",
    CommandState.TAKEN: "… under way",
    CommandState.DONE: "✓ done",
    CommandState.REFUSED: "✗ refused",
    CommandState.EXPIRED: "✗ too late",
}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order as people see it. `settled`: nothing about it changes any more."""

    id: str
    seq: int
    kind: str
    kind_label: str
    words: str
    state: str
    state_label: str
    result: str
    settled: bool
    mine: bool
    created_ms: int


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done about a call now. `talking`: callee and agent are connected.

    `line`: open, muted, held, or taken
    (a person speaks in the agent's place).
    """

    call_id: str
    state: str
    alive: bool
    talking: bool
    line: str
    transfer: tuple[str, ...]
    orders: list[Order]


def panel(call: Call, agent: Agent, orders: Sequence[Command], actor: str, *, taken: bool) -> Panel:
    """The panel of a call, for whoever asks. `taken`: an operator has the call."""
    return Panel(
        call_id=call.id,
        state=call.state,
        alive=call.state is not CallState.ENDED,
        talking=call.state is CallState.BRIDGED,
        line="taken" if taken else line_after(orders),
        transfer=tuple(one.name for one in agent.transfer_targets),
        orders=[order_of(one, actor) for one in orders[-SHOWN:]],
    )


def order_of(command: Command, actor: str) -> Order:
    """One order, for whoever asks."""
    return Order(
        id=command.id,
        seq=command.seq,
        kind=command.kind,
        kind_label=KIND_WORDS.get(command.kind, command.kind),
        words=_words(command),
        state=command.state,
        state_label=STATE_WORDS[command.state],
        result=command.result,
        settled=command.state not in {CommandState.QUEUED, CommandState.TAKEN},
        mine=command.issued_by == actor,
        created_ms=command.created_ms,
    )


def _words(command: Command) -> str:
    """What it was about: the text, the keys, the name."""
    try:
        payload = msgspec.json.decode(command.payload, type=dict[str, object])
    except msgspec.DecodeError:
        return ""
    if command.kind == CommandKind.END_CALL and payload.get("polite") is False:
        return "at once"
    said = next((payload[name] for name in ("text", "digits", "target") if isinstance(payload.get(name), str)), "")
    return str(said)
