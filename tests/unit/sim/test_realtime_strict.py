"""SimRealtime refuses what the real API refuses, with its codes, and the session goes on."""

import re

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.sim.realtime.brain import ScriptedBrain, Step
from app.sim.realtime.options import SimOptions
from app.sim.realtime.protocol_check import ClientEvent, InvalidServerEvent, Refusal, check_client, check_server
from app.sim.realtime.server import SimRealtime
from tests.unit.sim.realtime_talk import FAST, Talk, connected, session, speech

pytestmark = pytest.mark.anyio
SLOW = SimOptions(speed=1.0, first_delta_ms=0)


def simulator(*steps: Step, options: SimOptions = FAST) -> SimRealtime:
    return SimRealtime(brain=lambda: ScriptedBrain(steps), options=options)


WRONG_UPDATES = [
    ({"modalities": ["audio"]}, "unknown_parameter", "session.modalities"),
    ({"voice": "marin"}, "unknown_parameter", "session.voice"),
    ({"input_audio_format": "g711_ulaw"}, "unknown_parameter", "session.input_audio_format"),
    ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
    ({"id": "sess_x"}, "unknown_parameter", "session.id"),
    ({"audio": {"input": {"format": {"type": "g711_ulaw"}}}}, "invalid_value", "session.audio.input.format.type"),
    ({"audio": {"input": {"turn_detection": {"type": "none"}}}}, "invalid_value", None),
    ({"audio": {"output": {"voice": "batman"}}}, "invalid_value", "session.audio.output.voice"),
    ({"audio": {"output": {"speed": 3.0}}}, "invalid_value", "session.audio.output.speed"),
    ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
    ({"max_output_tokens": 5_000}, "invalid_value", "session.max_output_tokens"),
    ({"model": "gpt-realtime"}, "invalid_value", "session.model"),
    ({"instructions": 7}, "invalid_type", "session.instructions"),
    (
        {"audio": {"input": {"transcription": {"language": "en", "languages": ["en"]}}}},
        "invalid_value",
        "session.audio.input.transcription.languages",
    ),
]


async def test_wrong_session_updates_change_nothing():
    async with simulator() as sim, connected(sim, session()) as talk:
        before = talk.far.config
        for changes, code, param in WRONG_UPDATES:
            error = await talk.refused(type="session.update", session={"type": "realtime", **changes})
            assert error["code"] == code, changes
            assert param is None or error["param"] == param
        error = await talk.refused(type="session.update", session={"instructions": "x"})
        assert (error["code"], error["param"]) == ("missing_required_parameter", "session.type")
        assert talk.far.config == before


