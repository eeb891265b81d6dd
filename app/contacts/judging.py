"""What only the store knows about rows of a list: listed numbers, contacts that are known, consent on record.

Asked for some hundred rows at a time when they are checked, and once more in the transaction that brings them in.
"""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.admission_site import Site
from app.domain.contacts.check import Verdict
from app.domain.contacts.contact import Terms
from app.domain.policy.merge import CONSENT
from app.store import consents, contact_rows, contacts, dnd, tenants
from app.store.contact_imports import ContactImport
from app.store.contact_rows import ImportRow
from app.store.db import Reader

LISTED = "The number is on a do-not-call list."
LISTED_ALREADY = "The number is on your do-not-call list already."
WITHDRAWN = "The callee withdrew the consent."
REFUSED = "The list says that there is no consent; none is stored."


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """About some numbers."""

    listed: frozenset[str]
    contacts: frozenset[str]
    withdrew: frozenset[str]
    consents: Mapping[str, str]


async def known(sql: Reader, one: ContactImport, numbers: Sequence[str], now_ms: int) -> Known:
    """What the store says. Raises StoreError: then nothing is taken."""
    if one.target == "do_not_call":
        own = await dnd.own_of(sql, one.tenant_id, numbers)
        return Known(listed=own, contacts=frozenset(), withdrew=frozenset(), consents={})
    purpose = one.chosen.purpose or "service"
    levels = await consents.of_numbers(sql, one.tenant_id, numbers, purpose, now_ms)
    return Known(
        listed=await dnd.listed_of(sql, one.tenant_id, numbers),
        contacts=frozenset(await contacts.by_numbers(sql, one.tenant_id, numbers)),
        withdrew=frozenset(number for number, level in levels.items() if level == "withdrawn"),
        consents=levels,
    )


async def judged(
    sql: Reader, one: ContactImport, rows: Sequence[ImportRow], verdicts: Sequence[Verdict], now_ms: int
) -> list[ImportRow]:
    """The rows with what was found about them; rows that somebody skipped stay skipped, and are nobody's first."""
    numbers = sorted({verdict.number for verdict in verdicts if verdict.number})
    facts = await known(sql, one, numbers, now_ms)
    before = await contact_rows.first_of(sql, one.id, numbers, rows[0].seq) if rows else {}
    first = {number: line for number, (_, line) in before.items()}
    found: list[ImportRow] = []
    for row, alone in zip(rows, verdicts, strict=True):
        verdict = with_facts(alone, one, facts)
        if verdict.number and not verdict.rejected and row.state != "skipped":
            if verdict.number in first:
                told = f"The same number stands in row {first[verdict.number]} of the list."
                found.append(with_verdict(row, verdict.worse("duplicate", told)))
                continue
            first[verdict.number] = row.line
        found.append(with_verdict(row, verdict))
    return found


def with_facts(verdict: Verdict, one: ContactImport, facts: Known) -> Verdict:
    """The verdict after the store was asked."""
    number, options = verdict.number, one.chosen
    if not number:
        return verdict
    if one.target == "do_not_call":
        return verdict.worse("known", LISTED_ALREADY) if number in facts.listed else verdict
    if number in facts.listed:
        verdict = verdict.worse("do_not_call", LISTED)
    if number in facts.withdrew and (options.purpose or options.consent_level != "none"):
        verdict = verdict.worse("withdrawn", WITHDRAWN)
    if verdict.made.refuses:
        return _with_known(verdict.worse("no_consent", REFUSED), one, facts)
    given = options.consent_level if verdict.made.consent or options.consent_evidence else "none"
    have = max(given, facts.consents.get(number, "none"), key=_rank)
    if _rank(have) < _rank(verdict.needs):
        told = f"A {options.purpose} call needs {verdict.needs} consent; there is no evidence of it."
        verdict = verdict.worse("no_consent", told)
    return _with_known(verdict, one, facts)


def _with_known(verdict: Verdict, one: ContactImport, facts: Known) -> Verdict:
    if verdict.number not in facts.contacts:
        return verdict
    what = "it is left as it is" if one.chosen.skip_known else "what the list says is added to it"
    return verdict.worse("known", f"The contact is known already; {what}.")


def with_verdict(row: ImportRow, verdict: Verdict) -> ImportRow:
    """The row as it is stored."""
    state = "rejected" if verdict.rejected else "skipped" if row.state == "skipped" else "ready"
    return msgspec.structs.replace(
        row,
        state=state,
        issue=verdict.issue,
        sentence=verdict.sentence,
        number=verdict.number,
        made=msgspec.json.encode(verdict.made).decode(),
    )


def tallied(tally: dict[str, int], rows: Sequence[ImportRow], by: int = 1) -> dict[str, int]:
    """Counts with these rows added or (-1) taken away."""
    counts = dict(tally)
    for row in rows:
        for key in (row.state, f"issue:{row.issue}") if row.issue else (row.state,):
            counts[key] = counts.get(key, 0) + by
    return {key: count for key, count in counts.items() if count > 0}


async def terms_of(sql: Reader, one: ContactImport, site: Site) -> Terms:
    """What the rows of this list are held against: the site's rules, narrowed by the tenant's."""
    own = await tenants.terms(sql, one.tenant_id)
    countries = site.allowed_countries
    return Terms(
        target=one.target,
        options=one.chosen,
        packs=site.packs,
        allowed_countries=tuple(
            country for country in countries if own.allowed_countries is None or country in own.allowed_countries
        ),
        overlay=own.rules,
        fictional=site.fictional,
    )


def _rank(level: str) -> int:
    return CONSENT.index(level) if level in CONSENT else -1
