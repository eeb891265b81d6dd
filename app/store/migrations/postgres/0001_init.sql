-- Times are UTC epoch milliseconds (integers), ids are text, JSON is text. STRICT: a column holds what it says.

CREATE TABLE tenants (
    id         text COLLATE "C" PRIMARY KEY,
    name       text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL
);
INSERT INTO tenants (id, name, created_ms) VALUES ('default', 'Default', 0);

CREATE TABLE users (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    email      text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    time_zone  text COLLATE "C" NOT NULL DEFAULT 'UTC',
    role       text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'manager', 'operator', 'auditor', 'viewer')),
    created_ms bigint NOT NULL,
    UNIQUE (tenant_id, email)
);

CREATE TABLE agents (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name       text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    prompt     text COLLATE "C" NOT NULL,
    greeting   text COLLATE "C" NOT NULL,
    voice      text COLLATE "C" NOT NULL,
    language   text COLLATE "C" NOT NULL,
    opening    text COLLATE "C" NOT NULL CHECK (opening IN ('greet_first', 'wait_for_hello')),
    tools      text COLLATE "C" NOT NULL CHECK (json_valid(tools)),
    created_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE campaigns (
    id              text COLLATE "C" PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name            text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    state           text COLLATE "C" NOT NULL CHECK (state IN ('active', 'paused', 'completed', 'cancelled')),
    idempotency_key text COLLATE "C",
    created_ms      bigint NOT NULL,
    updated_ms      bigint NOT NULL,
    UNIQUE (tenant_id, idempotency_key)
);

CREATE TABLE tasks (
    id                     text COLLATE "C" PRIMARY KEY,
    tenant_id              text COLLATE "C" NOT NULL REFERENCES tenants (id),
    campaign_id            text COLLATE "C" REFERENCES campaigns (id),
    agent_id               text COLLATE "C" NOT NULL REFERENCES agents (id),
    number                 text COLLATE "C" NOT NULL CHECK (number ~ '^\+[1-9]' AND length(number) BETWEEN 7 AND 16),
    callee_name            text COLLATE "C" NOT NULL,
    objective              text COLLATE "C" NOT NULL CHECK (trim(objective) <> ''),
    generated_agent_prompt text COLLATE "C" NOT NULL,
    state                  text COLLATE "C" NOT NULL CHECK (state IN ('pending', 'claimed', 'in_call', 'analyzing',
                               'waiting_user', 'completed', 'failed', 'cancelled', 'suppressed')),
    priority               bigint NOT NULL CHECK (priority BETWEEN 0 AND 100),
    next_action_time       bigint NOT NULL,
    current_attempt_count  bigint NOT NULL CHECK (current_attempt_count BETWEEN 0 AND max_attempts),
    max_attempts           bigint NOT NULL CHECK (max_attempts >= 1),
    not_dialed_count       bigint NOT NULL CHECK (not_dialed_count >= 0),
    overall_conclusion     text COLLATE "C" NOT NULL,
    lease_owner            text COLLATE "C",
    lease_token            bigint NOT NULL CHECK (lease_token >= 0),
    lease_until            bigint,
    created_ms             bigint NOT NULL,
    updated_ms             bigint NOT NULL,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (state NOT IN ('claimed', 'in_call') OR lease_owner IS NOT NULL),
    CHECK (state IN ('claimed', 'in_call', 'analyzing') OR lease_owner IS NULL)
);
CREATE INDEX tasks_due ON tasks (priority DESC, next_action_time, id) WHERE state = 'pending';
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE state IN ('claimed', 'in_call', 'analyzing');
CREATE INDEX tasks_of_campaign ON tasks (campaign_id, state);
CREATE INDEX tasks_of_number ON tasks (number, tenant_id);
CREATE INDEX tasks_newest ON tasks (tenant_id, created_ms DESC, id DESC);

CREATE TABLE calls (
    id               text COLLATE "C" PRIMARY KEY,
    tenant_id        text COLLATE "C" NOT NULL REFERENCES tenants (id),
    task_id          text COLLATE "C" NOT NULL REFERENCES tasks (id),
    agent_id         text COLLATE "C" NOT NULL REFERENCES agents (id),
    attempt_number   bigint NOT NULL CHECK (attempt_number >= 1),
    node             text COLLATE "C" NOT NULL,
    number_requested text COLLATE "C" NOT NULL,
    number_dialed    text COLLATE "C" NOT NULL,
    state            text COLLATE "C" NOT NULL CHECK (state IN ('prepare', 'dialing', 'ringing', 'answered', 'bridged',
                         'ending', 'ended')),
    outcome          text COLLATE "C" CHECK (outcome IN ('completed', 'busy', 'no_answer', 'rejected', 'bad_number',
                         'unreachable', 'network', 'trunk_fault', 'canceled', 'lost', 'failed')),
    ended_by         text COLLATE "C" CHECK (ended_by IN ('callee', 'agent', 'operator', 'system_timeout', 'system_complete',
                         'system_failure', 'network')),
    hangup_cause     bigint,
    tech_cause       bigint,
    sip_call_id      text COLLATE "C",
    dialed           bigint NOT NULL CHECK (dialed IN (0, 1)),
    detail           text COLLATE "C" NOT NULL,
    created_ms       bigint NOT NULL,
    dialing_ms       bigint,
    dial_deadline_ms bigint,
    ringing_ms       bigint,
    answered_ms      bigint,
    ended_ms         bigint,
    cost_micro_usd   bigint NOT NULL CHECK (cost_micro_usd >= 0),
    recording_path   text COLLATE "C",
    UNIQUE (task_id, attempt_number),
    CHECK ((state = 'ended') = (outcome IS NOT NULL)),
    CHECK ((state = 'ended') = (ended_by IS NOT NULL)),
    CHECK ((state = 'ended') = (ended_ms IS NOT NULL))
);
-- Two attempts of one task can never be alive at the same time, whatever the program does.
CREATE UNIQUE INDEX calls_one_alive ON calls (task_id) WHERE state <> 'ended';
CREATE INDEX calls_newest ON calls (tenant_id, created_ms DESC, id DESC);

CREATE TABLE call_transcripts (
    call_id        text COLLATE "C" NOT NULL REFERENCES calls (id),
    seq            bigint NOT NULL,
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    speaker        text COLLATE "C" NOT NULL CHECK (speaker IN ('callee', 'agent')),
    item_id        text COLLATE "C" NOT NULL,
    text           text COLLATE "C" NOT NULL,
    start_audio_ms bigint NOT NULL,
    end_audio_ms   bigint NOT NULL,
    interrupted    bigint NOT NULL CHECK (interrupted IN (0, 1)),
    heard_ms       bigint NOT NULL,
    generated_ms   bigint NOT NULL,
    created_ms     bigint NOT NULL,
    PRIMARY KEY (call_id, seq),
    UNIQUE (call_id, item_id, speaker)
);

CREATE TABLE call_events (
    call_id   text COLLATE "C" NOT NULL REFERENCES calls (id),
    seq       bigint NOT NULL,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    kind      text COLLATE "C" NOT NULL,
    data      text COLLATE "C" NOT NULL CHECK (json_valid(data)),
    at_ms     bigint NOT NULL,
    PRIMARY KEY (call_id, seq)
);

-- tenant_id NULL: the list of everybody.
CREATE TABLE dnd_list (
    id               text COLLATE "C" PRIMARY KEY,
    tenant_id        text COLLATE "C" REFERENCES tenants (id),
    number           text COLLATE "C" NOT NULL CHECK (number ~ '^\+[1-9]'),
    reason           text COLLATE "C" NOT NULL,
    source           text COLLATE "C" NOT NULL CHECK (source IN ('operator', 'callee', 'import')),
    evidence_call_id text COLLATE "C" REFERENCES calls (id),
    evidence_item_id text COLLATE "C",
    created_ms       bigint NOT NULL
);
CREATE UNIQUE INDEX dnd_list_once ON dnd_list (number, coalesce(tenant_id, ''));

CREATE TABLE feedback_requests (
    id          text COLLATE "C" PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    task_id     text COLLATE "C" NOT NULL REFERENCES tasks (id),
    call_id     text COLLATE "C" REFERENCES calls (id),
    question    text COLLATE "C" NOT NULL,
    suggestions text COLLATE "C" NOT NULL CHECK (json_valid(suggestions)),
    state       text COLLATE "C" NOT NULL CHECK (state IN ('open', 'answered', 'timed_out')),
    answer      text COLLATE "C",
    answered_by text COLLATE "C" REFERENCES users (id),
    created_ms  bigint NOT NULL,
    deadline_ms bigint NOT NULL,
    answered_ms bigint,
    CHECK ((state = 'answered') = (answer IS NOT NULL))
);
CREATE INDEX feedback_open ON feedback_requests (tenant_id, deadline_ms) WHERE state = 'open';

CREATE TABLE recordings (
    call_id     text COLLATE "C" NOT NULL REFERENCES calls (id),
    path        text COLLATE "C" NOT NULL,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    duration_ms bigint NOT NULL CHECK (duration_ms >= 0),
    created_ms  bigint NOT NULL,
    PRIMARY KEY (call_id, path)
);

CREATE TABLE response_usage (
    call_id                   text COLLATE "C" NOT NULL REFERENCES calls (id),
    kind                      text COLLATE "C" NOT NULL CHECK (kind IN ('response', 'transcription')),
    ref                       text COLLATE "C" NOT NULL,
    tenant_id                 text COLLATE "C" NOT NULL REFERENCES tenants (id),
    model                     text COLLATE "C" NOT NULL,
    status                    text COLLATE "C" NOT NULL,
    input_text_tokens         bigint NOT NULL,
    input_audio_tokens        bigint NOT NULL,
    input_cached_text_tokens  bigint NOT NULL,
    input_cached_audio_tokens bigint NOT NULL,
    output_text_tokens        bigint NOT NULL,
    output_audio_tokens       bigint NOT NULL,
    seconds                   double precision NOT NULL,
    cost_micro_usd            bigint CHECK (cost_micro_usd >= 0),
    price_table               text COLLATE "C" NOT NULL,
    at_ms                     bigint NOT NULL,
    PRIMARY KEY (call_id, kind, ref)
);

-- How far the reports of each media worker are stored; written in the transaction that stores them.
CREATE TABLE worker_cursor (
    worker_id        text COLLATE "C" PRIMARY KEY,
    acknowledged_seq bigint NOT NULL,
    updated_ms       bigint NOT NULL
);
