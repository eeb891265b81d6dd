"""People whom the user names in the chat, out of the directory of the tenant: only those, never all of it."""

from collections.abc import Sequence

import msgspec

from app.domain.planning import Contact, PlannerTurn, Profile
from app.store import contacts
from app.store.db import Reader

LOOKED_AT_TURNS = 20
MAX_TEXT = 10_000


async def with_contacts(sql: Reader, tenant_id: str, profile: Profile, turns: Sequence[PlannerTurn]) -> Profile:
    """The profile with the contacts whose names stand in what the user said. Raises StoreError."""
    there = {one.number for one in profile.contacts}
    found = [
        Contact(
            name=one.name or one.company, number=one.number, zone=one.zone, note=one.company if one.name else ""
        )
        for one in await contacts.named_in(sql, tenant_id, spoken(turns))
        if one.number not in there
    ]
    return msgspec.structs.replace(profile, contacts=(*profile.contacts, *found)) if found else profile


def spoken(turns: Sequence[PlannerTurn]) -> str:
    """The newest words of the user, the newest first."""
    texts: list[str] = []
    for turn in reversed(turns[-LOOKED_AT_TURNS:]):
        if turn.role == "user":
            texts += [turn.text, *(str(value) for value in turn.content.answers.values())]
    return "\n".join(texts)[:MAX_TEXT]
