"""Turn taking of one simulated session: appended audio becomes turns, turns become user items and answers.

The orders are the API's: speech_started, speech_stopped, committed, item added and done, then the response; the
transcript floats. Called by `session`.
"""

from typing import Protocol

import msgspec

from app.sim.realtime import items
from app.sim.realtime.brain import BrainEvent, Cause, Guesser
from app.sim.realtime.conversation import Item
from app.sim.realtime.faults import Fault, FaultKind, Stage
from app.sim.realtime.hearing import Hearing, IdleTimeout, Signal, Turn, TurnStarted
from app.sim.realtime.protocol_check import Json, Refusal
from app.sim.realtime.recognizer import Recognizer
from app.sim.realtime.responder import Kit
from app.sim.realtime.response import ResponseWriter
from app.sim.realtime.transcriber import Transcriber


class HeardTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the callee, for assertions; times on the input clock."""

    item_id: str
    text: str
    start_ms: int
    end_ms: int


class Answers(Protocol):
    """What turn taking asks of the responder."""

    def start(self, config: Json, event: BrainEvent, params: Json) -> Refusal | None:
        """Begin a response."""
        ...

    def cancel(self, reason: str, response_id: str | None = None) -> bool:
        """Cut the response in the default slot off."""
        ...


class TurnTaking:
    """Feed audio and commits; events go out through the kit's outbox."""

    def __init__(self, kit: Kit, answers: Answers, config: Json) -> None:
        self._kit = kit
        self._answers = answers
        self._config = config
        self._item_id = ""
        self._recognizer = Recognizer(kit.options.vocabulary)
        self._transcriber = Transcriber(kit.outbox, kit.options.transcript_ms)
        self._input: Json = config["audio"]["input"]
        self.hearing = Hearing(self._input["format"]["type"], self._detection)
        self.heard: list[HeardTurn] = []

    @property
    def _detection(self) -> Json | None:
        return self._input["turn_detection"]

    def configure(self, config: Json) -> None:
        """Apply a session update."""
        self._config, self._input = config, config["audio"]["input"]
        self.hearing.configure(self._input["format"]["type"], self._detection)

    def append(self, audio: bytes) -> None:
        """The next audio of the callee."""
        for signal in self.hearing.append(audio):
            self._signal(signal, self._detection or {})

    def commit(self) -> Refusal | None:
        """End the turn by hand."""
        turn = self.hearing.commit()
        if turn is None:
            why = "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio."
            return Refusal(code="input_audio_buffer_commit_empty", message=why)
        self._add(turn)
        return None

    def clear(self) -> None:
        """Forget the uncommitted audio."""
        self.hearing.clear()
        self._item_id = ""
        self._kit.outbox.send("input_audio_buffer.cleared")

    def response_finished(self, writer: ResponseWriter) -> None:
        """Idle time counts from where the response's audio ends if it is played as it arrives."""
        idle_ms: int | None = (self._detection or {}).get("idle_timeout_ms")
        if idle_ms is not None:
            self.hearing.arm_idle(self.hearing.clock_ms + writer.audio_ms + idle_ms)

    def _signal(self, signal: Signal, detection: Json) -> None:
        match signal:
            case TurnStarted():
                self._item_id = self._kit.outbox.new_id("item")
                place = {"audio_start_ms": signal.audio_start_ms, "item_id": self._item_id}
                self._kit.outbox.send("input_audio_buffer.speech_started", **place)
                if detection.get("interrupt_response", True):
                    self._answers.cancel("turn_detected")
            case IdleTimeout(turn=turn):
                self._item_id = self._kit.outbox.new_id("item")
                times = {"audio_start_ms": turn.start_ms, "audio_end_ms": turn.end_ms}
                self._kit.outbox.send("input_audio_buffer.timeout_triggered", **times, item_id=self._item_id)
                self._add(turn)
                self._answer(BrainEvent(cause=Cause.IDLE))
            case Turn():
                place = {"audio_end_ms": signal.end_ms, "item_id": self._item_id}
                self._kit.outbox.send("input_audio_buffer.speech_stopped", **place)
                self._add(signal)
                if detection.get("create_response", True):
                    self._answer(BrainEvent(cause=Cause.TURN, text=self.heard[-1].text))

    def _add(self, turn: Turn) -> None:
        """Commit: the audio becomes a user item, and its transcript is on the way."""
        text = self._recognizer.read(turn.text) or self._guess()
        outbox, conversation = self._kit.outbox, self._kit.conversation
        item_id, self._item_id = self._item_id or outbox.new_id("item"), ""
        self.heard.append(HeardTurn(item_id=item_id, text=text, start_ms=turn.start_ms, end_ms=turn.end_ms))
        item = Item(id=item_id, body=items.user_audio(item_id), audio_ms=turn.audio_ms, said=text)
        previous = conversation.append(item)
        outbox.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        items.announce(outbox, item, previous)
        fault = self._fault()
        if settings := self._input["transcription"]:
            self._kit.spawn(self._transcriber.transcribe(item, settings, fault))

    def _guess(self) -> str:
        brain = self._kit.brain
        return brain.guess(self._config["instructions"]) if isinstance(brain, Guesser) else ""

    def _fault(self) -> Fault | None:
        """The turn's fault; a late speech_started is for the speech after it."""
        fault = self._kit.faults.take(Stage.TURN)
        if fault is not None and fault.kind is FaultKind.LATE_SPEECH_STARTED:
            self.hearing.delay_start(int(fault.seconds * 1_000))
            return None
        return fault

    def _answer(self, event: BrainEvent) -> None:
        if refusal := self._answers.start(self._config, event, {}):
            self._kit.outbox.refuse(refusal)
