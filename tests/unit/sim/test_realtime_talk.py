"""Conversations with SimRealtime through the openai SDK's own client."""

import base64

import numpy as np
import pytest

from app.sim import tonevoice
from app.sim.realtime.brain import Cause, EchoBrain, ScriptedBrain, Step, ToolCall
from app.sim.realtime.options import SimOptions
from app.sim.realtime.polite import PoliteBrain
from app.sim.realtime.server import SimRealtime
from media.g711 import ALAW
from tests.unit.sim.realtime_talk import FAST, Talk, connected, session, speech

pytestmark = pytest.mark.anyio

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


def simulator(*steps: Step, options: SimOptions = FAST, **more) -> tuple[SimRealtime, ScriptedBrain]:
    brain = ScriptedBrain(steps)
    return SimRealtime(brain=lambda: brain, options=options, **more), brain


async def say_as_user(talk: Talk, text: str) -> None:
    part = {"type": "input_text", "text": text}
    await talk.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": [part]})


async def test_a_text_turn():
    sim, brain = simulator(Step(say="Hi there."))
    async with sim, connected(sim, session(output_modalities=["text"])) as talk:
        await say_as_user(talk, "good morning")
        await talk.send(type="response.create")
        done = await talk.until("response.done")

    assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hi there."}]
    assert brain.asked[0][0].cause is Cause.TURN
    assert brain.asked[0][0].text == "good morning"
    assert brain.asked[0][1].instructions == "Be brief."


async def test_an_audio_turn_in_the_order_of_the_api():
    sim, _ = simulator(Step(say="I heard you."))
    async with sim, connected(sim, session()) as talk:
        await talk.append(speech("tomorrow at four", before_ms=1_000))
        done = await talk.until("response.done")

    floating = "input_audio_transcription"
    turn = [kind for kind in talk.types[2:] if floating not in kind]
    assert list(dict.fromkeys(turn)) == list(dict.fromkeys(TURN))
    assert talk.types.index("input_audio_buffer.committed") < next(
        index for index, kind in enumerate(talk.types) if floating in kind
    )
    started, stopped = talk.last(TURN[0]), talk.last(TURN[1])
    assert abs(started["audio_start_ms"] - 700) <= 20
    assert abs(stopped["audio_end_ms"] - 1_000 - tonevoice.duration_ms("tomorrow at four") - 500) <= 40
    completed = talk.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "tomorrow at four"
    assert completed["usage"]["type"] == "duration"
    assert talk.heard() == ["i heard you."]
    assert done["response"]["status"] == "completed"
    assert sim.sessions[0].heard[0].text == "tomorrow at four"
    assert [one.text for one in sim.sessions[0].spoken] == ["I heard you."]
    assert sim.sessions[0].spoken[0].audio_ms == tonevoice.duration_ms("I heard you.")


@pytest.mark.parametrize(("audio_format", "rate_hz"), [("audio/pcma", 8_000), ("audio/pcm", 24_000)])
async def test_the_other_formats(audio_format, rate_hz):
    async with (
        SimRealtime(brain=EchoBrain, options=FAST) as sim,
        connected(sim, session(format=audio_format)) as talk,
    ):
        samples = np.concatenate([tonevoice.speak("ja", rate_hz), np.zeros(rate_hz, np.int16)])
        await talk.append(ALAW.encode_bytes(samples) if rate_hz == 8_000 else samples.tobytes())
        await talk.until("response.done")

    deltas = [event["delta"] for event in talk.events if event["type"] == "response.output_audio.delta"]
    audio = b"".join(map(base64.b64decode, deltas))
    heard = ALAW.decode_bytes(audio) if rate_hz == 8_000 else np.frombuffer(audio, np.int16)
    assert tonevoice.listen(heard, rate_hz)[0].text == "you said ja."


async def test_barge_in_cancels_what_is_still_generated_and_truncates():
    sentence = "This is a very long sentence that the callee will certainly interrupt."
    sim, _ = simulator(Step(say=sentence), options=SimOptions(speed=20.0, first_delta_ms=0, transcript_ms=0))
    async with sim, connected(sim, session()) as talk:
        await talk.send(type="response.create")
        await talk.until("response.output_audio.delta")
        await talk.append(speech("wait", silence_ms=0))
        await talk.until("input_audio_buffer.speech_started")
        done = await talk.until("response.done")
        item_id = done["response"]["output"][0]["id"]
        await talk.send(type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=120)
        truncated = await talk.until("conversation.item.truncated")

    assert talk.types[talk.types.index("input_audio_buffer.speech_started") :][1:7] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["response"]["output"][0]["status"] == "incomplete"
    assert truncated["audio_end_ms"] == 120
    spoken = sim.sessions[0].spoken[0]
    assert spoken.truncated_at_ms == 120
    assert 0 < spoken.audio_ms < tonevoice.duration_ms(sentence)
    assert sim.sessions[0].conversation.get(item_id).text == ""


