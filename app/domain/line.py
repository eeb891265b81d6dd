"""Who is heard on the line of a call, as the orders that were carried out left it. Pure."""

from collections.abc import Sequence
from typing import Literal

from app.domain.command import Command, CommandKind, CommandState

LineState = Literal["open", "muted", "held"]
"""muted: the agent is not heard; held: callee and agent do not hear each other."""
_LEFT: dict[str, LineState] = {
    CommandKind.HOLD: "held",
    CommandKind.MUTE: "muted",
    CommandKind.UNHOLD: "open",
    CommandKind.UNMUTE: "open",
    CommandKind.TAKE_OVER: "open",
    CommandKind.TRANSFER: "open",
}


def line_after(orders: Sequence[Command]) -> LineState:
    """Where the last of these orders, oldest first, left the line."""
    for one in reversed(orders):
        if one.state is CommandState.DONE and one.kind in _LEFT:
            return _LEFT[one.kind]
    return "open"
