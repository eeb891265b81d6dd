-- Times are UTC epoch milliseconds (integers), ids are text, JSON is text. STRICT: a column holds what it says.

CREATE TABLE tenants (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
INSERT INTO tenants (id, name, created_ms) VALUES ('default', 'Default', 0);

CREATE TABLE users (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    email      TEXT NOT NULL,
    name       TEXT NOT NULL,
    time_zone  TEXT NOT NULL DEFAULT 'UTC',
    role       TEXT NOT NULL CHECK (role IN ('owner', 'manager', 'operator', 'auditor', 'viewer')),
    created_ms INTEGER NOT NULL,
    UNIQUE (tenant_id, email)
) STRICT;

CREATE TABLE agents (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    prompt     TEXT NOT NULL,
    greeting   TEXT NOT NULL,
    voice      TEXT NOT NULL,
    language   TEXT NOT NULL,
    opening    TEXT NOT NULL CHECK (opening IN ('greet_first', 'wait_for_hello')),
    tools      TEXT NOT NULL CHECK (json_valid(tools)),
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE campaigns (
    id              TEXT PRIMARY KEY,
    tenant_id       TEXT NOT NULL REFERENCES tenants (id),
    name            TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    state           TEXT NOT NULL CHECK (state IN ('active', 'paused', 'completed', 'cancelled')),
    idempotency_key TEXT,
    created_ms      INTEGER NOT NULL,
    updated_ms      INTEGER NOT NULL,
    UNIQUE (tenant_id, idempotency_key)
) STRICT;

CREATE TABLE tasks (
    id                     TEXT PRIMARY KEY,
    tenant_id              TEXT NOT NULL REFERENCES tenants (id),
    campaign_id            TEXT REFERENCES campaigns (id),
    agent_id               TEXT NOT NULL REFERENCES agents (id),
    number                 TEXT NOT NULL CHECK (number GLOB '+[1-9]*' AND length(number) BETWEEN 7 AND 16),
    callee_name            TEXT NOT NULL,
    objective              TEXT NOT NULL CHECK (trim(objective) <> ''),
    generated_agent_prompt TEXT NOT NULL,
    state                  TEXT NOT NULL CHECK (state IN ('pending', 'claimed', 'in_call', 'analyzing',
                               'waiting_user', 'completed', 'failed', 'cancelled', 'suppressed')),
    priority               INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 100),
    next_action_time       INTEGER NOT NULL,
    current_attempt_count  INTEGER NOT NULL CHECK (current_attempt_count BETWEEN 0 AND max_attempts),
    max_attempts           INTEGER NOT NULL CHECK (max_attempts >= 1),
    not_dialed_count       INTEGER NOT NULL CHECK (not_dialed_count >= 0),
    overall_conclusion     TEXT NOT NULL,
    lease_owner            TEXT,
    lease_token            INTEGER NOT NULL CHECK (lease_token >= 0),
    lease_until            INTEGER,
    created_ms             INTEGER NOT NULL,
    updated_ms             INTEGER NOT NULL,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (state NOT IN ('claimed', 'in_call') OR lease_owner IS NOT NULL),
    CHECK (state IN ('claimed', 'in_call', 'analyzing') OR lease_owner IS NULL)
) STRICT;
CREATE INDEX tasks_due ON tasks (priority DESC, next_action_time, id) WHERE state = 'pending';
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE state IN ('claimed', 'in_call', 'analyzing');
CREATE INDEX tasks_of_campaign ON tasks (campaign_id, state);
CREATE INDEX tasks_of_number ON tasks (number, tenant_id);
CREATE INDEX tasks_newest ON tasks (tenant_id, created_ms DESC, id DESC);

CREATE TABLE calls (
    id               TEXT PRIMARY KEY,
    tenant_id        TEXT NOT NULL REFERENCES tenants (id),
    task_id          TEXT NOT NULL REFERENCES tasks (id),
    agent_id         TEXT NOT NULL REFERENCES agents (id),
    attempt_number   INTEGER NOT NULL CHECK (attempt_number >= 1),
    node             TEXT NOT NULL,
    number_requested TEXT NOT NULL,
    number_dialed    TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('prepare', 'dialing', 'ringing', 'answered', 'bridged',
                         'ending', 'ended')),
    outcome          TEXT CHECK (outcome IN ('completed', 'busy', 'no_answer', 'rejected', 'bad_number',
                         'unreachable', 'network', 'trunk_fault', 'canceled', 'lost', 'failed')),
    ended_by         TEXT CHECK (ended_by IN ('callee', 'agent', 'operator', 'system_timeout', 'system_complete',
                         'system_failure', 'network')),
    hangup_cause     INTEGER,
    tech_cause       INTEGER,
    sip_call_id      TEXT,
    dialed           INTEGER NOT NULL CHECK (dialed IN (0, 1)),
    detail           TEXT NOT NULL,
    created_ms       INTEGER NOT NULL,
    dialing_ms       INTEGER,
    dial_deadline_ms INTEGER,
    ringing_ms       INTEGER,
    answered_ms      INTEGER,
    ended_ms         INTEGER,
    cost_micro_usd   INTEGER NOT NULL CHECK (cost_micro_usd >= 0),
    recording_path   TEXT,
    UNIQUE (task_id, attempt_number),
    CHECK ((state = 'ended') = (outcome IS NOT NULL)),
    CHECK ((state = 'ended') = (ended_by IS NOT NULL)),
    CHECK ((state = 'ended') = (ended_ms IS NOT NULL))
) STRICT;
-- Two attempts of one task can never be alive at the same time, whatever the program does.
CREATE UNIQUE INDEX calls_one_alive ON calls (task_id) WHERE state <> 'ended';
CREATE INDEX calls_newest ON calls (tenant_id, created_ms DESC, id DESC);

