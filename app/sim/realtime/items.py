"""The client's events about conversation items, and the user items that come from audio."""

from copy import deepcopy

from app.sim.realtime.conversation import Conversation, Item, missing
from app.sim.realtime.outbox import Outbox
from app.sim.realtime.protocol_check import Json, Refusal


def user_audio(item_id: str) -> Json:
    """A user message made of input audio; its transcript comes later."""
    part: Json = {"type": "input_audio", "transcript": None}
    head: Json = {"id": item_id, "object": "realtime.item", "type": "message", "role": "user"}
    return head | {"status": "completed", "content": [part]}


def announce(outbox: Outbox, item: Item, previous_item_id: str | None) -> None:
    """added and done of an item that is complete from the start."""
    for event in ("conversation.item.added", "conversation.item.done"):
        outbox.send(event, item=deepcopy(item.body), previous_item_id=previous_item_id)


def accept(outbox: Outbox, conversation: Conversation, event: Json) -> Refusal | None:
    """conversation.item.create, retrieve, delete and truncate."""
    match event["type"]:
        case "conversation.item.create":
            return _create(outbox, conversation, event)
        case "conversation.item.retrieve":
            return _retrieve(outbox, conversation, event["item_id"])
        case "conversation.item.delete":
            return _delete(outbox, conversation, event["item_id"])
        case _:
            return _truncate(outbox, conversation, event)


def summary(event: Json) -> str:
    """What the journal says about a client event."""
    match event:
        case {"type": "conversation.item.truncate", "item_id": item_id, "audio_end_ms": end_ms}:
            return f"{item_id} {end_ms} ms"
        case {"item": {"type": str(kind)}}:
            return kind
        case {"response": {"instructions": str(instructions)}}:
            return instructions
        case {"item_id": str(item_id)}:
            return item_id
        case _:
            return ""


def _create(outbox: Outbox, conversation: Conversation, event: Json) -> Refusal | None:
    given: Json = event["item"]
    if given.get("role") == "assistant" and any(part.get("type") == "output_audio" for part in given["content"]):
        return Refusal(code="invalid_value", message="Assistant audio cannot be created.", param="item.content")
    item_id: str = given.get("id") or outbox.new_id("item")
    body: Json = deepcopy(given) | {"id": item_id, "object": "realtime.item", "status": "completed"}
    if given["type"] == "function_call" and not given.get("call_id"):
        body["call_id"] = outbox.new_id("call")
    item = Item(id=item_id, body=body)
    previous = conversation.insert(item, event.get("previous_item_id"))
    if isinstance(previous, Refusal):
        return previous
    announce(outbox, item, previous)
    return None


def _retrieve(outbox: Outbox, conversation: Conversation, item_id: str) -> Refusal | None:
    item = conversation.get(item_id)
    if item is None:
        return missing(item_id, "retrieve")
    outbox.send("conversation.item.retrieved", item=deepcopy(item.body))
    return None


def _delete(outbox: Outbox, conversation: Conversation, item_id: str) -> Refusal | None:
    refusal = conversation.delete(item_id)
    if refusal is None:
        outbox.send("conversation.item.deleted", item_id=item_id)
    return refusal


def _truncate(outbox: Outbox, conversation: Conversation, event: Json) -> Refusal | None:
    item_id, index, end_ms = event["item_id"], event["content_index"], event["audio_end_ms"]
    refusal = conversation.truncate(item_id, index, end_ms)
    if refusal is None:
        place = {"item_id": item_id, "content_index": index, "audio_end_ms": end_ms}
        outbox.send("conversation.item.truncated", **place)
    return refusal
