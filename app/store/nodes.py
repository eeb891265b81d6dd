"""Rows of `nodes`: the engines that share this database, whose beat goes on, and who settles what a dead one left.

Whether a beat stands still is for the reader's own clock to say (`app.domain.pulse`): clocks of machines differ.
"""

import msgspec

from app.domain.call import Call
from app.domain.task import CallTask
from app.errors import ConflictError, LeaseLost
from app.store import calls, tasks
from app.store.db import Reader, Tx, Writer
from app.store.rows import to_params, to_struct, with_columns, with_values


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `installation` names a data directory, `instance` one start of the process; `beat` grows in life.

    `ari_url`: how others reach its Asterisk, empty when they cannot; `longest_call_ms`: from the dial deadline to
    when a call of it is over whatever happens; `stopped`: it ended in order; `settle_token` fences its settlers.
    """

    name: str
    installation: str
    instance: str
    version: str
    ari_url: str
    ari_app: str
    longest_call_ms: int
    started_ms: int
    beat: int
    beat_ms: int
    stopped: bool = False
    settler: str | None = None
    settle_token: int = 0
    settle_until_ms: int | None = None


class Left(msgspec.Struct, frozen=True):
    """A task that a dead engine held and its attempt, if any; or a settled task and a call-back to it."""

    task: CallTask
    call: Call | None


_LIST = with_columns("SELECT $columns FROM nodes ORDER BY name", Node)
_GET = with_columns("SELECT $columns FROM nodes WHERE name = :name FOR UPDATE", Node)
_INSERT = with_values("INSERT INTO nodes ($columns) VALUES ($values)", Node)
_TAKE_OVER = """
    UPDATE nodes SET installation = :installation, instance = :instance, version = :version, ari_url = :ari_url,
        ari_app = :ari_app, longest_call_ms = :longest_call_ms, started_ms = :started_ms, beat = beat + 1,
        beat_ms = :beat_ms, stopped = 0, settler = NULL, settle_until_ms = NULL, settle_token = settle_token + 1
    WHERE name = :name
"""
_BEAT = """
    UPDATE nodes SET beat = beat + 1, beat_ms = :now_ms, settler = NULL, settle_until_ms = NULL,
        settle_token = CASE WHEN settler IS NULL THEN settle_token ELSE settle_token + 1 END
    WHERE name = :name AND instance = :instance
"""
_STOP = (
    "UPDATE nodes SET stopped = 1, beat = beat + 1, beat_ms = :now_ms WHERE name = :name AND instance = :instance"
)
_SETTLE = """
    UPDATE nodes SET settler = :settler, settle_token = settle_token + 1, settle_until_ms = :until_ms
    WHERE name = :name AND instance = :instance AND beat = :beat
        AND (settler IS NULL OR settler = :settler OR settle_until_ms < :now_ms)
    RETURNING settle_token
"""
_FENCE = "SELECT 1 FROM nodes WHERE name = :name AND settle_token = :token FOR UPDATE"
_UNKNOWN = """
    INSERT INTO nodes (name, installation, instance, version, ari_url, ari_app, longest_call_ms, started_ms, beat,
        beat_ms, stopped, settle_token)
    SELECT DISTINCT t.lease_owner, '', '', '', '', '', 0, 0, 0, 0, 0, 0 FROM tasks t
    WHERE t.state IN ('claimed', 'in_call') AND t.lease_until < :now_ms AND length(t.lease_owner) BETWEEN 1 AND 48
        AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.name = t.lease_owner)
    ON CONFLICT (name) DO NOTHING
