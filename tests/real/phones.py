"""Telephones for the real lane: one SIPp answers every number its own way, RtpPhone carries the audio.

SIPp is the signalling witness (another SIP stack than Asterisk's): it logs each INVITE, answer and BYE, and
`Phones.invites` counts calls per number. One scenario serves all numbers of a test: the dialled number is
looked up in a CSV that names the branch, the RTP port and the codec. Used through the fixture `phones`.
"""

import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape

from scripts.lib.faults.udp import UdpRelay
from tests.real.rtp_phone import PAYLOAD_TYPES, RtpBank, RtpPhone

RTPMAP = {"ulaw": "PCMU/8000", "alaw": "PCMA/8000", "g722": "G722/8000"}


@dataclass(frozen=True)
class Callee:
    """What one number does. Default: rings 100 ms, answers, waits for the caller's BYE."""

    number: str
    """Digits without plus."""
    ring_ms: int = 100
    """180 is sent at once; the verdict follows after this long (0: no 180, verdict at once)."""
    status: int | None = 200
    """200 answers, 300-699 refuses, None rings until the CANCEL."""
    reason: str = ""
    headers: str = ""
    """Further header lines of a refusal (Contact of a 302, WWW-Authenticate of a 401)."""
    early_media: bool = False
    """183 with SDP instead of 180."""
    hang_up_after_ms: int | None = None
    """BYE this long after the ACK; None waits for the caller's."""
    bye_cause: int | None = 16
    """Q.850 cause in the Reason header of our BYE; None leaves the header out."""
    deaf: bool = False
    """Takes the INVITE and never says anything."""
    codec: str = "ulaw"


def still_sent(number: str) -> Callee:
    """Refuses the INVITE nobody has answered: it cannot be cancelled (RFC 3261, 9.1) and is sent again for 32 s
    (17.1.1.2), into the phones of later tests, whose audio would then go to a call of yesterday. Await its ACK."""
    return Callee(number, status=486, ring_ms=0)


@dataclass(frozen=True)
class SipEvent:
    """One line of the witness: INVITE RINGING EARLY ANSWER ACK CANCEL REFUSED BYE-IN BYE-OUT UNKNOWN."""

    time: float
    name: str
    number: str
    sip_call_id: str