async def test_without_interrupt_response_the_answer_goes_on():
    sim, _ = simulator(Step(say="I finish my sentence."), options=SimOptions(speed=30.0, first_delta_ms=0))
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    async with sim, connected(sim, session(turn_detection=detection)) as talk:
        await talk.send(type="response.create")
        await talk.until("response.output_audio.delta")
        await talk.append(speech("wait"))
        await talk.until("input_audio_buffer.committed")
        done = await talk.until("response.done")

    assert done["response"]["status"] == "completed"
    assert talk.types.count("response.created") == 1
    assert "error" not in talk.types


async def test_a_tool_call_with_preamble_and_the_answer_after_its_output():
    call = ToolCall(name="end_call", arguments={"reason": "done"})
    sim, brain = simulator(Step(preamble="One moment.", call=(call,)), Step(say="Goodbye.", on=Cause.TOOL_OUTPUT))
    async with sim, connected(sim, session()) as talk:
        await talk.append(speech("bye"))
        done = await talk.until("response.done")
        arguments = talk.last("response.function_call_arguments.done")
        output = {"type": "function_call_output", "call_id": arguments["call_id"], "output": '{"ok": true}'}
        await talk.send(type="conversation.item.create", item=output)
        await talk.send(type="response.create")
        await talk.until("response.done")

    assert [item["type"] for item in done["response"]["output"]] == ["message", "function_call"]
    assert (arguments["name"], arguments["arguments"]) == ("end_call", '{"reason": "done"}')
    assert brain.asked[1][0].text == '{"ok": true}'
    assert talk.heard() == ["one moment.", "goodbye."]


async def test_a_farewell_has_its_own_instructions_and_no_tools():
    sim, brain = simulator(Step(say="Goodbye."))
    async with sim, connected(sim, session()) as talk:
        await say_as_user(talk, "thanks")
        farewell = {"instructions": "Be brief. Say goodbye.", "tool_choice": "none"}
        await talk.send(type="response.create", response=farewell)
        await talk.until("response.done")

    event, view = brain.asked[0]
    assert (event.cause, event.text) == (Cause.RESPONSE_CREATE, "thanks")
    assert event.instructions == "Be brief. Say goodbye."
    assert view.instructions == "Be brief."
    assert view.tools == ()


async def test_a_manual_turn():
    sim, brain = simulator(Step(say="Yes."))
    async with sim, connected(sim, session(turn_detection=None)) as talk:
        await talk.append(speech("push to talk"))
        await talk.send(type="input_audio_buffer.commit")
        await talk.until("conversation.item.done")
        await talk.send(type="response.create")
        await talk.until("response.done")

    assert brain.asked[0][0].text == "push to talk"
    assert "input_audio_buffer.speech_started" not in talk.types


async def test_an_out_of_band_response_runs_beside_the_spoken_one():
    sim, brain = simulator(
        Step(say="A long spoken answer goes on here."),
        Step(say="human"),
        options=SimOptions(speed=10.0, first_delta_ms=0),
    )
    async with sim, connected(sim, session()) as talk:
        await talk.send(type="response.create")
        await talk.until("response.output_audio.delta")
        question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "who?"}]}
        params = {"conversation": "none", "output_modalities": ["text"], "metadata": {"topic": "amd"}}
        await talk.send(type="response.create", response={**params, "input": [question]})
        done = await talk.until("response.done")

    assert done["response"]["metadata"] == {"topic": "amd"}
    assert done["response"].get("conversation_id") is None
    assert done["response"]["output"][0]["content"][0]["text"] == "human"
    assert brain.asked[1][0].text == "who?"
    assert len(sim.sessions[0].conversation.items) == 1


async def test_semantic_detection_waits_for_a_broken_sentence():
    detection = {"type": "semantic_vad", "eagerness": "high"}
    async with (
        SimRealtime(brain=EchoBrain, options=FAST) as sim,
        connected(sim, session(turn_detection=detection)) as talk,
    ):
        await talk.append(speech("well, i think,", silence_ms=1_500))
        await talk.append(speech("yes.", silence_ms=600))
        await talk.until("response.done")

    assert [turn.text for turn in sim.sessions[0].heard] == ["well, i think, yes."]


