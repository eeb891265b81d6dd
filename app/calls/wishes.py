"""What whoever stops the process wants of a living call."""

import msgspec


class Farewell(msgspec.Struct, frozen=True):
    """The process is being stopped: end politely."""

    reason: str


class LetGo(msgspec.Struct, frozen=True):
    """The process is being replaced: leave the call alive."""
