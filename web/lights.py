"""Pure: what the console says about each connection: a word for its light, a plain sentence when it breaks."""

from collections.abc import Collection
from typing import Literal

import msgspec

from app.domain.messages import ConnectionChanged, ConnectionName, ConnectionState

Mark = Literal["ok", "wait", "bad", "off", "unknown"]
LABELS: dict[ConnectionName, str] = {
    "ari": "Asterisk",
    "media": "Media worker",
    "realtime": "Speech model",
    "store": "Database",
    "bus": "Message bus",
}
"""In the order of the lights."""
_FIX: dict[ConnectionName, str] = {
    "ari": "Talks go on, nobody new is dialed. Is Asterisk running, and do ARI_URL and ARI_PASSWORD fit? "
    "“opendeep doctor” says more.",
    "media": "Nobody new is dialed until it is back; it is being started again. If that lasts, look into the log.",
    "realtime": "When the account is in order again: opendeep resume",
    "store": "What you see may be old. Is there room on the disk, does the database server run?",
    "bus": "Other processes learn of changes later; calls are not harmed. Does Redis run under REDIS_URL?",
}
_STATES: dict[ConnectionState, tuple[Mark, str]] = {
    "connected": ("ok", "connected"),
    "connecting": ("wait", "connecting"),
    "lost": ("bad", "lost"),
    "replaced": ("bad", "taken over"),
    "off": ("off", "not in use"),
}
_WORST: tuple[Mark, ...] = ("bad", "wait", "ok", "off", "unknown")


class Light(msgspec.Struct, frozen=True, kw_only=True):
    """One connection. `sentence` is empty unless somebody has to do something."""

    name: ConnectionName
    label: str
    state: str
    mark: Mark
    word: str
    sentence: str = ""


def lights(known: Collection[ConnectionChanged]) -> tuple[Light, ...]:
    """All of them; where several engines have such a connection, the one that is worst off."""
    found: list[Light] = []
    for name, unlit in zip(LABELS, dark(), strict=True):
        changes = [change for change in known if change.name == name]
        shown = [light(change, of_many=len(changes) > 1) for change in changes]
        found.append(min(shown, key=lambda one: _WORST.index(one.mark), default=unlit))
    return tuple(found)


def light(change: ConnectionChanged, *, of_many: bool = False) -> Light:
    """How a connection is shown; `of_many`: its engine has to be named."""
    mark, word = _STATES[change.state]
    label, sentence = LABELS[change.name], ""
    subject = f"{label} of the engine {change.node}" if of_many and change.node else label
    if change.name == "realtime" and change.state == "connected":
        word = "accepted"
    if change.name == "realtime" and change.state == "off":
        mark, word = "bad", "refused"
        sentence = f"The speech model refused the account. {_ended(change.detail)} {_FIX['realtime']}"
    elif mark == "bad":
        broken = "has been taken over by another process" if change.state == "replaced" else "is not connected"
        sentence = f"{subject} {broken}. {_ended(change.detail)} {_FIX[change.name]}"
    return Light(
        name=change.name,
        label=label,
        state=change.state,
        mark=mark,
        word=word,
        sentence=" ".join(sentence.split()),
    )


def dark() -> tuple[Light, ...]:
    """All lights before anything is known."""
    return tuple(
        Light(name=name, label=label, state="", mark="unknown", word="unknown") for name, label in LABELS.items()
    )


def _ended(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."
