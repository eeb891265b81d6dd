"""The bundled dialplan and its locks, on a real Asterisk: who may make this PBX dial, and what it then does.

The witness is SIPp's log: a refused number must cause no INVITE at all.
"""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import pytest

from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.phones import Callee
from tests.real.raw_ari import RawAri

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
NUMBER = "15550000001"

ALLOWED = ["15550000001", "+15550000001"]
REFUSED = [
    *("112", "911", "999", "+112", "+1911", "110", "116117", "+353112", "+353999", "12345", "+12345"),
    *("+19005550000", "19765550000", "+12029761234", "+18095550000", "+18765550000", "+12425550000"),
    *("+13455550000", "+16645550000", "+18685550000", "+33899123456", "+34806123456", "+81990123456"),
    *("+882161234567", "+881612345678", "+870123456789", "+979123456789", "+449091234567", "+49900123456"),
    *("0015550000001", "015550000001", "+015550000001", "+74951234567", "1555000000112345", "15550000001#"),
    *("15550000001 ", "15550000001a", "15550000001&PJSIP/15550000001", "PJSIP/15550000001", "+", "++15550000001"),
    *("15550000001@opendeep-trunk", "s", "١٥٥٥٠٠٠٠٠٠١", "${SHELL(id)}", "15550000001,1,2", "+1555000000x"),
]


async def local(
    ari: RawAri, number: str, channel_id: str, context: str = "opendeep-outbound", **body: object
) -> int:
    """Originates through the dialplan; gives the HTTP status."""
    wanted = {"endpoint": f"Local/{number}@{context}/n", "app": ari.app, "channelId": channel_id, "timeout": 5}
    return (await ari.ask("POST", "channels", {**wanted, **body})).status


@pytest.mark.parametrize("number", ALLOWED)
async def test_allowed_numbers_are_dialled_once(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, number: str
) -> None:
    at = phones(Callee(NUMBER, hang_up_after_ms=100))
    async with asterisk.client("plan") as ari:
        assert await local(ari, number, "x-c") == 200
        end = await ari.event("ChannelDestroyed", "x-c")
    assert at.invites == {NUMBER: 1}
    assert end["cause"] == 16


