"""Makes the responses of one simulated session: asks the brain, speaks, calls tools.

There is one default response slot; `conversation: none` responses run beside it. `session` starts and cancels,
both synchronously, so the order of events never depends on how tasks are scheduled.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

import msgspec

from app.sim.realtime import codec, request, speech
from app.sim.realtime.brain import Brain, BrainEvent
from app.sim.realtime.conversation import Conversation, Item
from app.sim.realtime.faults import FaultKind, FaultPlan, Stage
from app.sim.realtime.generation import CutShort, Generation, Spoken
from app.sim.realtime.options import SimOptions
from app.sim.realtime.outbox import Outbox
from app.sim.realtime.protocol_check import Json, Refusal
from app.sim.realtime.response import ResponseWriter
from app.sim.realtime.usage import InputLedger
from app.sim.voice import Voice


class Kit(msgspec.Struct, frozen=True, kw_only=True):
    """What a session's responses are made with."""

    outbox: Outbox
    conversation: Conversation
    conversation_id: str
    brain: Brain
    voice: Voice
    options: SimOptions
    faults: FaultPlan
    random: Random
    spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Responder:
    """Starts, cancels and remembers the responses of a session."""

    def __init__(self, kit: Kit, on_finished: Callable[[ResponseWriter], None]) -> None:
        self._kit = kit
        self._on_finished = on_finished
        self._ledger = InputLedger()
        self._beside: dict[str, Generation] = {}
        self._writers: list[ResponseWriter] = []
        self._active: Generation | None = None

    @property
    def active(self) -> ResponseWriter | None:
        """The response in the default slot."""
        return self._active.writer if self._active else None

    @property
    def audio_sent(self) -> bool:
        """Whether the voice is fixed by now."""
        return any(writer.audio_ms for writer in self._writers)

    @property
    def spoken(self) -> list[Spoken]:
        """Every message so far."""
        return [
            Spoken(
                item_id=item.id,
                response_id=writer.id,
                text=item.said,
                audio_ms=item.generated_ms,
                truncated_at_ms=item.truncated_at_ms,
                status=item.body["status"],
            )
            for writer in self._writers
            for item in writer.outputs
            if item.role == "assistant"
        ]

    def start(self, config: Json, event: BrainEvent, params: Json) -> Refusal | None:
        """Begin a response; refused while the default slot is taken. `params` is `response` of response.create."""
        if self._active is not None and not event.out_of_band:
            return request.slot_taken(self._active.writer.id)
        effective = request.effective(config, params)
        step = self._kit.brain.answer(
            event, request.view(effective, self._kit.conversation, config["instructions"])
        )
        planned = self._kit.faults.take(Stage.RESPONSE)
        generation = Generation(
            writer=self._writer(effective, params),
            step=step,
            faults=[*step.faults, *([planned] if planned else [])],
            config=effective,
            outbox=self._kit.outbox,
        )
        self._place(generation, beside=event.out_of_band)
        generation.announce()
        generation.task = self._kit.spawn(self._generate(generation))
        return None

    def cancel(self, reason: str, response_id: str | None = None) -> bool:
        """Cut a response off, the default one without an id; False when there is none."""
        active = self._active
        is_default = response_id is None or (active is not None and active.writer.id == response_id)
        generation = active if is_default else self._beside.get(response_id or "")
        if generation is None:
            return False
        generation.writer.finish("cancelled", reason=reason)
        if generation.task is not None:
            generation.task.cancel()
        self._finished(generation)
        return True

    async def _generate(self, generation: Generation) -> None:
        step, options = generation.step, self._kit.options
        try:
            generation.strike_at_once()
            latency_ms = options.first_delta_ms if step.latency_ms is None else step.latency_ms
            await asyncio.sleep(latency_ms / 1_000)
            for text in filter(None, (step.preamble, step.say)):
                await self._message(generation, text)
            for name, arguments in generation.calls():
                generation.writer.tool_call(name, arguments)
            await generation.strike_due(last=True)
            generation.writer.finish("completed")
        except CutShort:
            pass
        self._finished(generation)
        if step.close:
            self._kit.outbox.close(step.close)

    async def _message(self, generation: Generation, text: str) -> None:
        wants_audio = generation.config["output_modalities"] == ["audio"]
        audio = wants_audio and not generation.take(FaultKind.TEXT_ONLY)
        generation.writer.begin_message(audio=audio)
        if audio:
            await self._speak(generation, text)
        else:
            for piece in speech.pieces(text):
                generation.writer.text_delta(piece)
        generation.writer.end_message()

    async def _speak(self, generation: Generation, text: str) -> None:
        kit, audio_format = self._kit, generation.config["audio"]["output"]["format"]["type"]
        audio = await asyncio.to_thread(speech.spoken, kit.voice, text, audio_format)
        for chunk in speech.chunks(text, audio, audio_format, span_ms=kit.options.delta_ms, random=kit.random):
            await generation.strike_due()
            generation.check_token_limit()
            generation.writer.audio_delta(chunk.audio, chunk.words)
            generation.last_audio = chunk.audio
            generation.deltas += 1
            await asyncio.sleep(chunk.duration_ms / 1_000 / kit.options.speed)
        await generation.strike_due()

    def _writer(self, config: Json, params: Json) -> ResponseWriter:
        kit = self._kit
        in_band = not request.is_out_of_band(params)
        context = kit.conversation.items
        head = request.head(
            config, params, response_id=kit.outbox.new_id("resp"), conversation_id=kit.conversation_id
        )

        def usage(outputs: Sequence[Item]) -> Json:
            ledger = self._ledger if in_band else InputLedger()
            return ledger.usage(request.context_prefix(config), context, outputs)

        writer = ResponseWriter(
            emit=kit.outbox.send,
            new_id=kit.outbox.new_id,
            conversation=kit.conversation if in_band else None,
            head=head,
            bytes_per_ms=codec.bytes_per_ms(config["audio"]["output"]["format"]["type"]),
            usage=usage,
        )
        self._writers.append(writer)
        return writer

    def _place(self, generation: Generation, *, beside: bool) -> None:
        if beside:
            self._beside[generation.writer.id] = generation
        else:
            self._active = generation

    def _finished(self, generation: Generation) -> None:
        self._beside.pop(generation.writer.id, None)
        if self._active is generation:
            self._active = None
            self._on_finished(generation.writer)
