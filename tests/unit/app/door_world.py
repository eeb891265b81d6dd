"""People for tests: users with sessions, and a door whose passwords are hashed quickly."""

from argon2 import PasswordHasher

from app.clock import Clock, SystemClock
from app.domain.people import Role, User
from app.ids import new_id
from app.people.door import Caller, Door
from app.people.passwords import Passwords
from app.store import users
from app.store.db import Database
from tests.unit.app.store_world import TENANT

QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
HERE = Caller(address="127.0.0.1", browser="a test")


async def add_user(db: Database, role: Role, *, tenant: str = TENANT, email: str = "", now_ms: int = 0) -> User:
    """Somebody with a role; a new one each time."""
    row_id = new_id(now_ms or SystemClock().unix_ms())
    user = User(
        id=row_id,
        tenant_id=tenant,
        email=email or f"{role}-{row_id[-8:]}@{tenant}.example",
        name=f"{role} of {tenant}",
        time_zone="UTC",
        role=role,
        created_ms=0,
    )
    return await users.add(db, user)


async def session(db: Database, role: Role, *, tenant: str = TENANT, clock: Clock | None = None) -> str:
    """The cookie of a new user who is signed in."""
    door = Door(db, clock or SystemClock(), QUICK)
    user = await add_user(db, role, tenant=tenant)
    entry = await door.by_link(await door.link(user, "a test"), HERE)
    return entry.secret
