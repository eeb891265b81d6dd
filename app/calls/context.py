"""Loads what one call is told beside its agent and its task: once, before the ring, kept for its whole length.

Documents have a time limit and are done without; rules and the recipient are rows of the store. Called by
`app.scheduler`, `app.calls.inbound` and `app.calls.adopt`.
"""

import phonenumbers

from app.calls.board import Switchboard
from app.calls.instructions import CallContext, Document, Note
from app.domain.agent import Agent
from app.domain.local_time import told
from app.domain.policy.disclosure import CallingParty, disclosure, may_ask, may_record
from app.domain.policy.pack import Rules
from app.domain.policy.zones import Zones, zones_of
from app.domain.task import CallTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.store import admission, recipients, tenants

DOCUMENTS_S = 5.0
"""How long documents may take; a claim that is short waits for no longer than a third of its lease."""
RINGING_S = 1.5
"""The same when somebody who calls us hears it ring."""


async def call_context(
    board: Switchboard, task: CallTask, agent: Agent, *, inbound: bool = False, ask: bool = True
) -> CallContext:
    """For one call of `task`. Without `ask` no address of a document is asked: the call lives already. Raises
    StoreError, and NotFoundError for a tenant that is gone.
    """
    settings = board.settings
    policy = await admission.policy_of(board.db, task, board.site)
    rules = policy.rules if policy is not None else None
    recorded = settings.recording and may_record(rules)
    asks = settings.recording and may_ask(rules)
    limit_s = RINGING_S if inbound else min(DOCUMENTS_S, settings.lease_s / 3)
    loaded = await board.library.load(task.tenant_id, agent.s3_file_paths, limit_s, ask=ask)
    notes = [Note(kind="document_missing", detail=sentence) for sentence in loaded.missing]
    if asks:
        notes.append(Note(kind="recording_asked", detail="The callee is asked; recorded only after a clear yes."))
    elif settings.recording and not recorded:
        asked = rules.recording if rules is not None and rules.recording else "unknown"
        notes.append(Note(kind="recording_off", detail=f"The calling rules say about recording: {asked}."))
    party = CallingParty(
        caller=agent.name,
        company=await _company(board, task.tenant_id),
        callback=spoken_number(board.site.caller_id),
    )
    return CallContext(
        documents=tuple(Document(name=one.name, text=one.text) for one in loaded.texts),
        disclosure=disclosure(rules or Rules(), agent.language, party, recorded=recorded or asks, inbound=inbound),
        recipient=None if inbound else await recipients.get(board.db, task.tenant_id, task.number),
        now=_now(board, task),
        may_record=may_record(rules),
        asks_to_record=asks,
        notes=tuple(notes),
    )


async def _company(board: Switchboard, tenant_id: str) -> str:
    """For whom a tenant calls. The default tenant is the operator of the site, which the settings name."""
    if tenant_id == DEFAULT_TENANT_ID:
        return board.settings.company_name
    return await tenants.name_of(board.db, tenant_id)


def _now(board: Switchboard, task: CallTask) -> str:
    zones = zones_of(task.number, task.callee_zone)
    return told(board.clock.unix_ms(), zones.keys if isinstance(zones, Zones) else ())


def spoken_number(caller_id: str) -> str:
    """The number of a caller id as it is read out, in groups; empty when there is none."""
    try:
        number = phonenumbers.parse(caller_id[caller_id.index("+") :].rstrip('">'))
    except (ValueError, phonenumbers.NumberParseException):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
