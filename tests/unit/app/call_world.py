"""A switchboard over a real store, without Asterisk and media worker, for the rules around a call."""

from datetime import UTC, datetime
from typing import Any

from app.bus import MemoryBus
from app.calls.ari_link import AriLink
from app.calls.board import CallOrder, Switchboard
from app.calls.media_link import MediaLink
from app.clock import ManualClock
from app.config import Settings
from app.domain.call import NewCall
from app.domain.task import CallTask
from app.store.sqlite import SqliteDatabase
from stasis.client import AriClient
from stasis.stream import DialInStream
from tests.unit.app.store_world import AGENT, NOW, TENANT

START = datetime.fromtimestamp(NOW / 1000, tz=UTC)


def settings(**changes: Any) -> Settings:
    """Named as `store_world` claims."""
    return Settings(_env_file=None, **{"simulate": True, "analysis": "rules", "node_name": "me", **changes})  # type: ignore[call-arg]


def switchboard(db: SqliteDatabase, **changes: Any) -> Switchboard:
    """`connect` is never called: no test here opens a leg."""
    made, bus = settings(**changes), MemoryBus()
    client = AriClient(made.ari_url, "user", "secret", made.ari_app)

    async def connect() -> Any:
        raise NotImplementedError

    return Switchboard(
        settings=made,
        clock=ManualClock(START),
        db=db,
        bus=bus,
        ari=AriLink(client, made.node_name, bus, DialInStream(client)),
        media=MediaLink(connect, db, bus),
    )


def order(task: CallTask | None = None, **changes: Any) -> CallOrder:
    new = NewCall(
        id=changes.pop("call_id", "c" * 32),
        task_id=task.id if task else "t" * 32,
        node="main",
        number_dialed=changes.pop("number", "+12025550123"),
    )
    values = {"objective": "Ask for a table.", "callee_name": "", "agent": AGENT, **changes}
    return CallOrder(new=new, tenant_id=TENANT, lease_token=task.lease_token if task else 1, **values)