async def test_refused_numbers_never_reach_the_trunk(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    at = phones(Callee(NUMBER))
    causes: dict[str, int | None] = {}
    async with asterisk.client("plan") as ari:
        for n, number in enumerate(REFUSED):
            answered = await local(ari, number, f"x{n}-c")
            end = await ari.event("ChannelDestroyed", f"x{n}-c") if answered == 200 else {}
            causes[number] = end.get("cause")
    assert not at.invites
    strange = {number: cause for number, cause in causes.items() if cause not in (28, 0, None)}
    assert not strange, strange
    assert causes["112"] == causes["+19005550000"] == causes["+74951234567"] == 28


async def test_busy_comes_through_the_dialplan(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    phones(Callee(NUMBER, status=486))
    async with asterisk.client("plan") as ari:
        await local(ari, NUMBER, "x-c")
        end = await ari.event("ChannelDestroyed", "x-c")
    assert end["cause"] == 17
    assert "tech_cause" not in end


async def test_no_call_without_an_end(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    at = phones(Callee(NUMBER))
    async with asterisk.client("plan") as ari:
        await local(ari, NUMBER, "x-c", variables={"OD_MAX_SECONDS": "1"})
        await ari.event("StasisStart", "x-c")
        await ari.event("ChannelDestroyed", "x-c", timeout_s=5)
    await at.until("BYE-IN", NUMBER)


async def test_transfer_goes_over_the_trunk_and_gets_new_time(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    target = "15550000002"
    at = phones(Callee(NUMBER), Callee(target, hang_up_after_ms=2000))
    async with asterisk.client("plan") as ari:
        await ari.dial(NUMBER, "x-c", variables={"TIMEOUT(absolute)": "2"})
        await ari.event("StasisStart", "x-c")
        there = {"context": "opendeep-transfer", "extension": f"+{target}", "priority": 1}
        assert (await ari.ask("POST", "channels/x-c/continue", there)).status == 204
        await ari.event("StasisEnd", "x-c")
        await at.until("ANSWER", target)
        await at.until("BYE-OUT", target)
        end = await ari.event("ChannelDestroyed", "x-c")
    assert end["cause"] == 16
    assert at.invites == {NUMBER: 1, target: 1}


async def test_transfer_to_a_refused_number_ends_the_call(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    at = phones(Callee(NUMBER))
    async with asterisk.client("plan") as ari:
        await ari.dial(NUMBER, "x-c")
        await ari.event("StasisStart", "x-c")
        there = {"context": "opendeep-transfer", "extension": "+19005550000", "priority": 1}
        await ari.ask("POST", "channels/x-c/continue", there)
        assert (await ari.event("ChannelDestroyed", "x-c"))["cause"] == 28
    assert at.invites == {NUMBER: 1}


async def test_amd_comes_back_with_its_verdict(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    phones(Callee(NUMBER))
    async with asterisk.client("plan-amd_1") as ari:
        await ari.dial(NUMBER, "x-c", variables={"OD_APP": "plan-amd_1"})
        await ari.event("StasisStart", "x-c", args=[])
        there = {"context": "opendeep-amd", "extension": "s", "priority": 1}
        await ari.ask("POST", "channels/x-c/continue", there)
        await ari.event("ChannelVarset", "x-c", variable="AMDSTATUS", value="NOTSURE")
        cause = (await ari.event("ChannelVarset", "x-c", variable="AMDCAUSE"))["value"]
        await ari.event("StasisStart", "x-c", args=["amd", "NOTSURE", cause])
        assert cause.startswith("TOOLONG-"), "the cause carries the milliseconds"
        await ari.ask("DELETE", "channels/x-c")
        await ari.event("ChannelDestroyed", "x-c")


@pytest.mark.parametrize(
    ("case", "answers", "cause"),
    [
        *((case, True, 16) for case in ("echo", "silent", "voicemail", "digits")),
        *(("brief", True, 16), ("busy", False, 0), ("reject", False, 21), ("congestion", False, 0)),
        ("ring", False, 19),
    ],
)
async def test_test_callees(
    nothing_left: None, asterisk: RealAsterisk, case: str, answers: bool, cause: int
) -> None:
    async with asterisk.client("plan") as ari:
        timeout = 1 if case == "ring" else 5
        assert await local(ari, case, "x-c", "opendeep-test", timeout=timeout) == 200
        if answers:
            await ari.event("StasisStart", "x-c")
            if case == "digits":
                for digit in "123#":
                    await ari.event("ChannelDtmfReceived", "x-c", digit=digit)
            await ari.ask("DELETE", "channels/x-c")
        end = await ari.event("ChannelDestroyed", "x-c")
    assert end["cause"] == cause


async def test_a_redirect_is_not_followed(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    elsewhere = f"Contact: <sip:15550000009@127.0.0.1:{asterisk.trunk_port}>"
    at = phones(Callee(NUMBER, status=302, ring_ms=0, headers=elsewhere), Callee("15550000009"))
    async with asterisk.client("plan") as ari:
        await ari.dial(NUMBER, "x-c")
        await ari.event("ChannelDestroyed", "x-c")
    assert at.invites == {NUMBER: 1}


async def test_a_foreign_realm_gets_no_digest(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    challenge = 'WWW-Authenticate: Digest realm="somebody.else", nonce="1", algorithm=MD5'
    at = phones(Callee(NUMBER, status=401, ring_ms=0, headers=challenge))
    async with asterisk.client("plan") as ari:
        await ari.dial(NUMBER, "x-c")
        end = await ari.event("ChannelDestroyed", "x-c")
    assert at.invites == {NUMBER: 1}, "no second INVITE with credentials"
    assert end["cause"] == 21


async def test_nobody_dials_from_outside(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    at = phones(Callee(NUMBER))
    for target in (NUMBER, f"+{NUMBER}", "echo", "s", "112"):
        with sip_socket() as caller:
            assert sip_answer(caller, asterisk.sip_port, invite(caller, target)).startswith("SIP/2.0 403"), target
    with sip_socket("127.0.0.2") as stranger:
        answer = sip_answer(stranger, asterisk.sip_port, invite(stranger, NUMBER))
    assert answer.startswith("SIP/2.0 401"), "an unknown address is asked for credentials nobody has"
    assert not at.invites


@contextmanager
def sip_socket(address: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((address, 0))
        one.settimeout(5)
        yield one


def invite(caller: socket.socket, target: str) -> str:
    address, port = caller.getsockname()
    body = f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
    token = secrets.token_hex(8)
    return (
        f"INVITE sip:{target}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{token}\r\n"
        f"From: <sip:caller@{address}>;tag={token}\r\nTo: <sip:{target}@127.0.0.1>\r\nCall-ID: {token}\r\n"
        f"CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:caller@{address}:{port}>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def sip_answer(caller: socket.socket, port: int, request: str) -> str:
    """Sends, waits for the first final answer, acknowledges it."""
    caller.sendto(request.encode(), ("127.0.0.1", port))
    while True:
        answer = caller.recv(4096).decode()
        if not answer.startswith("SIP/2.0 1"):
            break
    to = next(line for line in answer.split("\r\n") if line.startswith("To:"))
    lines = [line for line in request.split("\r\n")[:6] if not line.startswith("To:")]
    ack = "\r\n".join([*lines, to, "Content-Length: 0", "", ""]).replace("INVITE", "ACK")
    caller.sendto(ack.encode(), ("127.0.0.1", port))
    return answer


async def test_ari_is_for_one_user_on_loopback(nothing_left: None, asterisk: RealAsterisk) -> None:
    right = aiohttp.encode_basic_auth(asterisk.username, asterisk.password)
    wrong = aiohttp.encode_basic_auth(asterisk.username, "wrong")
    url = f"{asterisk.url}/ari/asterisk/ping"
    foreign = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession() as session, aiohttp.ClientSession(connector=foreign) as elsewhere:
        async with session.get(url) as answer:
            assert answer.status == 401
        async with session.get(url, headers={"Authorization": wrong}) as answer:
            assert answer.status == 401
        async with session.get(url, headers={"Authorization": right}) as answer:
            assert answer.status == 200
            assert not answer.headers.get("Server"), "the version is nobody's business"
        async with elsewhere.get(url, headers={"Authorization": right}) as answer:
            assert answer.status in (401, 403), "the right password from the wrong address"
        async with session.get(f"{asterisk.url}/httpstatus") as answer:
            assert answer.status == 404


async def test_functions_that_reach_the_machine_are_shut(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    phones(Callee(NUMBER))
    async with asterisk.client("plan") as ari:
        await ari.dial(NUMBER, "x-c")
        await ari.event("StasisStart", "x-c")
        for name in ("SHELL(id)", "FILE(/etc/passwd)", "CURL(http://127.0.0.1)", "DB(a/b)"):
            answer = await ari.ask("GET", f"channels/x-c/variable?variable={name}")
            assert answer.status == 500 or not answer.body.get("value"), (name, answer)
        await ari.ask("DELETE", "channels/x-c")
        await ari.event("ChannelDestroyed", "x-c")
