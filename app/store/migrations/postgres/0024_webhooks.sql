-- Where other systems of a tenant hear of what happens. The secret is kept as it is, since each message is signed
-- with it; while `old_until_ms` lasts the former one signs as well. `sender` holds an endpoint for one engine.
CREATE TABLE webhook_endpoints (
    id               text COLLATE "C" PRIMARY KEY,
    tenant_id        text COLLATE "C" NOT NULL REFERENCES tenants (id),
    url              text COLLATE "C" NOT NULL CHECK (length(url) <= 2048),
    kinds            text COLLATE "C" NOT NULL CHECK (json_valid(kinds)),
    secret           text COLLATE "C" NOT NULL,
    old_secret       text COLLATE "C" NOT NULL,
    old_until_ms     bigint NOT NULL,
    show_numbers     bigint NOT NULL CHECK (show_numbers IN (0, 1)),
    state            text COLLATE "C" NOT NULL CHECK (state IN ('active', 'disabled')),
    reason           text COLLATE "C" NOT NULL,
    failures         bigint NOT NULL CHECK (failures >= 0),
    failing_since_ms bigint,
    next_try_ms      bigint NOT NULL,
    sender           bigint NOT NULL,
    sender_until_ms  bigint NOT NULL,
    created_ms       bigint NOT NULL
);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, id);

-- What happened, written in the transaction of the fact itself. `seq` numbers what happened to one subject.
CREATE TABLE webhook_events (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    kind       text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    seq        bigint NOT NULL CHECK (seq >= 1),
    data       text COLLATE "C" NOT NULL CHECK (json_valid(data)),
    created_ms bigint NOT NULL,
    UNIQUE (subject, seq)
);

CREATE TABLE webhook_deliveries (
    endpoint_id  text COLLATE "C" NOT NULL REFERENCES webhook_endpoints (id),
    event_id     text COLLATE "C" NOT NULL REFERENCES webhook_events (id),
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    state        text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    tries        bigint NOT NULL CHECK (tries >= 0),
    next_try_ms  bigint NOT NULL,
    status       bigint,
    error        text COLLATE "C" NOT NULL,
    delivered_ms bigint,
    PRIMARY KEY (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_try_ms, event_id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (tenant_id, event_id DESC, endpoint_id);
CREATE INDEX webhook_deliveries_of_event ON webhook_deliveries (event_id);
