"""What is done about who answered: the policy, as effects (pure).

Voicemail gets a message after the beep or none, hold is waited out in silence up to a limit, a menu heard three
times ends the call, a screening robot gets one sentence, fax and network announcements are hung up on.
"""

from media.answer.model import (
    AnswerSettings,
    Deafen,
    Decided,
    Effect,
    HangUp,
    LeaveMessage,
    ListenOnly,
    SayIdentity,
    Verdict,
)
from media.answer.phrases import same_menu

ANSWERED = frozenset({Verdict.HUMAN, Verdict.UNCERTAIN, Verdict.IVR})
"""Whoever was taken for a recording and turns out to be one of these waits for an answer to what they said."""


class Treatment:
    """Follows the verdicts of one call."""

    def __init__(self, settings: AnswerSettings) -> None:
        self._settings = settings
        self._listen_only = False
        self._deaf = False
        self._identified = False
        self._message: str | None = None
        self._hold_since_ms: int | None = None
        self._held_ms = 0
        self._menus: list[tuple[str, int]] = []
        self._ended = False

    @property
    def next_deadline_ms(self) -> int | None:
        """When patience with a hold ends."""
        if self._hold_since_ms is None or self._ended:
            return None
        return self._hold_since_ms + self._settings.hold_patience_ms - self._held_ms

    def decided(self, decided: Decided) -> list[Effect]:
        """A verdict: what follows from it, the verdict itself first."""
        effects: list[Effect] = [decided]
        verdict = decided.verdict
        self._hold_clock(decided.at_ms, on=verdict is Verdict.HOLD_MUSIC)
        effects += self._listening(verdict)
        match verdict:
            case Verdict.MACHINE if decided.final and self._settings.voicemail == "none":
                effects += self._hang_up(HangUp("voicemail"))
            case Verdict.BEEP if self._settings.voicemail == "none":
                effects += self._hang_up(HangUp("voicemail"))
            case Verdict.BEEP:
                effects += self._leave("beep")
            case Verdict.CALL_SCREENING if not self._identified:
                self._identified = True
                effects.append(SayIdentity())
            case Verdict.FAX:
                effects += self._hang_up(HangUp("fax", mark_number="fax"))
            case Verdict.NETWORK_TONE:
                effects += self._hang_up(HangUp("network announcement"))
            case _:
                pass
        return effects

    def hold(self, *, awake: bool) -> list[Effect]:
        """During a hold: whether somebody speaks."""
        return self._deafen(on=not awake)

    def passed(self, verdict: Verdict, now_ms: int, pause_ms: int) -> list[Effect]:
        """Time: how long the callee has been silent, and the call on hold."""
        deadline = self.next_deadline_ms
        if deadline is not None and now_ms >= deadline:
            return self._hang_up(HangUp("hold lasted too long"))
        silent = verdict is Verdict.MACHINE and pause_ms >= self._settings.message_after_silence_ms
        if silent and self._message is None and self._settings.voicemail == "leave":
            return [*self._listening(None), *self._leave("silence after the greeting")]
        return []

    def menu(self, text: str) -> list[Effect]:
        """A turn of an IVR: the same one too often is a loop."""
        for index, (known, times) in enumerate(self._menus):
            if same_menu(known, text):
                self._menus[index] = known, times + 1
                return self._hang_up(HangUp("menu loop")) if times + 1 >= self._settings.ivr_repeats else []
        self._menus.append((text, 1))
        return []

    def _listening(self, verdict: Verdict | None) -> list[Effect]:
        listen_only = verdict is Verdict.MACHINE and self._message is None
        effects: list[Effect] = []
        if listen_only is not self._listen_only:
            self._listen_only = listen_only
            effects.append(ListenOnly(listen_only, owed=not listen_only and verdict in ANSWERED))
        return effects + (self._deafen(on=verdict is Verdict.HOLD_MUSIC) if verdict is not None else [])

    def _deafen(self, *, on: bool) -> list[Effect]:
        if on is self._deaf:
            return []
        self._deaf = on
        return [Deafen(on)]

    def _leave(self, evidence: str) -> list[Effect]:
        if self._message == "beep" or self._ended:
            return []
        self._message = evidence
        return [LeaveMessage(evidence)]

    def _hang_up(self, effect: HangUp) -> list[Effect]:
        if self._ended:
            return []
        self._ended = True
        return [effect]

    def _hold_clock(self, now_ms: int, *, on: bool) -> None:
        if on and self._hold_since_ms is None:
            self._hold_since_ms = now_ms
        elif not on and self._hold_since_ms is not None:
            self._held_ms += now_ms - self._hold_since_ms
            self._hold_since_ms = None
