"""A session under test with a scripted server: JSON in, effects out, client events checked by the SDK's types."""

import base64
import json
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel, Field, TypeAdapter

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.client_events import encode
from media.realtime.decoding import decode
from media.realtime.session import RealtimeSession
from media.realtime.settings import RealtimeSettings

CLIENT_EVENTS: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeClientEvent, Field(discriminator="type")])


def unknown_fields(value: object, path: str = "") -> list[str]:
    """Fields the SDK's models do not declare, all the way down."""
    found: list[str] = []
    if isinstance(value, BaseModel):
        found += [f"{path}.{name}" for name in value.model_extra or ()]
        for name in type(value).model_fields:
            found += unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            found += unknown_fields(part, f"{path}[{index}]")
    return found


def checked(frame: bytes) -> dict[str, Any]:
    """A client event as JSON, after strict validation."""
    event = CLIENT_EVENTS.validate_json(frame)
    assert unknown_fields(event) == []
    body: dict[str, Any] = json.loads(frame)
    assert body["event_id"]
    return body


def settings(**changes: object) -> RealtimeSettings:
    """Plain settings with some changes."""
    plain: dict[str, Any] = {
        "url": "ws://127.0.0.1:1/v1/realtime",
        "api_key": "sk-test",
        "model": "gpt-realtime-2.1",
        "instructions": "You call about a table.",
        "greeting": "Hello, this is Ada.",
    }
    return RealtimeSettings(**(plain | changes))


