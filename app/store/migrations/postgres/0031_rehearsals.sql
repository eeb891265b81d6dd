-- Rehearsals: a version of an agent against simulated callees, before anybody is called. One row each; the newest of a version
-- is what its pages show. Their calls are made in a store of their own, so nothing of them is in ours but the result.
CREATE TABLE rehearsals (
    id            text COLLATE "C" PRIMARY KEY,
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    agent_id      text COLLATE "C" NOT NULL REFERENCES agents (id),
    agent_version bigint NOT NULL CHECK (agent_version > 0),
    asked_by      text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    model         text COLLATE "C" NOT NULL,
    over          bigint NOT NULL CHECK (over >= 0),
    total         bigint NOT NULL CHECK (total >= 0),
    passed        bigint NOT NULL CHECK (passed >= 0),
    failed        bigint NOT NULL CHECK (failed >= 0),
    result        text COLLATE "C" NOT NULL CHECK (json_valid(result)),
    problem       text COLLATE "C" NOT NULL,
    node          text COLLATE "C" NOT NULL,
    created_ms    bigint NOT NULL,
    started_ms    bigint,
    done_ms       bigint,
    CHECK ((state IN ('done', 'failed')) = (done_ms IS NOT NULL))
);
CREATE INDEX rehearsals_of_agent ON rehearsals (tenant_id, agent_id, id DESC);
CREATE INDEX rehearsals_of_version ON rehearsals (tenant_id, agent_id, agent_version, id DESC);
CREATE INDEX rehearsals_asked ON rehearsals (tenant_id, created_ms);
CREATE INDEX rehearsals_open ON rehearsals (created_ms) WHERE state IN ('waiting', 'running');
