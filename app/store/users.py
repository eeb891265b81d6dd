"""Rows of `users` and `tenants`: who may sign in, to what. An address belongs to one user of one tenant."""

from app.domain.people import Role, User
from app.errors import ConflictError, ConstraintFailed, NotFoundError
from app.store.db import Reader, Tx, Writer, within
from app.store.rows import to_struct, with_columns, with_values

_INSERT = with_values("INSERT INTO users ($columns) VALUES ($values)", User)
_SELECT = with_columns("SELECT $columns FROM users", User)
_OWNERS = "SELECT count(*) FROM users WHERE tenant_id = :tenant_id AND role = 'owner' AND disabled_ms IS NULL"


async def add_tenant(sql: Writer, tenant_id: str, name: str, now_ms: int) -> None:
    """A new tenant. Raises ConflictError for an id that is taken."""
    try:
        await sql.execute(
            "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :name, :now_ms)",
            {"id": tenant_id, "name": name, "now_ms": now_ms},
        )
    except ConstraintFailed as refused:
        raise ConflictError(f"There is a tenant {tenant_id!r} already.") from refused


async def list_tenants(sql: Reader) -> list[tuple[str, str]]:
    """(id, name) of every tenant."""
    return [(row[0], row[1]) for row in await sql.fetch("SELECT id, name FROM tenants ORDER BY id")]


async def add(sql: Writer, user: User) -> User:
    """A new user, without a password yet. Raises ConflictError for an address that is taken or no such tenant."""
    row: dict[str, str | int | None] = {name: getattr(user, name) for name in User.__struct_fields__}
    try:
        await sql.execute(_INSERT, row)
    except ConstraintFailed as refused:
        raise ConflictError(
            f"There is a user {user.email} already, or there is no tenant {user.tenant_id!r}."
        ) from refused
    return user


async def by_email(sql: Reader, email: str) -> tuple[User, str | None] | None:
    """A user with the hash of the password, whatever the tenant: the address says which. None: no such user."""
    row = await sql.one(
        with_columns("SELECT $columns, password_hash FROM users WHERE email = :email", User), {"email": email}
    )
    return None if row is None else (to_struct(User, row[:-1]), row[-1])


async def get(sql: Reader, tenant_id: str, user_id: str) -> User:
    """Raises NotFoundError."""
    row = await sql.one(
        f"{_SELECT} WHERE tenant_id = :tenant_id AND id = :id", {"tenant_id": tenant_id, "id": user_id}
    )
    if row is None:
        raise NotFoundError("There is no such user.")
    return to_struct(User, row)


async def list_users(sql: Reader, tenant_id: str) -> list[User]:
    """All users of a tenant by address."""
    rows = await sql.fetch(f"{_SELECT} WHERE tenant_id = :tenant_id ORDER BY email", {"tenant_id": tenant_id})
    return [to_struct(User, row) for row in rows]


async def set_password(sql: Writer, tenant_id: str, user_id: str, password_hash: str) -> None:
    """Replace the hash."""
    await _change(sql, "password_hash = :value", tenant_id, user_id, password_hash)


async def set_role(sql: Writer, tenant_id: str, user_id: str, role: Role) -> None:
    """Change what a user may do, from the next request on. Raises ConflictError for the last owner."""
    async with within(sql) as tx:
        await _keep_an_owner(tx, tenant_id, user_id, role is Role.OWNER)
        await _change(tx, "role = :value", tenant_id, user_id, str(role))


async def disable(sql: Writer, tenant_id: str, user_id: str, now_ms: int | None) -> None:
    """Shut a user out, or (None) let back in. Raises ConflictError for the last owner."""
    async with within(sql) as tx:
        await _keep_an_owner(tx, tenant_id, user_id, now_ms is None)
        await _change(tx, "disabled_ms = :value", tenant_id, user_id, now_ms)


async def _keep_an_owner(sql: Tx, tenant_id: str, user_id: str, stays: bool) -> None:
    await sql.exclusive(f"owners {tenant_id}")
    user = await get(sql, tenant_id, user_id)
    row = await sql.one(_OWNERS, {"tenant_id": tenant_id})
    if user.role is Role.OWNER and user.disabled_ms is None and not stays and row is not None and row[0] <= 1:
        raise ConflictError("This is the last owner; make somebody else an owner first.")


async def _change(sql: Writer, setting: str, tenant_id: str, user_id: str, value: str | int | None) -> None:
    changed = await sql.execute(
        f"UPDATE users SET {setting} WHERE tenant_id = :tenant_id AND id = :id",  # noqa: S608 - our own words only
        {"tenant_id": tenant_id, "id": user_id, "value": value},
    )
    if not changed:
        raise NotFoundError("There is no such user.")
