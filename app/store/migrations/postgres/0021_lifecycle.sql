-- The lifecycle agent. A turn is when a tenant's open tasks are looked over next, and whose it is meanwhile;
-- `after_ms` and `after_id` are how far the walk over all of them has come, `fingerprint` what was looked at last.
CREATE TABLE lifecycle_turns (
    tenant_id   text COLLATE "C" PRIMARY KEY REFERENCES tenants (id),
    next_ms     bigint NOT NULL,
    looked_ms   bigint NOT NULL,
    asked_ms    bigint NOT NULL,
    after_ms    bigint,
    after_id    text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    tries       bigint NOT NULL,
    last_error  text COLLATE "C" NOT NULL,
    lease_owner text COLLATE "C",
    lease_token bigint NOT NULL,
    lease_until bigint,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
);
CREATE INDEX lifecycle_turns_due ON lifecycle_turns (next_ms);

-- A round in which a model was asked. cost_micro_usd NULL: it has no known price. `refusals` is JSON: what it wanted
-- and was not given, and why.
CREATE TABLE lifecycle_rounds (
    id             text COLLATE "C" PRIMARY KEY,
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    model          text COLLATE "C" NOT NULL,
    prompt_version text COLLATE "C" NOT NULL,
    asked          bigint NOT NULL,
    input_tokens   bigint NOT NULL,
    cached_tokens  bigint NOT NULL,
    output_tokens  bigint NOT NULL,
    cost_micro_usd bigint CHECK (cost_micro_usd >= 0),
    price_table    text COLLATE "C" NOT NULL,
    shown          bigint NOT NULL,
    applied        bigint NOT NULL,
    refused        bigint NOT NULL,
    refusals       text COLLATE "C" NOT NULL CHECK (json_valid(refusals)),
    summary        text COLLATE "C" NOT NULL,
    created_ms     bigint NOT NULL
);
CREATE INDEX lifecycle_rounds_newest ON lifecycle_rounds (tenant_id, created_ms DESC, id DESC);

-- What it decided of a task; before and after are JSON in the form of app/domain/lifecycle/model.py.
CREATE TABLE lifecycle_decisions (
    id          text COLLATE "C" PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    round_id    text COLLATE "C" NOT NULL REFERENCES lifecycle_rounds (id),
    task_id     text COLLATE "C" NOT NULL REFERENCES tasks (id),
    action      text COLLATE "C" NOT NULL CHECK (action IN ('set_priority', 'hold', 'release', 'move', 'set_phase', 'ask_user',
                    'close')),
    reason      text COLLATE "C" NOT NULL CHECK (trim(reason) <> ''),
    before      text COLLATE "C" NOT NULL CHECK (json_valid(before)),
    after       text COLLATE "C" NOT NULL CHECK (json_valid(after)),
    question_id text COLLATE "C" REFERENCES feedback_requests (id),
    undone_by   text COLLATE "C",
    undone_ms   bigint,
    created_ms  bigint NOT NULL,
    CHECK ((undone_by IS NULL) = (undone_ms IS NULL))
);
CREATE INDEX lifecycle_decisions_newest ON lifecycle_decisions (tenant_id, created_ms DESC, id DESC);
CREATE INDEX lifecycle_decisions_of_task ON lifecycle_decisions (task_id, created_ms);

CREATE TABLE task_phases (
    task_id   text COLLATE "C" PRIMARY KEY REFERENCES tasks (id),
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    phase     text COLLATE "C" NOT NULL
);
CREATE INDEX task_holds_of_tenant ON task_holds (tenant_id, until_ms);
