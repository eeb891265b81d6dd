"""Every fault once, seen from the client."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from app.sim.realtime.brain import BrainEvent, Cause, ScriptedBrain, SessionView, Step, ToolCall
from app.sim.realtime.faults import Fault, FaultKind, FaultPlan, Stage
from app.sim.realtime.options import SimOptions
from app.sim.realtime.server import SimRealtime
from tests.unit.sim.realtime_talk import END_CALL, FAST, Talk, connected, session, speech

pytestmark = pytest.mark.anyio
SENTENCE = "A sentence with several deltas in it."
HEADERS = {"Authorization": "Bearer k"}


def simulator(*faults: Fault, step: Step | None = None, options: SimOptions = FAST) -> SimRealtime:
    steps = [step or Step(say=SENTENCE)]
    return SimRealtime(brain=lambda: ScriptedBrain(steps), options=options, faults=FaultPlan(faults))


async def answered(sim: SimRealtime, kind: str = "response.done") -> Talk:
    """One response, up to the event of this type."""
    async with sim, connected(sim, session()) as talk:
        await talk.send(type="response.create")
        await talk.until(kind)
    return talk


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_a_refused_upgrade(status):
    async with simulator(Fault(kind=FaultKind.REFUSE, status=status)) as sim:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{sim.url}?model=m", additional_headers=HEADERS, proxy=None)
        assert caught.value.response.status_code == status
        async with connect(f"{sim.url}?model=m", additional_headers=HEADERS, proxy=None) as second:
            assert json.loads(await second.recv())["type"] == "session.created"


async def test_an_upgrade_that_hangs():
    async with simulator(Fault(kind=FaultKind.HANG)) as sim:
        with pytest.raises(TimeoutError):
            await connect(f"{sim.url}?model=m", additional_headers=HEADERS, proxy=None, open_timeout=0.05)


@pytest.mark.parametrize("after_deltas", [0, 2, 99])
async def test_a_dropped_connection(after_deltas):
    async with simulator(Fault(kind=FaultKind.DROP, after_deltas=after_deltas)) as sim, connected(sim) as talk:
        await talk.send(type="response.create")
        with pytest.raises(ConnectionClosedError) as caught:
            await talk.until("never")

    assert caught.value.rcvd is None
    sent = talk.types.count("response.output_audio.delta")
    assert sent == after_deltas if after_deltas < 99 else sent > 2


@pytest.mark.parametrize("status", [1001, 1011, 1013])
async def test_a_close_frame(status):
    async with simulator(Fault(kind=FaultKind.CLOSE, status=status)) as sim, connected(sim) as talk:
        await talk.send(type="response.create")
        with pytest.raises(Exception, match="simulated") as caught:
            await talk.until("never")

    assert caught.value.rcvd.code == status


async def test_a_step_that_closes_after_its_answer():
    async with simulator(step=Step(say="Bye.", close=1000)) as sim, connected(sim) as talk:
        await talk.send(type="response.create")
        await talk.until("response.done")
        with pytest.raises(Exception, match="1000"):
            await talk.until("never")


async def test_an_error_event_beside_a_good_answer():
    talk = await answered(simulator(Fault(kind=FaultKind.ERROR, code="inference_rate_limit_exceeded")))

    assert talk.last("error")["error"]["code"] == "inference_rate_limit_exceeded"
    assert talk.last("response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("step", "faults", "code"),
    [
        (Step(say="x"), [Fault(kind=FaultKind.FAIL, code="server_error")], "server_error"),
        (Step(fail="insufficient_quota"), [], "insufficient_quota"),
        (Step(say="x"), [Fault(kind=FaultKind.RATE_LIMIT)], "rate_limit_exceeded"),
    ],
)
async def test_a_failed_response(step, faults, code):
    talk = await answered(simulator(*faults, step=step))

    response = talk.last("response.done")["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"]["code"] == code
    assert "response.output_audio.delta" not in talk.types
    if code == "rate_limit_exceeded":
        assert talk.last("rate_limits.updated")["rate_limits"][0]["remaining"] == 0


@pytest.mark.parametrize("reason", ["content_filter", "max_output_tokens"])
async def test_an_incomplete_response(reason):
    talk = await answered(simulator(Fault(kind=FaultKind.INCOMPLETE, code=reason)))

    response = talk.last("response.done")["response"]
    assert response["status_details"] == {"type": "incomplete", "reason": reason}
    assert response["output"][0]["status"] == "incomplete"
    assert talk.types.count("response.output_audio.delta") == 1


async def test_the_token_limit_of_the_session_ends_a_long_answer():
    sim = simulator(step=Step(say="word " * 40))
    async with sim, connected(sim, session(max_output_tokens=40)) as talk:
        await talk.send(type="response.create")
        done = await talk.until("response.done")

    assert done["response"]["status_details"]["reason"] == "max_output_tokens"


async def test_a_stall_in_the_middle():
    fault = Fault(kind=FaultKind.STALL, seconds=0.2)
    talk = await answered(simulator(step=Step(say=SENTENCE, faults=(fault,))))

    times = [entry.ms for entry in talk.far.journal.find("response.output_audio.delta")]
    assert times[1] - times[0] >= 190
    assert talk.last("response.done")["response"]["status"] == "completed"


async def test_a_duplicate_delta():
    talk = await answered(simulator(Fault(kind=FaultKind.DUPLICATE_DELTA)))

    deltas = [event["delta"] for event in talk.events if event["type"] == "response.output_audio.delta"]
    assert deltas[0] == deltas[1]
    assert len(set(deltas)) == len(deltas) - 1


async def test_an_answer_without_response_created():
    talk = await answered(simulator(Fault(kind=FaultKind.DONE_WITHOUT_CREATED)))

    assert "response.created" not in talk.types


async def test_a_text_answer_where_audio_was_asked_for():
    talk = await answered(simulator(Fault(kind=FaultKind.TEXT_ONLY)))

    assert talk.last("response.output_text.done")["text"] == SENTENCE
    assert "response.output_audio.delta" not in talk.types


async def test_broken_arguments_and_unknown_tools():
    call = ToolCall(name="end_call", arguments={"reason": "x"})
    broken = await answered(simulator(Fault(kind=FaultKind.BAD_ARGUMENTS), step=Step(call=(call,))))
    invented = await answered(simulator(Fault(kind=FaultKind.BAD_ARGUMENTS)))
    unknown = await answered(simulator(Fault(kind=FaultKind.UNKNOWN_TOOL)))

    for talk in (broken, invented):
        done = talk.last("response.function_call_arguments.done")
        assert done["name"] == END_CALL["name"]
        with pytest.raises(json.JSONDecodeError):
            json.loads(done["arguments"])
    assert unknown.last("response.function_call_arguments.done")["name"] == "no_such_tool"


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (FaultKind.UNKNOWN_EVENT, lambda frame: json.loads(frame)["type"] == "vendor.new_thing"),
        (FaultKind.NOT_JSON, lambda frame: frame.startswith("<html>")),
        (FaultKind.BINARY_FRAME, lambda frame: isinstance(frame, bytes)),
        (FaultKind.HUGE_FRAME, lambda frame: len(frame) > 4_000_000),
    ],
)
async def test_frames_no_api_would_send(kind, check):
    frames: list[str | bytes] = [""]
    async with (
        asyncio.timeout(5),
        simulator(Fault(kind=kind)) as sim,
        connect(f"{sim.url}?model=m", additional_headers=HEADERS, proxy=None, max_size=None) as client,
    ):
        await client.send('{"type": "response.create"}')
        while not (isinstance(frames[-1], str) and frames[-1].startswith('{"type":"response.done"')):
            frames.append(await client.recv())

    assert sum(check(frame) for frame in frames[1:]) == 1


async def test_a_late_transcript_comes_after_the_next_one():
    faults = [Fault(kind=FaultKind.LATE_TRANSCRIPT)]
    async with simulator(*faults) as sim, connected(sim, session()) as talk:
        await talk.append(speech("first"))
        await talk.until("response.done")
        await talk.append(speech("second"))
        done = "conversation.item.input_audio_transcription.completed"
        order = [(await talk.until(done))["transcript"] for _ in range(2)]

    assert order == ["second", "first"]


async def test_a_failed_transcription():
    sim = simulator(Fault(kind=FaultKind.TRANSCRIPTION_FAILED, code="audio_unintelligible"))
    async with sim, connected(sim, session()) as talk:
        await talk.append(speech("mumble"))
        failed = await talk.until("conversation.item.input_audio_transcription.failed")

    assert failed["error"]["code"] == "audio_unintelligible"


async def test_speech_is_noticed_late():
    sim = simulator(Fault(kind=FaultKind.LATE_SPEECH_STARTED, seconds=0.8))
    async with sim, connected(sim, session()) as talk:
        await talk.append(speech("first"))
        await talk.until("response.done")
        audio = speech("a rather long second sentence")
        await talk.append(audio[: 8 * 700])
        await talk.send(type="session.update", session={"type": "realtime"})
        await talk.until("session.updated")
        starts = talk.types.count("input_audio_buffer.speech_started")
        await talk.append(audio[8 * 700 :])
        await talk.until("input_audio_buffer.speech_stopped")

    assert starts == 1
    assert talk.types.count("input_audio_buffer.speech_started") == 2
    assert sim.sessions[0].heard[1].text == "a rather long second sentence"


async def test_expiry():
    async with simulator(Fault(kind=FaultKind.EXPIRE, seconds=0.01)) as sim, connected(sim) as talk:
        error = await talk.until("error")
        with pytest.raises(Exception, match="expired"):
            await talk.until("never")

    assert error["error"]["code"] == "session_expired"
    assert talk.events[0]["session"]["expires_at"] > 0


async def test_faults_at_any_moment():
    async with simulator() as sim, connected(sim) as talk:
        talk.far.error("rate_limit_exceeded")
        assert (await talk.until("error"))["error"]["code"] == "rate_limit_exceeded"
        talk.far.drop()
        with pytest.raises(ConnectionClosedError):
            await talk.until("never")


async def test_waiting_for_a_session_event_gives_up():
    async with simulator() as sim, connected(sim) as talk:
        await talk.far.wait_event("session.created")
        with pytest.raises(TimeoutError):
            await talk.far.wait_event("response.done", timeout_s=0.01)


def test_every_kind_has_a_stage_and_is_taken_there_only():
    for kind in FaultKind:
        plan = FaultPlan([Fault(kind=kind)])
        stage = Fault(kind=kind).stage
        assert all(plan.take(other) is None for other in Stage if other is not stage)
        assert plan.take(stage) == Fault(kind=kind)
        assert plan.take(stage) is None


def test_chances_follow_the_seed(seed):
    chances = {Fault(kind=FaultKind.DROP): 0.2, Fault(kind=FaultKind.FAIL): 0.1}

    def draw() -> list[Fault | None]:
        plan = FaultPlan(chances=chances, seed=seed)
        return [plan.take(Stage.RESPONSE) for _ in range(500)]

    drawn = draw()
    assert drawn == draw()
    assert 50 < sum(fault is not None and fault.kind is FaultKind.DROP for fault in drawn) < 150


def test_scripted_steps_wait_for_their_cause():
    brain = ScriptedBrain([Step(say="tool", on=Cause.TOOL_OUTPUT), Step(say="any")])
    view = SessionView(model="m", instructions="")

    assert brain.answer(BrainEvent(cause=Cause.TURN), view).say == "any"
    assert brain.answer(BrainEvent(cause=Cause.TURN), view).say == "Okay."
    assert brain.answer(BrainEvent(cause=Cause.TOOL_OUTPUT), view).say == "tool"
