"""The REST client against a scripted server: what goes over the wire, and what every failure becomes."""

import base64

import pytest

from stasis import call_model as m
from stasis.client import AriClient
from stasis.errors import (
    AriError,
    AriTimeout,
    AriUnreachable,
    BadRequest,
    Conflict,
    InvalidState,
    MalformedReply,
    NotFound,
    ServerError,
    Unauthorized,
    Unprocessable,
    error_for,
)
from stasis.requests import CreateExternalMedia, Originate
from stasis.runner import run_effect
from stasis.stream import Gate
from tests.unit.stasis.ari_server import DROP, HANG, ari_server, free_port

pytestmark = pytest.mark.anyio
CHANNEL = b'{"id":"od-n1-a-c","state":"Down","protocol_id":"sip-1","new_field":{"x":1},"channelvars":{"A":"1"}}'
BRIDGE = b'{"id":"od-n1-a-b","channels":["od-n1-a-m"],"technology":"simple_bridge"}'
ORIGINATE = Originate(
    endpoint="PJSIP/+15550100@trunk",
    app="opendeep-n1",
    channel_id="od-n1-a-c",
    timeout_s=30,
    variables={"TIMEOUT(absolute)": "660"},
)


async def test_originate_carries_everything_in_the_body() -> None:
    async with ari_server() as (server, client):
        server.answers("POST", "/channels", (200, CHANNEL))
        channel = await client.channels.originate(ORIGINATE)
    assert (channel.id, channel.protocol_id, channel.channelvars) == ("od-n1-a-c", "sip-1", {"A": "1"})
    (seen,) = server.seen
    assert (seen.path, seen.query) == ("/channels", {})
    assert seen.body == {
        "endpoint": "PJSIP/+15550100@trunk",
        "app": "opendeep-n1",
        "channelId": "od-n1-a-c",
        "timeout": 30,
        "variables": {"TIMEOUT(absolute)": "660"},
    }
    assert seen.authorization == "Basic " + base64.b64encode(b"opendeep:s3cret:pass").decode()


async def test_ids_are_quoted_once() -> None:
    async with ari_server() as (server, client):
        await client.channels.hangup("a/b;2?x", "busy")
    (seen,) = server.seen
    assert (seen.path, seen.query) == ("/channels/a%2Fb%3B2%3Fx", {"reason": "busy"})


ANSWERS = {
    ("GET", "/channels"): (200, b"[" + CHANNEL + b"]"),
    ("GET", "/channels/c"): (200, CHANNEL),
    ("POST", "/channels/externalMedia"): (200, CHANNEL),
    ("GET", "/channels/c/variable"): (200, b'{"value":"v"}'),
    ("GET", "/channels/c/rtp_statistics"): (200, b'{"txcount":5,"txmes":88.1,"rtt":0.5}'),
    ("POST", "/channels/c/snoop"): (200, CHANNEL),
    ("POST", "/bridges"): (200, BRIDGE),
    ("GET", "/bridges"): (200, b"[" + BRIDGE + b"]"),
    ("GET", "/bridges/b"): (200, BRIDGE),
    ("POST", "/bridges/b/record"): (201, b'{"name":"r","format":"wav","state":"queued"}'),
    ("GET", "/applications/opendeep-n1"): (200, b'{"name":"opendeep-n1","channel_ids":["x"]}'),
    ("PUT", "/applications/opendeep-n1/eventFilter"): (200, b'{"name":"opendeep-n1"}'),
    ("GET", "/asterisk/info"): (
        200,
        b'{"status":{"startup_time":"2026-08-06T15:45:49.123+0000"},"build":{"os":"Linux"}}',
    ),
    ("GET", "/asterisk/ping"): (200, b'{"asterisk_id":"aa","ping":"pong"}'),
}