async def test_idle_time_counts_audio_and_ends_in_a_response():
    sim, brain = simulator(Step(say="Hello?"), Step(say="Are you there?", on=Cause.IDLE))
    detection = {"type": "server_vad", "idle_timeout_ms": 5_000}
    async with sim, connected(sim, session(turn_detection=detection)) as talk:
        await talk.send(type="response.create")
        await talk.until("response.done")
        await talk.append(b"\xff" * 8 * 6_000)
        await talk.until("input_audio_buffer.timeout_triggered")
        await talk.until("response.done")

    assert brain.asked[1][0].cause is Cause.IDLE


async def test_words_can_come_from_the_side_when_the_callee_uses_another_voice():
    sim, brain = simulator(Step(say="Yes."))
    async with sim, connected(sim, session()) as talk:
        talk.far.hear("spoken by espeak")
        noise = np.random.default_rng(5).integers(0, 255, 8_000, dtype=np.uint8).tobytes()
        await talk.append(noise + b"\xff" * 8_000)
        await talk.until("response.done")

    assert brain.asked[0][0].text == "spoken by espeak"


async def test_usage_is_consistent_and_cached_tokens_grow():
    sim, _ = simulator(options=FAST)
    async with sim, connected(sim, session(instructions="x" * 1_200)) as talk:
        usages = []
        for _ in range(2):
            await talk.append(speech("hello there"))
            usages.append((await talk.until("response.done"))["response"]["usage"])
        await talk.send(type="response.create", response={"instructions": "y" * 1_200})
        after_change = await talk.until("response.done")

    for usage in usages:
        given, made = usage["input_token_details"], usage["output_token_details"]
        assert usage["input_tokens"] == given["text_tokens"] + given["audio_tokens"]
        assert usage["output_tokens"] == made["text_tokens"] + made["audio_tokens"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert given["cached_tokens"] == sum(given["cached_tokens_details"].values()) <= usage["input_tokens"]
    assert usages[0]["input_token_details"]["cached_tokens"] == 0
    assert usages[1]["input_token_details"]["cached_tokens"] >= 256
    assert after_change["response"]["usage"]["input_token_details"]["cached_tokens"] == 0
    assert usages[0]["output_token_details"]["audio_tokens"] == -(-tonevoice.duration_ms("okay.") // 50)


async def test_the_polite_brain_books_and_hangs_up():
    greeting = (
        "The call begins now and you speak first. Open it with this greeting, word for word: Good day, Anna."
    )
    async with SimRealtime(brain=PoliteBrain, options=FAST) as sim, connected(sim, session()) as talk:
        await talk.send(type="response.create", response={"instructions": f"Be brief.\n\n{greeting}"})
        await talk.until("response.done")
        await talk.append(speech("yes?"))
        await talk.until("response.done")
        await talk.append(speech("tomorrow at four is fine"))
        await talk.until("response.done")

    assert talk.heard()[0] == "good day, anna."
    assert "i noted tomorrow at four" in talk.heard()[2]
    assert talk.last("response.function_call_arguments.done")["name"] == "end_call"


async def test_sessions_can_be_told_apart_and_their_journal_kept(tmp_path):
    sim = SimRealtime(options=FAST, journal_dir=tmp_path)
    async with sim:
        async with connected(sim, session(instructions="call one")) as talk:
            await talk.append(speech("hello"))
            await talk.until("response.done")
        found = await sim.session(lambda one: one.instructions == "call one")
        await found.closed.wait()
        with pytest.raises(TimeoutError):
            await sim.session(lambda one: one.instructions == "call two", timeout_s=0.01)

    assert found.model == "gpt-realtime-2.1"
    assert "test-key" not in str(found.headers)
    assert found.journal.has_order("session.update", "input_audio_buffer.append", "response.done")
    lines = (tmp_path / f"{found.id}.jsonl").read_text().splitlines()
    assert len(lines) == len(found.journal)


async def test_the_same_seed_sends_the_same_frames():
    async def run() -> list[tuple[str, str]]:
        sim, _ = simulator(Step(say="Always the same words."), seed=42)
        async with sim, connected(sim, session()) as talk:
            await talk.send(type="response.create")
            await talk.until("response.done")
        return [(entry.type, entry.summary) for entry in sim.sessions[0].journal if entry.direction == "out"]

    assert await run() == await run()
