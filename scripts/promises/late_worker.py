"""The engine's part of promise `latedial`, in a process of its own that is killed in the middle.

Reads one JSON line (`Orders`), opens its connections to Asterisk, says "ready", waits for a line, sends everything
as the product does, says "sent", and then waits for its end.
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack

import msgspec

from stasis.client import CONNECTIONS, AriClient
from stasis.requests import Originate
from stasis.runner import run_effect


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """`guarded`: through `run_effect`, as every call is made; else the bare POST, as if Asterisk had stopped
    between its sign of life and our request. `deadline_in_s` counts from sending; None leaves it out.
    """

    url: str
    username: str
    password: str
    app: str
    guarded: bool
    deadline_in_s: int | None
    originates: list[Originate]


async def work(orders: Orders) -> None:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        clients = [
            await stack.enter_async_context(
                AriClient(orders.url, orders.username, orders.password, orders.app, timeout_s=60)
            )
            for _ in range(0, len(orders.originates), CONNECTIONS)
        ]
        async with asyncio.TaskGroup() as opening:  # kept open: a frozen Asterisk accepts only a few new ones
            for client in clients:
                for _ in range(CONNECTIONS):
                    opening.create_task(client.asterisk.ping())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        limit_s, variables = orders.deadline_in_s, dict[str, str]()
        if limit_s is not None:
            variables = {"OD_DIAL_DEADLINE": str(int(time.time()) + limit_s)}
        for at, bare in enumerate(orders.originates):
            client, originate = clients[at // CONNECTIONS], msgspec.structs.replace(bare, variables=variables)
            send = run_effect(client, originate) if orders.guarded else client.channels.originate(originate)
            group.create_task(send)
        await asyncio.sleep(0.5)
        print("sent", flush=True)


if __name__ == "__main__":
    asyncio.run(work(msgspec.json.decode(sys.stdin.readline(), type=Orders)))
