-- Answers to requests that carried an Idempotency-Key, so that a repeated one is not done twice. `status` is NULL
-- while the first one runs; it is set in the transaction of what was done, so a row without it has done nothing.
CREATE TABLE idempotency_keys (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    body_hash  text COLLATE "C" NOT NULL,
    claim      text COLLATE "C" NOT NULL,
    claimed_ms bigint NOT NULL,
    status     bigint,
    answer     text COLLATE "C",
    CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant_id, claimed_ms);
