"""Adapter for `POST /v1/chat/completions`: OpenAI, Azure, vLLM, Ollama, LM Studio. What servers do differently is
in `Quirks`, chosen by the setting TEXT_QUIRKS.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

import httpx2
import msgspec
import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.llm.connection import TextConnection
from app.llm.errors import TextModelUnavailable
from app.llm.model import Ask, Item, Message, Reply, Stop, TextDelta, TextUsage, ToolCall, ToolResult
from app.llm.prices import PRICE_TABLE, text_cost


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """What a compatible server lacks.

    `max_tokens`: only the old name of `max_completion_tokens`. `no_strict`: does not know `strict` of schemas
    and functions. `no_store`: does not know `store`. `no_stream_usage`: does not know `stream_options`.
    """

    max_tokens: bool = False
    no_strict: bool = False
    no_store: bool = False
    no_stream_usage: bool = False


class Said(msgspec.Struct, frozen=True):
    """An answer's parts, whichever way they came."""

    text: str
    refusal: str
    finish: str
    calls: tuple[ToolCall, ...]


class ChatModel:
    """A `TextModel`."""

    def __init__(self, connection: TextConnection, quirks: Quirks | None = None) -> None:
        self._connection = connection
        self._quirks = quirks or Quirks()

    async def ask(self, ask: Ask) -> Reply:
        create = cast("Any", self._connection.client.chat.completions.create)
        body = request_body(ask, self._quirks)

        async def send() -> ChatCompletion:
            return cast("ChatCompletion", await create(**body, timeout=ask.timeout_s))

        answer = await self._connection.run(send, ask.timeout_s)
        return self._connection.read(answer, read_completion, ask.model)

    async def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Reply]:
        create = cast("Any", self._connection.client.chat.completions.create)
        body = request_body(ask, self._quirks)
        if not self._quirks.no_stream_usage:
            body["stream_options"] = {"include_usage": True}

        async def send() -> Any:
            return await create(**body, stream=True, timeout=ask.timeout_s)

        chunks = await self._connection.run(send, ask.timeout_s)
        whole = _Whole(ask.model)
        try:
            async with chunks:
                async for chunk in chunks:
                    if text := whole.add(chunk):
                        yield TextDelta(text)
        except (openai.OpenAIError, httpx2.HTTPError, OSError) as error:
            raise self._connection.named(error) from error
        if not whole.finish:
            raise TextModelUnavailable(f"{self._connection.host} ended its answer too early.")
        yield whole.reply()


class _Whole:
    """Puts the chunks of one answer together."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._id = ""
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._usage: CompletionUsage | None = None
        self.finish = ""

    def add(self, chunk: ChatCompletionChunk) -> str:
        """Take a chunk; answers the text it brought."""
        self._id = self._id or chunk.id
        self._usage = chunk.usage or self._usage
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self.finish = choice.finish_reason or self.finish
        self._refusal.append(choice.delta.refusal or "")
        for part in choice.delta.tool_calls or ():
            call = self._calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += part.id or ""
            if part.function is not None:
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
        text = choice.delta.content or ""
        self._text.append(text)
        return text

    def reply(self) -> Reply:
        """The answer."""
        calls = tuple(
            ToolCall(tool_call_id=call["id"], name=call["name"], arguments=call["arguments"])
            for _, call in sorted(self._calls.items())
        )
        said = Said("".join(self._text), "".join(self._refusal), self.finish, calls)
        return _reply(self._id, self._model, said, self._usage)


def request_body(ask: Ask, quirks: Quirks) -> dict[str, Any]:
    """The JSON body of an `Ask`."""
    strict = {} if quirks.no_strict else {"strict": True}
    body: dict[str, Any] = {
        "model": ask.model,
        "messages": [{"role": "system", "content": ask.instructions}, *(_message(item) for item in ask.items)],
        ("max_tokens" if quirks.max_tokens else "max_completion_tokens"): ask.max_output_tokens,
    }
    if not quirks.no_store:
        body["store"] = False
    if ask.output is not None:
        shape = {"name": ask.output.name, "schema": ask.output.schema, **strict}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    if ask.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    **strict,
                },
            }
            for tool in ask.tools
        ]
    return body


def read_completion(completion: ChatCompletion, model: str) -> Reply:
    """A completion as a `Reply`."""
    if not completion.choices:
        raise TextModelUnavailable("The server's answer has no choices.")
    choice = completion.choices[0]
    calls = tuple(
        ToolCall(tool_call_id=call.id, name=call.function.name, arguments=call.function.arguments)
        for call in choice.message.tool_calls or ()
        if call.type == "function"
    )
    said = Said(choice.message.content or "", choice.message.refusal or "", choice.finish_reason, calls)
    return _reply(completion.id, model, said, completion.usage)


def _reply(reply_id: str, model: str, said: Said, used: CompletionUsage | None) -> Reply:
    usage = None
    if used is not None:
        cached = used.prompt_tokens_details.cached_tokens if used.prompt_tokens_details else 0
        usage = TextUsage(
            input_tokens=used.prompt_tokens, cached_tokens=cached or 0, output_tokens=used.completion_tokens
        )
    return Reply(
        reply_id=reply_id,
        model=model,
        text=said.text,
        stop=_stop(said),
        tool_calls=said.calls,
        refusal=said.refusal,
        usage=usage,
        cost_micro_usd=text_cost(model, usage),
        price_table=PRICE_TABLE,
    )


def _stop(said: Said) -> Stop:
    if said.refusal or said.finish == "content_filter":
        return Stop.DECLINED
    if said.finish == "length":
        return Stop.LENGTH
    return Stop.TOOL_CALLS if said.calls else Stop.DONE


def _message(item: Item) -> Mapping[str, Any]:
    match item:
        case Message():
            return {"role": item.role, "content": item.text}
        case ToolCall():
            function = {"name": item.name, "arguments": item.arguments}
            call = {"id": item.tool_call_id, "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        case ToolResult():
            return {"role": "tool", "tool_call_id": item.tool_call_id, "content": item.output}
