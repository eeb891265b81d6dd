"""Waiting until a call has come so far that something can strike it there."""

from app.domain.task import CallTask
from app.sim.asterisk import Answer
from app.sim.asterisk.callee import Callee
from app.sim.asterisk.channels import Channel
from tests.flow.rig import Rig


async def preparing(house: Rig, task: CallTask) -> None:
    """Something is made, nothing rings."""
    del task
    await house.asterisk.wait_until(lambda: bool(house.asterisk.exchange.bridges))
    assert house.asterisk.invites == []


async def ringing(house: Rig, task: CallTask) -> None:
    await house.asterisk.wait_until(lambda: any(c.state == "Ringing" for c in callee_channels(house)))
    await _stored(house, task, "ringing")


async def talking(house: Rig, task: CallTask) -> None:
    await house.talking(task)
    await _stored(house, task, "bridged")


async def hanging_up(house: Rig, task: CallTask) -> None:
    del task
    await house.asterisk.wait_until(
        lambda: any(verb == "DELETE" and path.endswith("-c") for verb, path in house.asterisk.requests)
    )


async def swept(house: Rig) -> None:
    """What Asterisk has was compared with the calls that live: one look is over when the next one begins."""

    def looks() -> int:
        return sum(verb == "GET" and path.endswith("/bridges") for verb, path in house.asterisk.requests)

    for _ in range(2):
        before = looks()
        house.engine.board.ari.look_for_strays()
        await house.asterisk.wait_until(lambda before=before: looks() > before)


def callee_channels(house: Rig) -> list[Channel]:
    """Living channels of callees."""
    return [one for one in house.asterisk.exchange.channels.values() if one.id.endswith("-c")]


async def _stored(house: Rig, task: CallTask, state: str) -> None:
    async def there() -> bool:
        return (await house.call(task)).state == state

    await house.until(there)


def pick_up(callee: Callee) -> None:
    """Answer now, and not after the time in the script."""
    flow = callee._flow
    flow._steps = tuple(Answer(0.0) if isinstance(step, Answer) else step for step in flow._steps)
    callee._wake.set()
