"""Both adapters against SimText: answers, tools, streams, ways of failing, retries, cost, nothing in the logs."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from types import AsyncGeneratorType
from typing import Any

import msgspec
import openai
import pytest
from pydantic import BaseModel, ConfigDict

from app.config.settings import TEXT_QUIRKS
from app.llm.chat_completions import ChatModel, Quirks
from app.llm.connection import TRIES, TextConnection
from app.llm.errors import BadReply, ModelDeclined, ReplyCutOff, TextModelRefused, TextModelUnavailable
from app.llm.model import Ask, Message, Reply, Stop, TextDelta, TextModel, TextUsage, ToolResult, ToolSpec
from app.llm.prices import text_cost
from app.llm.responses_api import ResponsesModel
from app.llm.structured import output_schema, read_reply
from app.logs import set_up_logs
from app.sim.text import Route, ScriptedMind, SimText, TextAnswer, TextFault, TextFaultKind

pytestmark = pytest.mark.anyio
KIND = TextFaultKind
CANARY = "canary words of a callee"


class Verdict(BaseModel):
    """A small schema."""

    model_config = ConfigDict(extra="forbid")
    ok: bool
    why: str | None


ASK = Ask(
    model="gpt-6-luna",
    instructions="Judge.",
    items=(Message("user", CANARY),),
    output=output_schema(Verdict),
    timeout_s=2.0,
)
TOOL = ToolSpec(
    name="look_up",
    description="Look something up.",
    parameters={
        "type": "object",
        "properties": {"what": {"type": "string"}},
        "required": ["what"],
        "additionalProperties": False,
    },
)


class Bench:
    """A server and a model that asks it; `pauses` are those between tries."""

    def __init__(self, sim: SimText, model: TextModel, pauses: list[float]) -> None:
        self.sim = sim
        self.model = model
        self.pauses = pauses


@pytest.fixture(params=["responses", "chat"])
async def bench(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Bench]:
    del anyio_backend
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with SimText(api_key="right") as sim, TextConnection(sim.base_url, "right", pause=pause) as connection:
        made = ResponsesModel(connection) if request.param == "responses" else ChatModel(connection)
        yield Bench(sim, made, pauses)


async def last_of(model: TextModel, ask: Ask) -> tuple[str, Reply]:
    pieces = [piece async for piece in model.stream(ask)]
    assert isinstance(pieces[-1], Reply)
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)), pieces[-1]


async def test_a_structured_answer(bench: Bench) -> None:
    reply = await bench.model.ask(ASK)
    assert read_reply(reply, Verdict) == Verdict(ok=False, why=None)
    assert reply.stop is Stop.DONE
    assert reply.usage is not None
    assert reply.cost_micro_usd == text_cost("gpt-6-luna", reply.usage)
    (entry,) = bench.sim.journal
    assert entry.body["store"] is False


async def test_a_stream_brings_the_text_in_pieces_and_then_the_whole(bench: Bench) -> None:
    long = TextAnswer(text="word " * 40)
    bench.sim.routes.append(Route(mind=ScriptedMind([long])))
    text, reply = await last_of(bench.model, msgspec.structs.replace(ASK, output=None))
    assert text == reply.text == long.text
    assert reply.usage is not None


async def test_a_stream_read_to_its_end_leaves_the_connection_to_the_next(bench: Bench) -> None:
    gc.collect()
    for _ in range(3):
        await last_of(bench.model, ASK)
    assert len({entry.port for entry in bench.sim.journal}) == 1
    for _ in range(50):
        await asyncio.sleep(0)  # the SDK leaves Chat's generators to the loop
    left = [one for one in gc.get_objects() if isinstance(one, AsyncGeneratorType) and one.ag_frame is not None]
    assert not [one.__qualname__ for one in left if "site-packages" in one.ag_code.co_filename]


async def test_a_server_that_does_not_end_its_stream_keeps_nobody(bench: Bench) -> None:
    bench.sim.faults.always = TextFault(kind=KIND.ENDLESS, seconds=30)
    async with asyncio.timeout(20):
        text, reply = await last_of(bench.model, msgspec.structs.replace(ASK, timeout_s=60.0))
    assert text == reply.text


async def test_tools_there_and_back(bench: Bench) -> None:
    ask = msgspec.structs.replace(ASK, output=None, tools=(TOOL,))
    reply = await bench.model.ask(ask)
    assert reply.stop is Stop.TOOL_CALLS
    (call,) = reply.tool_calls
    assert (call.name, call.arguments) == ("look_up", '{"what":""}')
    _, streamed = await last_of(bench.model, ask)
    assert [(one.name, one.arguments) for one in streamed.tool_calls] == [("look_up", '{"what":""}')]
    answered = ToolResult(tool_call_id=call.tool_call_id, output="42")
    after = await bench.model.ask(msgspec.structs.replace(ask, items=(*ask.items, call, answered)))
    assert (after.stop, after.text) == (Stop.DONE, "ok")


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (TextFault(kind=KIND.STATUS, status=500), TextModelUnavailable, TRIES),
        (TextFault(kind=KIND.STATUS, status=503), TextModelUnavailable, TRIES),
        (TextFault(kind=KIND.STATUS, status=429, code="rate_limit_exceeded"), TextModelUnavailable, TRIES),
        (TextFault(kind=KIND.STATUS, status=429, code="insufficient_quota"), TextModelRefused, 1),
        (TextFault(kind=KIND.STATUS, status=429, retry_after_ms=60_000), TextModelUnavailable, 1),
        (TextFault(kind=KIND.STATUS, status=500, should_retry=False), TextModelUnavailable, 1),
        (TextFault(kind=KIND.STATUS, status=401, code="invalid_api_key"), TextModelRefused, 1),
        (TextFault(kind=KIND.STATUS, status=400, code="invalid_value", param="input"), TextModelRefused, 1),
        (TextFault(kind=KIND.DROP), TextModelUnavailable, TRIES),
        (TextFault(kind=KIND.HANG, seconds=5), TextModelUnavailable, TRIES),
        (TextFault(kind=KIND.NOT_JSON), TextModelUnavailable, 1),
    ],
    ids=lambda value: f"{value.kind}-{value.status}-{value.code}" if isinstance(value, TextFault) else "",
)
async def test_failures_without_an_answer(bench: Bench, fault: TextFault, error: type, requests: int) -> None:
    bench.sim.faults.always = fault
    ask = msgspec.structs.replace(ASK, timeout_s=0.5 if fault.kind is KIND.HANG else 2.0)
    with pytest.raises(error) as raised:
        await bench.model.ask(ask)
    assert len(bench.sim.journal) == requests
    assert len(bench.pauses) == requests - 1
    assert CANARY not in str(raised.value)


async def test_what_passes_is_asked_again_after_the_pause_the_server_wants(bench: Bench) -> None:
    bench.sim.faults.add(TextFault(kind=KIND.STATUS, status=429, retry_after_ms=1_234), TextFault(kind=KIND.DROP))
    assert (await bench.model.ask(ASK)).stop is Stop.DONE
    assert bench.pauses[0] == pytest.approx(1.234)
    assert 0 < bench.pauses[1] <= 1.0


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (KIND.REFUSAL, ModelDeclined),
        (KIND.FILTERED, ModelDeclined),
        (KIND.TRUNCATED, ReplyCutOff),
        (KIND.WRONG_SCHEMA, BadReply),
    ],
)
async def test_answers_that_cannot_be_used(bench: Bench, kind: TextFaultKind, error: type) -> None:
    for whole in (True, False):
        bench.sim.faults.add(TextFault(kind=kind))
        reply = await bench.model.ask(ASK) if whole else (await last_of(bench.model, ASK))[1]
        with pytest.raises(error):
            read_reply(reply, Verdict)


async def test_a_cut_stream_is_no_answer(bench: Bench) -> None:
    bench.sim.routes.append(Route(mind=ScriptedMind([TextAnswer(text="word " * 40)])))
    for after in (0, 1, 3):
        bench.sim.faults.add(TextFault(kind=KIND.CUT_STREAM, after_deltas=after))
        with pytest.raises(TextModelUnavailable):
            await last_of(bench.model, msgspec.structs.replace(ASK, output=None))


async def test_no_more_questions_at_once_than_allowed() -> None:
    async with SimText() as sim, TextConnection(sim.base_url, "k", concurrency=2) as connection:
        sim.faults.always = TextFault(kind=KIND.HANG, seconds=60)
        model = ResponsesModel(connection)
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(model.ask(msgspec.structs.replace(ASK, timeout_s=30))) for _ in range(6)]
            async with asyncio.timeout(5):
                while len(sim.journal) < 2:  # noqa: ASYNC110 - the server's list wakes nobody
                    await asyncio.sleep(0.01)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(sim.journal) == 2
            for task in asking:
                task.cancel()


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("responses", {"model": "gpt-6-luna", "input": "x", "max_tokens": 5}, "unknown_parameter"),
        ("responses", {"model": "gpt-6-luna", "messages": []}, "unknown_parameter"),
        ("responses", {"model": "gpt-6-luna"}, "missing_required_parameter"),
        ("responses", {"model": "gpt-6-luna", "input": 5}, "invalid_type"),
        ("responses", {"model": "nobody", "input": "x"}, "model_not_found"),
        ("chat/completions", {"model": "gpt-6-luna", "input": "x"}, "unknown_parameter"),
        ("chat/completions", {"model": "gpt-6-luna", "messages": []}, "empty_array"),
        (
            "chat/completions",
            {"model": "gpt-6-luna", "messages": [{"role": "robot", "content": "x"}]},
            "invalid_type",
        ),
    ],
)
async def test_the_simulator_refuses_what_the_api_refuses(path: str, body: dict[str, Any], code: str) -> None:
    async with SimText() as sim, openai.AsyncOpenAI(base_url=sim.base_url, api_key="k", max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.post(path, body=body, cast_to=object)
        assert refused.value.code == code


async def test_open_schemas_and_unanswered_tools_are_refused(bench: Bench) -> None:
    open_schema = msgspec.structs.replace(TOOL, parameters={"type": "object", "properties": {}})
    with pytest.raises(TextModelRefused):
        await bench.model.ask(msgspec.structs.replace(ASK, output=None, tools=(open_schema,)))
    stray = ToolResult(tool_call_id="nobody", output="1")
    with pytest.raises(TextModelRefused):
        await bench.model.ask(msgspec.structs.replace(ASK, items=(*ASK.items, stray)))


@pytest.mark.parametrize("make", [ResponsesModel, ChatModel])
async def test_answers_fit_the_types_of_the_sdk(make: Callable[[TextConnection], TextModel]) -> None:
    async with SimText() as sim, TextConnection(sim.base_url, "k", strict=True) as connection:
        assert (await make(connection).ask(ASK)).stop is Stop.DONE


async def test_quirks_change_the_body() -> None:
    quirks = Quirks(max_tokens=True, no_strict=True, no_store=True, no_stream_usage=True)
    async with SimText() as sim, TextConnection(sim.base_url, "k") as connection:
        model = ChatModel(connection, quirks)
        _, reply = await last_of(model, msgspec.structs.replace(ASK, tools=(TOOL,)))
        body = sim.journal[0].body
    assert "max_tokens" in body
    assert not {"store", "max_completion_tokens", "stream_options"} & set(body)
    assert "strict" not in body["response_format"]["json_schema"]
    assert "strict" not in body["tools"][0]["function"]
    assert reply.usage is None
    assert reply.cost_micro_usd is None


def test_quirks_are_those_of_the_settings() -> None:
    assert Quirks.__struct_fields__ == TEXT_QUIRKS


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        ("gpt-6-luna", TextUsage(input_tokens=1_000_000, output_tokens=1_000_000), 600_000),
        ("gpt-6-luna", TextUsage(input_tokens=1_000, cached_tokens=1_000), 10),
        ("gpt-6-luna", TextUsage(input_tokens=1), 1),
        ("gpt-6.1-terra", TextUsage(input_tokens=10, cached_tokens=20, output_tokens=1), 6),
        ("gpt-6-luna", TextUsage(), 0),
        ("llama", TextUsage(input_tokens=1), None),
        ("gpt-6-luna", None, None),
    ],
)
def test_cost(model: str, usage: TextUsage | None, cost: int | None) -> None:
    assert text_cost(model, usage) == cost


def test_strict_mode_takes_closed_schemas_only() -> None:
    class Open(BaseModel):
        ok: bool

    class Lax(BaseModel):
        model_config = ConfigDict(extra="forbid")
        ok: bool = True

    for shape in (Open, Lax):
        with pytest.raises(TypeError):
            output_schema(shape)


async def test_bodies_are_never_logged(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        set_up_logs("debug", as_json=True)
        bench.sim.faults.add(TextFault(kind=KIND.STATUS, status=500))
        await bench.model.ask(ASK)
        bench.sim.faults.always = TextFault(kind=KIND.STATUS, status=400)
        with pytest.raises(TextModelRefused):
            await bench.model.ask(ASK)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    written = capfd.readouterr()
    assert "asked again" in written.err
    assert CANARY not in written.err + written.out
    assert "right" not in written.err
