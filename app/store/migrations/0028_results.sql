-- What calls found out, the newest value of each field by agent and recipient, so that a table of a million recipients
-- is read a page at a time. The proof of every value stays with it.
CREATE TABLE results (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    agent_id    TEXT NOT NULL REFERENCES agents (id),
    number      TEXT NOT NULL,
    campaign_id TEXT REFERENCES campaigns (id),
    task_id     TEXT NOT NULL REFERENCES tasks (id),
    call_id     TEXT NOT NULL REFERENCES calls (id),
    outcome     TEXT NOT NULL,
    updated_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_newest ON results (tenant_id, updated_ms DESC, task_id DESC);
CREATE INDEX results_of_agent ON results (tenant_id, agent_id, updated_ms DESC, task_id DESC);
CREATE INDEX results_of_campaign ON results (campaign_id, updated_ms DESC, task_id DESC);
CREATE INDEX results_of_number ON results (tenant_id, number, updated_ms DESC, task_id DESC);

CREATE TABLE result_values (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    agent_id  TEXT NOT NULL REFERENCES agents (id),
    number    TEXT NOT NULL,
    field     TEXT NOT NULL CHECK (length(field) BETWEEN 1 AND 48),
    value     TEXT NOT NULL CHECK (json_valid(value)),
    call_id   TEXT NOT NULL REFERENCES calls (id),
    item_id   TEXT NOT NULL,
    quote     TEXT NOT NULL,
    audio_ms  INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, number, field)
) STRICT, WITHOUT ROWID;

INSERT INTO result_values (tenant_id, agent_id, number, field, value, call_id, item_id, quote, audio_ms, at_ms)
    SELECT n.tenant_id, n.agent_id, n.number, n.field, n.value, n.call_id, n.item_id, n.quote, n.audio_ms, n.at_ms
    FROM (SELECT c.tenant_id, c.agent_id, c.number_requested AS number, f.name AS field, f.value, f.call_id, f.item_id,
            f.quote, f.start_audio_ms AS audio_ms, f.created_ms AS at_ms,
            row_number() OVER (PARTITION BY c.tenant_id, c.agent_id, c.number_requested, f.name
                ORDER BY f.created_ms DESC, f.call_id DESC) AS nth
        FROM collected_fields f JOIN calls c ON c.id = f.call_id) n
    WHERE n.nth = 1;
INSERT INTO results (tenant_id, agent_id, number, campaign_id, task_id, call_id, outcome, updated_ms)
    SELECT n.tenant_id, n.agent_id, n.number, n.campaign_id, n.task_id, n.call_id, '', n.at_ms
    FROM (SELECT v.tenant_id, v.agent_id, v.number, t.campaign_id, t.id AS task_id, v.call_id, v.at_ms,
            row_number() OVER (PARTITION BY v.tenant_id, v.agent_id, v.number
                ORDER BY v.at_ms DESC, v.field DESC) AS nth
        FROM result_values v JOIN calls c ON c.id = v.call_id JOIN tasks t ON t.id = c.task_id) n
    WHERE n.nth = 1;
