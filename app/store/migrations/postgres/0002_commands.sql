-- Orders to a living call. The row is the order: a message on the bus only says that it is there. An order is taken
-- by one process, once, in the order of seq; one that nobody takes before expires_ms is never carried out.
CREATE TABLE commands (
    id         text COLLATE "C" PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    call_id    text COLLATE "C" NOT NULL REFERENCES calls (id),
    seq        bigint NOT NULL CHECK (seq >= 1),
    kind       text COLLATE "C" NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    payload    text COLLATE "C" NOT NULL CHECK (json_valid(payload) AND length(payload) <= 8192),
    issued_by  text COLLATE "C" NOT NULL CHECK (length(issued_by) BETWEEN 1 AND 200),
    state      text COLLATE "C" NOT NULL CHECK (state IN ('queued', 'taken', 'done', 'refused', 'expired')),
    result     text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    expires_ms bigint NOT NULL CHECK (expires_ms > created_ms),
    taken_ms   bigint,
    done_ms    bigint,
    UNIQUE (call_id, seq),
    CHECK ((state IN ('queued', 'taken')) = (done_ms IS NULL)),
    CHECK (state NOT IN ('taken', 'done') OR taken_ms IS NOT NULL),
    CHECK (state NOT IN ('queued', 'expired') OR taken_ms IS NULL)
);
CREATE INDEX commands_queued ON commands (call_id, seq) WHERE state = 'queued';
