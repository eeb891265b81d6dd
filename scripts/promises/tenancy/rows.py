"""What is stored for each tenant: a row of every table, in the order they can be stored."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import msgspec

from app.domain.agent import Agent
from app.domain.plan import AgentBrief, Origin, Plan, PlannedCall
from app.domain.plan_forecast import Forecast
from app.domain.rehearsal import PersonaResult, RehearsalSaid
from app.domain.tryout import TryoutStep

NUMBER = "+15551000188"
"""Of a callee of both tenants, so that what is joined by number shows."""
NOW = 1_800_000_000_000
Rows = list[tuple[str, dict[str, Any]]]
"""(table, columns); what is not given is filled in."""


def mark(tenant: str) -> str:
    """The word that only this tenant's rows contain."""
    return f"canary{hashlib.sha256(tenant.encode()).hexdigest()[:8]}"


def row_id(tenant: str, name: str) -> str:
    """The id of a row."""
    return hashlib.sha256(f"{tenant} {name}".encode()).hexdigest()[:32]


def rows(tenant: str) -> Rows:
    """Everything of a tenant but its people and its agent."""
    at, word = (lambda name: row_id(tenant, name)), mark(tenant)
    task = {"agent_id": at("agent"), "number": NUMBER, "max_attempts": 3, "current_attempt_count": 1}
    task |= {"campaign_id": at("campaign"), "callee_name": f"Ann {word}", "lease_owner": None, "lease_until": None}
    leased = {"state": "in_call", "lease_owner": "x", "lease_until": NOW * 2}
    call = {"agent_id": at("agent"), "number_requested": NUMBER, "number_dialed": NUMBER, "dialed": 1}
    talk = {"state": "bridged", "outcome": None, "ended_by": None, "ended_ms": None, "answered_ms": NOW}
    over = {"state": "ended", "outcome": "completed", "ended_by": "callee", "ended_ms": NOW, "answered_ms": NOW}
    judged = {"action": "MARK_JOB_COMPLETED_SUCCESS", "outcome": "success", "summary": f"summary {word}"}
    judged |= {"conclusion": {"event": "complete", "reason": word}}
    asked = {"task_id": at("task"), "call_id": at("call"), "suggestions": json.dumps([word])}
    chat = {"conversation_id": at("conversation"), "content": "{}", "lookups": "[]"}
    return [
        ("campaigns", {"id": at("campaign"), "state": "active"}),
        ("tasks", {"id": at("task")} | task | leased),
        ("tasks", {"id": at("done"), "state": "completed"} | task),
        ("tasks", {"id": at("pending"), "state": "pending"} | task),
        ("calls", {"id": at("call"), "task_id": at("task"), "direction": "outbound"} | call | talk),
        ("calls", {"id": at("ended"), "task_id": at("done"), "direction": "outbound"} | call | over),
        ("call_transcripts", {"call_id": at("call"), "speaker": "callee"}),
        ("call_transcripts", {"call_id": at("ended"), "speaker": "callee"}),
        ("call_events", {"call_id": at("call"), "data": json.dumps({"detail": word})}),
        ("recordings", {"call_id": at("ended"), "path": f"{word}.wav"}),
        ("response_usage", {"call_id": at("ended"), "kind": "response"}),
        ("commands", {"id": at("command"), "call_id": at("call"), "kind": "say", "state": "queued"}
         | {"payload": json.dumps({"text": word}), "expires_ms": NOW * 2, "taken_ms": None, "done_ms": None}),
        ("call_transfers", {"call_id": at("ended"), "mode": "cold", "state": "over", "outcome": "connected"}
         | {"number": NUMBER, "number_dialed": NUMBER, "ended_ms": NOW}),
        ("collected_fields", {"call_id": at("ended"), "task_id": at("done"), "value": json.dumps(word)}),
        ("analyses", {"call_id": at("ended"), "task_id": at("done"), "state": "done", "done_ms": NOW}
         | {"judgement": "{}", "decision": json.dumps(judged)}),
        ("decisions", {"task_id": at("pending"), "result": "defer", "evidence": "{}"}),
        ("feedback_requests", {"id": at("question"), "state": "open", "deadline_ms": NOW * 2} | asked
         | {"answer": None, "answered_by": None}),
        ("dnd_list", {"id": at("dnc"), "number": NUMBER[:-1] + "9", "source": "operator"}
         | {"evidence_call_id": at("ended")}),
        ("consents", {"number": NUMBER, "purpose": "service", "level": "express"}),
        ("recipients", {"number": NUMBER, "language": "en", "name": word, "preferences": word}),
        ("caller_ids", {"number": NUMBER[:-1] + "7"}),
        ("tenant_holds", {"call_id": at("ended"), "code": "quota"}),
        ("conversations", {"id": at("conversation")}),
        ("conversation_turns", chat | {"role": "user", "kind": "message"}),
        ("plans", {"id": at("plan"), "conversation_id": at("conversation"), "state": "open"}
         | {"plan": _plan(word), "forecast": _forecast(), "campaign_id": None, "confirmed_ms": None}),
        ("task_holds", {"task_id": at("pending")}),
        ("task_changes", {"task_id": at("pending"), "change": json.dumps({"kind": "note", "text": word})}),
        ("answer_hours", {"hour": 1}),
        ("rehearsals", {"id": at("rehearsal"), "agent_id": at("agent"), "state": "done", "done_ms": NOW}
         | {"result": _results(word)}),
        ("tryouts", {"id": at("tryout"), "agent_id": at("agent"), "state": "asked", "wanted_ms": None}
         | {"live_ms": None, "ended_ms": None}
         | {"body": _agent_text(at("agent"), tenant, word), "steps": _steps(word)}),
        *_reported(at, word),
        *_contacts(at, word),
        *_lifecycle(at),
        *_kept(at, word),
    ]  # fmt: skip


