"""Ways in on a real store: password, link, cookie, token; and how each of them ends."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clock import ManualClock
from app.domain.people import Role, User
from app.errors import ConflictError, ValidationFailed
from app.people.door import Door, NotLetIn
from app.store import audit, sessions, users
from app.store.db import Database
from app.store.sign_in_failures import FREE_TRIES, LONGEST_WAIT_MS, wait_ms
from tests.unit.app.conftest import Opener
from tests.unit.app.door_world import HERE, QUICK, add_user
from tests.unit.app.store_world import TENANT

pytestmark = pytest.mark.anyio
GOOD = "correct horse battery staple"


class World:
    """A door, its clock, and Anna who has a password."""

    def __init__(self, db: Database, clock: ManualClock, anna: User) -> None:
        self.db, self.clock, self.anna = db, clock, anna
        self.door = Door(db, clock, QUICK)

    async def deeds(self) -> list[str]:
        return [row.action for row in reversed(await audit.newest(self.db, TENANT))]


@pytest.fixture
async def world(opener: Opener) -> AsyncIterator[World]:
    clock = ManualClock(datetime(2026, 11, 26, 12, tzinfo=UTC))
    async with opener() as db:
        anna = await add_user(db, Role.OWNER, email="anna@example.org", now_ms=clock.unix_ms())
        made = World(db, clock, anna)
        await made.door.set_password(anna, GOOD, "a test")
        yield made


async def test_a_password_lets_in_and_is_written_down(world: World) -> None:
    entry = await world.door.by_password(" ANNA@example.org", GOOD, HERE)
    assert entry.person.role is Role.OWNER
    found = await world.door.by_cookie(entry.secret)
    assert found == entry.person
    assert await world.deeds() == ["password_set", "signed_in"]
    held = await sessions.living(world.db, TENANT, world.anna.id, world.clock.unix_ms())
    assert [(one.address, one.browser) for one in held] == [(HERE.address, HERE.browser)]


@pytest.mark.parametrize("opener", ["sqlite"], indirect=True)  # with the file in hand
async def test_no_secret_is_in_the_database(world: World, tmp_path: Path) -> None:
    entry = await world.door.by_password("anna@example.org", GOOD, HERE)
    link = await world.door.link(world.anna, "a test")
    _, token = await world.door.token(TENANT, "export", Role.VIEWER, "a test")
    await world.db.execute("UPDATE users SET name = name")  # so that everything is in the files
    files = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    raw = b"".join(one.read_bytes() for one in files)
    assert b"anna@example.org" in raw
    for secret in (GOOD, entry.secret, link, token):
        assert secret.encode() not in raw


@pytest.mark.parametrize("email", ["anna@example.org", "nobody@example.org", "not an address"])
async def test_a_wrong_password_and_an_unknown_address_look_alike(world: World, email: str) -> None:
    with pytest.raises(NotLetIn, match=r"The address or the password is wrong\."):
        await world.door.by_password(email, "wrong password", HERE)


async def test_tries_are_slowed_and_nobody_is_locked_out(world: World) -> None:
    evaluated = 0
    for _ in range(1000):
        try:
            await world.door.by_password("anna@example.org", "wrong password", HERE)
        except NotLetIn as refused:
            evaluated += refused.code == "not_let_in"
    assert evaluated == FREE_TRIES
    with pytest.raises(NotLetIn, match="Wait 1 s"):
        await world.door.by_password("anna@example.org", GOOD, HERE)
    world.clock.advance(1.1)
    assert await world.door.by_password("anna@example.org", GOOD, HERE)


async def test_other_accounts_are_not_slowed_from_other_addresses(world: World) -> None:
    for _ in range(FREE_TRIES):
        with pytest.raises(NotLetIn):
            await world.door.by_password("ben@example.org", "wrong password", HERE)
    elsewhere = type(HERE)(address="10.0.0.9", browser="")
    assert await world.door.by_password("anna@example.org", GOOD, elsewhere)
    with pytest.raises(NotLetIn, match="Too many tries"):
        await world.door.by_password("anna@example.org", GOOD, HERE)


@pytest.mark.parametrize(
    ("failures", "waits"),
    [
        (1, 0),
        (FREE_TRIES - 1, 0),
        (FREE_TRIES, 1_000),
        (FREE_TRIES + 3, 8_000),
        (FREE_TRIES + 500, LONGEST_WAIT_MS),
    ],
)
def test_how_long_one_waits(failures: int, waits: int) -> None:
    assert wait_ms(failures) == waits


async def test_a_link_works_once_and_not_for_long(world: World) -> None:
    link = await world.door.link(world.anna, "a test")
    assert await world.door.by_link(link, HERE)
    with pytest.raises(NotLetIn, match="has been used"):
        await world.door.by_link(link, HERE)
    late = await world.door.link(world.anna, "a test")
    world.clock.advance(sessions.LINK_MS / 1000)
    with pytest.raises(NotLetIn):
        await world.door.by_link(late, HERE)
    with pytest.raises(NotLetIn):
        await world.door.by_link("guessed", HERE)


async def test_a_session_ends_by_rest_by_age_and_by_leaving(world: World) -> None:
    resting = await world.door.by_password("anna@example.org", GOOD, HERE)
    world.clock.advance(sessions.IDLE_MS / 1000 - 1)
    assert await world.door.by_cookie(resting.secret)
    world.clock.advance(sessions.IDLE_MS / 1000 - 1)
    assert await world.door.by_cookie(resting.secret), "each request prolongs it"
    world.clock.advance(sessions.IDLE_MS / 1000 + 1)
    assert await world.door.by_cookie(resting.secret) is None

    old = await world.door.by_password("anna@example.org", GOOD, HERE)
    for _ in range(sessions.ABSOLUTE_MS // sessions.IDLE_MS * 2):
        world.clock.advance(sessions.IDLE_MS / 2000)
        await world.door.by_cookie(old.secret)
    assert await world.door.by_cookie(old.secret) is None

    left = await world.door.by_password("anna@example.org", GOOD, HERE)
    await world.door.leave(left.person, HERE)
    assert await world.door.by_cookie(left.secret) is None
    assert (await world.deeds())[-1] == "signed_out"


async def test_a_new_password_and_a_shut_door_end_sessions_and_links(world: World) -> None:
    entry = await world.door.by_password("anna@example.org", GOOD, HERE)
    link = await world.door.link(world.anna, "a test")
    await world.door.set_password(world.anna, "another long sentence", "a test")
    assert await world.door.by_cookie(entry.secret) is None
    with pytest.raises(NotLetIn):
        await world.door.by_link(link, HERE)

    ben = await add_user(world.db, Role.OPERATOR, email="ben@example.org")
    his = await world.door.by_link(await world.door.link(ben, "a test"), HERE)
    await users.disable(world.db, TENANT, ben.id, world.clock.unix_ms())
    assert await world.door.by_cookie(his.secret) is None
    assert not await world.door.still_in(his.person)
    with pytest.raises(NotLetIn):
        await world.door.by_link(await world.door.link(ben, "a test"), HERE)


async def test_a_change_of_role_counts_at_once(world: World) -> None:
    ben = await add_user(world.db, Role.MANAGER, email="ben@example.org")
    entry = await world.door.by_link(await world.door.link(ben, "a test"), HERE)
    await users.set_role(world.db, TENANT, ben.id, Role.VIEWER)
    found = await world.door.by_cookie(entry.secret)
    assert found is not None
    assert found.role is Role.VIEWER
    assert not await world.door.still_in(entry.person), "an open websocket with the old role is closed"


async def test_the_last_owner_stays(world: World) -> None:
    with pytest.raises(ConflictError, match="last owner"):
        await users.set_role(world.db, TENANT, world.anna.id, Role.VIEWER)
    with pytest.raises(ConflictError, match="last owner"):
        await users.disable(world.db, TENANT, world.anna.id, 1)
    await add_user(world.db, Role.OWNER)
    await users.set_role(world.db, TENANT, world.anna.id, Role.VIEWER)


async def test_tokens(world: World) -> None:
    token, secret = await world.door.token(TENANT, " CRM ", Role.VIEWER, "a test")
    found = await world.door.by_token(secret)
    assert found is not None
    assert (found.name, found.role, found.via) == ("CRM", Role.VIEWER, "token")
    assert await world.door.by_token(secret[:-1]) is None
    assert await world.door.by_cookie(secret) is None, "a token is no cookie"
    await sessions.revoke_token(world.db, TENANT, token.id, world.clock.unix_ms())
    assert await world.door.by_token(secret) is None
    _, other = await world.door.token(TENANT, "late", Role.VIEWER, "a test")
    world.clock.advance(366 * 24 * 3600)
    assert await world.door.by_token(other) is None
    with pytest.raises(ValidationFailed):
        await world.door.token(TENANT, "  ", Role.VIEWER, "a test")
    listed = {one.name: one.revoked_ms is not None for one in await sessions.tokens(world.db, TENANT)}
    assert listed == {"CRM": True, "late": False}
