"""What a report is written from: the counts of a campaign, and some of its talks with what was said."""

from collections import Counter, defaultdict

import msgspec

from app.domain.analysis.judgement import Decision
from app.domain.campaign_figures import Figures
from app.domain.report import FieldTotal, ReportFacts
from app.domain.report_words import QuoteFound, ShownCall
from app.domain.task import TaskState
from app.store import campaign_figures, campaign_pages, results, transcripts
from app.store.db import Reader

LOOKED_AT = 120
"""Of the newest answered calls; the talks that are shown are chosen among them."""
SHOWN = 24
TURNS = 400
FIELDS_OF = 100_000
"""Values are counted over the newest recipients up to this many."""

_JUDGED = """
    SELECT c.id, n.decision FROM calls c JOIN analyses n ON n.call_id = c.id
    WHERE c.tenant_id = :tenant_id AND c.campaign_id = :campaign_id AND c.outcome = 'completed'
        AND n.state = 'done' AND n.decision <> '{}'
    ORDER BY c.created_ms DESC, c.id DESC LIMIT :limit
"""
"""Of somebody who was forgotten, or whose days are over, there is no decision any more (`{}`)."""
_OPT_OUTS = """
    SELECT count(*) FROM dnd_list d JOIN calls c ON c.id = d.evidence_call_id
    WHERE d.tenant_id = :tenant_id AND d.source = 'callee' AND c.campaign_id = :campaign_id
"""


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """A judged call with everything that was said."""

    call: ShownCall
    decision: Decision


async def facts(sql: Reader, tenant_id: str, campaign_id: str) -> ReportFacts:
    """Everything that is counted, at this moment."""
    figures: Figures = (await campaign_figures.of_campaigns(sql, tenant_id, [campaign_id]))[campaign_id]
    account = (await campaign_pages.accounts(sql, [campaign_id]))[campaign_id]
    where = {"tenant_id": tenant_id, "campaign_id": campaign_id}
    row = await sql.one(_OPT_OUTS, where)
    return ReportFacts(
        figures=figures,
        waiting_user=await campaign_pages.in_state(sql, campaign_id, TaskState.WAITING_USER, most=1 << 30),
        opt_outs=row[0] if row else 0,
        cost_micro_usd=account.spent_micro_usd,
        fields=tuple(
            FieldTotal(name=one.name, count=one.count, values=one.values)
            for one in await results.totals(sql, tenant_id, results.Filter(campaign_id=campaign_id), FIELDS_OF)
        ),
    )


async def talks(sql: Reader, tenant_id: str, campaign_id: str) -> list[Talk]:
    """Some of the newest judged talks, of every kind in turn."""
    params = {"tenant_id": tenant_id, "campaign_id": campaign_id, "limit": LOOKED_AT}
    kinds: defaultdict[str, list[tuple[str, Decision]]] = defaultdict(list)
    for call_id, text in await sql.fetch(_JUDGED, params):
        decision = msgspec.json.decode(text, type=Decision)
        kinds[decision.outcome].append((call_id, decision))
    chosen: list[tuple[str, Decision]] = []
    while len(chosen) < SHOWN and any(kinds.values()):
        for kind in sorted(kinds):
            if kinds[kind]:
                chosen.append(kinds[kind].pop(0))
    found: list[Talk] = []
    for call_id, decision in chosen[:SHOWN]:
        turns = await transcripts.list_turns(sql, tenant_id, call_id, TURNS)
        found.append(Talk(call=ShownCall(call_id=call_id, turns=tuple(turns)), decision=decision))
    return found


def proven_quotes(found: list[Talk], most: int = 3) -> list[QuoteFound]:
    """Words of callees that the analysis has proven, from talks of different kinds."""
    quotes: list[QuoteFound] = []
    seen: Counter[str] = Counter()
    for talk in found:
        proof = next((one for one in talk.decision.proofs if one.speaker == "callee"), None)
        if proof is None or seen[talk.decision.outcome] or len(quotes) == most:
            continue
        turn = talk.call.turns[proof.turn - 1] if proof.turn <= len(talk.call.turns) else None
        if turn is None:
            continue
        seen[talk.decision.outcome] += 1
        quotes.append(
            QuoteFound(
                call_id=talk.call.call_id,
                item_id=turn.item_id,
                turn=proof.turn,
                seq=turn.seq,
                speaker=turn.speaker,
                audio_ms=turn.start_audio_ms,
                quote=" ".join(turn.text.split())[:300],
            )
        )
    return quotes
