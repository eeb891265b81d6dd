"""What the rules of a talk answer with; carried out by `app.calls.run`. Vocabulary of `app.calls.conversation`."""

import msgspec

from media import protocol as media
from stasis.outcome import EndedBy


class ToMedia(msgspec.Struct, frozen=True):
    """Send this to the media worker."""

    command: media.Command


class PressKeys(msgspec.Struct, frozen=True):
    """Send DTMF on the callee's channel."""

    digits: str


class WantHangUp(msgspec.Struct, frozen=True):
    """The talk is over."""

    ended_by: EndedBy
    reason: str


class Note(msgspec.Struct, frozen=True):
    """Something worth a row in the call's events."""

    kind: str
    detail: str


TalkEffect = ToMedia | PressKeys | WantHangUp | Note
