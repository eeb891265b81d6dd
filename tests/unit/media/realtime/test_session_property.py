"""Any order of inputs, well or ill formed: the machine never raises and keeps its promises.

Promises: one response.create at a time; response.cancel only for the response being generated; nothing of a
response that is over or was cut is played; no truncation beyond what was received; only legal state changes.
"""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.decoding import decode
from media.realtime.sequencer import CANCEL_TIMEOUT_S, REQUEST_TIMEOUT_S, STALL_TIMEOUT_S
from media.speech_gate import Confirmed, Ended, Long, Onset
from tests.unit.media.realtime.talk import Talk

RESPONSES = ("resp_1", "resp_2", "resp_3")
ITEMS = ("item_1", "item_2", "item_3")
CALLS = ("call_1", "call_2")

response_ids = st.sampled_from(RESPONSES)
item_ids = st.sampled_from(ITEMS)
calls = st.sampled_from(CALLS)
times_ms = st.integers(min_value=-100, max_value=5000)
statuses = st.sampled_from(["completed", "cancelled", "failed", "incomplete", "dancing", None])
codes = st.sampled_from(
    [
        "conversation_already_has_active_response",
        "response_cancel_not_active",
        "rate_limit_exceeded",
        "item_truncate_invalid_item_id",
        "server_error",
        "session_expired",
        None,
    ]
)
SIDE = {"format": {"type": "audio/pcmu"}}


def event(event_type: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(event_type), st.fixed_dictionaries(fields))


deltas = st.integers(min_value=0, max_value=800).map(lambda size: base64.b64encode(b"\x55" * size).decode())
of_item = {"response_id": response_ids, "item_id": item_ids}
function_call = st.fixed_dictionaries(
    {
        "id": item_ids,
        "type": st.sampled_from(["function_call", "message", "function_call_output"]),
        "call_id": calls,
        "name": st.sampled_from(["end_call", None]),
        "status": statuses,
        "arguments": st.just("{}"),
    }
)
server_events = st.one_of(
    event("session.created", session=st.just({"id": "s", "expires_at": 1_000_400})),
    event("session.updated", session=st.just({"audio": {"input": SIDE, "output": SIDE}})),
    event("input_audio_buffer.speech_started", item_id=item_ids, audio_start_ms=times_ms),
    event("input_audio_buffer.speech_stopped", item_id=item_ids, audio_end_ms=times_ms),
    event("input_audio_buffer.committed", item_id=item_ids),
    event("conversation.item.added", item=function_call),
    event("conversation.item.input_audio_transcription.delta", item_id=item_ids, delta=st.just("word ")),
    event("conversation.item.input_audio_transcription.completed", item_id=item_ids, transcript=st.just("Words.")),
    event("conversation.item.input_audio_transcription.failed", item_id=item_ids),
    event("response.output_item.added", response_id=response_ids, item=function_call),
    event("response.output_item.done", response_id=response_ids, item=function_call),
    event("response.output_audio.delta", **of_item, content_index=st.integers(0, 1), delta=deltas),
    event("response.output_audio.done", **of_item),
    event("response.output_audio_transcript.delta", **of_item, delta=st.just("word ")),
    event("response.output_audio_transcript.done", **of_item, transcript=st.just("Words.")),
    event("response.output_text.done", **of_item),
    event("response.function_call_arguments.done", **of_item, call_id=calls, arguments=st.just("{}")),
    event("error", error=st.fixed_dictionaries({"code": codes, "event_id": st.sampled_from(["LAST", None])})),
    event("rate_limits.updated"),
    event("response.created"),
)
created = event(
    "response.created",
    response=st.fixed_dictionaries({"id": response_ids, "metadata": st.sampled_from(["LAST", None])}),
)
done = event(
    "response.done",
    response=st.fixed_dictionaries(
        {
            "id": response_ids,
            "status": statuses,
            "metadata": st.sampled_from(["LAST", None]),
            "output": st.lists(function_call, max_size=2),
        }
    ),
)
engine_inputs = st.one_of(
    st.builds(sm.ToolResult, tool_call_id=calls, output=st.just("{}"), respond=st.booleans()),
    st.just(sm.SayNow(instructions="Bye.")),
    st.builds(sm.InjectText, text=st.just("Offer the window table."), respond=st.booleans()),
    st.builds(sm.MuteAgent, on=st.booleans()),
    st.builds(sm.ListenOnly, on=st.booleans()),
    st.builds(sm.PlaybackStarted, item_id=item_ids, audio_ms=times_ms),
    st.builds(sm.PlaybackFinished, item_id=item_ids, audio_ms=times_ms),
    st.builds(
        sm.LocalGate,
        event=st.sampled_from([Onset(), Confirmed(), Long(), Ended(300), Ended(900)]),
        queued_ms=st.sampled_from([0, 500, 4000]),
    ),
    st.just("append"),
    st.just(sm.Tick()),
    st.just(sm.Answered()),
)
rare_inputs = st.sampled_from(
    [
        sm.Disconnected(code=1006, reason=""),
        sm.Connected(at_unix_s=1_000_000.0),
        sm.Connected(),
        sm.ConnectFailed(status=503, message="busy"),
        sm.Close(),
    ]
)
steps = st.lists(
    st.tuples(
        st.one_of(server_events, server_events, created, done, engine_inputs, rare_inputs),
        st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0]),
    ),
    max_size=60,
)
heard_items = st.tuples(item_ids, st.integers(0, 1), st.integers(-50, 4000), st.integers(0, 4000), st.booleans())