async def test_every_verb() -> None:
    async with ari_server() as (server, client):
        for (method, path), answer in ANSWERS.items():
            server.answers(method, path, answer)
        media = CreateExternalMedia(
            channel_id="m", app="a", external_host="127.0.0.1:4", format="ulaw", data="media,a"
        )
        assert [channel.id for channel in await client.channels.list()] == ["od-n1-a-c"]
        assert (await client.channels.get("c")).state == "Down"
        await client.channels.external_media(media)
        await client.channels.continue_in_dialplan("c", context="opendeep-amd")
        await client.channels.dtmf("c", "12w3#")
        await client.channels.hold("c")
        await client.channels.unhold("c")
        await client.channels.start_moh("c")
        await client.channels.stop_moh("c")
        assert await client.channels.get_variable("c", "X") == "v"
        await client.channels.set_variable("c", "X", "1")
        assert (await client.channels.rtp_statistics("c")).rtt == 0.5
        await client.channels.snoop("c", snoop_id="s", app="a")
        await client.bridges.create("b")
        assert (await client.bridges.list())[0].channels == ("od-n1-a-m",)
        await client.bridges.get("b")
        await client.bridges.add_channel("b", "c")
        await client.bridges.remove_channel("b", "c")
        assert (await client.bridges.record("b", "r")).state == "queued"
        await client.bridges.destroy("b")
        assert (await client.applications.get("opendeep-n1")).channel_ids == ("x",)
        await client.applications.filter_events("opendeep-n1", ["ChannelVarset"])
        info = await client.asterisk.info(only="status")
        assert info.status is not None
        assert info.status.startup_time is not None
        assert (await client.asterisk.ping()).ping == "pong"
    wire = {(seen.method, seen.path): (seen.query, seen.body) for seen in server.seen}
    assert len(wire) == 24
    assert wire["POST", "/channels/c/dtmf"] == ({}, {"dtmf": "12w3#", "between": 80, "duration": 160})
    assert wire["GET", "/channels/c/variable"] == ({"variable": "X"}, None)
    assert wire["POST", "/bridges/b/addChannel"] == ({}, {"channel": "c"})
    assert wire["POST", "/channels/c/moh"] == ({}, None)
    assert wire["PUT", "/applications/opendeep-n1/eventFilter"] == (
        {},
        {"disallowed": [{"type": "ChannelVarset"}]},
    )
    assert wire["POST", "/channels/externalMedia"][1] == {
        "channelId": "m",
        "app": "a",
        "external_host": "127.0.0.1:4",
        "format": "ulaw",
        "data": "media,a",
    }


@pytest.mark.parametrize("digits", ["", "12a", "1 2", "1" * 33, "1\n"])
async def test_wrong_digits_are_our_own_mistake(digits: str) -> None:
    async with ari_server() as (server, client):
        with pytest.raises(ValueError, match="dtmf"):
            await client.channels.dtmf("c", digits)
    assert server.seen == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, b'{"message":"Invalid endpoint"}', BadRequest, "Invalid endpoint"),
        (401, b'{"message":"Authentication required"}', Unauthorized, "Authentication required"),
        (403, b'{"message":"Write access denied"}', Unauthorized, "Write access denied"),
        (404, b'{"message":"Channel not found"}', NotFound, "Channel not found"),
        (409, b'{"message":"Channel not in Stasis application"}', Conflict, "Channel not in Stasis application"),
        (412, b'{"message":"Channel in invalid state"}', InvalidState, "Channel in invalid state"),
        (
            422,
            b'{"message":"Channel not in Stasis application"}',
            Unprocessable,
            "Channel not in Stasis application",
        ),
        (500, b'{"error":"Allocation failed"}', ServerError, "Allocation failed"),
        (503, b"<html>down</html>", ServerError, "<html>down</html>"),
        (500, b"", ServerError, ""),
        (500, b"\xff\xfe", ServerError, "\ufffd\ufffd"),
        (418, b"[]", AriError, "[]"),
        (302, b"", AriError, ""),
    ],
)
async def test_error_bodies(status: int, body: bytes, kind: type[AriError], message: str) -> None:
    async with ari_server() as (server, client):
        server.answers("POST", "/channels", (status, body))
        with pytest.raises(AriError) as caught:
            await client.channels.originate(ORIGINATE)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.message, error.method, error.path) == (status, message, "POST", "/channels")
    assert error.maybe_executed is (status == 503)
    assert "+15550100" not in str(error)
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", [b"", b"not json", b'{"state":"Up"}', b'{"id":5}'])
async def test_a_reply_we_cannot_read_was_executed(body: bytes) -> None:
    async with ari_server() as (server, client):
        server.answers("POST", "/channels", (200, body))
        with pytest.raises(MalformedReply) as caught:
            await client.channels.originate(ORIGINATE)
    assert caught.value.maybe_executed


async def test_no_answer_in_time_is_never_sent_again() -> None:
    async with ari_server(timeout_s=0.1) as (server, client):
        server.answers("POST", "/channels", (HANG, b""))
        server.answers("GET", "/channels", (HANG, b""))
        with pytest.raises(AriTimeout) as caught:
            await client.channels.originate(ORIGINATE)
        with pytest.raises(AriTimeout):
            await client.channels.list()
        assert len(server.seen) == 2
        server.released.set()
    assert caught.value.maybe_executed


async def test_a_broken_post_is_never_sent_again() -> None:
    async with ari_server() as (server, client):
        server.answers("POST", "/channels", (DROP, b""), (200, CHANNEL))
        with pytest.raises(AriUnreachable) as caught:
            await client.channels.originate(ORIGINATE)
    assert len(server.seen) == 1
    assert caught.value.maybe_executed


