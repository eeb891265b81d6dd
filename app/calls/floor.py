"""Who speaks in a talk, whose words are on their way, who is owed an answer, how long nobody has spoken. Pure.

Part of `app.calls.conversation`.
"""

from collections.abc import Callable

from app.calls.silence import Silence
from app.calls.talk_model import TalkEffect, ToMedia
from app.calls.voicemail import Message
from media import protocol as media


class Floor:
    """`message` may be disturbed by the callee's speech; `speech_started` is told when words will follow."""

    def __init__(self, silence: Silence, message: Message, speech_started: Callable[[], None]) -> None:
        self.silence = silence
        self.callee_speaking = False
        self.agent_spoke_last = False
        self.unheard = False
        """Words of the agent came, and the playout has not drained since."""
        self._called = False  # the response in the making calls a function, and need not speak
        self._message = message
        self._speech_started = speech_started

    def resumed(self, now: float, *, agent_speaking: bool) -> None:
        """A talk that a former process began goes on."""
        self.agent_spoke_last = self.unheard = agent_speaking
        if not agent_speaking:
            self.silence.begin(now)

    def noticed(self, report: media.NumberedReport, now: float) -> None:
        """Whatever report says who speaks."""
        match report:
            case media.SpeechStarted():
                self.callee_speaking = True
                self.agent_spoke_last = False
                self._message.disturbed()
                self.silence.end(forgive=True)
                self._speech_started()
            case media.SpeechStopped():
                self.callee_speaking = False
                self.silence.begin(now)
                self.silence.owe(now)
            case media.AgentSpeaking():
                self.agent_spoke_last = self.unheard = True
                self._message.speaking()
                self.silence.end()
            case media.TurnPartial(speaker="agent"):
                self.agent_spoke_last = self.unheard = True
            case media.ToolCalled():
                self._called = True
                self.silence.settle()
            case media.ResponseUsed():
                nothing = report.status == "completed" and not report.output_audio_tokens and not self._called
                self._called = False
                if nothing:
                    self.silence.settle()
            case media.Fault(code="response_given_up"):
                self.silence.settle()
            case _:
                pass

    def drained(self, now: float) -> None:
        """The agent has said everything, and nothing more is being made."""
        self.unheard = False
        if not self.callee_speaking:
            self.silence.begin(now)
            self.silence.settle()

    def asked_for(self, effects: list[TalkEffect], now: float) -> list[TalkEffect]:
        """What is sent to the model so that it speaks on it is owed to the callee from now on."""
        for one in effects:
            command = one.command if isinstance(one, ToMedia) else None
            if isinstance(command, media.ToolOutput | media.InjectText) and command.respond:
                self.silence.owe(now)
        return effects

    def lost(self) -> None:
        """Nobody hears anybody."""
        self.unheard = self.callee_speaking = False
        self.silence.end()
