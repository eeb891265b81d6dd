"""Brings checked rows in: contacts with their consents and preferences, or entries of the do-not-call list.

Called inside the transaction that moves the import's cursor, so a row is brought in exactly when it says so. The
store is asked once more: between the check and this moment somebody may have said "never call again".
"""

from collections.abc import Sequence

import msgspec

from app.contacts.judging import Known, known, with_facts, with_verdict
from app.domain.contacts.check import Verdict
from app.domain.contacts.contact import Contact, Made
from app.domain.recipient import Recipient
from app.ids import new_id
from app.store import consents, contact_rows, contacts, dnd, recipients
from app.store.consents import NewConsent
from app.store.contact_imports import ContactImport
from app.store.contact_rows import ImportRow
from app.store.db import Tx


async def bring_in(tx: Tx, one: ContactImport, rows: Sequence[ImportRow], now_ms: int) -> list[ImportRow]:
    """Answers the rows as they are afterwards; those that are not ready stay as they were."""
    ready = [row for row in rows if row.state == "ready"]
    facts = await known(tx, one, [row.number for row in ready], now_ms)
    taken = [_again(row, one, facts) for row in ready]
    good = [row for row in taken if row.state == "ready"]
    if one.target == "do_not_call":
        done = await _listed(tx, one, good, now_ms)
    else:
        done = await _contacts(tx, one, good, now_ms)
    after = {row.seq: row for row in [*taken, *done]}
    await contact_rows.save(tx, list(after.values()))
    return [after.get(row.seq, row) for row in rows]


def _again(row: ImportRow, one: ContactImport, facts: Known) -> ImportRow:
    """The row by what is known now; an issue that was told before is not told anew."""
    verdict = with_facts(Verdict(number=row.number, made=row.contact), one, facts)
    return with_verdict(row, verdict) if verdict.rejected else row


async def _listed(tx: Tx, one: ContactImport, rows: Sequence[ImportRow], now_ms: int) -> list[ImportRow]:
    reason = one.chosen.reason or f"from the list {one.name}"
    entries = [
        dnd.DoNotCall(
            id=new_id(now_ms),
            tenant_id=one.tenant_id,
            number=row.number,
            reason=" ".join(filter(None, (reason, row.contact.preferences)))[:500],
            source="import",
        )
        for row in rows
    ]
    await dnd.add_many(tx, one.tenant_id, entries, now_ms)
    return [msgspec.structs.replace(row, state="imported") for row in rows]


async def _contacts(tx: Tx, one: ContactImport, rows: Sequence[ImportRow], now_ms: int) -> list[ImportRow]:
    before = await contacts.by_numbers(tx, one.tenant_id, [row.number for row in rows])
    stored: list[Contact] = []
    done: list[ImportRow] = []
    for row in rows:
        old = before.get(row.number)
        if old is not None and one.chosen.skip_known:
            done.append(msgspec.structs.replace(row, state="skipped", issue="known", contact_id=old.id))
            continue
        contact = contacts.merged(old, _contact(row, one, now_ms), ("kind",) if row.contact.kind else ())
        stored.append(contact)
        done.append(msgspec.structs.replace(row, state="imported", contact_id=contact.id))
    await contacts.put_many(tx, stored)
    taken = [row for row in done if row.state == "imported"]
    await recipients.remember_many(tx, [_recipient(row, now_ms) for row in taken if _told_more(row.contact)])
    await consents.give_many(tx, one.tenant_id, [given for row in taken if (given := _consent(row, one, now_ms))])
    return done


def _contact(row: ImportRow, one: ContactImport, now_ms: int) -> Contact:
    made = row.contact
    return Contact(
        id=new_id(now_ms),
        tenant_id=one.tenant_id,
        number=row.number,
        name=made.name,
        company=made.company,
        zone=made.zone,
        language=made.language,
        kind=made.kind or "person",
        region=made.region,
        variables=msgspec.json.encode(made.variables).decode(),
        import_id=one.id,
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def _told_more(made: Made) -> bool:
    return bool(made.language or made.preferences)


def _recipient(row: ImportRow, now_ms: int) -> Recipient:
    made = row.contact
    return Recipient(
        tenant_id=row.tenant_id,
        number=row.number,
        name=made.name,
        language=made.language,
        preferences=made.preferences,
        updated_ms=now_ms,
    )


def _consent(row: ImportRow, one: ContactImport, now_ms: int) -> NewConsent | None:
    options, evidence = one.chosen, row.contact.consent or one.chosen.consent_evidence
    if options.consent_level == "none" or row.contact.refuses or not evidence.strip():
        return None
    return NewConsent(
        number=row.number,
        purpose=options.purpose or "service",
        level=options.consent_level,
        evidence=f"{evidence} (list {one.name}, row {row.line})"[:700],
        given_ms=now_ms,
    )