FILLER = b"\x7f" * 160


class Watch:
    """What the machine was told, by an observer who knows nothing of its insides but its patience."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.outstanding_since: float | None = None
        self.active: str | None = None
        self.over: set[str] = set()
        self.cut: set[str] = set()
        self.owner: dict[str, str] = {}
        self.received: dict[tuple[str, int], int] = {}
        self.turns: set[tuple[str, str]] = set()
        self.patience_until = 0.0
        self.answered = False
        self.state = talk.session.state

    def told(self, event_type: str, body: dict[str, Any]) -> None:
        """A server event is about to be handled."""
        if self.state in {sm.SessionState.CONNECTING, sm.SessionState.RECONNECTING, sm.SessionState.CONFIGURING}:
            return
        response = body.get("response_id") or (body.get("response") or {}).get("id")
        if event_type == "error":
            self.outstanding_since = None
        elif event_type == "response.done" and response is not None:
            self.outstanding_since = None
            self.over.add(response)
            self.active = None if self.active == response else self.active
        elif event_type.startswith("response.") and response is not None and response not in self.over:
            if self.active not in {None, response}:
                self.over.add(self.active)
            self.active = response
            self.outstanding_since = None
            if response not in self.cut:
                self.patience_until = self.talk.now + STALL_TIMEOUT_S
        elif event_type == "input_audio_buffer.speech_started" and self.active and self.answered:
            self.cut.add(self.active)

    def check(self, body: dict[str, Any]) -> None:
        """Effects of the step just taken."""
        talk = self.talk
        assert talk.session.state is self.state or talk.session.state in sm.TRANSITIONS[self.state] | {
            after for between in sm.TRANSITIONS[self.state] for after in sm.TRANSITIONS[between]
        }
        self.state = talk.session.state
        for effect in talk.effects:
            match effect:
                case sm.Play(item_id=item_id) if item_id.startswith("filler-"):
                    assert effect.audio == FILLER, "a sound of our own belongs to no response"
                case sm.Play(item_id=item_id, content_index=index):
                    response = body["response_id"]
                    assert response not in self.over | self.cut
                    key = (item_id, index)
                    self.received[key] = self.received.get(key, 0) + len(effect.audio)
                case sm.Connect():
                    self.outstanding_since = None
                    self.active = None
                case sm.Notify(report=nt.Turn() as turn):
                    assert (turn.speaker, turn.item_id) not in self.turns
                    self.turns.add((turn.speaker, turn.item_id))
                    assert 0 <= turn.heard_ms <= turn.generated_ms
                case _:
                    pass
        for sent in talk.sent:
            match sent["type"]:
                case "response.create":
                    late = self.outstanding_since is None or talk.now - self.outstanding_since >= REQUEST_TIMEOUT_S
                    assert late
                    assert self.active is None or talk.now >= self.patience_until
                    self.outstanding_since = talk.now
                case "response.cancel":
                    assert sent["response_id"] == self.active
                    self.cut.add(sent["response_id"])
                    self.patience_until = talk.now + CANCEL_TIMEOUT_S
                case "conversation.item.truncate":
                    key = (sent["item_id"], sent["content_index"])
                    assert 0 <= sent["audio_end_ms"] <= self.received.get(key, 0) // 8
                case _:
                    pass


@given(steps=steps, data=st.data())
def test_random_inputs(steps: list[tuple[Any, float]], data: st.DataObject) -> None:
    opening, barge_in = st.sampled_from(["greet_first", "wait_for_hello"]), st.sampled_from(["server", "guarded"])
    talk = Talk(opening=data.draw(opening), barge_in=data.draw(barge_in), filler=FILLER)
    watch = Watch(talk)
    if data.draw(st.booleans()):
        talk.configured()
        watch.check({})
        watch.state = talk.session.state
    for step, pause_s in steps:
        body: dict[str, Any] = {}
        if step == "append":
            talk.session.append(b"\xff" * 160)
            continue
        if isinstance(step, tuple):
            event_type, body = step
            body = _with_last_id(body, talk)
            watch.told(event_type, body)
            talk.put(sm.ServerFrame(event=decode(msgspec.json.encode({"type": event_type, **body}))), pause_s)
        else:
            talk.put(step, pause_s)
        watch.answered = watch.answered or isinstance(step, sm.Answered)
        watch.check(body)
        if talk.of(sm.FlushPlayback):
            heard = data.draw(st.lists(heard_items, max_size=3))
            names = ("item_id", "content_index", "heard_ms", "received_ms", "finished")
            items = tuple(sm.HeardItem(**dict(zip(names, values, strict=True))) for values in heard)
            talk.put(sm.PlaybackFlushed(items=items, audio_ms=talk.session.position_ms))
            watch.check({})
        deadline = talk.session.next_deadline
        assert deadline is None or deadline > talk.now
    assert talk.session.state in sm.SessionState


def _with_last_id(body: dict[str, Any], talk: Talk) -> dict[str, Any]:
    """Fill in the id of our last response.create where the strategy asks for it."""
    last = next((sent["event_id"] for sent in reversed(talk.all_sent) if sent["type"] == "response.create"), None)
    body = {key: dict(value) if isinstance(value, dict) else value for key, value in body.items()}
    if (error := body.get("error")) and error["event_id"] == "LAST":
        error["event_id"] = last
    if (response := body.get("response")) and response["metadata"] == "LAST":
        response["metadata"] = {"od": last} if last else None
    return body


def test_every_state_is_in_the_table_and_closed_is_the_end() -> None:
    assert set(sm.TRANSITIONS) == set(sm.SessionState)
    assert sm.TRANSITIONS[sm.SessionState.CLOSED] == frozenset()
    reachable = frozenset().union(*sm.TRANSITIONS.values())
    assert reachable | {sm.SessionState.CONNECTING} == set(sm.SessionState)


@pytest.mark.parametrize("opening", ["greet_first", "wait_for_hello"])
def test_the_deadline_is_never_behind(opening: str) -> None:
    talk = Talk(opening=opening).in_call()
    for _ in range(50):
        deadline = talk.session.next_deadline
        if deadline is None:
            break
        assert deadline > talk.now
        talk.put(sm.Tick(), deadline - talk.now)
