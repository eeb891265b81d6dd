"""The callee's side of the conversation: when they speak, and what the transcription says they said.

Transcripts are rough, asynchronous and may come out of order; each belongs to the item its speech events named.
Called by `media.realtime.conversation`.
"""

from typing import assert_never

from media.realtime import events as ev
from media.realtime.input_audio import InputAudio
from media.realtime.notifications import SpeechStarted, SpeechStopped, TranscriptionUsed
from media.realtime.outbox import Outbox
from media.realtime.pricing import PRICE_TABLE, transcription_cost
from media.realtime.transcript import CalleeItem, TurnLedger

PADDING_MS = 200
"""Silence after a turn that is said again."""


class CalleeTurns:
    """Keeps when each callee item was spoken and reports it once its words are known."""

    def __init__(self, outbox: Outbox, ledger: TurnLedger, audio: InputAudio, model: str) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._audio = audio
        self._model = model
        self.untold: list[CalleeItem] = []
        """Turns of a session that died before it had written them down."""

    def event(self, event: ev.InputEvent, now: float) -> None:
        """One event about a callee item."""
        match event:
            case ev.InputSpeechStarted():
                self._speech_started(event)
            case ev.InputSpeechStopped():
                self._speech_stopped(event)
            case ev.InputCommitted():
                self._ledger.callee_item(event.item_id, self._audio.position_ms).over = True
            case ev.TranscriptionDelta():
                self._delta(event, now)
            case ev.TranscriptionCompleted():
                self._completed(event)
            case ev.TranscriptionFailed():
                self._failed(event, now)
            case _:
                assert_never(event)

    def forget(self, item_id: str) -> None:
        """It was no turn: our own voice came back."""
        self._ledger.callee_item(item_id, self._audio.position_ms).reported = True

    def lost(self) -> None:
        """The session is gone, and with it every transcript on its way: those turns are to be said again to the
        next session (`recovered`); the one being spoken is heard there anew, from its first word.
        """
        for item in self._ledger.awaited:
            if item.over:
                if item not in self.untold:
                    self.untold.append(item)
            else:
                item.reported = True
                self._audio.keep_from(item.start_ms)

    def untold_words(self, item: CalleeItem) -> bytes:
        """Audio of a turn whose words nobody wrote down, as the next session shall hear it."""
        return self._audio.between(item.start_ms, item.end_ms + PADDING_MS)

    def forget_old(self) -> None:
        """Turns that lie further back than audio is remembered cannot be said again: the words there are count."""
        for item in [one for one in self.untold if not self.untold_words(one)]:
            self.untold.remove(item)
            self._report(item.item_id, item.text)

    def recovered(self, event: ev.InputEvent, now: float) -> None:
        """The next session has the first of those turns under an id of its own, and writes its words down."""
        match event:
            case ev.InputCommitted() if self.untold:
                item = self.untold.pop(0)
                item.text = ""
                self._ledger.callee[event.item_id] = self._ledger.callee.pop(item.item_id, item)
            case ev.TranscriptionDelta() | ev.TranscriptionCompleted() | ev.TranscriptionFailed():
                self.event(event, now)
            case _:
                pass

    def abandon(self, now: float) -> None:
        """The call is over: transcripts on their way never arrive, only the words there are count."""
        awaited = self._ledger.awaited
        for item in awaited:
            self._report(item.item_id, item.text)
        if awaited:
            self._outbox.fault("transcription_lost", f"{len(awaited)} turns ended without a transcript", now)

    def _speech_started(self, event: ev.InputSpeechStarted) -> None:
        audio_ms = self._audio.call_ms(event.audio_start_ms)
        item = self._ledger.callee_item(event.item_id, audio_ms)
        item.start_ms = item.end_ms = audio_ms
        self._outbox.notify(SpeechStarted(audio_ms=audio_ms))

    def _speech_stopped(self, event: ev.InputSpeechStopped) -> None:
        audio_ms = self._audio.call_ms(event.audio_end_ms)
        item = self._ledger.callee_item(event.item_id, audio_ms)
        item.end_ms, item.over = audio_ms, True
        self._outbox.notify(SpeechStopped(audio_ms=audio_ms))

    def _delta(self, event: ev.TranscriptionDelta, now: float) -> None:
        item = self._ledger.callee_item(event.item_id, self._audio.position_ms)
        if item.reported:
            return
        item.text += event.delta
        partial = self._ledger.partial(item, now)
        if partial is not None:
            self._outbox.notify(partial)

    def _completed(self, event: ev.TranscriptionCompleted) -> None:
        if not self._report(event.item_id, event.transcript):
            return
        usage = event.usage
        used = TranscriptionUsed(
            item_id=event.item_id,
            model=self._model,
            seconds=(usage and usage.seconds) or 0.0,
            cost_micro_usd=transcription_cost(self._model, usage),
            price_table=PRICE_TABLE,
        )
        self._outbox.notify(used)

    def _failed(self, event: ev.TranscriptionFailed, now: float) -> None:
        if self._report(event.item_id, ""):
            self._outbox.fault("transcription_failed", event.error.message or event.error.code or "", now)

    def _report(self, item_id: str, text: str) -> bool:
        """False if it was reported before."""
        item = self._ledger.callee_item(item_id, self._audio.position_ms)
        if item.reported:
            return False
        turn = self._ledger.callee_turn(item, text)
        if turn is not None:
            self._outbox.notify(turn)
        return True
