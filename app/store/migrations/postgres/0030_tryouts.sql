-- Test calls in the browser: an agent speaks with somebody at a microphone. They are no calls: nothing that counts, reports or
-- retries reads this table, and nothing here refers to a task. What they cost is charged to the tenant's month at once.
CREATE TABLE tryouts (
    id             text COLLATE "C" PRIMARY KEY,
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    agent_id       text COLLATE "C" NOT NULL REFERENCES agents (id),
    agent_version  bigint NOT NULL CHECK (agent_version >= 0),
    body           text COLLATE "C" NOT NULL CHECK (json_valid(body)),
    objective      text COLLATE "C" NOT NULL,
    asked_by       text COLLATE "C" NOT NULL,
    state          text COLLATE "C" NOT NULL CHECK (state IN ('asked', 'wanted', 'live', 'ended')),
    mic_id         text COLLATE "C" NOT NULL,
    node           text COLLATE "C" NOT NULL,
    model          text COLLATE "C" NOT NULL,
    ended_by       text COLLATE "C" NOT NULL,
    reason         text COLLATE "C" NOT NULL,
    cost_micro_usd bigint NOT NULL CHECK (cost_micro_usd >= 0),
    unpriced       bigint NOT NULL CHECK (unpriced >= 0),
    steps          text COLLATE "C" NOT NULL CHECK (json_valid(steps)),
    created_ms     bigint NOT NULL,
    wanted_ms      bigint,
    live_ms        bigint,
    ended_ms       bigint,
    CHECK ((state = 'ended') = (ended_ms IS NOT NULL)),
    CHECK (state <> 'live' OR live_ms IS NOT NULL)
);
CREATE INDEX tryouts_of_agent ON tryouts (tenant_id, agent_id, id DESC);
CREATE INDEX tryouts_wanted ON tryouts (wanted_ms) WHERE state = 'wanted';
CREATE INDEX tryouts_live ON tryouts (tenant_id, node) WHERE state = 'live';
