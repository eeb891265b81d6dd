"""Rows of `contacts` and `contact_words`: whom a tenant may call, found by name, number or import."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from app.domain.contacts.contact import Contact, words_of
from app.errors import NotFoundError
from app.store import legal_holds
from app.store.db import Reader, Row, SqlValue, Tx
from app.store.rows import to_params, to_struct, with_columns, with_values

MAX_FOUND = 20
MAX_SPOKEN = 300
COMMON = 2_000
"""Contacts with a word from which on it is no use to begin with it."""
_LAST = chr(0x10FFFF)

_GET = with_columns("SELECT $columns FROM contacts WHERE tenant_id = :tenant_id AND id = :id", Contact)
_BY_NUMBERS = with_columns(
    """
    SELECT $columns FROM contacts
    WHERE tenant_id = :tenant_id AND number IN (SELECT value FROM json_each(:numbers))
    """,
    Contact,
)
_NEWEST = with_columns(
    "SELECT $columns FROM contacts WHERE tenant_id = :tenant_id AND id < :before ORDER BY id DESC LIMIT :limit",
    Contact,
)
_BY_WORDS = with_columns(
    """
    SELECT $columns FROM contacts c
    WHERE c.tenant_id = :tenant_id AND c.id < :before
      AND c.id IN (SELECT w.contact_id FROM contact_words w
          WHERE w.tenant_id = :tenant_id AND w.word >= :first AND w.word < :beyond)
      AND NOT EXISTS (SELECT 1 FROM json_each(:rest) r WHERE NOT EXISTS (SELECT 1 FROM contact_words o
          WHERE o.contact_id = c.id AND substr(o.word, 1, length(r.value)) = r.value))
    ORDER BY c.id DESC LIMIT :limit
    """,
    Contact,
    "c",
)
_BY_COMMON_WORDS = with_columns(
    """
    SELECT $columns FROM contacts c
    WHERE c.tenant_id = :tenant_id AND c.id < :before
      AND NOT EXISTS (SELECT 1 FROM json_each(:rest) r WHERE NOT EXISTS (SELECT 1 FROM contact_words o
          WHERE o.contact_id = c.id AND substr(o.word, 1, length(r.value)) = r.value))
    ORDER BY c.id DESC LIMIT :limit
    """,
    Contact,
    "c",
)
_HOW_MANY = """
    SELECT count(*) FROM (SELECT 1 FROM contact_words
        WHERE tenant_id = :tenant_id AND word >= :first AND word < :beyond LIMIT :limit) w
"""
_BY_ANY_WORD = with_columns(
    """
    SELECT $columns FROM contacts c
    WHERE c.tenant_id = :tenant_id AND c.id IN (
        SELECT w.contact_id FROM json_each(:words) j
        JOIN contact_words w ON w.tenant_id = :tenant_id AND w.word = j.value LIMIT :limit)
    """,
    Contact,
    "c",
)
_BY_NUMBER = with_columns(
    """
    SELECT $columns FROM contacts WHERE tenant_id = :tenant_id AND number >= :first AND number < :beyond
        AND id < :before ORDER BY id DESC LIMIT :limit
    """,
    Contact,
)
_OF_IMPORT = with_columns(
    """
    SELECT $columns, r.seq FROM contact_import_rows r JOIN contacts c ON c.id = r.contact_id
    WHERE r.import_id = :import_id AND r.tenant_id = :tenant_id AND r.state = 'imported' AND r.seq > :after
    ORDER BY r.seq LIMIT :limit
    """,
    Contact,
    "c",
)
_PUT = with_values(
    """
    INSERT INTO contacts ($columns) VALUES ($values)
    ON CONFLICT (tenant_id, number) DO UPDATE SET name = excluded.name, company = excluded.company,
        zone = excluded.zone, language = excluded.language, kind = excluded.kind, region = excluded.region,
        variables = excluded.variables, import_id = excluded.import_id, updated_ms = excluded.updated_ms
    """,
    Contact,
)
_FORGET_WORDS = """
    DELETE FROM contact_words WHERE tenant_id = :tenant_id AND contact_id IN (SELECT value FROM json_each(:ids))
