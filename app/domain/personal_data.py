"""What is done with every column that can hold words when a person is forgotten, or when their time is up. Pure.

One entry for each table of the schema, in the order in which the statements run. Erasing is made of these entries
(`app/store/erasing.py`), and a test holds them against the schema: a new column without a decision fails it.
"""

from app.domain.personal_table import Road, Table

ERASED = "[erased]"
NO_WORDS = '{"headline":"[erased]","summary":""}'
"""The words of a report that has none any more."""
_ERASED, _EMPTY, _LIST, _OBJECT = f"'{ERASED}'", "''", "'[]'", "'{}'"
_ID, _FACT, _HOUSE = "an id or a key", "a fact that reports and promises count", "of the tenant or the house"
_MODEL = "model, price table and version behind a cost"
_WORDS = "free text: loses what names the person"


def _gone(name: str, road: Road) -> Table:
    return Table(name=name, road=road, goes=True)


def _house(name: str, columns: str, why: str = _HOUSE) -> Table:
    return Table(name=name, road=Road.NONE, kept={columns: why})


def _walked(name: str, ids: str, facts: str, words: str) -> Table:
    return Table(name=name, road=Road.FREE_TEXT, kept={ids: _ID, facts: _FACT, words: _WORDS})


OF_TASKS: tuple[Table, ...] = (
    _gone("webhook_deliveries", Road.EVENT),
    _gone("webhook_events", Road.SUBJECT),
    _gone("call_transcripts", Road.CALL),
    _gone("call_events", Road.CALL),
    _gone("collected_fields", Road.CALL),
    _gone("result_values", Road.CALL),
    _gone("results", Road.TASK),
    _gone("recordings", Road.CALL),
    _gone("commands", Road.CALL),
    Table(
        name="call_transfers",
        road=Road.CALL,
        becomes={"reason": _EMPTY, "detail": _EMPTY},
        kept={
            "call_id tenant_id": _ID,
            "target number number_dialed wanted_by": "a colleague of the tenant's, not the callee",
            "mode state outcome": _FACT,
        },
    ),
    Table(
        name="analyses",
        road=Road.CALL,
        becomes={"last_error": _EMPTY, "judgement": _OBJECT, "decision": _OBJECT},
        kept={"call_id tenant_id task_id": _ID, "state": _FACT, "model prompt_version price_table": _MODEL},
    ),
    _gone("lifecycle_decisions", Road.TASK),
    Table(
        name="feedback_requests",
        road=Road.TASK,
        becomes={
            "question": _ERASED,
            "suggestions": _LIST,
            "answer": f"CASE WHEN answer IS NULL THEN NULL ELSE {_ERASED} END",
        },
        kept={"id tenant_id task_id call_id answered_by": _ID, "state rule": _FACT},
    ),
    Table(
        name="decisions",
        road=Road.TASK,
        becomes={"sentence": _ERASED, "evidence": _EMPTY},
        kept={"task_id subject tenant_id": _ID, "result rule": "that a rule allowed or forbade the call"},
    ),
    _gone("task_changes", Road.TASK),
    _gone("task_holds", Road.TASK),
    _gone("task_phases", Road.TASK),
    Table(
        name="calls",
        road=Road.TASK,
        becomes={
            "number_requested": ":pseudonym",
            "number_dialed": ":pseudonym",
            "sip_call_id": "NULL",
            "detail": _EMPTY,
            "recording_path": "NULL",
            "caller_channel": _EMPTY,
        },
        kept={
            "id tenant_id task_id agent_id campaign_id planned_in": _ID,
            "state outcome ended_by direction task_before answered_by": _FACT,
            "node trunk": _HOUSE,
        },
    ),
    Table(
        name="tasks",
        road=Road.TASK,
        becomes={
            "number": ":pseudonym",
            "callee_name": _EMPTY,
            "objective": _ERASED,
            "generated_agent_prompt": _EMPTY,
            "overall_conclusion": _EMPTY,
            "callee_zone": _EMPTY,
            "callee_region": _EMPTY,
            "erased_ms": ":now_ms",
        },
        kept={"id tenant_id campaign_id agent_id lease_owner": _ID, "state purpose callee_kind": _FACT},
    ),
)
"""What goes with a task: when its days are over, and when its callee is forgotten."""

OF_NUMBERS: tuple[Table, ...] = (
    _gone("contact_words", Road.CONTACT),
    _gone("contacts", Road.NUMBER),
    _gone("recipients", Road.NUMBER),
    Table(
        name="consents",
        road=Road.NUMBER,
        becomes={"number": ":pseudonym", "evidence": _ERASED, "withdrawn_ms": "coalesce(withdrawn_ms, :now_ms)"},
        kept={"tenant_id": _ID, "purpose level": "that there was a consent when a call was made"},
    ),
    Table(
        name="legal_holds",
        road=Road.NUMBER,
        becomes={"subject": ":pseudonym", "reason": _ERASED},
        kept={"id tenant_id placed_by lifted_by": _ID, "kind": _FACT},
    ),
)
"""What is known of a number beyond its tasks. Of `legal_holds` those that were lifted: a hold forbids erasure."""

OF_LISTS: tuple[Table, ...] = (
    _gone("contact_import_rows", Road.IMPORT),
    Table(
        name="contact_import_pieces",
        road=Road.IMPORT,
        kept={
            "import_id tenant_id": _ID,
            "body": "gone as soon as its rows are stored; an erasure waits for that",
        },
    ),
)

