"""What the page "Results" reads of the store, and its files, streamed a page of rows at a time."""

from collections.abc import AsyncGenerator, Callable, Mapping

import msgspec

from app.clock import Clock
from app.domain.contacts.csv_text import BOM, line
from app.domain.number import NumberRefused, mask_number, parse_number, with_texts
from app.domain.people import Permission, Person
from app.errors import ValidationFailed
from app.ids import is_id
from app.store import agents, audit, campaign_pages, results
from app.store.audit import Deed
from app.store.db import Database
from app.store.results import Filter, Key, ResultRow, ResultValue, Total
from web.masks import masking, shown

PAGE = 50
EXPORT_PAGE = 500
CAMPAIGNS_OFFERED = 100


class ValueView(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its proof: the callee's words, their call, turn and place (ms from the answer)."""

    value: msgspec.Raw
    text: str
    call_id: str
    turn_seq: int
    audio_ms: int
    quote: str
    at_ms: int


class ResultView(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient of an agent as pages and programs read it; numbers, also those within values and quotes, are
    masked for those who may not see them.
    """

    agent_id: str
    agent: str
    number: str
    callee: str
    campaign_id: str | None
    task_id: str
    call_id: str
    outcome: str
    updated_ms: int
    fields: Mapping[str, ValueView]


class ResultPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the table. `count` is counted up to `most` + 1."""

    rows: tuple[ResultView, ...]
    older: Key | None
    totals: tuple[Total, ...]
    count: int
    most: int


class ResultReader:
    """One per application."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def page(self, person: Person, which: Filter, before: Key | None) -> ResultPage:
        """Newest first, with totals of the first page's filter."""
        rows, older = await self.rows(person, which, before, PAGE)
        return ResultPage(
            rows=tuple(rows),
            older=older,
            totals=shown(person, await results.totals(self._db, person.tenant_id, which), tuple[Total, ...]),
            count=await results.count(self._db, person.tenant_id, which),
            most=results.TOTALS_OF,
        )

    async def rows(
        self, person: Person, which: Filter, before: Key | None, limit: int
    ) -> tuple[list[ResultView], Key | None]:
        """Some rows and where the next ones begin."""
        found = await results.page(self._db, person.tenant_id, which, before, limit + 1)
        numbers, kept = person.may(Permission.SEE_NUMBERS), found[:limit]
        return [view_of(one, numbers=numbers) for one in kept], key_of(kept[-1]) if len(found) > limit else None

    async def choices(self, person: Person) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Agents and the newest campaigns to choose from: ids and names."""
        known = await agents.list_agents(self._db, person.tenant_id)
        newest = await campaign_pages.list_page(self._db, person.tenant_id, limit=CAMPAIGNS_OFFERED)
        return [(one.id, one.name) for one in known], [(one.id, one.name) for one in newest]

    async def write_down(self, person: Person, which: Filter, form: str, address: str) -> None:
        """Note in the audit log that results leave the house."""
        deed = Deed(
            actor=person.actor,
            action="results_exported",
            object=f"campaign:{which.campaign_id}" if which.campaign_id else "results",
            detail={"format": form, "agent": which.agent_id, "one_number": bool(which.number)},
            address=address,
        )
        async with self._db.tx() as tx:
            await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())

    async def csv(self, person: Person, which: Filter) -> AsyncGenerator[str]:
        """One line for each recipient; three columns for each field: value, quote, call."""
        names = await results.fields(self._db, person.tenant_id, which)
        head = ["agent", "number", "callee", "outcome", "updated_ms", "campaign_id", "task_id", "call_id"]
        for name in names:
            head += [name, f"{name} quote", f"{name} call"]
        yield BOM + line(head)
        async for rows in self._all(person, which):
            yield "".join(_csv_line(row, names) for row in rows)

    async def json(self, person: Person, which: Filter) -> AsyncGenerator[bytes]:
        """`{"results": [...]}`, the rows as `ResultView`."""
        yield b'{"results":['
        first = True
        async for rows in self._all(person, which):
            body = msgspec.json.encode(rows)[1:-1]
            yield body if first else b"," + body
            first = False
        yield b"]}"

    async def _all(self, person: Person, which: Filter) -> AsyncGenerator[list[ResultView]]:
        """By agent and number: rows that change meanwhile keep their place."""
        numbers, after = person.may(Permission.SEE_NUMBERS), ("", "")
        while rows := await results.walk(self._db, person.tenant_id, which, after, EXPORT_PAGE):
            yield [view_of(one, numbers=numbers) for one in rows]
            after = (rows[-1].result.agent_id, rows[-1].result.number)


def view_of(row: ResultRow, *, numbers: bool) -> ResultView:
    """A row; `numbers`: whether whoever reads it may see telephone numbers in full."""
    one, mask = row.result, masking(full=numbers)
    return ResultView(
        agent_id=one.agent_id,
        agent=row.agent_name,
        number=one.number if numbers else mask_number(one.number),
        callee=mask(row.callee_name),
        campaign_id=one.campaign_id,
        task_id=one.task_id,
        call_id=one.call_id,
        outcome=one.outcome,
        updated_ms=one.updated_ms,
        fields={name: _value(value, mask) for name, value in sorted(row.fields.items())},
    )


def key_of(row: ResultRow) -> Key:
    """Where a page that ends with this row ends."""
    return row.result.updated_ms, row.result.task_id


def read_filter(agent: str, campaign: str, number: str, *, full_numbers: bool) -> Filter:
    """The filter of an address. Raises ValidationFailed."""
    if number.strip() and not full_numbers:
        raise ValidationFailed("Your role sees numbers masked, so it cannot filter by one.")
    for name, value in (("agent", agent), ("campaign", campaign)):
        if value and not is_id(value):
            raise ValidationFailed(f"There is no such {name}.")
    try:
        wanted = parse_number(number, fictional=True) if number.strip() else ""
    except NumberRefused as refused:
        raise ValidationFailed(f"Write the number with its country code: {refused.message}") from refused
    return Filter(agent_id=agent, campaign_id=campaign, number=wanted)


def _value(value: ResultValue, mask: Callable[[str], str]) -> ValueView:
    told = with_texts(msgspec.json.decode(value.value), mask)
    return ValueView(
        value=msgspec.Raw(msgspec.json.encode(told)),
        text=mask(value.text),
        call_id=value.call_id,
        turn_seq=value.seq,
        audio_ms=value.audio_ms,
        quote=mask(value.quote),
        at_ms=value.at_ms,
    )


def _csv_line(row: ResultView, names: list[str]) -> str:
    cells = [row.agent, row.number, row.callee, row.outcome, str(row.updated_ms)]
    cells += [row.campaign_id or "", row.task_id, row.call_id]
    for name in names:
        value = row.fields.get(name)
        cells += [value.text, value.quote, value.call_id] if value else ["", "", ""]
    return line(cells)
