-- The lifecycle agent. A turn is when a tenant's open tasks are looked over next, and whose it is meanwhile;
-- `after_ms` and `after_id` are how far the walk over all of them has come, `fingerprint` what was looked at last.
CREATE TABLE lifecycle_turns (
    tenant_id   TEXT PRIMARY KEY REFERENCES tenants (id),
    next_ms     INTEGER NOT NULL,
    looked_ms   INTEGER NOT NULL,
    asked_ms    INTEGER NOT NULL,
    after_ms    INTEGER,
    after_id    TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    tries       INTEGER NOT NULL,
    last_error  TEXT NOT NULL,
    lease_owner TEXT,
    lease_token INTEGER NOT NULL,
    lease_until INTEGER,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE INDEX lifecycle_turns_due ON lifecycle_turns (next_ms);

-- A round in which a model was asked. cost_micro_usd NULL: it has no known price. `refusals` is JSON: what it wanted
-- and was not given, and why.
CREATE TABLE lifecycle_rounds (
    id             TEXT PRIMARY KEY,
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    model          TEXT NOT NULL,
    prompt_version TEXT NOT NULL,
    asked          INTEGER NOT NULL,
    input_tokens   INTEGER NOT NULL,
    cached_tokens  INTEGER NOT NULL,
    output_tokens  INTEGER NOT NULL,
    cost_micro_usd INTEGER CHECK (cost_micro_usd >= 0),
    price_table    TEXT NOT NULL,
    shown          INTEGER NOT NULL,
    applied        INTEGER NOT NULL,
    refused        INTEGER NOT NULL,
    refusals       TEXT NOT NULL CHECK (json_valid(refusals)),
    summary        TEXT NOT NULL,
    created_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX lifecycle_rounds_newest ON lifecycle_rounds (tenant_id, created_ms DESC, id DESC);

-- What it decided of a task; before and after are JSON in the form of app/domain/lifecycle/model.py.
CREATE TABLE lifecycle_decisions (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    round_id    TEXT NOT NULL REFERENCES lifecycle_rounds (id),
    task_id     TEXT NOT NULL REFERENCES tasks (id),
    action      TEXT NOT NULL CHECK (action IN ('set_priority', 'hold', 'release', 'move', 'set_phase', 'ask_user',
                    'close')),
    reason      TEXT NOT NULL CHECK (trim(reason) <> ''),
    before      TEXT NOT NULL CHECK (json_valid(before)),
    after       TEXT NOT NULL CHECK (json_valid(after)),
    question_id TEXT REFERENCES feedback_requests (id),
    undone_by   TEXT,
    undone_ms   INTEGER,
    created_ms  INTEGER NOT NULL,
    CHECK ((undone_by IS NULL) = (undone_ms IS NULL))
) STRICT;
CREATE INDEX lifecycle_decisions_newest ON lifecycle_decisions (tenant_id, created_ms DESC, id DESC);
CREATE INDEX lifecycle_decisions_of_task ON lifecycle_decisions (task_id, created_ms);

CREATE TABLE task_phases (
    task_id   TEXT PRIMARY KEY REFERENCES tasks (id),
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    phase     TEXT NOT NULL
) STRICT;
CREATE INDEX task_holds_of_tenant ON task_holds (tenant_id, until_ms);