async def test_only_sent_fields_change():
    async with simulator() as sim, connected(sim, session(instructions="first")) as talk:
        noise = {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}}
        await talk.send(type="session.update", session={"type": "realtime", **noise})
        updated = (await talk.until("session.updated"))["session"]

    assert updated["instructions"] == "first"
    assert updated["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert updated["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
    assert updated["audio"]["input"]["noise_reduction"] == {"type": "far_field"}


async def test_a_second_response_is_refused_while_one_is_active():
    async with simulator(Step(say="A long answer."), options=SLOW) as sim, connected(sim, session()) as talk:
        await talk.send(type="response.create")
        created = await talk.until("response.created")
        error = await talk.refused(type="response.create")
        await talk.send(type="response.cancel")
        done = await talk.until("response.done")
        await talk.send(type="response.create", response={"output_modalities": ["text"]})
        await talk.until("response.created")

    assert error["code"] == "conversation_already_has_active_response"
    assert created["response"]["id"] in error["message"]
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_an_automatic_answer_during_a_response_is_refused_too():
    detection = {"type": "server_vad", "interrupt_response": False}
    sim = simulator(Step(say="A long answer goes on."), options=SLOW)
    async with sim, connected(sim, session(turn_detection=detection)) as talk:
        await talk.send(type="response.create")
        await talk.until("response.created")
        await talk.append(speech("hey"))
        error = (await talk.until("error"))["error"]

    assert error["code"] == "conversation_already_has_active_response"


async def test_truncation_is_checked_against_the_real_length():
    async with simulator(Step(say="Hello.")) as sim, connected(sim, session()) as talk:
        await talk.append(speech("hi"))
        done = await talk.until("response.done")
        item_id = done["response"]["output"][0]["id"]
        user_id = talk.far.heard[0].item_id
        length_ms = talk.far.spoken[0].audio_ms
        cut = {"type": "conversation.item.truncate", "content_index": 0}

        late = await talk.refused(**cut, item_id=item_id, audio_end_ms=length_ms + 1)
        users = await talk.refused(**cut, item_id=user_id, audio_end_ms=0)
        nobody = await talk.refused(**cut, item_id="item_nobody", audio_end_ms=0)
        part = await talk.refused(type=cut["type"], item_id=item_id, content_index=1, audio_end_ms=0)
        await talk.send(**cut, item_id=item_id, audio_end_ms=length_ms)
        await talk.until("conversation.item.truncated")
        await talk.send(**cut, item_id=item_id, audio_end_ms=0)
        await talk.until("conversation.item.truncated")
        again = await talk.refused(**cut, item_id=item_id, audio_end_ms=1)

    assert (late["code"], late["param"]) == ("invalid_value", "audio_end_ms")
    assert f"{length_ms}ms is already shorter than {length_ms + 1}ms" in late["message"]
    assert "already shorter" in again["message"]
    assert users["param"] == "item_id"
    assert nobody["code"] == "item_truncate_invalid_item_id"
    assert part["param"] == "content_index"


async def test_events_out_of_place():
    async with simulator(Step(say="Hello.")) as sim, connected(sim, session()) as talk:
        output = {"type": "function_call_output", "call_id": "call_nobody", "output": "{}"}
        text = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "x"}],
            "id": "item_1",
        }
        spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "audio": ""}]}
        await talk.send(type="conversation.item.create", item=text)
        await talk.until("conversation.item.done")
        create = "conversation.item.create"
        codes = [
            (await talk.refused(type="response.cancel"))["code"],
            (await talk.refused(type="input_audio_buffer.commit"))["code"],
            (await talk.refused(type="conversation.item.delete", item_id="nobody"))["code"],
            (await talk.refused(type="conversation.item.retrieve", item_id="nobody"))["code"],
            (await talk.refused(type=create, item=output))["code"],
            (await talk.refused(type=create, item=text))["code"],
            (await talk.refused(type=create, item={**text, "id": "2"}, previous_item_id="nobody"))["param"],
            (await talk.refused(type=create, item=spoken))["param"],
            (await talk.refused(type="output_audio_buffer.clear"))["code"],
            (await talk.refused(type="response.create", response={"modalities": ["text"]}))["param"],
            (await talk.refused(type="response.create", response={"conversation": "second"}))["param"],
            (await talk.refused(type="no.such.event"))["param"],
            (await talk.refused(type="input_audio_buffer.append", audio="AAAA", rate=8_000))["param"],
            (await talk.refused(type="input_audio_buffer.append", audio="not base64"))["param"],
            (await talk.refused(type="input_audio_buffer.append"))["code"],
        ]

    assert codes == [
        "response_cancel_not_active",
        "input_audio_buffer_commit_empty",
        "item_delete_invalid_item_id",
        "item_retrieve_invalid_item_id",
        "invalid_tool_call_id",
        "item_create_duplicate_item_id",
        "previous_item_id",
        "item.content",
        "invalid_value",
        "response.modalities",
        "response.conversation",
        "type",
        "rate",
        "audio",
        "missing_required_parameter",
    ]


async def test_items_keep_their_places():
    async with simulator() as sim, connected(sim, session()) as talk:
        for item_id, previous in [("b", None), ("a", "root"), ("c", "b")]:
            part = {"type": "input_text", "text": item_id}
            item = {"id": item_id, "type": "message", "role": "system", "content": [part]}
            where = {} if previous is None else {"previous_item_id": previous}
            await talk.send(type="conversation.item.create", item=item, **where)
            await talk.until("conversation.item.done")
        await talk.send(type="conversation.item.retrieve", item_id="a")
        retrieved = await talk.until("conversation.item.retrieved")
        await talk.send(type="conversation.item.delete", item_id="a")
        await talk.until("conversation.item.deleted")

    assert retrieved["item"]["content"][0]["text"] == "a"
    assert [item.id for item in sim.sessions[0].conversation.items] == ["b", "c"]


