"""The report at the end of `opendeep sim story`: its numbers counted again from the rows, its words read back."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from app.cli.report import ReportAnswer, lines
from app.clock import Clock
from app.domain.call import Call
from app.domain.report import Number, named, numbers_of
from app.domain.report_words import Draft, QuoteClaim, ReportWords, ShownCall, problems
from app.domain.task import CallTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.store import calls, campaign_reports, campaigns, dnd, report_facts, transcripts
from app.store.campaign_reports import CampaignReport
from app.store.db import Database

LOOK_S = 0.2
TURNS = 1_000


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """`text`: the report as a person reads it, line by line; `wrong`: what is not true in it."""

    text: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    numbers: int = 0
    quotes: int = 0
    written_by: str = ""


async def reported(
    db: Database, clock: Clock, campaign_id: str, tasks: Sequence[CallTask], limit_s: float
) -> Reported:
    """The final report, waited for, and compared with what the store holds."""
    report = await _written(db, clock, campaign_id, limit_s)
    if report is None or report.read_words is None:
        return Reported(wrong=(f"no final report within {limit_s:.0f} s",))
    numbers, words = report.read_numbers, report.read_words
    made = [call for task in tasks for call in await calls.of_task(db, DEFAULT_TENANT_ID, task.id)]
    listed = await dnd.list_entries(db, DEFAULT_TENANT_ID)
    shown = {
        call.id: ShownCall(
            call_id=call.id, turns=tuple(await transcripts.list_turns(db, DEFAULT_TENANT_ID, call.id, TURNS))
        )
        for call in made
    }
    wrong = miscounted(numbers, recount(tasks, made, len(listed)))
    now = named(numbers_of(await report_facts.facts(db, DEFAULT_TENANT_ID, campaign_id)))
    charged = report.cost_micro_usd or 0  # the report itself is charged when it is stored
    facts = {name: one.value for name, one in now.items() if name != "cost_per_goal"}
    wrong += miscounted(numbers, facts | {"cost": facts["cost"] - charged})
    wrong += unproven(words, named(numbers), shown)
    campaign = await campaigns.get(db, DEFAULT_TENANT_ID, campaign_id)
    answer = ReportAnswer(
        ok=not wrong,
        campaign_id=campaign_id,
        campaign=campaign.name,
        state=campaign.state,
        written_by=report.written_by,
        done_ms=report.done_ms,
        numbers=numbers,
        words=words,
    )
    return Reported(
        text=tuple(lines(answer)),
        wrong=tuple(wrong),
        numbers=len(numbers),
        quotes=len(words.quotes),
        written_by=report.written_by,
    )


async def _written(db: Database, clock: Clock, campaign_id: str, limit_s: float) -> CampaignReport | None:
    until = clock.monotonic() + limit_s
    while clock.monotonic() < until:
        found = await campaign_reports.of_campaign(db, DEFAULT_TENANT_ID, campaign_id)
        done = next((one for one in found if one.kind == "final" and one.state == "done"), None)
        if done is not None:
            return done
        await asyncio.sleep(LOOK_S)
    return None


def recount(tasks: Sequence[CallTask], made: Sequence[Call], opt_outs: int) -> dict[str, int]:
    """The numbers of a report that follow from the rows themselves, by name; calls are counted, not their sums."""
    states = Counter(str(task.state) for task in tasks)
    dialed = Counter(call.task_id for call in made if call.dialed)
    answered = [call for call in made if call.answered_ms is not None and call.ended_ms is not None]
    talk_ms = sum((call.ended_ms or 0) - (call.answered_ms or 0) for call in answered)
    return {
        "tasks": len(tasks),
        "goal_reached": states["completed"],
        "not_reached": states["failed"],
        "cancelled": states["cancelled"],
        "suppressed": states["suppressed"],
        "settled": sum(states[name] for name in ("completed", "failed", "cancelled", "suppressed")),
        "open": len(tasks) - sum(states[name] for name in ("completed", "failed", "cancelled", "suppressed")),
        "waiting_for_you": states["waiting_user"],
        "dialed": len(dialed),
        "answered": len({call.task_id for call in answered}),
        "opt_outs": opt_outs,
        "calls": len(made),
        "dialed_again": sum(times > 1 for times in dialed.values()),
        "talk_minutes": (talk_ms + 30_000) // 60_000,
        **{f"calls_{name}": n for name, n in Counter(str(call.outcome) for call in made).items()},
    }


def miscounted(numbers: Sequence[Number], counted: Mapping[str, int]) -> list[str]:
    """Numbers of the report that differ from what was counted, and those it lacks."""
    told = named(numbers)
    found = [f"the report has no number {name}" for name in counted if name not in told]
    return found + [
        f"the report says {told[name].text} for {told[name].label}, the store {value}"
        for name, value in counted.items()
        if name in told and told[name].value != value
    ]


def unproven(words: ReportWords, numbers: Mapping[str, Number], shown: Mapping[str, ShownCall]) -> list[str]:
    """What the words say that no number and no transcript does: each number in them is traded for the name of one
    with that text, then they must be words a model may have written.
    """
    by_text = {one.text: one.name for one in reversed(list(numbers.values()))}
    longest = sorted(by_text, key=len, reverse=True)
    texts = "|".join(re.escape(text) for text in longest)
    found = re.compile(rf"(?<![\w.,:$])(?:{texts})(?![\w%]|[.,:]\d)") if longest else None

    def named_in(text: str) -> str:
        return text if found is None else found.sub(lambda match: f"[{by_text[match[0]]}]", text)

    draft = Draft(
        headline=named_in(words.headline),
        summary=named_in(words.summary),
        findings=tuple(map(named_in, words.findings)),
        next_steps=tuple(map(named_in, words.next_steps)),
        quotes=tuple(QuoteClaim(call=one.call_id, turn=one.turn, quote=one.quote) for one in words.quotes),
    )
    return problems(draft, numbers, shown)
