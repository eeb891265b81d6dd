"""What a talk does with whoever answered, by the policy for machines; the media worker has done its part. Pure.

Part of `app.calls.conversation`.
"""

from typing import Protocol

from app.calls.closing import Closing
from app.calls.silence import Silence
from app.calls.talk_model import SAY_IDENTITY, TalkEffect, TalkState, ToMedia, WantHangUp
from app.calls.voicemail import LEFT, LIMIT_S, Message
from media import protocol as media
from stasis.outcome import EndedBy


class Talk(Protocol):
    """The talk it happens in."""

    call_id: str
    state: TalkState

    def close_with(self, end: WantHangUp, farewell: str, now: float, *, limit_s: float) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard, after `limit_s` in any case."""
        ...

    def finish(self, end: WantHangUp) -> list[TalkEffect]:
        """Hang up now."""
        ...

    def passed_on(self) -> list[TalkEffect]:
        """Whoever speaks next may be another person."""
        ...


class WhoAnswered:
    """`message` is what is left on a machine."""

    def __init__(self, talk: Talk, silence: Silence, message: Message, closing: Closing) -> None:
        self._talk = talk
        self._silence = silence
        self._message = message
        self._closing = closing

    def treated(self, report: media.AnswerTreatment, now: float) -> list[TalkEffect]:
        """What the policy wants."""
        match report.action:
            case "listen_only" | "wait" | "respond" | "wake":
                self._silence.sleep(now, on=report.action in {"listen_only", "wait"})
                return self._talk.passed_on() if report.action == "wake" else []
            case "leave_message" if self._talk.state is TalkState.CLOSING:
                if not self._message.begin(again=True):
                    return []
                self._closing.again(now)
                return [self._instead(self._message.instructions)]
            case _ if self._talk.state is not TalkState.TALKING:
                return []
            case "say_identity":
                return [self._instead(SAY_IDENTITY)]
            case "leave_message":
                self._message.begin(again=False)
                return self._talk.close_with(LEFT, self._message.instructions, now, limit_s=LIMIT_S)
            case "hang_up":
                return self._talk.finish(WantHangUp(EndedBy.SYSTEM_COMPLETE, report.reason))

    def _instead(self, instructions: str) -> ToMedia:
        return ToMedia(media.Say(call_id=self._talk.call_id, instructions=instructions, instead=True))