class Phones:
    """All telephones of one test behind the trunk port; `start()` returns when SIPp listens."""

    def __init__(
        self, port: int, callees: tuple[Callee, ...], folder: Path, *, relays: Mapping[str, UdpRelay] | None = None
    ) -> None:
        """`relays`: a bad line for the audio of these numbers; its near end is the phone."""
        self.port = port
        self.relays = relays or {}
        self.callees = {one.number: one for one in callees}
        self.events: list[SipEvent] = []
        self.bank = RtpBank(self._read_log)
        self.phone: dict[str, RtpPhone] = {n: self.bank.phone(c.codec) for n, c in self.callees.items()}
        self._folder = folder
        self._log: TextIO | None = None
        self._rest = ""
        self._sipp: subprocess.Popen[bytes] | None = None

    def __getitem__(self, number: str) -> RtpPhone:
        return self.phone[number]

    @property
    def invites(self) -> Counter[str]:
        """Calls that reached us, by number; retransmissions of one INVITE count once."""
        with self.bank.changed:
            return Counter(one.number for one in self.events if one.name == "INVITE")

    def seen(self, name: str, number: str | None = None) -> list[SipEvent]:
        with self.bank.changed:
            return [one for one in self.events if one.name == name and number in (None, one.number)]

    async def until(self, name: str, number: str | None = None, times: int = 1, timeout_s: float = 10) -> SipEvent:
        """Waits until the witness has written `name` that often; gives the last."""
        what = f"{times} x {name} for {number}"
        await self.bank.until(lambda: len(self.seen(name, number)) >= times, timeout_s, what)
        return self.seen(name, number)[times - 1]

    def start(self) -> None:
        program = shutil.which("sipp")
        if program is None:
            raise RuntimeError("sipp is not installed (package sip-tester)")
        self._folder.mkdir(parents=True, exist_ok=True)
        branches = list(dict.fromkeys(_branch_key(one) for one in self.callees.values()))
        rows = (
            f"{n};{self._audio_port(n)};{branches.index(_branch_key(c))};{PAYLOAD_TYPES[c.codec]};{RTPMAP[c.codec]}"
            for n, c in self.callees.items()
        )
        (self._folder / "phones.csv").write_text("SEQUENTIAL\n" + "".join(row + "\n" for row in rows))
        (self._folder / "scenario.xml").write_text(scenario(branches))
        log = self._folder / "witness.log"
        log.touch()
        self._log = log.open()
        command = [program, "-sf", "scenario.xml", "-inf", "phones.csv", "-infindex", "phones.csv", "0"]
        command += ["-i", "127.0.0.1", "-p", str(self.port), "-nostdin", "-aa", "-trace_logs"]
        command += ["-log_file", "witness.log", "-trace_err", "-error_file", "errors.log"]
        with (self._folder / "screen").open("wb") as screen:
            self._sipp = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen
            )
        self._wait_until_listening()
        self.bank.start()

    def unplug(self) -> None:
        """Nobody listens any more; what was heard stays to be read."""
        if self._sipp is not None:
            self._sipp.kill()
            self._sipp.wait(timeout=5)

    def close(self) -> None:
        self.unplug()
        self.bank.close()
        if self._log is not None:
            self._log.close()

    def _wait_until_listening(self) -> None:
        assert self._sipp is not None
        for _ in range(500):
            if self._sipp.poll() is not None:
                raise RuntimeError("sipp ended: " + (self._folder / "screen").read_text()[-2000:])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("127.0.0.1", self.port))
                except OSError:
                    return
            time.sleep(0.01)
        raise RuntimeError("sipp does not listen")

    def _read_log(self) -> None:
        """Called in the bank's thread: turns new witness lines into events, learns where audio goes."""
        if self._log is None:
            return
        *lines, self._rest = (self._rest + self._log.read()).split("\n")
        for line in lines:
            name, number, sip_call_id, rtp_port = (*line.split(), "", "", "")[:4]
            if not name:
                continue
            self.events.append(SipEvent(time.monotonic(), name, number, sip_call_id))
            if name == "INVITE" and rtp_port.isdigit() and number in self.phone:
                self._connect(number, int(rtp_port))

    def _audio_port(self, number: str) -> int:
        """What our SDP says: where the caller's audio comes to."""
        relay = self.relays.get(number)
        return self.phone[number].port if relay is None else relay.far_port

    def _connect(self, number: str, caller_port: int) -> None:
        """The INVITE told where the caller listens."""
        relay, phone = self.relays.get(number), self.phone[number]
        if relay is not None:
            relay.near, relay.far = ("127.0.0.1", phone.port), ("127.0.0.1", caller_port)
            caller_port = relay.near_port
        phone.remote = ("127.0.0.1", caller_port)


def _branch_key(callee: Callee) -> Callee:
    """Callees that differ only in number and codec share a branch of the scenario."""
    return Callee(**{**callee.__dict__, "number": "", "codec": ""})


