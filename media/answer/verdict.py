"""Who answered: merges the sound, the callee's words, the model's tool and Asterisk's AMD into one verdict (pure).

Every verdict is provisional until something confirms it; a final one is followed only along `model.PROGRESS`, when
the call itself goes on. Uncertain means talk: nothing here waits for certainty before a person is answered.
Treated by `media.answer.treatment`; both are run by `media.answer.supervision`.
"""

from typing import assert_never

from media.answer.activity import MusicTracker, SpeechTracker
from media.answer.features import FrameFeatures
from media.answer.model import (
    ENDS,
    PROGRESS,
    UNDECIDED,
    AgentHeard,
    AmdSays,
    AnswerSettings,
    Decided,
    Heard,
    Input,
    KeyHeard,
    ModelSays,
    Tick,
    Verdict,
    Words,
)
from media.answer.phrases import TextVerdict, judge, person_like
from media.answer.tones import ToneHeard, ToneRun, ToneTracker

GREETING_MS = 700
"""Less speech before a beep is no greeting."""
BEEP_FALLS_DB = 6.0
"""A beep is over when the line is so much quieter than it was: a second tone may follow the first at once."""
NO_MESSAGE = frozenset({Verdict.HOLD_MUSIC, Verdict.IVR, Verdict.CALL_SCREENING})
"""Whoever is there does not record a message after a beep."""
RINGBACK_PERIOD_MS = 6_000
TURNS_JOINED = 4
"""A greeting with pauses arrives as several turns; what they say together counts."""


