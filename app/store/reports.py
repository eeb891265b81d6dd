"""Stores what a media worker reports, each report exactly once: row and cursor are committed together.

The worker repeats whatever was not acknowledged; reports at or below the cursor are skipped. A report that
does not fit the tables is noted on its call and passed over, so that it cannot hold up all others.
"""

from typing import assert_never

import msgspec

from app.domain.call import Turn
from app.errors import ConstraintFailed, ValidationFailed
from app.store import calls, events, holds, recordings, transcripts, usage
from app.store.db import Database, Reader, Tx
from app.store.usage import Usage
from media import protocol as media

_CURSOR = "SELECT acknowledged_seq FROM worker_cursor WHERE worker_id = :worker_id"
_ADVANCE = """
    INSERT INTO worker_cursor (worker_id, acknowledged_seq, updated_ms, node)
    VALUES (:worker_id, :seq, :now_ms, :node)
    ON CONFLICT (worker_id) DO UPDATE SET acknowledged_seq = excluded.acknowledged_seq,
        updated_ms = excluded.updated_ms
"""
_ENVELOPE = frozenset({"seq", "call_id", "at_unix_ms", "type"})


async def acknowledged_seq(sql: Reader, worker_id: str) -> int:
    """Up to where this worker's reports are stored; 0 for an unknown worker."""
    row = await sql.one(_CURSOR, {"worker_id": worker_id})
    return row[0] if row else 0


async def last_acknowledged_seq(sql: Reader, node: str = "") -> int:
    """The highest position of all workers of `node`: what a process says to a worker it has yet to meet.

    Workers number from their time of birth, so this never hides a report of a younger one.
    """
    row = await sql.one(
        "SELECT coalesce(max(acknowledged_seq), 0) FROM worker_cursor WHERE node = :node", {"node": node}
    )
    return row[0] if row else 0


async def store(db: Database, worker_id: str, report: media.NumberedReport, node: str = "") -> bool:
    """Store one report and move the cursor, in one transaction. False: it was stored before.

    Reports of unknown calls only move the cursor.
    """
    async with db.tx() as tx:
        await tx.exclusive(f"worker {worker_id}")
        if report.seq <= await acknowledged_seq(tx, worker_id):
            return False
        tenant_id = await calls.tenant_of(tx, report.call_id) if report.call_id else None
        if tenant_id is not None:
            try:
                async with tx.savepoint():
                    await _write(tx, tenant_id, report)
            except (ConstraintFailed, ValidationFailed) as refused:
                data = {"report": type(report).__name__, "reason": refused.message}
                await events.add(tx, tenant_id, report.call_id, "report_refused", data, at_ms=report.at_unix_ms)
        position = {"worker_id": worker_id, "seq": report.seq, "now_ms": report.at_unix_ms, "node": node}
        await tx.execute(_ADVANCE, position)
    return True


async def _write(tx: Tx, tenant_id: str, report: media.NumberedReport) -> None:
    match report:
        case media.TurnSpoken():
            await transcripts.add(tx, tenant_id, report.call_id, _turn(report), report.at_unix_ms)
        case media.AnswerVerdict(verdict=verdict):
            await calls.set_answered_by(tx, tenant_id, report.call_id, verdict)
            await _event(tx, tenant_id, report)
        case media.LegFailed(fatal=True):
            await holds.place(
                tx, tenant_id, report.code, report.message, call_id=report.call_id, now_ms=report.at_unix_ms
            )
            await _event(tx, tenant_id, report)
        case media.ResponseUsed() | media.TranscriptionUsed():
            await usage.add(tx, tenant_id, report.call_id, _usage(report), report.at_unix_ms)
        case media.LegClosed():
            if report.recording_path is not None:
                path, ms = report.recording_path, report.recording_ms
                await recordings.add(tx, tenant_id, report.call_id, path, ms, now_ms=report.at_unix_ms)
            await _event(tx, tenant_id, report)
        case (
            media.LegOpened()
            | media.LegReady()
            | media.LegFailed()
            | media.AgentSpeaking()
            | media.BargeIn()
            | media.DtmfHeard()
            | media.AnswerTreatment()
            | media.OperatorJoined()
            | media.OperatorLeft()
            | media.Fault()
        ):
            await _event(tx, tenant_id, report)
        case (
            media.SpeechStarted()
            | media.SpeechStopped()
            | media.TurnPartial()
            | media.ToolCalled()
            | media.PlayoutDrained()
            | media.Levels()
            | media.WorkerLoad()
        ):
            pass  # of the moment only, or (tool calls) noted by the conversation with what was done about them
        case _:
            assert_never(report)


async def _event(tx: Tx, tenant_id: str, report: media.NumberedReport) -> None:
    kind = str(report.__struct_config__.tag)
    fields: dict[str, object] = msgspec.to_builtins(report)
    data = {name: value for name, value in fields.items() if name not in _ENVELOPE}
    await events.add(tx, tenant_id, report.call_id, kind, data, at_ms=report.at_unix_ms)


def _turn(report: media.TurnSpoken) -> Turn:
    latency = report.latency
    return Turn(
        speaker=report.speaker,
        item_id=report.item_id,
        text=report.text,
        start_audio_ms=report.start_audio_ms,
        end_audio_ms=report.end_audio_ms,
        interrupted=report.interrupted,
        heard_ms=report.heard_ms,
        generated_ms=report.generated_ms,
        response_id=latency and latency.response_id,
        stop_to_response_ms=latency and latency.stop_to_response_ms,
        response_to_delta_ms=latency and latency.response_to_delta_ms,
        delta_to_rtp_ms=latency and latency.delta_to_rtp_ms,
    )


def _usage(report: media.ResponseUsed | media.TranscriptionUsed) -> Usage:
    if isinstance(report, media.TranscriptionUsed):
        return Usage(
            kind="transcription",
            ref=report.item_id,
            model=report.model,
            seconds=report.seconds,
            cost_micro_usd=report.cost_micro_usd,
            price_table=report.price_table,
        )
    return Usage(
        kind="response",
        ref=report.response_id,
        model=report.model,
        status=report.status,
        input_text_tokens=report.input_text_tokens,
        input_audio_tokens=report.input_audio_tokens,
        input_cached_text_tokens=report.input_cached_text_tokens,
        input_cached_audio_tokens=report.input_cached_audio_tokens,
        output_text_tokens=report.output_text_tokens,
        output_audio_tokens=report.output_audio_tokens,
        cost_micro_usd=report.cost_micro_usd,
        price_table=report.price_table,
    )
