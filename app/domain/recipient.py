"""Who is called, as a tenant remembers them beyond one task: a name, a language, what they prefer."""

from typing import Annotated

import msgspec

MAX_PREFERENCES = 4_000


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One number (E.164) of one tenant. `language` is ISO 639-1, empty when not known; `preferences` is plain
    text, written by people or an import. Times are UTC epoch milliseconds.
    """

    tenant_id: str
    number: Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{5,14}\Z")]
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    language: Annotated[str, msgspec.Meta(pattern=r"^([a-z]{2})?\Z")] = ""
    preferences: Annotated[str, msgspec.Meta(max_length=MAX_PREFERENCES)] = ""
    updated_ms: int = 0
