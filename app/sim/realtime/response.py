"""The events of one response in the order of the API, whatever happens to it: completed, cut, failed. Pure.

`responder` decides when; this decides what. Every method emits at once through the given `emit`, and whichever
part is open when the response is interrupted gets its `done` events with status incomplete.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Protocol

from app.sim.realtime import speech
from app.sim.realtime.conversation import Conversation, Item
from app.sim.realtime.protocol_check import Json


class Emit(Protocol):
    """Sends one server event."""

    def __call__(self, type: str, **fields: Any) -> None:
        """`type` and the other fields of the event."""
        ...


class ResponseWriter:
    """One response; `head` is what its resource says from the start (id, conversation, format, metadata)."""

    def __init__(
        self,
        *,
        emit: Emit,
        new_id: Callable[[str], str],
        conversation: Conversation | None,
        head: Json,
        bytes_per_ms: int,
        usage: Callable[[Sequence[Item]], Json],
    ) -> None:
        self._emit = emit
        self._new_id = new_id
        self._conversation = conversation
        self._head = head
        self._bytes_per_ms = bytes_per_ms
        self._usage = usage
        self._open: Item | None = None
        self._audio_bytes = 0
        self.outputs: list[Item] = []
        self.finished = False

    @property
    def id(self) -> str:
        """The response's id."""
        return self._head["id"]

    @property
    def is_open(self) -> bool:
        """Whether an item is being written."""
        return self._open is not None

    @property
    def audio_ms(self) -> int:
        """Audio generated in all its items."""
        return sum(item.generated_ms for item in self.outputs)

    def open(self) -> None:
        """response.created."""
        self._emit("response.created", response=self._resource("in_progress"))

    def begin_message(self, *, audio: bool) -> None:
        """A message item with one part, audio or text."""
        part: Json = {"type": "output_audio", "transcript": ""} if audio else {"type": "output_text", "text": ""}
        self._begin({"type": "message", "role": "assistant", "content": [part]})
        shown: Json = {"type": "audio", "transcript": ""} if audio else {"type": "text", "text": ""}
        self._emit("response.content_part.added", **self._part_place(), part=shown)
        self._audio_bytes = 0

    def audio_delta(self, audio: bytes, words: str) -> None:
        """Words first, then their audio, as the API does."""
        item = self._current()
        if words:
            item.said += words
            item.body["content"][0]["transcript"] += words
            self._emit("response.output_audio_transcript.delta", **self._part_place(), delta=words)
        self._audio_bytes += len(audio)
        item.audio_ms = item.generated_ms = self._audio_bytes // self._bytes_per_ms
        self.repeat_audio(audio)

    def repeat_audio(self, audio: bytes) -> None:
        """A delta that is not counted: the duplicate of a faulty server."""
        self._emit("response.output_audio.delta", **self._part_place(), delta=b64encode(audio).decode())

    def text_delta(self, words: str) -> None:
        """A piece of a text answer."""
        item = self._current()
        item.said += words
        item.body["content"][0]["text"] += words
        self._emit("response.output_text.delta", **self._part_place(), delta=words)

    def end_message(self, status: str = "completed") -> None:
        """The done events of the open message."""
        item, place = self._current(), self._part_place()
        if item.body["content"][0]["type"] == "output_audio":
            self._emit("response.output_audio.done", **place)
            self._emit("response.output_audio_transcript.done", **place, transcript=item.said)
            self._emit("response.content_part.done", **place, part={"type": "audio", "transcript": item.said})
        else:
            self._emit("response.output_text.done", **place, text=item.said)
            self._emit("response.content_part.done", **place, part={"type": "text", "text": item.said})
        self._end(status)

    def tool_call(self, name: str, arguments: str) -> None:
        """A function call item, complete."""
        tool_call_id = self._new_id("call")
        self._begin({"type": "function_call", "name": name, "call_id": tool_call_id, "arguments": ""})
        place = self._place() | {"call_id": tool_call_id}
        for piece in speech.pieces(arguments):
            self._emit("response.function_call_arguments.delta", **place, delta=piece)
        self._current().body["arguments"] = arguments
        self._emit("response.function_call_arguments.done", **place, name=name, arguments=arguments)
        self._end("completed")

    def finish(self, status: str, *, reason: str = "", error: Json | None = None) -> None:
        """response.done; an item still open ends as incomplete first."""
        if self._open is not None:
            self.end_message("incomplete")
        self.finished = True
        details: Json | None = None
        if status != "completed":
            details = (
                {"type": status} | ({"reason": reason} if reason else {}) | ({"error": error} if error else {})
            )
        resource = self._resource(status) | {"status_details": details, "usage": self._usage(self.outputs)}
        self._emit("response.done", response=resource)

    def _resource(self, status: str) -> Json:
        output = [deepcopy(item.body) for item in self.outputs]
        blank: Json = {"object": "realtime.response", "status_details": None, "usage": None}
        return blank | self._head | {"status": status, "output": output}

    def _begin(self, body: Json) -> None:
        item_id = self._new_id("item")
        identity: Json = {"id": item_id, "object": "realtime.item", "status": "in_progress"}
        item = self._open = Item(id=item_id, body=identity | body)
        self.outputs.append(item)
        shown = _without_content(item.body)
        self._emit("response.output_item.added", **self._response_place(), item=shown)
        if self._conversation is not None:
            previous = self._conversation.append(item)
            self._emit("conversation.item.added", previous_item_id=previous, item=shown)

    def _end(self, status: str) -> None:
        item, self._open = self._current(), None
        item.body["status"] = status
        shown = deepcopy(item.body)
        index = {"response_id": self.id, "output_index": len(self.outputs) - 1}
        self._emit("response.output_item.done", **index, item=shown)
        if self._conversation is not None:
            self._emit("conversation.item.done", previous_item_id=self._before(item), item=shown)

    def _before(self, item: Item) -> str | None:
        items = self._conversation.items if self._conversation else ()
        ids = [other.id for other in items]
        index = ids.index(item.id) if item.id in ids else 0
        return ids[index - 1] if index else None

    def _current(self) -> Item:
        if self._open is None:
            raise RuntimeError("no output item is open")
        return self._open

    def _response_place(self) -> Json:
        return {"response_id": self.id, "output_index": len(self.outputs) - 1}

    def _place(self) -> Json:
        return self._response_place() | {"item_id": self._current().id}

    def _part_place(self) -> Json:
        return self._place() | {"content_index": 0}


def _without_content(body: Json) -> Json:
    """A message is announced before it has content."""
    return body | {"content": []} if body["type"] == "message" else dict(body)