FREE_TEXT: tuple[Table, ...] = (
    Table(
        name="conversation_turns",
        road=Road.FREE_TEXT,
        becomes={"text": _EMPTY, "content": _OBJECT, "lookups": _LIST, "kind": "'message'"},
        kept={
            "conversation_id tenant_id client_key": _ID,
            "role": _FACT,
            "model prompt_version price_table": _MODEL,
        },
    ),
    Table(name="plans", road=Road.FREE_TEXT, goes=True),
    Table(
        name="conversations",
        road=Road.FREE_TEXT,
        becomes={"display_name": _EMPTY},
        kept={"id tenant_id owner": _ID},
    ),
    Table(
        name="campaign_reports",
        road=Road.FREE_TEXT,
        becomes={"words": f"'{NO_WORDS}'", "last_error": _EMPTY},
        kept={
            "id tenant_id campaign_id requested_by lease_owner": _ID,
            "kind state written_by": _FACT,
            "numbers": "counted figures; in their texts what names the person is taken out",
            "model prompt_version price_table": _MODEL,
        },
    ),
    Table(
        name="lifecycle_rounds",
        road=Road.FREE_TEXT,
        becomes={"refusals": _LIST, "summary": _EMPTY},
        kept={"id tenant_id": _ID, "model prompt_version price_table": _MODEL},
    ),
    Table(
        name="idempotency_keys",
        road=Road.FREE_TEXT,
        becomes={"answer": "'{\"erased\":true}'"},
        kept={"id tenant_id body_hash claim": "keys and hashes; the row goes after a day"},
    ),
    Table(
        name="campaigns",
        road=Road.FREE_TEXT,
        kept={"id tenant_id idempotency_key": _ID, "state": _FACT, "name pause_reason": _WORDS},
    ),
    _walked(
        "contact_imports",
        "id tenant_id created_by digest",
        "target kind state counts",
        "name options columns notes problem",
    ),
    _walked(
        "tryouts",
        "id tenant_id agent_id asked_by mic_id node",
        "state model ended_by reason",
        "body objective steps",
    ),
    _walked("rehearsals", "id tenant_id agent_id asked_by node", "state model", "result problem"),
    Table(
        name="agents",
        road=Road.FREE_TEXT,
        kept={
            "id tenant_id voice language opening turn_preset voicemail unanswered": _HOUSE,
            "name prompt greeting tools few_shot data_to_fill http_tools mcp s3_file_paths transfer_targets "
            "voicemail_message": _WORDS,
        },
    ),
    Table(name="agent_versions", road=Road.FREE_TEXT, kept={"agent_id tenant_id made_by": _ID, "body": _WORDS}),
)
"""Walked through for the number and the names. `becomes` and `goes`: what is left when the days of chats and
reports are over.
"""

STAY: tuple[Table, ...] = (
    _house(
        "audit_log",
        "tenant_id actor action object detail address hash",
        "append only, hashed; it names ids and masked numbers, never what was said",
    ),
    _house(
        "dnd_list",
        "id tenant_id number reason source evidence_call_id evidence_item_id",
        "the proof of an opt-out, and what keeps the number from being dialed",
    ),
    _house("registries", "name", "a public do-not-call registry"),
    _house("attempts_kept", "number_hash outcome", "calling rules count them, and then they go"),
    _house("registry_numbers", "registry number", "a public do-not-call registry"),
    _house("erasures", "id tenant_id number pseudonym names state step place counts requested_by lease_owner",
           "the work itself: number and names are taken out of it when it is done"),
    _house("retention", "tenant_id counts lease_owner"),
    _house("file_removals", "call_id tenant_id node names", "until the file is gone; its name is the call's id"),
    _house("response_usage", "call_id kind ref tenant_id model status price_table", "costs"),
    _house("budget_accounts", "id"),
    _house("budget_reservations", "call_id account_id"),
    _house("answer_hours", "tenant_id", "counts"),
    _house("campaign_counts", "campaign_id name", "counts"),
    _house("campaign_days", "campaign_id", "counts"),
    _house("campaign_hours", "campaign_id outcome", "counts"),
    _house("breakers", "lane probe_id reason"),
    _house("lane_holds", "lane rule reason"),
    _house("tenant_holds", "tenant_id code message call_id", "what the model's provider said of the account"),
    _house("lifecycle_turns", "tenant_id after_id fingerprint last_error lease_owner", "ids and hashes"),
    _house("caller_ids", "tenant_id number", "the tenant's own numbers"),
    _house("webhook_endpoints", "id tenant_id url kinds secret old_secret state reason"),
    _house("nodes", "name installation instance version ari_url ari_app settler"),
    _house("worker_cursor", "worker_id node"),
    _house("trunk_buckets", "trunk"),
    _house("tenants", "id name state allowed_countries rules"),
    _house("users", "id tenant_id email name time_zone role password_hash", "people who work here"),
    _house("sessions", "id secret_hash tenant_id user_id address browser", "people who work here"),
    _house("entry_links", "secret_hash tenant_id user_id", "people who work here"),
    _house("api_tokens", "id secret_hash tenant_id name role created_by", "people who work here"),
    _house("sign_in_failures", "key", "people who work here"),
    _house("schema_migrations", "name checksum"),
)  # fmt: skip
EVERY: tuple[Table, ...] = (*OF_TASKS, *OF_NUMBERS, *OF_LISTS, *FREE_TEXT, *STAY)
