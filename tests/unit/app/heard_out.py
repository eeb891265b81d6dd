"""The end of a talk whose last words are out: the line stays open until they have been heard too."""

from app.calls.conversation import Conversation
from app.calls.talk_model import HEARD_OUT_S, TalkEffect
from media import protocol as media


def heard_out(talk: Conversation, drained: media.PlayoutDrained, now: float) -> list[TalkEffect]:
    """Tells the talk that its words are out and lets the rest of the time pass; what happens then."""
    assert talk.handle(drained, now) == []
    assert talk.tick(now + HEARD_OUT_S - 0.01) == []
    assert talk.next_deadline == now + HEARD_OUT_S
    return talk.tick(now + HEARD_OUT_S)
