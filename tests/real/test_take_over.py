"""A person takes over a call on the real Asterisk: the phone hears their microphone, then the agent again."""

import asyncio
from pathlib import Path

import pytest

from app.clock import SystemClock
from app.domain import command as cmd
from app.domain.call import Call
from app.domain.command import PAYLOADS, SETTLED, NewCommand, Payload, wake_up
from app.domain.messages import command_topic
from app.domain.tenant import DEFAULT_TENANT_ID
from app.ids import new_id
from app.sim import tonevoice
from app.store import commands
from tests.flow.ordering import HELLO, KEY, NOTED, Obedient, key
from tests.flow.test_take_over import BOSS, MIC, microphone
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.phones import Callee
from tests.real.rig import NUMBER, Office, model, office, settings_for
from tests.real.test_call_audio import with_pause
from tests.real.test_transfer import heard_by, texts

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
ASKS = "is it open"


async def told(here: Office, call: Call, payload: Payload) -> tuple[str, str]:
    """Order it as a console does; state and sentence that came of it."""
    now_ms = SystemClock().unix_ms()
    kind = next(kind for kind, shape in PAYLOADS.items() if isinstance(payload, shape))
    new = NewCommand(
        id=new_id(now_ms),
        issued_by="lead",
        expires_ms=now_ms + 20_000,
        call_id=call.id,
        kind=kind,
        payload=payload,
    )
    async with here.db.tx() as tx:
        command = await commands.enqueue(tx, DEFAULT_TENANT_ID, new, now_ms)
    await here.bus.publish(command_topic(call.id), wake_up(command, key()))
    async with asyncio.timeout(15):
        while True:
            row = await commands.get(here.db, DEFAULT_TENANT_ID, command.id)
            if row.state in SETTLED:
                return str(row.state), row.result
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("leg_codec", "media_mode"), [("ulaw", "process"), ("g722", "in_process")])
async def test_the_phone_hears_the_operator_and_then_the_agent_again(
    nothing_left: None,
    asterisk: RealAsterisk,
    phones: StartPhones,
    tmp_path: Path,
    leg_codec: str,
    media_mode: str,
) -> None:
    """While the person has the call the callee speaks to them; the model hears it, and nobody hears the model."""
    at = phones(Callee(NUMBER, codec=leg_codec, ring_ms=500))
    phone, mind = at[NUMBER], Obedient()
    settings = {"leg_codec": leg_codec, "media_mode": media_mode, "command_key": KEY}
    async with model(lambda: mind) as sim, office(settings_for(asterisk, tmp_path, sim.url, **settings)) as here:
        [task] = await here.dial(NUMBER)
        await heard_by(phone, HELLO)
        call = await here.call(task)
        assert call is not None
        async with microphone(here.bus, call) as mic:
            assert await told(here, call, cmd.TakeOver(mic=MIC)) == ("done", "The callee hears the operator.")
            mic.say(BOSS)
            await heard_by(phone, BOSS)
            phone.speak(with_pause(phone, tonevoice.speak(ASKS, phone.rate_hz)))
            await here.hears("callee")
            mic.say(BOSS)
            async with asyncio.timeout(15):
                while texts(phone).count(BOSS) < 2:  # noqa: ASYNC110 - decoding each packet is too much
                    await asyncio.sleep(0.2)
            assert texts(phone) == [HELLO, BOSS, BOSS], "the agent is not heard"
            assert await told(here, call, cmd.HandBack()) == ("done", "The agent goes on.")
            await heard_by(phone, NOTED)
            mic.say(BOSS)  # nobody lets it in any more
            await asyncio.sleep(2.0)
        assert await told(here, call, cmd.EndCall(polite=False)) == ("done", "Hung up.")
        done = await here.ended(task)
    assert texts(phone) == [HELLO, BOSS, BOSS, NOTED]
    assert [one for one in done.said if one[0] == "operator"] == [("operator", BOSS)] * 2
    assert ("callee", ASKS) in done.said
    kinds = [one.kind for one in done.events if one.kind.startswith("operator")]
    assert kinds == ["operator_joined", "operator_left"]
    assert (done.call.ended_by, at.invites) == ("operator", {NUMBER: 1})
