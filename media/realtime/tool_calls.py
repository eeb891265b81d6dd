"""Function calls of the model: each reported once, answered once, followed by one response per calling response.

`tool_call_id` is the API's `call_id`. Called by `media.realtime.conversation`.
"""

import msgspec

from media.realtime.client_events import FunctionCallItem, FunctionCallOutputItem
from media.realtime.events import Item


class ToolCall(msgspec.Struct, kw_only=True):
    """One call. `known` = the present session's conversation has it; `acknowledged` = it has the result too."""

    tool_call_id: str
    name: str
    arguments: str
    response_id: str
    output: str | None = None
    respond: bool = False
    known: bool = True
    acknowledged: bool = False
    followed: bool = False


class ToolCalls:
    """All calls of a conversation, in the order they were made."""

    def __init__(self) -> None:
        self._calls: dict[str, ToolCall] = {}
        self._names: dict[str, str] = {}

    @property
    def pending(self) -> bool:
        """A result is awaited."""
        return any(call.output is None for call in self._calls.values())

    def named(self, tool_call_id: str, name: str) -> None:
        """The call's item was announced; its arguments come later, perhaps without the name."""
        self._names[tool_call_id] = name

    def called(self, tool_call_id: str, name: str | None, arguments: str, response_id: str) -> ToolCall | None:
        """A complete call; None if it was seen before or nobody ever said which function it means."""
        name = name or self._names.get(tool_call_id)
        if not name or not tool_call_id or tool_call_id in self._calls:
            return None
        self._names.pop(tool_call_id, None)
        call = ToolCall(tool_call_id=tool_call_id, name=name, arguments=arguments, response_id=response_id)
        self._calls[tool_call_id] = call
        return call

    def answer(self, tool_call_id: str, output: str, *, respond: bool) -> ToolCall | None:
        """Take a result; None if nothing of that id is awaited."""
        call = self._calls.get(tool_call_id)
        if call is None or call.output is not None:
            return None
        call.output = output
        call.respond = respond
        return call

    def acknowledge(self, item: Item) -> None:
        """The server has this item in its conversation: perhaps a result of ours."""
        call = self._calls.get(item.call_id or "")
        if call is not None and item.type == "function_call_output":
            call.acknowledged = True

    @property
    def acknowledged(self) -> frozenset[str]:
        """Calls whose result the server has."""
        return frozenset(call.tool_call_id for call in self._calls.values() if call.acknowledged)

    def settled_responses(self) -> dict[str, list[ToolCall]]:
        """Responses with calls that were all answered and not followed up yet."""
        groups: dict[str, list[ToolCall]] = {}
        for call in self._calls.values():
            if not call.followed:
                groups.setdefault(call.response_id, []).append(call)
        return {key: calls for key, calls in groups.items() if all(call.output is not None for call in calls)}

    def new_session(self) -> bool:
        """The server knows nothing any more; priming tells it about answered calls. True if an answer was owed."""
        owed = False
        for call in self._calls.values():
            answered = call.output is not None
            call.known = call.acknowledged = answered
            owed = owed or (answered and call.respond and not call.followed)
            call.followed = call.followed or answered
        return owed

    @property
    def answered(self) -> frozenset[str]:
        """Calls whose result has come."""
        return frozenset(call.tool_call_id for call in self._calls.values() if call.output is not None)

    def answered_pairs(
        self, count: int, but: frozenset[str] = frozenset()
    ) -> list[FunctionCallItem | FunctionCallOutputItem]:
        """The last answered calls with their results, as items of a new session; without the calls in `but`."""
        answered = [call for call in self._calls.values() if call.output is not None]
        answered = [call for call in answered if call.tool_call_id not in but]
        return [item for call in answered[-count:] for item in (call_item(call), output_item(call))]


def call_item(call: ToolCall) -> FunctionCallItem:
    """The call as a conversation item of ours."""
    return FunctionCallItem(call_id=call.tool_call_id, name=call.name, arguments=call.arguments)


def output_item(call: ToolCall) -> FunctionCallOutputItem:
    """Its result."""
    return FunctionCallOutputItem(call_id=call.tool_call_id, output=call.output or "")
