"""A telephone that calls in: the SIP half of a caller in a UDP dialogue of its own, with an RtpPhone as its audio.

Independent of the code under test. One call per object: `ring`, then `answered`, `final` or `cancel`, `hang_up`.
The trunk knows 127.0.0.1, so what is sent from there is a call from the carrier.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from tests.real.rtp_phone import RtpBank, RtpPhone

T = TypeVar("T")


class CallingPhone(asyncio.DatagramProtocol):
    """`async with CallingPhone(sip_port, number) as phone:`; `answers` are (monotonic time, status line)."""

    def __init__(
        self, sip_port: int, number: str, *, target: str = "12025550199", user: str | None = None
    ) -> None:
        self.answers: list[tuple[float, str]] = []
        self.ended_at: float | None = None
        """When Asterisk's BYE came."""
        self._asterisk = ("127.0.0.1", sip_port)
        self._number = number
        self._user = number if user is None else user
        self._target = target
        self._bank = RtpBank()
        self.rtp: RtpPhone = self._bank.phone("ulaw")
        self._token = secrets.token_hex(8)
        self._to = f"<sip:{target}@127.0.0.1>"
        self._remote = f"sip:{target}@127.0.0.1"
        self._arrived = asyncio.Event()
        self._cseq = 1

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._port = self._transport.get_extra_info("sockname")[1]
        self._bank.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()
        await asyncio.to_thread(self._bank.close)

    # --- what a person does ---------------------------------------------------------------------
    def ring(self) -> None:
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
        )
        self._send("INVITE", f"sip:{self._target}@127.0.0.1", sdp)

    def cancel(self) -> None:
        """Give up while it rings."""
        self._send("CANCEL", f"sip:{self._target}@127.0.0.1")

    def hang_up(self) -> None:
        self._cseq += 1
        self._send("BYE", self._remote)

    async def taken(self, timeout_s: float = 10) -> None:
        """Until Asterisk has the INVITE: a CANCEL must not precede a provisional answer (RFC 3261, 9.1)."""
        await self._wait(lambda: self.answers or None, timeout_s)

    async def answered(self, timeout_s: float = 10) -> float:
        """When the 200 came (monotonic)."""
        return (await self.final(timeout_s, 200))[0]

    async def final(self, timeout_s: float = 10, wanted: int | None = None) -> tuple[float, int]:
        """Time and status of the final answer to the INVITE."""
        at, status = await self._wait(self._final, timeout_s)
        assert wanted in (None, status), self.answers
        return at, status

    async def bye(self, timeout_s: float = 15) -> float:
        """When Asterisk hung up."""
        return await self._wait(lambda: self.ended_at, timeout_s)

    def statuses(self) -> list[int]:
        """Of all answers to the INVITE, without repetitions."""
        return list(dict.fromkeys(int(line.split()[1]) for _, line in self.answers))

    # --- the wire -------------------------------------------------------------------------------
    def _final(self) -> tuple[float, int] | None:
        found = [(at, int(line.split()[1])) for at, line in self.answers]
        return next(((at, status) for at, status in found if status >= 200), None)

    async def _wait(self, look: Callable[[], T | None], timeout_s: float) -> T:
        async with asyncio.timeout(timeout_s):
            while (found := look()) is None:
                self._arrived.clear()
                await self._arrived.wait()
        return found

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode()
        first, method = text.split("\r\n", 1)[0], _header(text, "CSeq").split()[-1]
        if first.startswith("SIP/2.0") and method == "INVITE":
            self._answer(first, text)
        elif first.startswith("BYE"):
            self.ended_at = time.monotonic()
            lines = [line for line in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
            self._transport.sendto(
                "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]).encode(), addr
            )
        self._arrived.set()

    def _answer(self, first: str, text: str) -> None:
        self.answers.append((time.monotonic(), first))
        status = int(first.split()[1])
        if status < 200:
            return
        self._to = _header(text, "To")
        port = re.search(r"m=audio (\d+)", text)
        contact = re.search(r"<(sip:[^>]+)>", _header(text, "Contact"))
        if contact:
            self._remote = contact[1]
        if port and self.rtp.remote is None:
            self.rtp.remote = ("127.0.0.1", int(port[1]))
            self._bank.wake()
        self._send("ACK", self._remote if status < 300 else f"sip:{self._target}@127.0.0.1")

    def _send(self, method: str, uri: str, sdp: str = "") -> None:
        # CANCEL and the ACK of a refusal belong to the INVITE's transaction and share its branch.
        branch = f"z9hG4bK{self._token}{self._cseq if method == 'BYE' else 1}"
        kind = "Content-Type: application/sdp\r\n" if sdp else ""
        message = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self._port};branch={branch};rport\r\n"
            f"From: <sip:{self._user}@127.0.0.1>;tag={self._token}\r\nTo: {self._to}\r\nCall-ID: {self._token}\r\n"
            f"CSeq: {self._cseq} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:{self._user}@127.0.0.1:{self._port}>\r\n"
            f"{kind}Content-Length: {len(sdp)}\r\n\r\n{sdp}"
        )
        self._transport.sendto(message.encode(), self._asterisk)


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
