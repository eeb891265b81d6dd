"""A farm of SIPp phones that answer any number, without audio, and hang up after a moment."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

AREAS = ("202", "212", "213", "303", "305", "312", "404", "415", "617", "713", "206", "214", "503", "602", "702")
_ANSWER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<scenario name="farm">
<recv request="INVITE" crlf="true"/>
<send><![CDATA[

SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[pid]farm[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:farm@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
<send retrans="500"><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]farm[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:farm@[local_ip]:[local_port]>
Allow: INVITE, ACK, CANCEL, BYE
Content-Type: application/sdp
Content-Length: [len]

v=0
o=farm 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=ptime:20

]]></send>
<recv request="ACK"/>
<recv request="BYE" timeout="{hold_ms}" ontimeout="hang_up"/>
<send next="end"><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<label id="hang_up"/>
<send retrans="500"><![CDATA[

BYE sip:127.0.0.1:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: [$callee];tag=[pid]farm[call_number]
To: [$caller]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Reason: Q.850;cause=16
Content-Length: 0

]]></send>
<recv request="BYE" optional="true"/>
<recv response="200"/>
<label id="end"/>
<nop/>
</scenario>
"""


def numbers(count: int) -> tuple[str, ...]:
    """E.164 numbers reserved for fiction (555-0100 to 555-0199); at most 1,500."""
    if count > 100 * len(AREAS):
        raise ValueError(f"at most {100 * len(AREAS)} calls, not {count}")
    return tuple(f"+1{AREAS[n // 100]}55501{n % 100:02d}" for n in range(count))


class Farm:
    """`with Farm(port, folder, hold_ms):` every call to the port is answered and ended `hold_ms` later."""

    def __init__(self, port: int, folder: Path, hold_ms: int) -> None:
        self._port = port
        self._folder = folder
        self._scenario = _ANSWER.replace("{hold_ms}", str(hold_ms)).replace(
            '<recv request="INVITE" crlf="true"/>', _INVITE
        )

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "farm.xml").write_text(self._scenario)
        program = shutil.which("sipp")
        if program is None:
            raise RuntimeError("sipp is not installed (package sip-tester)")
        command = [program, "-sf", "farm.xml", "-i", "127.0.0.1", "-p", str(self._port), "-nostdin", "-aa"]
        with (self._folder / "screen").open("wb") as screen:
            self._sipp = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen
            )
        for _ in range(500):
            if self._sipp.poll() is not None:
                raise RuntimeError("sipp ended: " + (self._folder / "screen").read_text()[-800:])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("127.0.0.1", self._port))
                except OSError:
                    return self
            time.sleep(0.01)
        raise RuntimeError("sipp does not listen")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sipp.kill()
        self._sipp.wait(5)


_INVITE = """<recv request="INVITE"><action>
<ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="caller"/>
<ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="callee"/>
</action></recv>"""
