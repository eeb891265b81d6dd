-- Whom a tenant calls, as remembered beyond one task. Written by people and by the import of contacts.
CREATE TABLE recipients (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    number      TEXT NOT NULL CHECK (number GLOB '+[1-9]*' AND length(number) BETWEEN 7 AND 16),
    name        TEXT NOT NULL DEFAULT '' CHECK (length(name) <= 200),
    language    TEXT NOT NULL DEFAULT '' CHECK (length(language) IN (0, 2)),
    preferences TEXT NOT NULL DEFAULT '' CHECK (length(preferences) <= 4000),
    updated_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, number)
) STRICT, WITHOUT ROWID;

-- The last talks of an agent with somebody, newest first.
CREATE INDEX calls_with_recipient ON calls (tenant_id, agent_id, number_requested, answered_ms DESC)
    WHERE answered_ms IS NOT NULL;