"""
_LEFT = with_columns(
    """
    SELECT $columns FROM tasks
    WHERE state IN ('claimed', 'in_call') AND lease_owner = :owner AND lease_until < :now_ms
    ORDER BY lease_until, id LIMIT :limit
    """,
    CallTask,
)
_LEFT_TALKING = with_columns(
    """
    SELECT $columns FROM calls c
    WHERE c.node = :owner AND c.direction = 'inbound' AND c.state <> 'ended' AND EXISTS (
        SELECT 1 FROM tasks t WHERE t.id = c.task_id AND t.state NOT IN ('claimed', 'in_call'))
    ORDER BY c.tenant_id, c.created_ms DESC, c.id DESC LIMIT :limit
    """,
    Call,
    "c",
)
"""Call-backs to tasks that were settled before: they have no lease that runs out. In the order of the index of
living calls, else SQLite reads every call there ever was.
"""


async def register(tx: Tx, node: Node, dead_ms: int) -> None:
    """Begin to be this node. Raises ConflictError when an engine of another data directory beats under this name.

    The same data directory takes over at once: its file lock says that the former process is gone.
    """
    await tx.exclusive(f"node {node.name}")
    row = await tx.one(_GET, {"name": node.name})
    if row is None:
        await tx.execute(_INSERT, to_params(node))
        return
    there = to_struct(Node, row)
    fresh = not there.stopped and node.started_ms - there.beat_ms < dead_ms
    if fresh and there.installation != node.installation:
        ago_s = max(0, node.started_ms - there.beat_ms) // 1000
        raise ConflictError(
            f"Another engine on this database is named {node.name} and lives (seen {ago_s} s ago). Set NODE_NAME "
            f"to a name of its own; if that engine is gone for good, try again in {dead_ms // 1000} s."
        )
    await tx.execute(_TAKE_OVER, to_params(node))


async def beat(sql: Writer, name: str, instance: str, now_ms: int) -> bool:
    """Say that we live; whoever had begun to settle for us stops. False: another process has our name now."""
    return await sql.execute(_BEAT, {"name": name, "instance": instance, "now_ms": now_ms}) == 1


async def stop(sql: Writer, name: str, instance: str, now_ms: int) -> None:
    """We end in order and leave nothing."""
    await sql.execute(_STOP, {"name": name, "instance": instance, "now_ms": now_ms})


async def list_nodes(sql: Reader) -> list[Node]:
    """All, by name."""
    return [to_struct(Node, row) for row in await sql.fetch(_LIST)]


async def note_unknown(sql: Writer, now_ms: int) -> None:
    """Give engines that hold leases and never registered a row, so that what they left is settled as well."""
    await sql.execute(_UNKNOWN, {"now_ms": now_ms})


async def begin_settling(sql: Writer, dead: Node, settler: str, *, now_ms: int, until_ms: int) -> int | None:
    """Become who settles for `dead`; answers the fencing token. None: it beats again, or another settles."""
    params = {"name": dead.name, "instance": dead.instance, "beat": dead.beat, "settler": settler}
    rows = await sql.change(_SETTLE, params | {"now_ms": now_ms, "until_ms": until_ms})
    return rows[0][0] if rows else None


async def left_by(sql: Reader, name: str, now_ms: int, limit: int) -> list[Left]:
    """What an engine held when it died and whose lease has run out; then its call-backs to settled tasks."""
    rows = await sql.fetch(_LEFT, {"owner": name, "now_ms": now_ms, "limit": limit})
    found: list[Left] = []
    for task in (to_struct(CallTask, row) for row in rows):
        alive = [call for call in await calls.of_task(sql, task.tenant_id, task.id) if call.ended_ms is None]
        found.append(Left(task, alive[0] if alive else None))
    talking = await sql.fetch(_LEFT_TALKING, {"owner": name, "limit": limit})
    for call in (to_struct(Call, row) for row in talking):
        found.append(Left(await tasks.get(sql, call.tenant_id, call.task_id), call))
    return found


async def check_settler(tx: Tx, name: str, token: int) -> None:
    """Raises LeaseLost unless `token` is the newest: the engine came back, or another settles for it."""
    if await tx.one(_FENCE, {"name": name, "token": token}) is None:
        raise LeaseLost(f"Engine {name} lives again or another engine settles for it.")
