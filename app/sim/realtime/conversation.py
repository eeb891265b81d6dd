"""The items of a simulated conversation: order, lengths of audio, truncation, deletion. Pure.

Refusals carry the codes and sentences of the real API.
"""

from typing import Any

import msgspec

from app.sim.realtime.protocol_check import Json, Refusal


class Item(msgspec.Struct, kw_only=True):
    """One conversation item; `body` is what the API shows of it, without audio."""

    id: str
    body: Json
    audio_ms: int = 0
    """Length of its audio: input for the user's, generated so far for the assistant's."""
    truncated_at_ms: int | None = None
    said: str = ""
    """All its words: the assistant's also after a truncation, the user's also without a transcription."""
    generated_ms: int = 0

    @property
    def role(self) -> str:
        """user, assistant, system, call or output."""
        kind: str = self.body.get("role") or self.body["type"]
        return {"function_call": "call", "function_call_output": "output"}.get(kind, kind)

    @property
    def text(self) -> str:
        """Words of the item: text, transcript, or arguments and output of a call."""
        match self.body["type"]:
            case "message":
                parts: list[Json] = self.body["content"]
                words = " ".join(part.get("text") or part.get("transcript") or "" for part in parts).strip()
                return words or (self.said if self.role == "user" else "")
            case "function_call":
                return f"{self.body['name']} {self.body['arguments']}"
            case "function_call_output":
                return self.body["output"]
            case _:
                return ""


class Conversation:
    """The default conversation of one session."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    @property
    def items(self) -> tuple[Item, ...]:
        """In conversation order."""
        return tuple(self._items)

    @property
    def last_id(self) -> str | None:
        """Id of the newest item."""
        return self._items[-1].id if self._items else None

    def get(self, item_id: str) -> Item | None:
        """The item, if it is there."""
        return next((item for item in self._items if item.id == item_id), None)

    def append(self, item: Item) -> str | None:
        """Put `item` at the end; returns the id before it."""
        previous = self.last_id
        self._items.append(item)
        return previous

    def insert(self, item: Item, previous_item_id: str | None) -> str | Refusal | None:
        """Put a client's item after `previous_item_id` (`root`: first, None: last); returns the id before it."""
        if self.get(item.id) is not None:
            why = f"Error adding item: item with id '{item.id}' already exists."
            return Refusal(code="item_create_duplicate_item_id", message=why, param="item.id")
        if item.role == "output" and not self._has_call(item.body["call_id"]):
            why = f"Tool call ID '{item.body['call_id']}' not found in conversation."
            return Refusal(code="invalid_tool_call_id", message=why, param="item.call_id")
        if previous_item_id is None:
            return self.append(item)
        return self._insert_after(item, previous_item_id)

    def _insert_after(self, item: Item, previous_item_id: str) -> str | Refusal | None:
        if previous_item_id == "root":
            self._items.insert(0, item)
            return None
        before = self.get(previous_item_id)
        if before is None:
            why = f"Error adding item: the previous item with id '{previous_item_id}' does not exist."
            return Refusal(code="invalid_value", message=why, param="previous_item_id")
        self._items.insert(self._items.index(before) + 1, item)
        return previous_item_id

    def delete(self, item_id: str) -> Refusal | None:
        """Remove an item."""
        item = self.get(item_id)
        if item is None:
            return missing(item_id, "delete")
        self._items.remove(item)
        return None

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> Refusal | None:
        """Cut an assistant item's audio and remove its transcript."""
        item = self.get(item_id)
        if item is None:
            return missing(item_id, "truncate")
        if item.role != "assistant" or item.body["content"][0]["type"] != "output_audio":
            why = "Only model output audio messages can be truncated"
            return Refusal(code="invalid_value", message=why, param="item_id")
        if not 0 <= content_index < len(item.body["content"]):
            why = f"Content index {content_index} does not exist."
            return Refusal(code="invalid_value", message=why, param="content_index")
        if not 0 <= audio_end_ms <= item.audio_ms:
            why = f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms"
            return Refusal(code="invalid_value", message=why, param="audio_end_ms")
        item.audio_ms = item.truncated_at_ms = audio_end_ms
        item.body["content"][content_index]["transcript"] = ""
        return None

    def unanswered_turn(self) -> str | None:
        """Words of the user items since the last assistant or call item; None when there is no such item."""
        words: list[str] = []
        for item in reversed(self._items):
            if item.role in {"assistant", "call", "output"}:
                break
            if item.role == "user":
                words.insert(0, item.text)
        return " ".join(words).strip() if words else None

    def newest_output(self) -> str | None:
        """Output of the tool call when it is the newest item."""
        newest = self._items[-1] if self._items else None
        return newest.text if newest is not None and newest.role == "output" else None

    def _has_call(self, tool_call_id: Any) -> bool:
        return any(item.role == "call" and item.body["call_id"] == tool_call_id for item in self._items)


def missing(item_id: str, action: str) -> Refusal:
    """The answer to a client event about an item that is not there."""
    why = f"Error with item {action}: item with id '{item_id}' does not exist."
    return Refusal(code=f"item_{action}_invalid_item_id", message=why, param="item_id")