def _agent_text(agent_id: str, tenant: str, word: str) -> str:
    return msgspec.json.encode(Agent(id=agent_id, tenant_id=tenant, name=word)).decode()


def _results(word: str) -> str:
    nothing = {"outcome": "", "answered_by": "", "task": ""}
    one = PersonaResult(persona="polite", wrong=(word,), tools=(), seconds=1, said=(("agent", word),), **nothing)
    return msgspec.json.encode(RehearsalSaid(over=1, total=1, results=(one,))).decode()


def _steps(word: str) -> str:
    return msgspec.json.encode([TryoutStep(kind="words", text=word)]).decode()


def _reported(at: Callable[[str], str], word: str) -> Rows:
    number = {"name": "tasks", "label": word, "text": word, "value": 1}
    words = {"headline": word, "summary": word}
    found = {"agent_id": at("agent"), "number": NUMBER, "call_id": at("ended")}
    report = {
        "campaign_id": at("campaign"),
        "kind": "interim",
        "state": "done",
        "written_by": "code",
        "done_ms": NOW,
    }
    report |= {"numbers": json.dumps([number]), "words": json.dumps(words)}
    return [
        ("campaign_reports", report | {"lease_owner": None, "lease_until": None}),
        ("results", found | {"campaign_id": at("campaign"), "task_id": at("done"), "outcome": word}),
        ("result_values", found | {"field": "day", "value": json.dumps(word), "quote": word}),
    ]


def _kept(at: Callable[[str], str], word: str) -> Rows:
    erasure = {
        "id": at("erasure"),
        "number": NUMBER[:-1] + "5",
        "names": json.dumps([word]),
        "state": "open",
        "step": "tasks",
    }
    erasure |= {"place": "[]", "counts": "{}", "next_ms": NOW * 2, "lease_owner": None, "lease_until": None}
    return [
        ("retention", {"counts": "{}", "next_ms": NOW * 2, "lease_owner": None, "lease_until": None}),
        ("legal_holds", {"id": at("hold"), "kind": "call", "subject": at("ended")}),
        ("erasures", erasure),
        ("file_removals", {"call_id": at("call"), "names": json.dumps([word])}),
    ]


def _contacts(at: Callable[[str], str], word: str) -> Rows:
    contact, load = at("contact"), at("import")
    listed = {"import_id": load, "cells": json.dumps([NUMBER, word]), "made": "{}", "edited": 0}
    return [
        ("contacts", {"id": at("spare_contact"), "number": NUMBER[:-1] + "3", "language": "en", "zone": "UTC"}
         | {"region": "", "kind": "person", "variables": "{}"}),
        ("contacts", {"id": contact, "number": NUMBER, "language": "en", "zone": "UTC", "region": ""}
         | {"variables": json.dumps({"note": word}), "import_id": load}),
        ("contact_words", {"word": word, "contact_id": contact}),
        ("contact_imports", {"id": load, "kind": "csv", "target": "contacts", "state": "review"}
         | {"options": "{}", "columns": "[]", "notes": "[]", "counts": "{}", "problem": ""}),
        ("contact_import_pieces", {"import_id": load, "body": word.encode()}),
        ("contact_import_rows", listed | {"number": NUMBER, "state": "rejected", "issue": "bad_number"}),
        ("webhook_endpoints", {"id": at("webhook"), "url": f"https://{word}.example.org/", "state": "active"}
         | {"kinds": '["call.completed"]', "show_numbers": 1, "next_try_ms": NOW * 2}),
        ("webhook_events", {"id": at("message"), "kind": "call.completed", "subject": at("ended"), "seq": 1}
         | {"data": json.dumps({"word": word})}),
        ("webhook_deliveries", {"endpoint_id": at("webhook"), "event_id": at("message"), "state": "delivered"}),
    ]  # fmt: skip


def _lifecycle(at: Callable[[str], str]) -> Rows:
    stand = {"state": "pending", "priority": 1, "next_action_time": NOW, "attempts": 0, "lease_token": 0}
    hold = json.dumps(stand | {"conclusion": ""})
    return [
        ("lifecycle_turns", {"next_ms": NOW * 2}),
        ("lifecycle_rounds", {"id": at("round"), "refusals": "[]"}),
        ("lifecycle_decisions", {"id": at("decision"), "round_id": at("round"), "task_id": at("pending")}
         | {"action": "hold", "before": hold, "after": hold, "question_id": None}),
        ("task_phases", {"task_id": at("pending")}),
    ]  # fmt: skip


def _plan(word: str) -> str:
    brief = AgentBrief(language="en", purpose=word, opening_line=f"This is {word}, an automated assistant.")
    origin = Origin(kind="user", ref="your message 1")
    ring = PlannedCall(
        callee_name=word,
        number=NUMBER,
        objective=word,
        first_ms=NOW,
        until_ms=None,
        zone="UTC",
        callee_kind="person",
        origin=origin,
    )
    plan = Plan(title=word, purpose="service", agent=brief, facts=(), fields=(), calls=(ring,))
    return msgspec.json.encode(plan).decode()


def _forecast() -> str:
    return msgspec.json.encode(dict.fromkeys(Forecast.__struct_fields__, 1)).decode()
