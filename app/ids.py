"""Ids of rows and calls: 32 hex digits that sort by the time they were made (RFC 9562 UUIDv7 without dashes).

The time is an argument, so ids follow the injected clock. Letters and digits only: a call id becomes part of ARI
channel ids and of file names.
"""

import re
import secrets

_ID = re.compile(r"[0-9a-f]{32}")


def new_id(unix_ms: int) -> str:
    """A fresh id: 48 bits of time, 74 random bits. Raises ValueError for a time outside 1970..10889."""
    if not 0 <= unix_ms < 1 << 48:
        raise ValueError(f"{unix_ms} ms does not fit an id")
    random_a, random_b = secrets.randbits(12), secrets.randbits(62)
    value = unix_ms << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b
    return f"{value:032x}"


def is_id(text: str) -> bool:
    """Whether `text` looks like an id of ours; checked before it goes into a path or a query."""
    return _ID.fullmatch(text) is not None


def unix_ms_of(row_id: str) -> int:
    """When an id was made. Raises ValueError when it is none of ours."""
    if not is_id(row_id):
        raise ValueError(f"{row_id!r} is not an id")
    return int(row_id[:12], 16)