CREATE TABLE call_transcripts (
    call_id        TEXT NOT NULL REFERENCES calls (id),
    seq            INTEGER NOT NULL,
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    speaker        TEXT NOT NULL CHECK (speaker IN ('callee', 'agent')),
    item_id        TEXT NOT NULL,
    text           TEXT NOT NULL,
    start_audio_ms INTEGER NOT NULL,
    end_audio_ms   INTEGER NOT NULL,
    interrupted    INTEGER NOT NULL CHECK (interrupted IN (0, 1)),
    heard_ms       INTEGER NOT NULL,
    generated_ms   INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL,
    PRIMARY KEY (call_id, seq),
    UNIQUE (call_id, item_id, speaker)
) STRICT, WITHOUT ROWID;

CREATE TABLE call_events (
    call_id   TEXT NOT NULL REFERENCES calls (id),
    seq       INTEGER NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    kind      TEXT NOT NULL,
    data      TEXT NOT NULL CHECK (json_valid(data)),
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (call_id, seq)
) STRICT, WITHOUT ROWID;

-- tenant_id NULL: the list of everybody.
CREATE TABLE dnd_list (
    id               TEXT PRIMARY KEY,
    tenant_id        TEXT REFERENCES tenants (id),
    number           TEXT NOT NULL CHECK (number GLOB '+[1-9]*'),
    reason           TEXT NOT NULL,
    source           TEXT NOT NULL CHECK (source IN ('operator', 'callee', 'import')),
    evidence_call_id TEXT REFERENCES calls (id),
    evidence_item_id TEXT,
    created_ms       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX dnd_list_once ON dnd_list (number, coalesce(tenant_id, ''));

CREATE TABLE feedback_requests (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    task_id     TEXT NOT NULL REFERENCES tasks (id),
    call_id     TEXT REFERENCES calls (id),
    question    TEXT NOT NULL,
    suggestions TEXT NOT NULL CHECK (json_valid(suggestions)),
    state       TEXT NOT NULL CHECK (state IN ('open', 'answered', 'timed_out')),
    answer      TEXT,
    answered_by TEXT REFERENCES users (id),
    created_ms  INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    answered_ms INTEGER,
    CHECK ((state = 'answered') = (answer IS NOT NULL))
) STRICT;
CREATE INDEX feedback_open ON feedback_requests (tenant_id, deadline_ms) WHERE state = 'open';

CREATE TABLE recordings (
    call_id     TEXT NOT NULL REFERENCES calls (id),
    path        TEXT NOT NULL,
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (call_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE response_usage (
    call_id                   TEXT NOT NULL REFERENCES calls (id),
    kind                      TEXT NOT NULL CHECK (kind IN ('response', 'transcription')),
    ref                       TEXT NOT NULL,
    tenant_id                 TEXT NOT NULL REFERENCES tenants (id),
    model                     TEXT NOT NULL,
    status                    TEXT NOT NULL,
    input_text_tokens         INTEGER NOT NULL,
    input_audio_tokens        INTEGER NOT NULL,
    input_cached_text_tokens  INTEGER NOT NULL,
    input_cached_audio_tokens INTEGER NOT NULL,
    output_text_tokens        INTEGER NOT NULL,
    output_audio_tokens       INTEGER NOT NULL,
    seconds                   REAL NOT NULL,
    cost_micro_usd            INTEGER CHECK (cost_micro_usd >= 0),
    price_table               TEXT NOT NULL,
    at_ms                     INTEGER NOT NULL,
    PRIMARY KEY (call_id, kind, ref)
) STRICT, WITHOUT ROWID;

-- How far the reports of each media worker are stored; written in the transaction that stores them.
CREATE TABLE worker_cursor (
    worker_id        TEXT PRIMARY KEY,
    acknowledged_seq INTEGER NOT NULL,
    updated_ms       INTEGER NOT NULL
) STRICT;
