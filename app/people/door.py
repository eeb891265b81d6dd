"""Who gets in and how: by password, by a link that works once, by a session's cookie, by a program's token.

Every way in writes the audit log. A new session always has a new secret, so a cookie that was planted before the
sign-in is worth nothing (session fixation).
"""

import secrets

import msgspec
import structlog

from app.clock import Clock
from app.domain.people import Person, Role, User, check_password, read_email
from app.errors import AppError, NotFoundError, ValidationFailed
from app.ids import new_id
from app.people.passwords import Passwords
from app.store import audit, sessions, sign_in_failures, tenants, users
from app.store.audit import Deed
from app.store.db import Database, Tx
from app.store.sessions import NewSession, Token

log = structlog.get_logger()

TOKEN_PREFIX = "odt_"  # noqa: S105 - what tokens begin with, so that a leaked one is recognised
TOKEN_LIFE_MS = 365 * 24 * 3_600_000


class NotLetIn(AppError):
    """The address, the password or the link is wrong; or too many tries. Never says which of the first two."""

    code = "not_let_in"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request comes from: shown to the user and written down; decides nothing but how long to wait."""

    address: str
    browser: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh session: the secret goes into the cookie and nowhere else."""

    secret: str
    person: Person


class Door:
    """One per process."""

    def __init__(self, db: Database, clock: Clock, passwords: Passwords | None = None) -> None:
        self._db = db
        self._clock = clock
        self._passwords = passwords or Passwords()

    async def by_password(self, email: str, password: str, caller: Caller) -> Entry:
        """Sign in. Raises NotLetIn with a sentence for the page."""
        try:
            email = read_email(email)
        except ValidationFailed:
            email = ""  # as much work as for anybody
        keys = [f"account:{email}", f"address:{caller.address}"]
        until_ms = await sign_in_failures.waits_until_ms(self._db, keys, self._clock.unix_ms())
        if until_ms is not None:
            seconds = max(1, -(-(until_ms - self._clock.unix_ms()) // 1000))
            raise NotLetIn(f"Too many tries. Wait {seconds} s and try again.", code="too_many_tries")
        found = await users.by_email(self._db, email)
        user, stored = found if found is not None else (None, None)
        right = await self._passwords.matches(stored, password)
        if user is None or not right or user.disabled_ms is not None:
            await self._refuse(user, keys, caller)
        assert user is not None
        assert stored is not None
        if self._passwords.outdated(stored):
            await users.set_password(self._db, user.tenant_id, user.id, await self._passwords.hash(password))
        await sign_in_failures.forgive(self._db, keys[0])
        return await self._begin(user, "signed_in", caller)

    async def by_link(self, secret: str, caller: Caller) -> Entry:
        """Enter with a one-time link. Raises NotLetIn when it is spent, expired or unknown."""
        async with self._db.tx() as tx:
            found = await sessions.use_link(tx, secret, self._clock.unix_ms())
        user = await users.get(self._db, *found) if found is not None else None
        if user is None or user.disabled_ms is not None:
            raise NotLetIn("This link has been used or is too old. Ask for a new one: opendeep user link ADDRESS")
        return await self._begin(user, "entered_by_link", caller)

    async def by_cookie(self, secret: str) -> Person | None:
        """Who holds this session."""
        return await sessions.person_of_session(self._db, secret, self._clock.unix_ms())

    async def by_token(self, secret: str) -> Person | None:
        """Which program holds this token."""
        if not secret.startswith(TOKEN_PREFIX):
            return None
        return await sessions.person_of_token(self._db, secret, self._clock.unix_ms())

    async def still_in(self, person: Person) -> bool:
        """Whether the session or token of an open connection still stands."""
        return await sessions.stands(self._db, person, self._clock.unix_ms())

    async def leave(self, person: Person, caller: Caller) -> None:
        """End this session."""
        async with self._db.tx() as tx:
            if await sessions.end(tx, person.tenant_id, person.key_id, self._clock.unix_ms()):
                deed = Deed(actor=person.actor, action="signed_out", object=person.actor, address=caller.address)
                await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())

    async def set_password(self, user: User, password: str, by: str, *, keep_session: str = "") -> None:
        """A new password ends every other session and link of the user. Raises ValidationFailed."""
        check_password(password, user.email)
        hashed = await self._passwords.hash(password)
        now_ms = self._clock.unix_ms()
        async with self._db.tx() as tx:
            await users.set_password(tx, user.tenant_id, user.id, hashed)
            await sessions.end_all(tx, user.tenant_id, user.id, now_ms, but=keep_session)
            await audit.add(
                tx, user.tenant_id, Deed(actor=by, action="password_set", object=f"user:{user.id}"), now_ms
            )

    async def link(self, user: User, by: str) -> str:
        """The secret of a link that lets this user in once, soon."""
        secret, now_ms = secrets.token_urlsafe(32), self._clock.unix_ms()
        async with self._db.tx() as tx:
            await sessions.add_link(tx, user.tenant_id, user.id, secret, now_ms)
            await audit.add(
                tx, user.tenant_id, Deed(actor=by, action="link_made", object=f"user:{user.id}"), now_ms
            )
        return secret

    async def token(self, tenant_id: str, name: str, role: Role, by: str) -> tuple[Token, str]:
        """A program's key, and its secret, which is shown this once. Raises ValidationFailed."""
        if not 1 <= len(name.strip()) <= 100:
            raise ValidationFailed("A token needs a name of 1 to 100 characters: what uses it?")
        now_ms = self._clock.unix_ms()
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = Token(
            id=new_id(now_ms),
            name=name.strip(),
            role=role,
            created_by=by,
            created_ms=now_ms,
            expires_ms=now_ms + TOKEN_LIFE_MS,
            last_used_ms=None,
            revoked_ms=None,
        )
        async with self._db.tx() as tx:
            await sessions.add_token(tx, tenant_id, token, secret)
            detail = {"name": token.name, "role": str(role)}
            deed = Deed(actor=by, action="token_made", object=f"token:{token.id}", detail=detail)
            await audit.add(tx, tenant_id, deed, now_ms)
        return token, secret

    async def _begin(self, user: User, action: str, caller: Caller) -> Entry:
        now_ms, secret = self._clock.unix_ms(), secrets.token_urlsafe(32)
        new = NewSession(
            id=new_id(now_ms),
            tenant_id=user.tenant_id,
            user_id=user.id,
            address=caller.address,
            browser=caller.browser[:200],
        )
        async with self._db.tx() as tx:
            await sessions.begin(tx, new, secret, now_ms)
            await self._write(tx, user, action, caller)
            tenant_name = await tenants.name_of(tx, user.tenant_id)
        person = Person(
            tenant_id=user.tenant_id,
            user_id=user.id,
            name=user.name,
            role=user.role,
            via="session",
            key_id=new.id,
            tenant_name=tenant_name,
        )
        return Entry(secret=secret, person=person)

    async def _refuse(self, user: User | None, keys: list[str], caller: Caller) -> None:
        now_ms = self._clock.unix_ms()
        async with self._db.tx() as tx:
            await sign_in_failures.failed(tx, keys, now_ms)
            if user is not None:
                await self._write(tx, user, "sign_in_refused", caller, actor="nobody")
        log.warning("sign-in refused", address=caller.address)
        raise NotLetIn("The address or the password is wrong.")

    async def _write(self, tx: Tx, user: User, action: str, caller: Caller, *, actor: str = "") -> None:
        about = f"user:{user.id}"
        deed = Deed(actor=actor or about, action=action, object=about, address=caller.address)
        await audit.add(tx, user.tenant_id, deed, self._clock.unix_ms())


async def require_user(db: Database, email: str) -> User:
    """The user of an address. Raises NotFoundError, ValidationFailed."""
    found = await users.by_email(db, read_email(email))
    if found is None:
        raise NotFoundError(f"There is no user {email}. See: opendeep user list")
    return found[0]
