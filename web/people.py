"""The page "People": who may sign in, and keys of programs."""

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from app.clock import Clock
from app.domain.people import Permission, Person, Role, User, read_email
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import new_id
from app.people.door import Door
from app.store import audit, sessions, users
from app.store.audit import Deed
from app.store.db import Database, Tx
from web.auth import caller_of, needs, signed_in
from web.render import Templates

Asked = Request[object, object, State]


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """The form "Add somebody"."""

    name: str = ""
    email: str = ""
    role: Role


class RoleForm(msgspec.Struct, frozen=True, kw_only=True):
    """A change of role."""

    role: Role


class TokenForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form "Make a key"."""

    name: str = ""
    role: Role


class People:
    """What the owner of a tenant does about its people. Each method answers the page to show."""

    def __init__(self, db: Database, clock: Clock, door: Door, templates: Templates) -> None:
        self._db = db
        self._clock = clock
        self._door = door
        self._templates = templates

    async def page(self, person: Person, status: int = 200, **said: object) -> Response[str]:
        """The page "People"; `said` is what came of a form: said, refusal, link (with link_for) or secret."""
        found = await users.list_users(self._db, person.tenant_id)
        told: dict[str, object] = dict.fromkeys(
            ("said", "refusal", "link", "link_for", "secret", "secret_for"), ""
        )
        text = self._templates.render(
            "people.html",
            person,
            "/people",
            users=found,
            roles=[str(role) for role in Role],
            tokens=await sessions.tokens(self._db, person.tenant_id),
            now_ms=self._clock.unix_ms(),
            names={f"user:{user.id}": user.name for user in found},
            **told | said,
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def add(self, asked: Asked, form: NewUser) -> Response[str]:
        """A new user and a link for the first sign-in."""
        person, now_ms = signed_in(asked), self._clock.unix_ms()
        try:
            user = User(
                id=new_id(now_ms),
                tenant_id=person.tenant_id,
                email=read_email(form.email),
                name=form.name.strip()[:100] or read_email(form.email),
                time_zone="UTC",
                role=form.role,
                created_ms=now_ms,
            )
            async with self._db.tx() as tx:
                await users.add(tx, user)
                await self._write(tx, asked, "user_added", f"user:{user.id}", {"role": str(user.role)})
        except (ValidationFailed, ConflictError) as refused:
            return await self.page(person, 422, refusal=refused.message)
        return await self._with_link(asked, person, user)

    async def link(self, asked: Asked, user_id: str) -> Response[str]:
        """A link for somebody who forgot the password."""
        person = signed_in(asked)
        return await self._with_link(asked, person, await users.get(self._db, person.tenant_id, user_id))

    async def role(self, asked: Asked, user_id: str, role: Role) -> Response[str]:
        """What somebody may do from now on."""
        person = signed_in(asked)
        try:
            async with self._db.tx() as tx:
                await users.set_role(tx, person.tenant_id, user_id, role)
                now_ms = self._clock.unix_ms()
                keys = await sessions.revoke_tokens_of(tx, person.tenant_id, user_id, now_ms, role)
                await self._write(tx, asked, "role_set", f"user:{user_id}", {"role": str(role)} | _revoked(keys))
        except ConflictError as refused:
            return await self.page(person, 409, refusal=refused.message)
        return await self.page(person, said=_done("The role is changed.", keys))

    async def disable(self, asked: Asked, user_id: str, *, undo: bool) -> Response[str]:
        """Shut somebody out at once, with the keys they have made, or let in again."""
        person, now_ms = signed_in(asked), self._clock.unix_ms()
        keys: list[str] = []
        try:
            async with self._db.tx() as tx:
                await users.disable(tx, person.tenant_id, user_id, None if undo else now_ms)
                await sessions.end_all(tx, person.tenant_id, user_id, now_ms)
                if not undo:
                    keys = await sessions.revoke_tokens_of(tx, person.tenant_id, user_id, now_ms)
                action = "user_enabled" if undo else "user_disabled"
                await self._write(tx, asked, action, f"user:{user_id}", _revoked(keys))
        except ConflictError as refused:
            return await self.page(person, 409, refusal=refused.message)
        return await self.page(person, said=_done("Done.", keys))

    async def token(self, asked: Asked, form: TokenForm) -> Response[str]:
        """A key for a program; shown once."""
        person = signed_in(asked)
        try:
            token, secret = await self._door.token(person.tenant_id, form.name, form.role, person.actor)
        except ValidationFailed as refused:
            return await self.page(person, 422, refusal=refused.message)
        return await self.page(person, secret=secret, secret_for=token.name)

    async def revoke(self, asked: Asked, token_id: str) -> Response[str]:
        """Make a key useless."""
        person = signed_in(asked)
        async with self._db.tx() as tx:
            await sessions.revoke_token(tx, person.tenant_id, token_id, self._clock.unix_ms())
            await self._write(tx, asked, "token_revoked", f"token:{token_id}")
        return await self.page(person, said="The key is revoked.")

    async def _with_link(self, asked: Asked, person: Person, user: User) -> Response[str]:
        secret = await self._door.link(user, person.actor)
        address = f"{asked.scope['scheme']}://{asked.headers.get('host', '')}/enter#{secret}"
        return await self.page(person, link=address, link_for=user.name)

    async def _write(
        self, tx: Tx, asked: Asked, action: str, about: str, detail: dict[str, str] | None = None
    ) -> None:
        person = signed_in(asked)
        address = caller_of(asked).address
        deed = Deed(actor=person.actor, action=action, object=about, detail=detail or {}, address=address)
        await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())


def _revoked(keys: list[str]) -> dict[str, str]:
    return {"keys_revoked": ", ".join(keys)} if keys else {}


def _done(said: str, keys: list[str]) -> str:
    return f"{said} The keys they had made are revoked: {', '.join(keys)}." if keys else said


def people_routes(people: People) -> list[HTTPRouteHandler]:
    """`/people` with its forms."""
    may, html = needs(Permission.PEOPLE), MediaType.HTML

    @get("/people", opt=may, media_type=html)
    async def people_page(request: Asked) -> Response[str]:
        return await people.page(signed_in(request))

    @post("/people", opt=may, media_type=html, status_code=200)
    async def add_user(request: Asked, data: URLEncodedBody[NewUser]) -> Response[str]:
        return await people.add(request, data)

    @post("/people/{user_id:str}/role", opt=may, media_type=html, status_code=200)
    async def set_role(request: Asked, user_id: FromPath[str], data: URLEncodedBody[RoleForm]) -> Response[str]:
        return await people.role(request, user_id, data.role)

    @post("/people/{user_id:str}/{deed:str}", opt=may, media_type=html, status_code=200)
    async def do(request: Asked, user_id: FromPath[str], deed: FromPath[str]) -> Response[str]:
        if deed == "link":
            return await people.link(request, user_id)
        if deed not in {"disable", "enable"}:
            raise NotFoundError("There is no such page.")
        return await people.disable(request, user_id, undo=deed == "enable")

    @post("/people/tokens", opt=may, media_type=html, status_code=200)
    async def make_token(request: Asked, data: URLEncodedBody[TokenForm]) -> Response[str]:
        return await people.token(request, data)

    @post("/people/tokens/{token_id:str}/revoke", opt=may, media_type=html, status_code=200)
    async def revoke(request: Asked, token_id: FromPath[str]) -> Response[str]:
        return await people.revoke(request, token_id)

    return [people_page, add_user, set_role, do, make_token, revoke]