async def test_a_broken_get_or_delete_is_sent_once_more() -> None:
    async with ari_server() as (server, client):
        server.answers("GET", "/channels", (DROP, b""), (200, b"[]"))
        server.answers("DELETE", "/channels/x", (DROP, b""), (404, b'{"message":"Channel not found"}'))
        assert await client.channels.list() == []
        with pytest.raises(NotFound):
            await client.channels.hangup("x")
        server.answers("GET", "/bridges", (DROP, b""))
        with pytest.raises(AriUnreachable):
            await client.bridges.list()
    assert server.hits["GET", "/bridges"] == 2


async def test_a_connection_that_cannot_be_made_executed_nothing() -> None:
    port = await free_port()
    async with AriClient(f"http://127.0.0.1:{port}/ari", "u", "p", "app") as client:
        with pytest.raises(AriUnreachable) as caught:
            await client.channels.originate(ORIGINATE)
    assert not caught.value.maybe_executed
    assert "cannot connect" in str(caught.value)


def test_an_unknown_status_is_still_an_error() -> None:
    assert type(error_for(599, "x", "GET", "/")) is ServerError
    assert str(error_for(404, "Channel not found", "GET", "/channels/x")) == (
        "Channel not found (GET /channels/x, HTTP 404)"
    )


async def test_effects_become_requests_and_answers_become_inputs() -> None:
    async with ari_server() as (server, client):
        server.answers("POST", "/bridges", (200, BRIDGE))
        server.answers("POST", "/channels", (200, CHANNEL))
        server.answers("POST", "/channels/externalMedia", (200, CHANNEL))
        server.answers("GET", "/channels/c", (200, CHANNEL))
        server.answers("DELETE", "/bridges/b", (404, b'{"message":"Bridge not found"}'))
        effects: list[m.RestEffect] = [
            m.CreateBridge(bridge_id="b"),
            CreateExternalMedia(channel_id="m", app="a", external_host="h:1", format="ulaw"),
            m.AddToBridge(bridge_id="b", channel_id="c"),
            ORIGINATE,
            m.LookUp(channel_id="c"),
            m.HangUpChannel(channel_id="c"),
            m.DestroyBridge(bridge_id="b"),
        ]
        answers = [await run_effect(client, effect) for effect in effects]
    assert [answer.effect for answer in answers] == effects
    assert [type(answer) for answer in answers] == [m.Completed] * 6 + [m.Failed]
    named = [answer.channel is not None for answer in answers if isinstance(answer, m.Completed)]
    assert named == [False, True, False, True, True, False]
    hung_up = next(seen for seen in server.seen if seen.path == "/channels/c" and seen.method == "DELETE")
    assert hung_up.query == {"reason": "normal"}


async def test_a_closed_gate_holds_an_originate_back_and_nothing_else() -> None:
    gate = Gate()
    async with ari_server() as (server, client):
        server.answers("POST", "/channels", (200, CHANNEL))
        answer = await run_effect(client, ORIGINATE, gate)
        assert isinstance(answer, m.Failed)
        assert not answer.error.maybe_executed
        assert isinstance(await run_effect(client, m.HangUpChannel(channel_id="c"), gate), m.Completed)
        gate.open()
        assert isinstance(await run_effect(client, ORIGINATE, gate), m.Completed)
    assert server.hits["POST", "/channels"] == 1


def test_a_parameter_outside_the_table_is_our_own_mistake() -> None:
    with pytest.raises(TypeError):
        Originate(endpoint="x", app="a", channel_id="c", timeout_s=1, extension="s")  # type: ignore[call-arg]


async def test_nothing_that_rings_is_sent_to_an_asterisk_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would keep the request in its socket and ring somebody when it wakes."""
    monkeypatch.setattr("stasis.runner.AWAKE_S", 0.05)
    async with ari_server() as (server, client):
        server.answers("GET", "/asterisk/ping", (HANG, b""))
        answer = await run_effect(client, ORIGINATE)
        assert isinstance(answer, m.Failed)
        assert not answer.error.maybe_executed, "certain that nobody was called"
        assert "no sign of life" in str(answer.error)
    assert server.hits["POST", "/channels"] == 0


async def test_a_caller_is_answered_only_with_its_dead_man_switch() -> None:
    effect = m.AnswerCaller(channel_id="1.2", limit_s=700)
    async with ari_server() as (server, client):
        assert isinstance(await run_effect(client, effect), m.Completed)
        server.answers("POST", "/channels/1.2/variable", (404, b'{"message":"Channel not found"}'))
        assert isinstance(await run_effect(client, effect), m.Failed)
    asked = [(seen.path, seen.body) for seen in server.seen]
    assert asked[0] == ("/channels/1.2/variable", {"variable": "TIMEOUT(absolute)", "value": "700"})
    assert [path for path, _ in asked].count("/channels/1.2/answer") == 1