"""
_ERASE_ROWS = """
    UPDATE contact_import_rows SET cells = '[]', made = '{}', number = '', sentence = '', contact_id = NULL
    WHERE tenant_id = :tenant_id AND number = :number AND import_id IN (
        SELECT id FROM contact_imports WHERE tenant_id = :tenant_id AND state IN ('done', 'failed', 'cancelled'))
"""
_WORD = """
    INSERT INTO contact_words (tenant_id, word, contact_id) VALUES (:tenant_id, :word, :contact_id)
    ON CONFLICT (tenant_id, word, contact_id) DO NOTHING
"""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page of contacts; `next` is what `before` (or `after`) is for the following page."""

    contacts: tuple[Contact, ...]
    next: str | None


async def get(sql: Reader, tenant_id: str, contact_id: str) -> Contact:
    """One contact. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": contact_id})
    if row is None:
        raise NotFoundError("There is no such contact.")
    return to_struct(Contact, row)


async def by_numbers(sql: Reader, tenant_id: str, numbers: Sequence[str]) -> dict[str, Contact]:
    """Contacts by number (E.164); numbers that nobody has are left out."""
    params: Mapping[str, SqlValue] = {"tenant_id": tenant_id, "numbers": msgspec.json.encode(numbers).decode()}
    found = [to_struct(Contact, row) for row in await sql.fetch(_BY_NUMBERS, params)]
    return {contact.number: contact for contact in found}


async def put_many(tx: Tx, contacts: Sequence[Contact]) -> None:
    """Store contacts of one tenant, each number at most once among them. One that is known is replaced and keeps
    its id, so the given one must carry it. Words follow.
    """
    if not contacts:
        return
    await tx.many(_PUT, [to_params(contact) for contact in contacts])
    ids = msgspec.json.encode([contact.id for contact in contacts]).decode()
    await tx.execute(_FORGET_WORDS, {"tenant_id": contacts[0].tenant_id, "ids": ids})
    words: list[Mapping[str, SqlValue]] = [
        {"tenant_id": contact.tenant_id, "word": word, "contact_id": contact.id}
        for contact in contacts
        for word in words_of(contact.name, contact.company)
    ]
    if words:
        await tx.many(_WORD, words)


async def search(sql: Reader, tenant_id: str, text: str = "", *, before: str = "", limit: int = 50) -> Found:
    """Contacts, newest first: those whose name and company have words that begin like each word of `text`, or
    whose number begins with it when it begins with +. `before`: the `next` of the page before.
    """
    params: dict[str, SqlValue] = {"tenant_id": tenant_id, "before": before or _LAST, "limit": limit + 1}
    digits = "".join(sign for sign in text if sign.isdigit() or sign == "+")
    words = words_of(text)
    if text.strip().startswith("+") and digits:
        rows = await sql.fetch(_BY_NUMBER, params | {"first": digits, "beyond": digits + _LAST})
    elif words:
        rows = await _with_words(sql, words, params)
    elif text.strip():
        rows = []
    else:
        rows = await sql.fetch(_NEWEST, params)
    found = tuple(to_struct(Contact, row) for row in rows)
    return Found(contacts=found[:limit], next=found[limit - 1].id if len(found) > limit else None)


async def _with_words(
    sql: Reader, words: Sequence[str], params: Mapping[str, SqlValue], *, beyond: str = _LAST
) -> list[Row]:
    """By the rarest word; when even that one is common, the newest contacts are looked through instead, for then
    they have it soon. `beyond`: behind which signs another word begins.
    """
    counts: dict[str, int] = {}
    for word in words:
        asked = {"tenant_id": params["tenant_id"], "first": word, "beyond": word + beyond, "limit": COMMON}
        row = await sql.one(_HOW_MANY, asked)
        counts[word] = row[0] if row else 0
    rarest = min(words, key=lambda word: counts[word])
    if counts[rarest] >= COMMON:
        return await sql.fetch(_BY_COMMON_WORDS, {**params, "rest": msgspec.json.encode(words).decode()})
    rest = msgspec.json.encode([word for word in words if word != rarest]).decode()
    return await sql.fetch(_BY_WORDS, {**params, "first": rarest, "beyond": rarest + beyond, "rest": rest})


async def find_by_name(sql: Reader, tenant_id: str, name: str, limit: int = MAX_FOUND) -> tuple[Contact, ...]:
    """Contacts whose name and company have words that begin like each word of `name`; the nearest come first."""
    words = words_of(name)
    if not words:
        return ()
    wanted: dict[str, SqlValue] = {"tenant_id": tenant_id, "before": _LAST, "limit": limit}
    exact = await _with_words(sql, words, wanted, beyond=chr(1))  # no word has such a sign
    rows = exact if len(exact) == limit else await _with_words(sql, words, wanted)
    found = dict.fromkeys(to_struct(Contact, row) for row in [*exact, *rows])

    def distance(contact: Contact) -> tuple[bool, bool]:
        have = set(words_of(contact.name))
        return set(words) != have, not set(words) <= have

    return tuple(sorted(found, key=distance))[:limit]


async def named_in(sql: Reader, tenant_id: str, text: str, limit: int = MAX_FOUND) -> tuple[Contact, ...]:
    """Contacts of whose name and company a word stands in a text; those of whom most words do come first."""
    spoken = words_of(text, most=MAX_SPOKEN)
    if not spoken:
        return ()
    params = {"tenant_id": tenant_id, "words": msgspec.json.encode(spoken).decode(), "limit": COMMON}
    found = [to_struct(Contact, row) for row in await sql.fetch(_BY_ANY_WORD, params)]
    heard = set(spoken)

    def nearness(contact: Contact) -> tuple[float, str]:
        words = words_of(contact.name, contact.company)
        return -len(heard.intersection(words)) / len(words), contact.name

    return tuple(sorted(found, key=nearness))[:limit]


async def of_import(sql: Reader, tenant_id: str, import_id: str, *, after: int = 0, limit: int = 1_000) -> Found:
    """What an import brought, in the order of its file; `after` is the `next` of the page before, as a number."""
    params = {"tenant_id": tenant_id, "import_id": import_id, "after": after, "limit": limit + 1}
    rows = await sql.fetch(_OF_IMPORT, params)
    found = tuple(to_struct(Contact, row[:-1]) for row in rows[:limit])
    return Found(contacts=found, next=str(rows[limit - 1][-1]) if len(rows) > limit else None)


async def forget(tx: Tx, tenant_id: str, contact_id: str) -> Contact:
    """Erase a contact: also what is remembered of the person, and their rows in lists that are done with. Calls
    and tasks stay, and so do do-not-call entries and consents, which say what may be done. Raises NotFoundError,
    ConflictError while a legal hold keeps the number.
    """
    contact = await get(tx, tenant_id, contact_id)
    await legal_holds.refuse_held(tx, tenant_id, contact.number)
    person = {"tenant_id": tenant_id, "number": contact.number}
    await tx.execute(_ERASE_ROWS, person)
    await tx.execute("DELETE FROM recipients WHERE tenant_id = :tenant_id AND number = :number", person)
    ids = msgspec.json.encode([contact_id]).decode()
    await tx.execute(_FORGET_WORDS, {"tenant_id": tenant_id, "ids": ids})
    statement = "DELETE FROM contacts WHERE tenant_id = :tenant_id AND id = :id"
    await tx.execute(statement, {"tenant_id": tenant_id, "id": contact_id})
    return contact


def merged(known: Contact | None, new: Contact, given: Sequence[Literal["kind"]] = ()) -> Contact:
    """What is stored of a contact that is known already: what the new list says, and else what was known.

    `given` names the fields in which an unsaid value looks like a said one.
    """
    if known is None:
        return new
    told = msgspec.json.decode(known.variables, type=dict[str, str])
    told |= msgspec.json.decode(new.variables, type=dict[str, str])
    return msgspec.structs.replace(
        new,
        id=known.id,
        name=new.name or known.name,
        company=new.company or known.company,
        zone=new.zone or known.zone,
        language=new.language or known.language,
        kind=new.kind if "kind" in given else known.kind,
        region=new.region or known.region,
        variables=msgspec.json.encode(told).decode(),
        created_ms=known.created_ms,
    )