async def test_the_voice_is_fixed_after_the_first_audio():
    async with simulator(Step(say="Hello.")) as sim, connected(sim, session()) as talk:
        change = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
        await talk.send(type="session.update", session=change)
        await talk.until("session.updated")
        await talk.send(type="response.create")
        await talk.until("response.done")
        change["audio"]["output"]["voice"] = "marin"
        error = await talk.refused(type="session.update", session=change)
        override = {"audio": {"output": {"voice": "marin"}}}
        other = await talk.refused(type="response.create", response=override)

    assert error["param"] == "session.audio.output.voice"
    assert other["param"] == "response.audio.output.voice"


async def test_clearing_forgets_audio_and_words():
    async with simulator() as sim, connected(sim, session(turn_detection=None)) as talk:
        await talk.append(speech("forget this"))
        await talk.send(type="input_audio_buffer.clear")
        await talk.until("input_audio_buffer.cleared")
        error = await talk.refused(type="input_audio_buffer.commit")
        await talk.append(speech("keep this"))
        await talk.send(type="input_audio_buffer.commit")
        await talk.until("conversation.item.input_audio_transcription.completed")

    assert error["code"] == "input_audio_buffer_commit_empty"
    assert [turn.text for turn in sim.sessions[0].heard] == ["keep this"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/realtime?model=m", {}, 401),
        ("/v1/realtime?model=m", {"Authorization": "Bearer wrong"}, 401),
        ("/v1/realtime?model=m", {"Authorization": "Basic right"}, 401),
        ("/v1/realtime", {"Authorization": "Bearer right"}, 400),
        ("/v1/realtime?model=m", {"Authorization": "Bearer right", "OpenAI-Beta": "realtime=v1"}, 400),
        ("/v1/other?model=m", {"Authorization": "Bearer right"}, 404),
    ],
)
async def test_upgrades_that_are_refused(path, headers, status):
    async with simulator(options=SimOptions(api_key="right")) as sim:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{sim.port}{path}", additional_headers=headers, proxy=None)

    assert caught.value.response.status_code == status
    assert b'"error"' in caught.value.response.body


async def test_leaving_the_simulator_ends_its_sessions():
    sim = simulator(Step(say="A long answer."), options=SLOW)
    async with AsyncOpenAI(base_url="http://unused", api_key="k") as client:
        async with sim:
            connection = await client.with_options(base_url=sim.base_url).realtime.connect(model="m").enter()
            await connection.recv()
            await connection.response.create()
            await connection.recv()
        with pytest.raises(ConnectionClosed, match="1001"):
            await Talk(connection, sim).until("never")
        await connection.close()

    assert sim.sessions[0].closed.is_set()


def test_own_mistakes_are_loud():
    with pytest.raises(InvalidServerEvent, match="undeclared"):
        check_server({"type": "input_audio_buffer.cleared", "event_id": "e", "extra": 1})
    with pytest.raises(InvalidServerEvent, match="item_id"):
        check_server({"type": "input_audio_buffer.committed", "event_id": "e"})


@pytest.mark.parametrize("frame", ["{", "[1]", '"text"', b"\xff\xfe", "null"])
def test_frames_that_are_no_events(frame):
    checked = check_client(frame)

    assert isinstance(checked, Refusal)
    assert checked.code == "invalid_json"


def test_item_references_are_known_in_a_response_input():
    body = '{"type":"response.create","response":{"conversation":"none","input":[%s]}}'

    assert isinstance(check_client(body % '{"type":"item_reference","id":"item_1"}'), ClientEvent)
    assert isinstance(check_client(body % '{"type":"item_reference"}'), Refusal)
    wrong = check_client(body % '{"type":"item_reference","id":"item_1","x":1}')
    assert isinstance(wrong, Refusal)
    assert re.match("unknown_parameter", wrong.code)