def scenario(branches: list[Callee]) -> str:
    """The SIPp scenario: one common beginning, one branch per behaviour, one common end."""
    choose = "".join(
        f'<strcmp assign_to="cmp{n}" variable="branch" value="{n}"/>'
        f'<test assign_to="is{n}" variable="cmp{n}" compare="equal" value="0"/>'
        for n in range(len(branches))
    )
    named = "uri number m remote_port invite_cseq ruri contact caller callee line unknown port branch pt rtpmap"
    refs = ",".join([*named.split(), *(f"{kind}{n}" for n in range(len(branches)) for kind in ("cmp", "is"))])
    jumps = "".join(f'<nop next="b{n}" test="is{n}"/>\n' for n in range(len(branches)))
    bodies = "".join(_branch(n, callee) for n, callee in enumerate(branches))
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<scenario name="phones">
<recv request="INVITE"><action>
<ereg regexp="sip:.?([0-9]+)@" search_in="msg" check_it="true" assign_to="uri,number"/>
<ereg regexp="m=audio ([0-9]+)" search_in="msg" check_it="false" assign_to="m,remote_port"/>
<ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" check_it="true" assign_to="invite_cseq"/>
<ereg regexp="<(sip:[^>]+)>" search_in="hdr" header="Contact:" check_it="true" assign_to="ruri,contact"/>
<ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="caller"/>
<ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="callee"/>
<lookup assign_to="line" file="phones.csv" key="[$number]"/>
<test assign_to="unknown" variable="line" compare="less_than" value="0"/>
<log message="INVITE [$number] [call_id] [$remote_port]"/>
</action></recv>
<nop next="unknown" test="unknown"/>
<nop><action>
<assignstr assign_to="port" value="[field1 line=&quot;[$line]&quot;]"/>
<assignstr assign_to="branch" value="[field2 line=&quot;[$line]&quot;]"/>
<assignstr assign_to="pt" value="[field3 line=&quot;[$line]&quot;]"/>
<assignstr assign_to="rtpmap" value="[field4 line=&quot;[$line]&quot;]"/>
{choose}
</action></nop>
{jumps}
<label id="unknown"/>
{_log("UNKNOWN")}
{_refusal(404, "Not Found", "")}
{bodies}
<label id="end"/>
<nop/>
<Reference variables="{refs}"/>
</scenario>
""".replace('regexp="<(sip:[^>]+)>"', 'regexp="&lt;(sip:[^&gt;]+)&gt;"')


def _branch(n: int, callee: Callee) -> str:
    """Steps of one behaviour. Between a send and the next recv stands nothing: SIPp takes a message that
    arrives during any other step for an unexpected one."""
    parts = [f'<label id="b{n}"/>']
    if callee.deaf:
        return "\n".join([*parts, '<recv request="CANCEL" timeout="120000" ontimeout="end" next="end"/>\n'])
    rings = bool(callee.ring_ms) or callee.status is None
    if callee.early_media:
        parts += [_log("EARLY"), _send("183 Session Progress", sdp=True)]
    elif rings:
        parts += [_log("RINGING"), _send("180 Ringing")]
    if rings:
        limit = "" if callee.status is None else f'timeout="{callee.ring_ms}" ontimeout="v{n}"'
        parts += [_recv("CANCEL", "CANCEL", limit), _send("200 OK")]
        parts += [_refusal(487, "Request Terminated", ""), f'<label id="v{n}"/>']
    if callee.status is None:
        return "\n".join([*parts, "<nop/>\n"])
    if callee.status >= 300:
        parts += [_log("REFUSED"), _refusal(callee.status, callee.reason or "Refused", callee.headers)]
        return "\n".join(parts) + "\n"
    parts += [_log("ANSWER"), _send("200 OK", sdp=True, retransmit=True), _recv("ACK", "ACK")]
    leaves = callee.hang_up_after_ms is not None
    limit = f'timeout="{callee.hang_up_after_ms}" ontimeout="h{n}"' if leaves else ""
    parts += [_recv("BYE", "BYE-IN", limit), _send("200 OK"), '<nop next="end"/>']
    if leaves:
        parts += [f'<label id="h{n}"/>', _log("BYE-OUT"), _bye(callee.bye_cause)]
        parts += ['<recv request="BYE" optional="true"/>', '<recv response="200"/>', '<nop next="end"/>']
    return "\n".join(parts) + "\n"


def _log(name: str) -> str:
    return f"<nop><action>{_line(name)}</action></nop>"


def _recv(request: str, name: str, limit: str = "") -> str:
    return f'<recv request="{request}" {limit}><action>{_line(name)}</action></recv>'


def _line(name: str) -> str:
    return f'<log message="{name} [$number] [call_id]"/>'


def _send(status: str, *, sdp: bool = False, retransmit: bool = False) -> str:
    """A response to the last request; the To tag is ours and stays the same in all of them."""
    body = (
        """Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [$port] RTP/AVP [$pt] 101
a=rtpmap:[$pt] [$rtpmap]
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv
"""
        if sdp
        else "Content-Length: 0\n\n"
    )
    return f"""<send{' retrans="500"' if retransmit else ""}><![CDATA[

SIP/2.0 {status}
[last_Via:]
[last_Record-Route:]
[last_From:]
To: [$callee];tag=[pid]phone[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:phone@[local_ip]:[local_port]>
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS
{body}
]]></send>"""


def _refusal(status: int, reason: str, headers: str) -> str:
    """A final response and its ACK; after a CANCEL the last request is not the INVITE, so CSeq is spelt out."""
    return f"""<send retrans="500"><![CDATA[

SIP/2.0 {status} {escape(reason)}
[last_Via:]
[last_From:]
To: [$callee];tag=[pid]phone[call_number]
[last_Call-ID:]
CSeq: [$invite_cseq] INVITE
{headers + chr(10) if headers else ""}Content-Length: 0

]]></send>
<recv request="CANCEL" optional="true"/>
{_recv("ACK", "ACK")}
<nop next="end"/>"""


def _bye(cause: int | None) -> str:
    reason = f"Reason: Q.850;cause={cause}\n" if cause is not None else ""
    return f"""<send retrans="500"><![CDATA[

BYE [$contact] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: [$callee];tag=[pid]phone[call_number]
To: [$caller]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
{reason}Content-Length: 0

]]></send>"""
