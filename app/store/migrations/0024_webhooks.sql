-- Where other systems of a tenant hear of what happens. The secret is kept as it is, since each message is signed
-- with it; while `old_until_ms` lasts the former one signs as well. `sender` holds an endpoint for one engine.
CREATE TABLE webhook_endpoints (
    id               TEXT PRIMARY KEY,
    tenant_id        TEXT NOT NULL REFERENCES tenants (id),
    url              TEXT NOT NULL CHECK (length(url) <= 2048),
    kinds            TEXT NOT NULL CHECK (json_valid(kinds)),
    secret           TEXT NOT NULL,
    old_secret       TEXT NOT NULL,
    old_until_ms     INTEGER NOT NULL,
    show_numbers     INTEGER NOT NULL CHECK (show_numbers IN (0, 1)),
    state            TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    reason           TEXT NOT NULL,
    failures         INTEGER NOT NULL CHECK (failures >= 0),
    failing_since_ms INTEGER,
    next_try_ms      INTEGER NOT NULL,
    sender           INTEGER NOT NULL,
    sender_until_ms  INTEGER NOT NULL,
    created_ms       INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, id);

-- What happened, written in the transaction of the fact itself. `seq` numbers what happened to one subject.
CREATE TABLE webhook_events (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    data       TEXT NOT NULL CHECK (json_valid(data)),
    created_ms INTEGER NOT NULL,
    UNIQUE (subject, seq)
) STRICT;

CREATE TABLE webhook_deliveries (
    endpoint_id  TEXT NOT NULL REFERENCES webhook_endpoints (id),
    event_id     TEXT NOT NULL REFERENCES webhook_events (id),
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    tries        INTEGER NOT NULL CHECK (tries >= 0),
    next_try_ms  INTEGER NOT NULL,
    status       INTEGER,
    error        TEXT NOT NULL,
    delivered_ms INTEGER,
    PRIMARY KEY (endpoint_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_try_ms, event_id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (tenant_id, event_id DESC, endpoint_id);
CREATE INDEX webhook_deliveries_of_event ON webhook_deliveries (event_id);
