"""SimText: an HTTP server on loopback that plays the text side of the OpenAI API.

    async with SimText(routes=[Route(schema="CallJudgement", mind=mind)]) as sim:
        ... AsyncOpenAI(base_url=sim.base_url, api_key="any") ...; then look at sim.journal

`POST /v1/responses` and `POST /v1/chat/completions` (whole and streamed), `GET /v1/models`. Part of the simulated
world; also a program, see `__main__`.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from app.sim.text.faults import TextFault, TextFaultKind, TextFaults
from app.sim.text.mind import Mind, MinimalMind, Route, TextAnswer, TextQuestion, encoded
from app.sim.text.reply import Json, Written
from app.sim.text.request import Body, Refused, decode, part, read_chat, read_responses

MODELS = ("gpt-6.1-terra", "gpt-6-luna")
_CONTENT = {
    TextFaultKind.REFUSAL: "stop",
    TextFaultKind.FILTERED: "content_filter",
    TextFaultKind.TRUNCATED: "length",
    TextFaultKind.FAILED: "failed",
}
"""Faults of the answer itself, and the finish they come with."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the journal, in order. `fault` is empty when it was answered as its mind wanted; those that
    came over one connection share the client's `port`."""

    path: str
    port: int
    status: int
    body: Body
    fault: str = ""
    answer: TextAnswer | None = None


