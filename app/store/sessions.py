"""Rows of `sessions`, `entry_links` and `api_tokens`: what lets a browser or a program in. Only hashes are kept.

A session ends an idle time after its last request, at the latest a fixed time after it began, when its user is
disabled, or when somebody ends it. A link lets in once.
"""

import hashlib

import msgspec

from app.domain.people import GRANTS, Person, Role
from app.errors import NotFoundError
from app.store.db import Reader, Tx, Writer
from app.store.rows import to_struct, with_columns

IDLE_MS = 12 * 3_600_000
ABSOLUTE_MS = 7 * 24 * 3_600_000
LINK_MS = 15 * 60_000
SEEN_STEP_MS = 60_000
"""How exactly the last request is remembered: a write per request would be waste."""

_LIVING = (
    "s.ended_ms IS NULL AND s.last_seen_ms > :now_ms - :idle_ms AND s.created_ms > :now_ms - :absolute_ms "
    "AND u.disabled_ms IS NULL"
)
_OF_USERS = "FROM sessions s JOIN users u ON u.id = s.user_id"
_BY_SECRET = (
    "SELECT s.tenant_id, s.user_id, u.name, u.role, s.id, s.last_seen_ms, "  # noqa: S608 - constants
    f"(SELECT t.name FROM tenants t WHERE t.id = s.tenant_id) {_OF_USERS} "
    f"WHERE s.secret_hash = :secret_hash AND {_LIVING}"
)
_LIST = (
    f"SELECT s.id, s.address, s.browser, s.created_ms, s.last_seen_ms {_OF_USERS} "
    f"WHERE s.tenant_id = :tenant_id AND s.user_id = :user_id AND {_LIVING} ORDER BY s.created_ms"
)
_GOOD_TOKEN = "revoked_ms IS NULL AND expires_ms > :now_ms"  # noqa: S105 - SQL
_BY_TOKEN = (
    "SELECT tenant_id, id, name, role, id, last_used_ms FROM api_tokens "  # noqa: S608 - constants
    f"WHERE secret_hash = :secret_hash AND {_GOOD_TOKEN}"
)
_STANDS = {
    "session": f"SELECT 1 {_OF_USERS} WHERE s.id = :id AND u.role = :role AND {_LIVING}",
    "token": f"SELECT 1 FROM api_tokens WHERE id = :id AND role = :role AND {_GOOD_TOKEN}",  # noqa: S608 - constants
}
_REVOKE_OF = (
    "UPDATE api_tokens SET revoked_ms = :now_ms WHERE tenant_id = :tenant_id AND created_by = :actor "  # noqa: S608 - constants
    f"AND {_GOOD_TOKEN} AND role NOT IN (SELECT value FROM json_each(:kept)) RETURNING name"
)
_TOKENS = "SELECT $columns FROM api_tokens WHERE tenant_id = :tenant_id ORDER BY created_ms DESC, id"
_USE_LINK = """
    UPDATE entry_links SET used_ms = :now_ms
    WHERE secret_hash = :secret_hash AND used_ms IS NULL AND expires_ms > :now_ms RETURNING tenant_id, user_id
"""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A living session, as its user may see it."""

    id: str
    address: str
    browser: str
    created_ms: int
    last_seen_ms: int


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A program's key, without the key."""

    id: str
    name: str
    role: Role
    created_by: str
    created_ms: int
    expires_ms: int
    last_used_ms: int | None
    revoked_ms: int | None


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """Who came in, from where. `address` and `browser` are shown to the user, nothing is decided by them."""

    id: str
    tenant_id: str
    user_id: str
    address: str
    browser: str


def hashed(secret: str) -> str:
    """How a secret of 256 random bits is stored; no salt is needed, as nobody can guess one."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def begin(sql: Writer, new: NewSession, secret: str, now_ms: int) -> None:
    """Store a session."""
    await sql.execute(
        "INSERT INTO sessions (id, secret_hash, tenant_id, user_id, address, browser, created_ms, last_seen_ms) "
        "VALUES (:id, :secret_hash, :tenant_id, :user_id, :address, :browser, :now_ms, :now_ms)",
        {**msgspec.structs.asdict(new), "secret_hash": hashed(secret), "now_ms": now_ms},
    )


async def person_of_session(sql: Writer, secret: str, now_ms: int) -> Person | None:
    """Who holds this session; also remembers that it was used. None: it is over, or never was."""
    row = await sql.one(_BY_SECRET, {"secret_hash": hashed(secret), **_limits(now_ms)})
    if row is None:
        return None
    if now_ms - row[5] > SEEN_STEP_MS:
        await sql.execute(
            "UPDATE sessions SET last_seen_ms = :now_ms WHERE id = :id AND ended_ms IS NULL",
            {"id": row[4], "now_ms": now_ms},
        )
    return Person(
        tenant_id=row[0],
        user_id=row[1],
        name=row[2],
        role=Role(row[3]),
        via="session",
        key_id=row[4],
        tenant_name=row[6],
    )


async def person_of_token(sql: Writer, secret: str, now_ms: int) -> Person | None:
    """Which program holds this token."""
    row = await sql.one(_BY_TOKEN, {"secret_hash": hashed(secret), "now_ms": now_ms})
    if row is None:
        return None
    if row[5] is None or now_ms - row[5] > SEEN_STEP_MS:
        await sql.execute(
            "UPDATE api_tokens SET last_used_ms = :now_ms WHERE id = :id", {"id": row[4], "now_ms": now_ms}
        )
    return Person(tenant_id=row[0], user_id=row[1], name=row[2], role=Role(row[3]), via="token", key_id=row[4])


async def stands(sql: Reader, person: Person, now_ms: int) -> bool:
    """Whether a person found before would be found again, with the same role."""
    given = {"id": person.key_id, "role": str(person.role), **_limits(now_ms)}
    return await sql.one(_STANDS[person.via], given) is not None


async def living(sql: Reader, tenant_id: str, user_id: str, now_ms: int) -> list[Session]:
    """The sessions a user has now, oldest first."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "user_id": user_id, **_limits(now_ms)})
    return [to_struct(Session, row) for row in rows]


