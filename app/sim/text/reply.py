"""Writes answers in the form of both APIs, each checked by the SDK's own response types before it is sent."""

from collections.abc import Iterator
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.sim.text.mind import TextAnswer

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
Json = dict[str, Any]
DELTA_CHARACTERS = 24


class Written:
    """One answer. `finish` is stop, tool_calls, length, content_filter or failed; ids come from `number`."""

    def __init__(
        self, answer: TextAnswer, *, model: str, number: int, now_s: int, finish: str, tokens: int
    ) -> None:
        self._answer = answer
        self._model = model
        self._n = number
        self._now_s = now_s
        self._finish = finish
        self._in = max(1, tokens)
        self._out = max(1, (len(answer.text) + sum(len(arguments) for _, arguments in answer.calls)) // 4)

    def response(self, *, status: str = "") -> Json:
        """A `response` object."""
        reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
        reason = reasons.get(self._finish)
        done = "failed" if self._finish == "failed" else "incomplete" if reason else "completed"
        status = status or done
        ended = status != "in_progress"
        body: Json = {
            "id": f"resp_sim{self._n}",
            "object": "response",
            "created_at": self._now_s,
            "status": status,
            "error": {"code": "server_error", "message": "Simulated failure."} if status == "failed" else None,
            "incomplete_details": {"reason": reason} if reason and ended else None,
            "instructions": None,
            "metadata": {},
            "model": self._model,
            "output": self._output() if ended and status != "failed" else [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": self._usage() if ended and status != "failed" else None,
        }
        Response.model_validate(body)
        return body

    def completion(self) -> Json:
        """A `chat.completion` object."""
        message: Json = {
            "role": "assistant",
            "content": self._answer.text or None,
            "refusal": self._answer.refusal or None,
        }
        if self._answer.calls:
            message["tool_calls"] = [self._chat_call(n) for n in range(len(self._answer.calls))]
        body: Json = {
            "id": f"chatcmpl-sim{self._n}",
            "object": "chat.completion",
            "created": self._now_s,
            "model": self._model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}],
            "usage": self._chat_usage(),
        }
        ChatCompletion.model_validate(body)
        return body

    def events(self) -> Iterator[Json]:
        """The stream of POST /v1/responses, in order; text in pieces."""
        for n, event in enumerate(self._events()):
            event["sequence_number"] = n
            _EVENT.validate_python(event)
            yield event

    def chunks(self, *, with_usage: bool) -> Iterator[Json]:
        """The stream of POST /v1/chat/completions, without the final [DONE]."""
        yield self._chunk({"role": "assistant", "content": ""}, None)
        for piece in pieces(self._answer.text):
            yield self._chunk({"content": piece}, None)
        if self._answer.refusal:
            yield self._chunk({"refusal": self._answer.refusal}, None)
        for n in range(len(self._answer.calls)):
            call = self._chat_call(n)
            arguments = call["function"]["arguments"]
            call["function"]["arguments"] = ""
            yield self._chunk({"tool_calls": [{"index": n, **call}]}, None)
            for piece in pieces(arguments):
                yield self._chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]}, None)
        yield self._chunk({}, self._finish)
        if with_usage:
            yield self._chunk(None, None)

    def _events(self) -> Iterator[Json]:
        yield {"type": "response.created", "response": self.response(status="in_progress")}
        yield {"type": "response.in_progress", "response": self.response(status="in_progress")}
        for index, item in enumerate(self._output() if self._finish != "failed" else []):
            empty: Json = {**item, "status": "in_progress"}
            if item["type"] == "message":
                empty["content"] = []
            yield {"type": "response.output_item.added", "output_index": index, "item": empty}
            where = {"item_id": item["id"], "output_index": index}
            if item["type"] == "message":
                yield from self._part_events(item["content"][0], {**where, "content_index": 0})
            else:
                for piece in pieces(item["arguments"]):
                    yield {"type": "response.function_call_arguments.delta", "delta": piece, **where}
                done = {"arguments": item["arguments"], "name": item["name"]}
                yield {"type": "response.function_call_arguments.done", **done, **where}
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        last = self.response()
        yield {"type": f"response.{last['status']}", "response": last}

    def _part_events(self, part: Json, where: Json) -> Iterator[Json]:
        if part["type"] == "refusal":
            yield {"type": "response.content_part.added", "part": {"type": "refusal", "refusal": ""}, **where}
            yield {"type": "response.refusal.delta", "delta": part["refusal"], **where}
            yield {"type": "response.refusal.done", "refusal": part["refusal"], **where}
        else:
            yield {"type": "response.content_part.added", "part": {**part, "text": ""}, **where}
            for piece in pieces(part["text"]):
                yield {"type": "response.output_text.delta", "delta": piece, "logprobs": [], **where}
            yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **where}
        yield {"type": "response.content_part.done", "part": part, **where}

    def _output(self) -> list[Json]:
        answer, status = (
            self._answer,
            "incomplete" if self._finish in {"length", "content_filter"} else "completed",
        )
        items: list[Json] = []
        if answer.refusal or answer.text or not answer.calls:
            part: Json = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
            if answer.refusal:
                part = {"type": "refusal", "refusal": answer.refusal}
            items.append(
                {
                    "type": "message",
                    "id": f"msg_sim{self._n}",
                    "role": "assistant",
                    "status": status,
                    "content": [part],
                }
            )
        for n, (name, arguments) in enumerate(answer.calls):
            ids = {"id": f"fc_sim{self._n}_{n}", "call_id": f"call_sim{self._n}_{n}"}
            items.append({"type": "function_call", "name": name, "arguments": arguments, "status": status, **ids})
        return items

    def _chat_call(self, n: int) -> Json:
        name, arguments = self._answer.calls[n]
        function = {"name": name, "arguments": arguments}
        return {"id": f"call_sim{self._n}_{n}", "type": "function", "function": function}

    def _chunk(self, delta: Json | None, finish: str | None) -> Json:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        body: Json = {
            "id": f"chatcmpl-sim{self._n}",
            "object": "chat.completion.chunk",
            "created": self._now_s,
            "model": self._model,
            "choices": choices,
            "usage": self._chat_usage() if delta is None else None,
        }
        ChatCompletionChunk.model_validate(body)
        return body

    def _usage(self) -> Json:
        return {
            "input_tokens": self._in,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": self._out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._in + self._out,
        }

    def _chat_usage(self) -> Json:
        return {
            "prompt_tokens": self._in,
            "completion_tokens": self._out,
            "total_tokens": self._in + self._out,
            "prompt_tokens_details": {"cached_tokens": 0},
        }


def pieces(text: str) -> Iterator[str]:
    """The text as a stream brings it."""
    for at in range(0, len(text), DELTA_CHARACTERS):
        yield text[at : at + DELTA_CHARACTERS]