class SimText:
    """Async context manager; `journal` and `faults` are for tests."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        routes: Iterable[Route] = (),
        faults: TextFaults | None = None,
        api_key: str | None = None,
        models: Iterable[str] = MODELS,
    ) -> None:
        """`api_key`: the only one that is let in; None: any."""
        self._host = host
        self._port = port
        self.routes = list(routes)
        self.faults = faults or TextFaults()
        self._api_key = api_key
        self._models = tuple(models)
        self._default: Mind = MinimalMind()
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self.journal: list[Entry] = []

    @property
    def base_url(self) -> str:
        """For `AsyncOpenAI(base_url=...)` and TEXT_BASE_URL."""
        if self._runner is None:
            raise RuntimeError("SimText is not running: use it in `async with`")
        return f"http://{self._host}:{self._runner.addresses[0][1]}/v1"

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=8 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path, raw = request.path, await request.read()
        body: Body = {}
        try:
            self._admit(request)
            if (request.method, path) == ("GET", "/v1/models"):
                return web.json_response(self._model_list())
            chat = _is_chat(request)
            body = decode(raw)
            question = read_chat(body) if chat else read_responses(body)
            self._know(question.model)
        except Refused as refused:
            self._note(request, refused.status, body, fault="refused")
            return web.json_response(refused.body, status=refused.status)
        fault = self.faults.take()
        if fault is not None and (broken := await self._broken(request, body, fault)) is not None:
            return broken
        return await self._answer(request, body, question, fault, chat=chat)

    def _admit(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key or self._api_key not in {None, key}:
            raise Refused("Incorrect API key provided.", code="invalid_api_key", status=401)

    def _know(self, model: str) -> None:
        if model not in self._models:
            text = f"The model `{model}` does not exist or you do not have access to it."
            raise Refused(text, code="model_not_found", status=404)

    async def _broken(self, request: web.Request, body: Body, fault: TextFault) -> web.StreamResponse | None:
        """A fault of the transport; None for one of the answer."""
        self_note = {"fault": str(fault.kind)}
        match fault.kind:
            case TextFaultKind.STATUS:
                self._note(request, fault.status, body, **self_note)
                return _status(fault)
            case TextFaultKind.HANG:
                self._note(request, 0, body, **self_note)
                await self._held(fault.seconds)
                return _status(TextFault(kind=TextFaultKind.STATUS, status=504))
            case TextFaultKind.DROP:
                self._note(request, 0, body, **self_note)
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=500)
            case TextFaultKind.NOT_JSON:
                self._note(request, 200, body, **self_note)
                return web.Response(text="<html>upstream</html>", content_type="text/html")
            case _:
                return None

    async def _answer(
        self, request: web.Request, body: Body, question: TextQuestion, fault: TextFault | None, *, chat: bool
    ) -> web.StreamResponse:
        mind = next((route.mind for route in self.routes if route.fits(question)), self._default)
        answer = spoilt(mind.answer(question), fault)
        finish = _CONTENT.get(fault.kind, "") if fault is not None else ""
        if chat and finish == "failed":
            return _status(TextFault(kind=TextFaultKind.STATUS))
        written = Written(
            answer,
            model=question.model,
            number=len(self.journal),
            now_s=int(time.time()),
            finish=finish or ("tool_calls" if answer.calls else "stop"),
            tokens=(len(question.instructions) + sum(len(text) for _, text in question.history)) // 4,
        )
        self._note(request, 200, body, fault=str(fault.kind) if fault else "", answer=answer)
        if not body.get("stream"):
            return web.json_response(written.completion() if chat else written.response())
        usage = bool(part(body, "stream_options").get("include_usage"))
        events = written.chunks(with_usage=usage) if chat else written.events()
        return await self._stream(request, events, fault, chat=chat)

    async def _held(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _stream(
        self, request: web.Request, events: Iterator[Json], fault: TextFault | None, *, chat: bool
    ) -> web.StreamResponse:
        cut = fault.after_deltas if fault is not None and fault.kind is TextFaultKind.CUT_STREAM else None
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await stream.prepare(request)
        deltas = 0
        for event in events:
            deltas += chat or str(event.get("type", "")).endswith(".delta")
            if cut is not None and deltas > cut:
                if request.transport is not None:
                    request.transport.abort()
                return stream
            name = "" if chat else f"event: {event['type']}\n"
            await stream.write(f"{name}data: {encoded(event)}\n\n".encode())
        if chat:
            await stream.write(b"data: [DONE]\n\n")
        if fault is not None and fault.kind is TextFaultKind.ENDLESS:
            await self._held(fault.seconds)
        await stream.write_eof()
        return stream

    def _model_list(self) -> Json:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "sim"} for name in self._models]
        return {"object": "list", "data": models}

    def _note(self, request: web.Request, status: int, body: Body, **more: Any) -> None:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        port = peer[1] if peer else 0
        self.journal.append(Entry(path=request.path, port=port, status=status, body=body, **more))


def _is_chat(request: web.Request) -> bool:
    """Which of the two APIs is asked. Raises Refused for anything else."""
    chat = {"/v1/responses": False, "/v1/chat/completions": True}.get(request.path)
    if chat is None or request.method != "POST":
        raise Refused(f"Invalid URL ({request.method} {request.path})", status=404)
    return chat


def spoilt(answer: TextAnswer, fault: TextFault | None) -> TextAnswer:
    """The answer as a fault leaves it."""
    match fault and fault.kind:
        case TextFaultKind.REFUSAL:
            return TextAnswer(refusal="I cannot help with that.")
        case TextFaultKind.TRUNCATED | TextFaultKind.FILTERED:
            return TextAnswer(text=answer.text[: len(answer.text) // 2])
        case TextFaultKind.WRONG_SCHEMA:
            return TextAnswer(text='{"verdict": 1}')
        case TextFaultKind.WRONG_ARGUMENTS:
            return TextAnswer(calls=tuple((name, arguments[:-1]) for name, arguments in answer.calls))
        case _:
            return answer


def _status(fault: TextFault) -> web.Response:
    error = {"message": "Simulated failure.", "type": "error", "param": fault.param, "code": fault.code}
    headers: dict[str, str] = {}
    if fault.retry_after_ms is not None:
        headers["retry-after-ms"] = str(fault.retry_after_ms)
    if fault.should_retry is not None:
        headers["x-should-retry"] = "true" if fault.should_retry else "false"
    return web.json_response({"error": error}, status=fault.status, headers=headers)
