"""The phones of the long proofs: many numbers behind one audio socket, the signalling is the witness."""

from pathlib import Path

import pytest

from scripts.lib.real_line import ManyPhones, answering
from tests.real.conftest import RealAsterisk
from tests.real.phones import Callee

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
NUMBERS = ("12025550101", "12025550102")


async def test_each_number_answers_and_is_counted(
    nothing_left: None, asterisk: RealAsterisk, tmp_path: Path
) -> None:
    callees = tuple(Callee(number, ring_ms=50, hang_up_after_ms=120) for number in NUMBERS)
    with answering(ManyPhones(asterisk.trunk_port, callees, tmp_path / "phones")) as phones:
        async with asterisk.client("many") as ari:
            for number in NUMBERS:
                await ari.dial(number, f"x-{number}")
            for number in NUMBERS:
                await ari.event("ChannelDestroyed", f"x-{number}")
        assert phones.invites == dict.fromkeys(NUMBERS, 1)
        assert len(phones.phone) == len(NUMBERS)
