"""What the linter says of passwords in Asterisk's files: too easy to guess, or readable by everybody.

Used for the ARI user (asterisk_config.py) and for the event websocket towards us (asterisk_outbound.py).
"""

from collections.abc import Iterator
from pathlib import Path

from app.doctor.asterisk_files import Finding, Setting, Severity, finding

MIN_PASSWORD_CHARS = 32
DEFAULT_PASSWORDS = frozenset(
    {"", "asterisk", "password", "secret", "changeme", "change_me", "opendeep", "peekaboo", "admin", "1234"}
)


def password_strength(where: Setting, name: str, what: str, rule: str) -> Iterator[Finding]:
    """A finding when the password in `where` is a known or a short one; `name` is the user's, `what` it is for."""
    password = where.value
    if password.startswith("@") and password.endswith("@"):
        return  # the placeholder rule says it
    if password.lower() in DEFAULT_PASSWORDS | {name.lower()}:
        text = f"the {what} password is missing or a well-known one: put 32 or more random characters"
        yield finding(Severity.FAIL, rule, where, text)
    elif len(password) < MIN_PASSWORD_CHARS:
        text = f"the {what} password has {len(password)} characters: use {MIN_PASSWORD_CHARS} or more random ones"
        yield finding(Severity.FAIL, rule, where, text)


def file_mode(path: Path, what: str, rule: str) -> Iterator[Finding]:
    """A finding when every account of this machine can read the file."""
    if path.is_file() and path.stat().st_mode & 0o007:
        where = Setting("", "", path.name, 0)
        text = f"every account of this machine can read the {what} password: chmod 0640, owner root:asterisk"
        yield finding(Severity.WARN, rule, where, text)
