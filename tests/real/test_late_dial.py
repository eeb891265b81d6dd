"""The last gate in front of the trunk, on a real Asterisk: deadline, number of calls, and an Asterisk that slept.

The long form of the sleeping Asterisk is `scripts/prove latedial`.
"""

import time
from pathlib import Path

import pytest

from scripts.promises.latedial import MUTANTS, WAYS, asked
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.phones import Callee
from tests.real.rig import number
from tests.real.test_asterisk_dialplan import local

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]


@pytest.mark.parametrize("way", WAYS)
def test_an_asterisk_that_slept_rings_nobody_late(asterisk: RealAsterisk, tmp_path: Path, way: str) -> None:
    assert asked(asterisk, tmp_path / "late", WAYS[way], 10) == 0
    assert asked(asterisk, tmp_path / "in-time", WAYS[way], 2, asleep=False) == 2


def test_without_the_gate_it_rings_everybody(asterisk: RealAsterisk, tmp_path: Path) -> None:
    assert asked(asterisk, tmp_path, MUTANTS["no-deadline"], 5) == 5


async def test_a_passed_deadline_is_cause_52(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    at = phones(Callee(number(0), hang_up_after_ms=100))
    async with asterisk.client("gate") as ari:
        for name, deadline, cause in (("late", -1, 52), ("now", 0, 52), ("early", 30, 16)):
            variables = {"OD_DIAL_DEADLINE": str(int(time.time()) + deadline)}
            assert await local(ari, number(0), f"{name}-c", variables=variables) == 200
            assert (await ari.event("ChannelDestroyed", f"{name}-c"))["cause"] == cause, name
    assert at.invites == {number(0): 1}


async def test_a_transfer_after_the_deadline_of_its_own_dial(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    """The callee's channel still has the deadline of the call that reached it, and that has passed."""
    at = phones(Callee(number(0)), Callee(number(1), hang_up_after_ms=500))
    async with asterisk.client("gate") as ari:
        await ari.dial(number(0), "x-c", variables={"OD_DIAL_DEADLINE": str(int(time.time()) - 5)})
        await ari.event("StasisStart", "x-c")
        there = {"context": "opendeep-transfer", "extension": f"+{number(1)}", "priority": 1}
        assert (await ari.ask("POST", "channels/x-c/continue", there)).status == 204
        await at.until("ANSWER", number(1))
        await ari.event("ChannelDestroyed", "x-c")
    assert at.invites == {number(0): 1, number(1): 1}


async def test_no_more_calls_than_the_gate_lets_through(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    at = phones(Callee(number(0)), Callee(number(1), status=486, ring_ms=0))
    asterisk.cli("dialplan set global OD_MAX_CALLS 1")
    try:
        async with asterisk.client("gate") as ari:
            assert await local(ari, number(0), "one-c") == 200
            await ari.event("StasisStart", "one-c")
            assert await local(ari, number(1), "two-c") == 200
            assert (await ari.event("ChannelDestroyed", "two-c"))["cause"] == 52
            await ari.ask("DELETE", "channels/one-c")
            await at.until("BYE-IN", number(0))
            await ari.event("ChannelDestroyed", "one-c")
            assert await local(ari, number(1), "three-c") == 200
            assert (await ari.event("ChannelDestroyed", "three-c"))["cause"] == 17
    finally:
        asterisk.cli("dialplan set global OD_MAX_CALLS 60")
    assert at.invites == {number(0): 1, number(1): 1}
