"""Pure: the marks on a call's tile, and how urgently it needs a person."""

import msgspec

from app.store.calls import WallCall

WAITING = "waiting"
ANSWERED_WORDS: dict[str, str] = {
    "machine": "⌂ machine",
    "beep": "⌂ machine",
    "ivr": "☰ phone menu",
    "call_screening": "⛨ call screening",
    "hold_music": "♪ hold music",
    "fax": "⌂ fax",
    "network_tone": "⌂ network tone",
}
"""Who answered, when it is no person (`media.answer`)."""
TRANSFER_WORDS: dict[str, str] = {
    "dialing": "⇄ calling a colleague",
    "ringing": "⇄ calling a colleague",
    "answered": "⇄ asking a colleague",
    "consulting": "⇄ asking a colleague",
    "joining": "⇄ handing over",
    "joined": "⇄ with a colleague",
    "returning": "⇄ coming back",
}
LINE_WORDS: dict[str, tuple[str, str]] = {
    "hold": ("hold", "‖ on hold"),
    "mute": ("muted", "∅ agent muted"),
    "take_over": ("taken", "☎ a person talks"),
}


class Badge(msgspec.Struct, frozen=True, kw_only=True):
    """A mark. `need` ranks it: 3 somebody waits for an answer, 2 the talk was stopped, 1 a person is in it."""

    kind: str
    label: str
    need: int = 0


ASKS = Badge(kind=WAITING, label="? waits for your answer", need=3)


def badges(call: WallCall) -> tuple[Badge, ...]:
    """The marks of a call; whether it waits for an answer is known elsewhere (`ASKS`)."""
    found: list[Badge] = []
    if call.ended_ms is None:
        if call.line in LINE_WORDS:
            kind, label = LINE_WORDS[call.line]
            found.append(Badge(kind=kind, label=label, need=1 if kind == "taken" else 2))
        if call.transfer is not None:
            found.append(Badge(kind="transfer", label=TRANSFER_WORDS.get(call.transfer, "⇄ transfer"), need=1))
    if call.answered_by in ANSWERED_WORDS:
        found.append(Badge(kind="machine", label=ANSWERED_WORDS[call.answered_by]))
    if call.direction == "inbound":
        found.append(Badge(kind="inbound", label="↙ calls back"))
    elif call.number_dialed != call.number_requested:
        found.append(Badge(kind="test", label="⚑ test mode"))
    return tuple(found)