class AnswerMachine:
    """`handle` returns the verdicts that an input led to, in order."""

    def __init__(self, settings: AnswerSettings) -> None:
        self.verdict = Verdict.LISTENING
        self.final = False
        self.awake = True
        """During a hold: somebody speaks."""
        self._settings = settings
        self._now_ms = 0
        self._speech = SpeechTracker(settings.long_pause_ms)
        self._music = MusicTracker(settings.music_ms, settings.wake_ms)
        self._tones = ToneTracker(settings.beep_min_ms)
        self._beep: ToneRun | None = None
        self._beep_over_ms = 0
        self._ringing_until_ms = 0
        self._agent_heard = False
        self._answered_us = False
        """Words came back for what the agent said, and none of a machine's."""
        self._recorded = False
        """It sounds like a recorded greeting; only words or a beep make it one."""
        self._turns: list[str] = []
        self._awake_ms = self._told_ms = 0
        self._decided: list[Decided] = []

    @property
    def next_deadline_ms(self) -> int | None:
        """When a `Tick` is due should no audio come."""
        settings = self._settings
        due: list[int] = []
        if self.verdict is Verdict.LISTENING:
            due = [settings.silence_ms, settings.decision_timeout_ms]
        elif self.verdict is Verdict.HUMAN and not self.final:
            due = [settings.final_after_ms]
        return min((at for at in due if at > self._now_ms), default=None)

    def pause_ms(self) -> int:
        """How long the callee has been silent."""
        if self._tones.beeping:
            return 0
        # A voice that no ear took for speech has spoken all the same: its words say so.
        told_ms = self._now_ms if self._speech.first_ms is not None else self._now_ms - self._told_ms
        return min(told_ms, self._speech.pause_ms(self._now_ms))

    def handle(self, event: Input, now_ms: int) -> list[Decided]:
        """Take one input. Time never runs backwards: an older `now_ms` counts as the newest."""
        self._now_ms = max(self._now_ms, now_ms)
        if self.verdict in ENDS:
            return []
        match event:
            case Heard(features=features):
                self._hear(features)
            case Words(text=text, final=final):
                self._told_ms = self._now_ms
                self._words(text, final=final)
            case ModelSays():
                self._told_ms = self._now_ms
                self._enter(Verdict.MACHINE, "the model reports voicemail", final=True)
            case AmdSays(status=status):
                if status.upper() == "MACHINE" and self.verdict in UNDECIDED:
                    self._recorded = True
                    self._enter(Verdict.UNCERTAIN, "AMD says machine")
            case KeyHeard(digit=digit):
                if self.verdict in UNDECIDED:
                    self._enter(Verdict.HUMAN, f"key {digit}")
            case AgentHeard():
                self._agent_heard = True
            case Tick():
                pass
            case _:
                assert_never(event)
        self._by_time()
        decided, self._decided = self._decided, []
        return decided

    # --- sound --------------------------------------------------------------------------------------------------
    def _hear(self, frame: FrameFeatures) -> None:
        tone = self._tones.hear(frame, self._now_ms)
        self._music.hear(frame)
        self._speech.hear(frame, self._now_ms, tonal=self._tones.sounding)
        if self._beep is None or frame.level_dbov > self._beep.level_dbov - BEEP_FALLS_DB:
            self._beep_over_ms = self._now_ms
        if tone is not None:
            self._tone(tone)
        self._by_sound()

    def _tone(self, heard: ToneHeard) -> None:
        if self.verdict is Verdict.HOLD_MUSIC and not self.awake:
            return  # notes
        nobody_spoke = self._speech.spoken_ms < GREETING_MS
        match heard.kind:
            case "beep" | "cng" if self._answered_us and self.verdict is Verdict.HUMAN and not self._recorded:
                pass  # a person's line: a call that is recorded, a second call, a key
            case "ced":
                self._enter(Verdict.FAX, "2100 Hz", final=True)
            case "cng" if nobody_spoke:
                self._enter(Verdict.FAX, "1100 Hz", final=True)
            case "sit" | "busy":
                self._enter(Verdict.NETWORK_TONE, heard.kind, final=True)
            case "ringback" if self.verdict is Verdict.MACHINE:
                self._beep = heard.run
            case "ringback":
                self._ringing_until_ms = self._now_ms + RINGBACK_PERIOD_MS
            case "beep" | "cng" if not nobody_spoke or self.verdict is Verdict.MACHINE:
                self._beep = heard.run
            case _:
                pass

    def _by_sound(self) -> None:
        if self.verdict in NO_MESSAGE:
            self._beep = None
        elif self._beep is not None:
            self._after_beep(self._beep)
        if self.verdict is Verdict.HOLD_MUSIC:
            self._during_hold()
        elif self._music.playing and not self._music.speech_like:
            self.awake = False
            self._enter(Verdict.HOLD_MUSIC, "music", final=True)
        elif self.verdict in UNDECIDED or not self.final:
            self._by_speech()

    def _after_beep(self, beep: ToneRun) -> None:
        if self._speech.speaking and self._speech.last_active_ms > beep.end_ms + 2 * self._settings.beep_min_ms:
            self._beep = None
        elif self._now_ms >= self._beep_over_ms + self._settings.message_after_beep_ms and not self._tones.beeping:
            self._beep = None
            self._enter(Verdict.BEEP, f"beep of {beep.duration_ms} ms at {beep.hz:.0f} Hz", final=True)

    def _by_speech(self) -> None:
        speech, stretch_ms = self._speech, self._speech.stretch_ms
        if self._agent_heard:
            self._recorded = False
        elif stretch_ms >= self._settings.long_speech_ms:
            self._recorded = True
            if self.verdict in UNDECIDED or self.verdict is Verdict.HUMAN:
                self._enter(Verdict.UNCERTAIN, f"{stretch_ms} ms of speech without a pause")
        if self._recorded or self.verdict not in UNDECIDED:
            return
        if stretch_ms and speech.resting and not self._tones.sounding:
            pause_ms = speech.pause_ms(self._now_ms)
            if pause_ms >= self._pause_wanted_ms(stretch_ms):
                self._enter(Verdict.HUMAN, f"{stretch_ms} ms of speech, then {pause_ms} ms of silence")

    def _pause_wanted_ms(self, stretch_ms: int) -> int:
        """Machines pause between sentences: the more was said, the longer is the pause that makes a person."""
        settings = self._settings
        steps = (
            (settings.hello_ms, settings.hello_pause_ms),
            (settings.short_speech_ms, settings.human_pause_ms),
            (settings.sentence_ms, settings.sentence_pause_ms),
        )
        return next(
            (pause_ms for up_to_ms, pause_ms in steps if stretch_ms <= up_to_ms), settings.company_pause_ms
        )

    def _during_hold(self) -> None:
        if not self.awake:
            if self._music.speech_like:
                self.awake, self._awake_ms = True, self._now_ms
        elif self._music.playing and self._now_ms > self._awake_ms + self._settings.music_ms:
            self.awake = False
        elif not self._music.playing and self._now_ms > self._awake_ms + self._settings.music_ms:
            self._agent_heard = True  # whoever speaks after a hold says more than a greeting
            self._enter(Verdict.HUMAN, "speech after hold music")

    # --- words --------------------------------------------------------------------------------------------------
    def _words(self, text: str, *, final: bool) -> None:
        told = judge(text)
        if told is None and not self._agent_heard:
            told = judge(" ".join((*self._turns, text)))
        if final:
            self._turns = [*self._turns, text][-TURNS_JOINED:]
        if final and self._agent_heard:
            self._answered_us = told is None or told.verdict is Verdict.HUMAN
        if told is None:
            self._plain_words(text, final=final)
        elif told.verdict is Verdict.HUMAN:
            if self.verdict is not Verdict.MACHINE or not self.final:
                self._enter(Verdict.HUMAN, f"words: {told.words}", final=final)
        elif told.verdict is Verdict.HOLD_MUSIC:
            self.awake = self.awake and self.verdict is not Verdict.HOLD_MUSIC
        else:
            self._robot_words(told, final=final)

    def _plain_words(self, text: str, *, final: bool) -> None:
        if final and self.verdict is Verdict.MACHINE and not self.final:
            self._enter(Verdict.UNCERTAIN, "the whole turn does not confirm it")
        waited = self.verdict is Verdict.HOLD_MUSIC and self.awake
        person = person_like(text) and (self.verdict in UNDECIDED or self.verdict is Verdict.HUMAN)
        if final and (waited or person):
            self._enter(Verdict.HUMAN, "a person's words", final=waited or self._agent_heard)

    def _robot_words(self, told: TextVerdict, *, final: bool) -> None:
        if (
            told.verdict is Verdict.IVR
            and self.verdict in {Verdict.MACHINE, Verdict.CALL_SCREENING}
            and self.final
        ):
            return
        hinted = told.verdict is Verdict.MACHINE and not told.certain
        if hinted and not self._recorded and self.verdict is not Verdict.MACHINE:
            self._recorded = True
            self._enter(Verdict.UNCERTAIN, f"words: {told.words}")
            return
        self._enter(told.verdict, f"words: {told.words}", final=final)

    # --- time ---------------------------------------------------------------------------------------------------
    def _by_time(self) -> None:
        settings, now_ms = self._settings, self._now_ms
        if self.verdict is Verdict.HUMAN and not self.final and now_ms >= settings.final_after_ms:
            self._enter(Verdict.HUMAN, "nobody doubted it", final=True)
        if self.verdict is not Verdict.LISTENING:
            return
        silent = not self._speech.stretch_ms and not self._tones.sounding and now_ms >= self._ringing_until_ms
        if silent and now_ms >= settings.silence_ms:
            self._enter(Verdict.SILENCE, f"no speech for {now_ms} ms")
        elif now_ms >= settings.decision_timeout_ms:
            self._enter(Verdict.UNCERTAIN, f"no decision in {now_ms} ms")

    def _enter(self, verdict: Verdict, evidence: str, *, final: bool = False) -> None:
        """The only writer of `verdict` and `final`."""
        if verdict is self.verdict:
            if self.final or not final:
                return
        elif self.final and verdict not in PROGRESS.get(self.verdict, frozenset()):
            return
        self.verdict, self.final = verdict, final
        self._decided.append(Decided(verdict=verdict, final=final, at_ms=self._now_ms, evidence=evidence))