class Talk:
    """Drives one session through virtual time; `sent`, `reports`, `of` tell of the last step."""

    def __init__(self, continued: tuple[nt.Turn, ...] | None = None, **changes: object) -> None:
        self.settings = settings(**changes)
        self.session = RealtimeSession(self.settings, continued)
        self.now = 100.0
        self.effects: list[sm.Effect] = []
        self.all_sent: list[dict[str, Any]] = []
        self.all_reports: list[nt.Notification] = []
        self._take(self.session.start(self.now))

    # --- results of the last step -------------------------------------------------------------------------------
    @property
    def sent(self) -> list[dict[str, Any]]:
        return [checked(encode(effect.event)) for effect in self.effects if isinstance(effect, sm.Send)]

    @property
    def sent_types(self) -> list[str]:
        return [event["type"] for event in self.sent]

    @property
    def reports(self) -> list[nt.Notification]:
        return [effect.report for effect in self.effects if isinstance(effect, sm.Notify)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in (*self.effects, *self.reports) if isinstance(effect, kind)]

    def every(self, kind: type[Any]) -> list[Any]:
        return [report for report in self.all_reports if isinstance(report, kind)]

    @property
    def played(self) -> bytes:
        return b"".join(effect.audio for effect in self.of(sm.Play))

    @property
    def last_create(self) -> dict[str, Any]:
        return next(event for event in reversed(self.all_sent) if event["type"] == "response.create")

    # --- inputs -------------------------------------------------------------------------------------------------
    def put(self, event: sm.Input, after_s: float = 0.0) -> "Talk":
        self.now += after_s
        self._take(self.session.handle(event, self.now))
        return self

    def serve(self, event_type: str, after_s: float = 0.0, **fields: object) -> "Talk":
        frame = msgspec.json.encode({"type": event_type, "event_id": "event_1", **fields})
        return self.put(sm.ServerFrame(event=decode(frame)), after_s)

    def tick_to_deadline(self) -> "Talk":
        deadline = self.session.next_deadline
        assert deadline is not None
        return self.put(sm.Tick(), max(0.0, deadline - self.now))

    # --- the usual sequences ------------------------------------------------------------------------------------
    def configured(self, **session: object) -> "Talk":
        side = {"format": {"type": self.settings.audio_format}}
        self.put(sm.Connected(at_unix_s=1_000_000.0))
        self.serve("session.created", session={"id": "sess_1", "expires_at": 1_003_600} | session)
        confirmed = {"id": "sess_1", "audio": {"input": side, "output": side}}
        self.serve("session.updated", session=confirmed)
        if "session.update" in self.sent_types:  # the first of two steps: turns are heard again
            first = self.effects
            for number in range(self.sent_types.count("input_audio_buffer.commit")):
                self.serve("input_audio_buffer.committed", item_id=f"item_again{number}")
            self.serve("session.updated", session=confirmed)
            self.effects = [*first, *self.effects]
        return self

    def in_call(self) -> "Talk":
        self.configured()
        return self.put(sm.Answered())

    def hear(self, duration_ms: int) -> "Talk":
        """Callee audio of this length, in 20 ms pieces."""
        for _ in range(duration_ms // 20):
            self.now += 0.020
            self.session.append(b"\xff" * 160)
        return self

    def speech_started(self, item: str = "item_u1", at_ms: int = 0) -> "Talk":
        return self.serve("input_audio_buffer.speech_started", item_id=item, audio_start_ms=at_ms)

    def speech_stopped(self, item: str = "item_u1", at_ms: int = 0) -> "Talk":
        return self.serve("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=at_ms)

    def created(self, response: str = "resp_1", *, ours: bool = False) -> "Talk":
        metadata = self.last_create["response"]["metadata"] if ours else None
        body = {"id": response, "status": "in_progress", "metadata": metadata}
        return self.serve("response.created", response=body)

    def delta(self, duration_ms: int, response: str = "resp_1", item: str = "item_a1") -> "Talk":
        audio = base64.b64encode(b"\x55" * (8 * duration_ms)).decode()
        return self.serve(
            "response.output_audio.delta", response_id=response, item_id=item, content_index=0, delta=audio
        )

    def words(self, text: str, response: str = "resp_1", item: str = "item_a1") -> "Talk":
        return self.serve(
            "response.output_audio_transcript.delta",
            response_id=response,
            item_id=item,
            content_index=0,
            delta=text,
        )

    def spoken(
        self, duration_ms: int, text: str = "Hello.", response: str = "resp_1", item: str = "item_a1"
    ) -> "Talk":
        """One whole spoken item, but not the end of its response."""
        ids = {"response_id": response, "item_id": item, "content_index": 0}
        message = {"id": item, "type": "message", "role": "assistant", "status": "in_progress"}
        self.serve("response.output_item.added", response_id=response, item=message)
        self.words(text, response, item)
        self.delta(duration_ms, response, item)
        play = self.effects
        self.serve("response.output_audio.done", **ids)
        finish = self.effects
        self.serve("response.output_audio_transcript.done", transcript=text, **ids)
        self.serve("response.output_item.done", response_id=response, item=message | {"status": "completed"})
        self.effects = [*play, *finish, *self.effects]
        return self

    def called(self, call: str, name: str = "end_call", arguments: str = "{}", response: str = "resp_1") -> "Talk":
        """One whole function call item."""
        item = {"id": f"item_{call}", "type": "function_call", "call_id": call, "name": name}
        self.serve("response.output_item.added", response_id=response, item=item | {"status": "in_progress"})
        self.serve(
            "response.function_call_arguments.done",
            response_id=response,
            item_id=f"item_{call}",
            call_id=call,
            arguments=arguments,
        )
        told = self.effects
        whole = item | {"status": "completed", "arguments": arguments}
        self.serve("response.output_item.done", response_id=response, item=whole)
        self.effects = [*told, *self.effects]
        return self

    def done(self, response: str = "resp_1", status: str = "completed", **fields: object) -> "Talk":
        return self.serve("response.done", response={"id": response, "status": status, "output": [], **fields})

    def said(
        self, duration_ms: int, text: str = "Hello.", response: str = "resp_1", item: str = "item_a1"
    ) -> "Talk":
        """One whole response of the server's own, generated and begun to be played."""
        self.created(response).spoken(duration_ms, text, response, item).done(response)
        return self.put(sm.PlaybackStarted(item_id=item, audio_ms=self.session.position_ms))

    def flushed(self, *heard: tuple[str, int, int, bool]) -> "Talk":
        """The playout's answer to FlushPlayback: (item, heard ms, received ms, finished)."""
        items: Iterable[sm.HeardItem] = (
            sm.HeardItem(
                item_id=item, content_index=0, heard_ms=heard_ms, received_ms=received_ms, finished=finished
            )
            for item, heard_ms, received_ms, finished in heard
        )
        return self.put(sm.PlaybackFlushed(items=tuple(items), audio_ms=self.session.position_ms))

    # --- inside -------------------------------------------------------------------------------------------------
    def _take(self, effects: list[sm.Effect]) -> None:
        self.effects = effects
        self.all_sent += self.sent
        self.all_reports += self.reports
