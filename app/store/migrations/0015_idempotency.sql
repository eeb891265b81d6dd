-- Answers to requests that carried an Idempotency-Key, so that a repeated one is not done twice. `status` is NULL
-- while the first one runs; it is set in the transaction of what was done, so a row without it has done nothing.
CREATE TABLE idempotency_keys (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    body_hash  TEXT NOT NULL,
    claim      TEXT NOT NULL,
    claimed_ms INTEGER NOT NULL,
    status     INTEGER,
    answer     TEXT,
    CHECK ((status IS NULL) = (answer IS NULL))
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant_id, claimed_ms);
