"""Adapter for `POST /v1/responses` (OpenAI, also vLLM, Ollama, LM Studio), stateless: `store=False`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, cast

import httpx2
import openai
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseOutputMessage,
    ResponseTextDeltaEvent,
)

from app.llm.connection import TextConnection
from app.llm.errors import TextModelUnavailable
from app.llm.model import Ask, Item, Message, Reply, Stop, TextDelta, TextUsage, ToolCall, ToolResult
from app.llm.prices import PRICE_TABLE, text_cost

END_S = 1.0
"""How long a server may take to end a stream after its last event."""


class ResponsesModel:
    """A `TextModel`."""

    def __init__(self, connection: TextConnection) -> None:
        self._connection = connection

    async def ask(self, ask: Ask) -> Reply:
        create = cast("Any", self._connection.client.responses.create)
        body = request_body(ask)

        async def send() -> Response:
            return cast("Response", await create(**body, timeout=ask.timeout_s))

        answer = await self._connection.run(send, ask.timeout_s)
        return self._connection.read(answer, read_response, ask.model)

    async def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Reply]:
        create = cast("Any", self._connection.client.responses.create)
        body = request_body(ask)

        async def send() -> Any:
            return await create(**body, stream=True, timeout=ask.timeout_s)

        events = await self._connection.run(send, ask.timeout_s)
        reply, fault = None, "ended its answer too early"
        try:
            async with events:
                async for event in events:
                    match event:
                        case ResponseTextDeltaEvent():
                            yield TextDelta(event.delta)
                        case ResponseCompletedEvent() | ResponseIncompleteEvent():
                            reply = self._connection.read(event.response, read_response, ask.model)
                            await _read_to_end(events)
                        case ResponseFailedEvent() | ResponseErrorEvent():
                            fault = "broke its answer off"
                            await _read_to_end(events)
                        case _:
                            pass
        except (openai.OpenAIError, httpx2.HTTPError, OSError) as error:
            raise self._connection.named(error) from error
        if reply is None:
            raise TextModelUnavailable(f"{self._connection.host} {fault}.")
        yield reply


async def _read_to_end(events: AsyncIterator[object]) -> None:
    """What follows the last event is nothing but the end. Read, it lets the connection be used again, and the
    SDK's generators end here; left unread, the garbage collector closes them, in whichever thread it runs."""
    with suppress(TimeoutError, openai.OpenAIError, httpx2.HTTPError, OSError, ValueError):
        async with asyncio.timeout(END_S):
            while await anext(events, None) is not None:
                pass


def request_body(ask: Ask) -> dict[str, Any]:
    """The JSON body of an `Ask`."""
    body: dict[str, Any] = {
        "model": ask.model,
        "instructions": ask.instructions,
        "input": [_item(item) for item in ask.items],
        "max_output_tokens": ask.max_output_tokens,
        "store": False,
    }
    if ask.output is not None:
        shape = {"type": "json_schema", "name": ask.output.name, "schema": ask.output.schema, "strict": True}
        body["text"] = {"format": shape}
    if ask.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": True,
            }
            for tool in ask.tools
        ]
    return body


def read_response(response: Response, model: str) -> Reply:
    """A response as a `Reply`. Raises TextModelUnavailable when it failed at the server."""
    if response.status in {"failed", "cancelled"}:
        code = response.error.code if response.error else response.status
        raise TextModelUnavailable(f"The model's answer failed at the server ({code}).")
    texts: list[str] = []
    refusals: list[str] = []
    calls: list[ToolCall] = []
    for item in response.output:
        if isinstance(item, ResponseFunctionToolCall):
            calls.append(ToolCall(tool_call_id=item.call_id, name=item.name, arguments=item.arguments))
        elif isinstance(item, ResponseOutputMessage):
            for part in item.content:
                if part.type == "output_text":
                    texts.append(part.text)
                else:
                    refusals.append(part.refusal)
    usage = _usage(response)
    return Reply(
        reply_id=response.id,
        model=response.model or model,
        text="".join(texts),
        stop=_stop(response, bool(refusals), bool(calls)),
        tool_calls=tuple(calls),
        refusal=" ".join(refusals),
        usage=usage,
        cost_micro_usd=text_cost(model, usage),
        price_table=PRICE_TABLE,
    )


def _stop(response: Response, refused: bool, calls: bool) -> Stop:
    if refused:
        return Stop.DECLINED
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details else None
        return Stop.DECLINED if reason == "content_filter" else Stop.LENGTH
    return Stop.TOOL_CALLS if calls else Stop.DONE


def _usage(response: Response) -> TextUsage | None:
    used = response.usage
    if used is None:
        return None
    details = cast("Any", used.input_tokens_details)  # compatible servers leave it out
    cached = getattr(details, "cached_tokens", None) or 0
    return TextUsage(input_tokens=used.input_tokens, cached_tokens=cached, output_tokens=used.output_tokens)


def _item(item: Item) -> Mapping[str, Any]:
    match item:
        case Message():
            return {"role": item.role, "content": item.text}
        case ToolCall():
            return {
                "type": "function_call",
                "call_id": item.tool_call_id,
                "name": item.name,
                "arguments": item.arguments,
            }
        case ToolResult():
            return {"type": "function_call_output", "call_id": item.tool_call_id, "output": item.output}
