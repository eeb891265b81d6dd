-- Rehearsals: a version of an agent against simulated callees, before anybody is called. One row each; the newest of a version
-- is what its pages show. Their calls are made in a store of their own, so nothing of them is in ours but the result.
CREATE TABLE rehearsals (
    id            TEXT PRIMARY KEY,
    tenant_id     TEXT NOT NULL REFERENCES tenants (id),
    agent_id      TEXT NOT NULL REFERENCES agents (id),
    agent_version INTEGER NOT NULL CHECK (agent_version > 0),
    asked_by      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    model         TEXT NOT NULL,
    over          INTEGER NOT NULL CHECK (over >= 0),
    total         INTEGER NOT NULL CHECK (total >= 0),
    passed        INTEGER NOT NULL CHECK (passed >= 0),
    failed        INTEGER NOT NULL CHECK (failed >= 0),
    result        TEXT NOT NULL CHECK (json_valid(result)),
    problem       TEXT NOT NULL,
    node          TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    started_ms    INTEGER,
    done_ms       INTEGER,
    CHECK ((state IN ('done', 'failed')) = (done_ms IS NOT NULL))
) STRICT;
CREATE INDEX rehearsals_of_agent ON rehearsals (tenant_id, agent_id, id DESC);
CREATE INDEX rehearsals_of_version ON rehearsals (tenant_id, agent_id, agent_version, id DESC);
CREATE INDEX rehearsals_asked ON rehearsals (tenant_id, created_ms);
CREATE INDEX rehearsals_open ON rehearsals (created_ms) WHERE state IN ('waiting', 'running');
