"""`opendeep user`: who may sign in to the console, and keys of programs. Whoever runs this owns the database."""

import asyncio
from collections.abc import Awaitable, Callable

import click
import msgspec

from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.people import Role, User, read_email
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ValidationFailed
from app.ids import new_id
from app.people.door import Door, require_user
from app.store import audit, sessions, users
from app.store.audit import Deed
from app.store.db import Database

BY = "command line"
ROLES = click.Choice([str(role) for role in Role])
Work = Callable[[Database, Door], Awaitable[None]]


@click.group(name="user")
def user_command() -> None:
    """People who may sign in to the console, and keys of programs.

    \b
    opendeep user add anna@example.org --name "Anna" --role owner
    opendeep user link anna@example.org        a link that signs in once, for 15 minutes
    opendeep user token "CRM export" --role viewer
    """


@user_command.command(name="add")
@click.argument("email")
@click.option("--name", default="", help="As shown to others; the address when left out.")
@click.option("--role", type=ROLES, default="operator", show_default=True)
@click.option("--tenant", default=DEFAULT_TENANT_ID, show_default=True, help="Made when new.")
@click.option("--password-prompt", is_flag=True, help="Ask for a password now; otherwise a link is printed.")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def add_user(*, email: str, name: str, role: str, tenant: str, password_prompt: bool, simulate: bool) -> None:
    """Let EMAIL sign in, and print a link that does so once."""
    settings = _settings(simulate)
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True) if password_prompt else None

    async def work(db: Database, door: Door) -> None:
        now_ms = SystemClock().unix_ms()
        if tenant not in dict(await users.list_tenants(db)):
            await users.add_tenant(db, tenant, tenant, now_ms)
        user = await add(db, read_email(email), name, Role(role), tenant)
        click.echo(f"{user.email} is {user.role} of {tenant}.")
        if password is not None:
            await door.set_password(user, password, BY)
        else:
            click.echo(await link_text(settings, door, user))

    _run(settings, work)


@user_command.command(name="link")
@click.argument("email")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def link_user(email: str, simulate: bool) -> None:
    """Print a link that signs EMAIL in once, within 15 minutes: for the first time or a forgotten password."""
    settings = _settings(simulate)

    async def work(db: Database, door: Door) -> None:
        click.echo(await link_text(settings, door, await require_user(db, email)))

    _run(settings, work)


@user_command.command(name="password")
@click.argument("email")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def password_user(email: str, simulate: bool) -> None:
    """Ask for a new password of EMAIL; ends all its sessions."""
    password = click.prompt("New password", hide_input=True, confirmation_prompt=True)

    async def work(db: Database, door: Door) -> None:
        await door.set_password(await require_user(db, email), password, BY)
        click.echo("Set. All sessions of this user have ended.")

    _run(_settings(simulate), work)


@user_command.command(name="role")
@click.argument("email")
@click.argument("role", type=ROLES)
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def role_user(email: str, role: str, simulate: bool) -> None:
    """Change what EMAIL may do, from the next click on."""

    async def work(db: Database, door: Door) -> None:
        user, now_ms = await require_user(db, email), SystemClock().unix_ms()
        async with db.tx() as tx:
            await users.set_role(tx, user.tenant_id, user.id, Role(role))
            keys = await sessions.revoke_tokens_of(tx, user.tenant_id, user.id, now_ms, Role(role))
            deed = Deed(actor=BY, action="role_set", object=f"user:{user.id}", detail={"role": role})
            await audit.add(tx, user.tenant_id, deed, now_ms)
        click.echo(f"{user.email} is {role} now.{_revoked(keys)}")

    _run(_settings(simulate), work)


@user_command.command(name="disable")
@click.argument("email")
@click.option("--undo", is_flag=True, help="Let in again.")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def disable_user(email: str, undo: bool, simulate: bool) -> None:
    """Shut EMAIL out at once, and revoke the keys EMAIL has made; nothing of what the user did is lost."""

    async def work(db: Database, door: Door) -> None:
        user, now_ms = await require_user(db, email), SystemClock().unix_ms()
        async with db.tx() as tx:
            await users.disable(tx, user.tenant_id, user.id, None if undo else now_ms)
            await sessions.end_all(tx, user.tenant_id, user.id, now_ms)
            keys = [] if undo else await sessions.revoke_tokens_of(tx, user.tenant_id, user.id, now_ms)
            action = "user_enabled" if undo else "user_disabled"
            await audit.add(tx, user.tenant_id, Deed(actor=BY, action=action, object=f"user:{user.id}"), now_ms)
        click.echo(f"{user.email} may {'sign in again' if undo else 'not sign in any more'}.{_revoked(keys)}")

    _run(_settings(simulate), work)


def _revoked(keys: list[str]) -> str:
    return f" Revoked: {', '.join(keys)}." if keys else ""


@user_command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def list_users(as_json: bool, simulate: bool) -> None:
    """Everybody who may sign in, of every tenant."""

    async def work(db: Database, door: Door) -> None:
        found = [user for tenant, _ in await users.list_tenants(db) for user in await users.list_users(db, tenant)]
        if as_json:
            click.echo(msgspec.json.encode({"ok": True, "users": found}).decode())
            return
        for user in found:
            shut = "" if user.disabled_ms is None else "  (shut out)"
            click.echo(f"{user.email}  {user.role}  {user.tenant_id}  {user.name}{shut}")
        if not found:
            click.echo("Nobody yet. Try: opendeep user add you@example.org --role owner")

    _run(_settings(simulate), work)


@user_command.command(name="token")
@click.argument("name")
@click.option("--role", type=ROLES, default="viewer", show_default=True)
@click.option("--tenant", default=DEFAULT_TENANT_ID, show_default=True)
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def token_command(name: str, role: str, tenant: str, simulate: bool) -> None:
    """Make a key for a program (Authorization: Bearer ...), valid for a year. It is shown this once."""

    async def work(db: Database, door: Door) -> None:
        if tenant not in dict(await users.list_tenants(db)):
            raise ValidationFailed(f"There is no tenant {tenant!r}.")
        _, secret = await door.token(tenant, name, Role(role), BY)
        click.echo(secret)

    _run(_settings(simulate), work)


async def add(db: Database, email: str, name: str, role: Role, tenant: str = DEFAULT_TENANT_ID) -> User:
    """A new user, written down. Raises ConflictError for an address that is taken."""
    now_ms = SystemClock().unix_ms()
    user = User(
        id=new_id(now_ms),
        tenant_id=tenant,
        email=email,
        name=name or email,
        time_zone="UTC",
        role=role,
        created_ms=now_ms,
    )
    async with db.tx() as tx:
        await users.add(tx, user)
        deed = Deed(actor=BY, action="user_added", object=f"user:{user.id}", detail={"role": str(role)})
        await audit.add(tx, tenant, deed, now_ms)
    return user


async def nobody_yet(db: Database) -> bool:
    """Whether there is nobody at all who could sign in."""
    return not any([await users.list_users(db, tenant) for tenant, _ in await users.list_tenants(db)])


async def link_text(settings: Settings, door: Door, user: User) -> str:
    """The address to open. The secret stands behind `#`, so that no server log ever holds it."""
    return f"http://{settings.web_host}:{settings.web_port}/enter#{await door.link(user, BY)}"


def _settings(simulate: bool) -> Settings:
    return load_settings(overrides={"simulate": True} if simulate else None)


def _run(settings: Settings, work: Work) -> None:
    async def opened() -> None:
        async with open_store(settings) as db:
            await work(db, Door(db, SystemClock()))

    asyncio.run(opened())