async def end(sql: Writer, tenant_id: str, session_id: str, now_ms: int) -> bool:
    """End one session; False when it was over."""
    done = await sql.execute(
        "UPDATE sessions SET ended_ms = :now_ms WHERE tenant_id = :tenant_id AND id = :id AND ended_ms IS NULL",
        {"tenant_id": tenant_id, "id": session_id, "now_ms": now_ms},
    )
    return done == 1


async def end_all(sql: Writer, tenant_id: str, user_id: str, now_ms: int, *, but: str = "") -> int:
    """End every session of a user, except one; unused links too. Answers how many sessions."""
    given = {"tenant_id": tenant_id, "user_id": user_id, "now_ms": now_ms}
    await sql.execute(
        "UPDATE entry_links SET used_ms = :now_ms "
        "WHERE tenant_id = :tenant_id AND user_id = :user_id AND used_ms IS NULL",
        given,
    )
    return await sql.execute(
        "UPDATE sessions SET ended_ms = :now_ms WHERE tenant_id = :tenant_id AND user_id = :user_id "
        "AND ended_ms IS NULL AND id <> :but",
        {**given, "but": but},
    )


async def add_link(sql: Writer, tenant_id: str, user_id: str, secret: str, now_ms: int) -> None:
    """A link that lets this user in once, within `LINK_MS`."""
    await sql.execute(
        "INSERT INTO entry_links (secret_hash, tenant_id, user_id, created_ms, expires_ms) "
        "VALUES (:secret_hash, :tenant_id, :user_id, :now_ms, :expires_ms)",
        {
            "secret_hash": hashed(secret),
            "tenant_id": tenant_id,
            "user_id": user_id,
            "now_ms": now_ms,
            "expires_ms": now_ms + LINK_MS,
        },
    )


async def use_link(tx: Tx, secret: str, now_ms: int) -> tuple[str, str] | None:
    """Spend a link: (tenant id, user id), None when it is spent, expired or unknown."""
    rows = await tx.change(_USE_LINK, {"secret_hash": hashed(secret), "now_ms": now_ms})
    return (rows[0][0], rows[0][1]) if rows else None


async def add_token(sql: Writer, tenant_id: str, token: Token, secret: str) -> None:
    """Store a program's key."""
    await sql.execute(
        "INSERT INTO api_tokens (id, secret_hash, tenant_id, name, role, created_by, created_ms, expires_ms) "
        "VALUES (:id, :secret_hash, :tenant_id, :name, :role, :created_by, :created_ms, :expires_ms)",
        {
            "id": token.id,
            "secret_hash": hashed(secret),
            "tenant_id": tenant_id,
            "name": token.name,
            "role": str(token.role),
            "created_by": token.created_by,
            "created_ms": token.created_ms,
            "expires_ms": token.expires_ms,
        },
    )


async def tokens(sql: Reader, tenant_id: str) -> list[Token]:
    """All keys of a tenant, revoked ones too, newest first."""
    rows = await sql.fetch(with_columns(_TOKENS, Token), {"tenant_id": tenant_id})
    return [to_struct(Token, row) for row in rows]


async def revoke_token(sql: Writer, tenant_id: str, token_id: str, now_ms: int) -> None:
    """Make a key useless. Raises NotFoundError."""
    done = await sql.execute(
        "UPDATE api_tokens SET revoked_ms = coalesce(revoked_ms, :now_ms) "
        "WHERE tenant_id = :tenant_id AND id = :id",
        {"tenant_id": tenant_id, "id": token_id, "now_ms": now_ms},
    )
    if not done:
        raise NotFoundError("There is no such token.")


async def revoke_tokens_of(
    tx: Tx, tenant_id: str, user_id: str, now_ms: int, role: Role | None = None
) -> list[str]:
    """Make the keys useless that a user has made, or those that may more than `role` may; answers their names.

    Who made a key has seen it: somebody who is shut out, or may less, must not go on with it.
    """
    kept = [] if role is None else [str(one) for one in Role if GRANTS[one] <= GRANTS[role]]
    given = {"tenant_id": tenant_id, "actor": f"user:{user_id}", "now_ms": now_ms}
    rows = await tx.change(_REVOKE_OF, {**given, "kept": msgspec.json.encode(kept).decode()})
    return sorted(row[0] for row in rows)


def _limits(now_ms: int) -> dict[str, int]:
    return {"now_ms": now_ms, "idle_ms": IDLE_MS, "absolute_ms": ABSOLUTE_MS}
