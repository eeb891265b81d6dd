"""Input transcription of a simulated session: the text of a turn, some time after its commit."""

import asyncio

from app.sim.realtime.conversation import Item
from app.sim.realtime.faults import Fault, FaultKind
from app.sim.realtime.outbox import Outbox
from app.sim.realtime.protocol_check import Json
from app.sim.realtime.usage import transcription_usage

_EVENT = "conversation.item.input_audio_transcription"


class Transcriber:
    """Sends delta and completed, or failed; a late transcript waits for the one after it."""

    def __init__(self, outbox: Outbox, delay_ms: int) -> None:
        self._outbox = outbox
        self._delay_ms = delay_ms
        self._late: list[tuple[Item, str]] = []

    async def transcribe(self, item: Item, settings: Json, fault: Fault | None) -> None:
        """`settings` is `audio.input.transcription`, which names the model."""
        await asyncio.sleep(self._delay_ms / 1_000)
        model: str = settings.get("model") or "gpt-transcribe"
        if fault is not None and fault.kind is FaultKind.TRANSCRIPTION_FAILED:
            error = {"type": "transcription_error", "code": fault.code, "message": f"Simulated {fault.code}."}
            self._outbox.send(f"{_EVENT}.failed", item_id=item.id, content_index=0, error=error)
        elif fault is not None and fault.kind is FaultKind.LATE_TRANSCRIPT:
            self._late.append((item, model))
        else:
            self._complete(item, model)
            for late, late_model in self._late:
                self._complete(late, late_model)
            self._late.clear()

    def _complete(self, item: Item, model: str) -> None:
        place = {"item_id": item.id, "content_index": 0}
        if item.said:
            self._outbox.send(f"{_EVENT}.delta", **place, delta=item.said)
        item.body["content"][0]["transcript"] = item.said
        usage = transcription_usage(model, item.audio_ms, item.said)
        self._outbox.send(f"{_EVENT}.completed", **place, transcript=item.said, usage=usage)
