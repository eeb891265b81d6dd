-- Orders to a living call. The row is the order: a message on the bus only says that it is there. An order is taken
-- by one process, once, in the order of seq; one that nobody takes before expires_ms is never carried out.
CREATE TABLE commands (
    id         TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    call_id    TEXT NOT NULL REFERENCES calls (id),
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    kind       TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    payload    TEXT NOT NULL CHECK (json_valid(payload) AND length(payload) <= 8192),
    issued_by  TEXT NOT NULL CHECK (length(issued_by) BETWEEN 1 AND 200),
    state      TEXT NOT NULL CHECK (state IN ('queued', 'taken', 'done', 'refused', 'expired')),
    result     TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL CHECK (expires_ms > created_ms),
    taken_ms   INTEGER,
    done_ms    INTEGER,
    UNIQUE (call_id, seq),
    CHECK ((state IN ('queued', 'taken')) = (done_ms IS NULL)),
    CHECK (state NOT IN ('taken', 'done') OR taken_ms IS NOT NULL),
    CHECK (state NOT IN ('queued', 'expired') OR taken_ms IS NULL)
) STRICT;
CREATE INDEX commands_queued ON commands (call_id, seq) WHERE state = 'queued';
