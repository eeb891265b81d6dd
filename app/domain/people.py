"""Who may do what: roles, permissions, and what a password and an address must look like. Pure.

A permission is named by what it lets a person do; every route of the console names the one it needs. The order of
roles is no ladder: an auditor reads more than an operator and steers nothing.
"""

import re
from enum import StrEnum
from typing import Literal

import msgspec

from app.errors import ValidationFailed

MIN_PASSWORD = 12
MAX_PASSWORD = 200
"""Characters; hashing longer ones would be work for whoever floods the sign-in page."""
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)*")
_COMMON = (
    "password passwort kennwort motdepasse contrasena qwertz qwerty azerty letmein welcome willkommen iloveyou "
    "administrator opendeep changeme dragon monkey football baseball sunshine princess master superman trustno "
    "secret"
)
_LEET = str.maketrans("013457@$!", "oleastasi")


class Role(StrEnum):
    """What somebody is to a tenant."""

    OWNER = "owner"
    MANAGER = "manager"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Permission(StrEnum):
    """What a route may ask for."""

    SEE = "see"
    """Calls, tasks, campaigns and what was said; numbers masked."""
    SEE_NUMBERS = "see_numbers"
    """Telephone numbers in full."""
    STEER = "steer"
    """Orders to living calls, answers to the agent's questions."""
    PLAN = "plan"
    """Tasks, campaigns, contacts."""
    RULE = "rule"
    """Agents, do-not-call lists, calling rules, budgets."""
    AUDIT = "audit"
    """The audit log."""
    ERASE = "erase"
    """How long words are kept, legal holds, forgetting a person."""
    PEOPLE = "people"
    """Users, roles and tokens."""


_SEE, _OPERATE = {Permission.SEE}, {Permission.SEE, Permission.SEE_NUMBERS, Permission.STEER, Permission.PLAN}
GRANTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.MANAGER: frozenset(_OPERATE | {Permission.RULE, Permission.AUDIT, Permission.ERASE}),
    Role.OPERATOR: frozenset(_OPERATE),
    Role.AUDITOR: frozenset(_SEE | {Permission.SEE_NUMBERS, Permission.AUDIT}),
    Role.VIEWER: frozenset(_SEE),
}


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `users`, without the hash of the password. Times are UTC epoch milliseconds."""

    id: str
    tenant_id: str
    email: str
    name: str
    time_zone: str
    role: Role
    created_ms: int
    disabled_ms: int | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind a request. `key_id` is the row of the session or token, so that it can be ended."""

    tenant_id: str
    user_id: str
    name: str
    role: Role
    via: Literal["session", "token"]
    key_id: str
    tenant_name: str = ""
    """What the tenant is called on pages; decides nothing."""

    def may(self, permission: Permission) -> bool:
        """Whether the role grants it."""
        return permission in GRANTS[self.role]

    @property
    def actor(self) -> str:
        """As named in the audit log: stable, and no address in it."""
        return f"{'user' if self.via == 'session' else 'token'}:{self.user_id}"


def read_email(text: str) -> str:
    """The address as stored: trimmed, lower case. Raises ValidationFailed."""
    email = text.strip().lower()
    if len(email) > 254 or not _EMAIL.fullmatch(email):
        raise ValidationFailed("That is no e-mail address; it should look like anna@example.org.")
    return email


def check_password(password: str, email: str) -> None:
    """Raises ValidationFailed with what is wrong: length, the address itself, or what everybody tries first.

    No rules about kinds of characters (OWASP ASVS 5.0, 6.2.5): they make passwords worse.
    """
    if len(password) < MIN_PASSWORD:
        raise ValidationFailed(f"A password needs at least {MIN_PASSWORD} characters; a sentence is fine.")
    if len(password) > MAX_PASSWORD:
        raise ValidationFailed(f"A password has at most {MAX_PASSWORD} characters.")
    plain = password.lower()
    if len(set(plain)) < 5 or plain in "abcdefghijklmnopqrstuvwxyz" * 2 or plain in "0123456789" * 20:
        raise ValidationFailed("That password is a pattern anybody would try.")
    words = {
        spelt
        for word in (*_COMMON.split(), email.partition("@")[0])
        if len(word) > 3
        for spelt in (word, word.translate(_LEET))
    }
    known = re.compile("|".join(map(re.escape, words)))
    for spelling in (plain, plain.translate(_LEET)):
        letters = re.sub(r"[^a-z]", "", spelling)
        rest = known.sub("", letters)
        if rest != letters and len(rest) < 4:
            raise ValidationFailed("That password is one of those everybody tries first, or your address.")
