-- Test calls in the browser: an agent speaks with somebody at a microphone. They are no calls: nothing that counts, reports or
-- retries reads this table, and nothing here refers to a task. What they cost is charged to the tenant's month at once.
CREATE TABLE tryouts (
    id             TEXT PRIMARY KEY,
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    agent_id       TEXT NOT NULL REFERENCES agents (id),
    agent_version  INTEGER NOT NULL CHECK (agent_version >= 0),
    body           TEXT NOT NULL CHECK (json_valid(body)),
    objective      TEXT NOT NULL,
    asked_by       TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('asked', 'wanted', 'live', 'ended')),
    mic_id         TEXT NOT NULL,
    node           TEXT NOT NULL,
    model          TEXT NOT NULL,
    ended_by       TEXT NOT NULL,
    reason         TEXT NOT NULL,
    cost_micro_usd INTEGER NOT NULL CHECK (cost_micro_usd >= 0),
    unpriced       INTEGER NOT NULL CHECK (unpriced >= 0),
    steps          TEXT NOT NULL CHECK (json_valid(steps)),
    created_ms     INTEGER NOT NULL,
    wanted_ms      INTEGER,
    live_ms        INTEGER,
    ended_ms       INTEGER,
    CHECK ((state = 'ended') = (ended_ms IS NOT NULL)),
    CHECK (state <> 'live' OR live_ms IS NOT NULL)
) STRICT;
CREATE INDEX tryouts_of_agent ON tryouts (tenant_id, agent_id, id DESC);
CREATE INDEX tryouts_wanted ON tryouts (wanted_ms) WHERE state = 'wanted';
CREATE INDEX tryouts_live ON tryouts (tenant_id, node) WHERE state = 'live';
