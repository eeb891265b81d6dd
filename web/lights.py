"""Pure: what the console says about each connection: a word for its light, a plain sentence when it breaks."""

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


class Light(msgspec.Struct, frozen=True, kw_only=True):
    """One connection. `sentence` is empty unless somebody has to do something."""

    name: ConnectionName
    label: str
    state: str
    mark: Mark
    word: str
    sentence: str = ""


def light(change: ConnectionChanged) -> Light:
    """How a connection is shown."""
    mark, word = _STATES[change.state]
    label, sentence = LABELS[change.name], ""
    if change.name == "realtime" and change.state == "off":
        mark, word = "bad", "refused"
        sentence = f"The speech model refused the account. {_ended(change.detail)} {_FIX['realtime']}"
    elif mark == "bad":
        broken = "has been taken over by another process" if change.state == "replaced" else "is not connected"
        sentence = f"{label} {broken}. {_ended(change.detail)} {_FIX[change.name]}"
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
