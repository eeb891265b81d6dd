-- How long a tenant keeps what people said (days; NULL: the house's days), and when its rows were swept last.
CREATE TABLE retention (
    tenant_id       text COLLATE "C" PRIMARY KEY REFERENCES tenants (id),
    recordings_days bigint CHECK (recordings_days >= 1),
    talks_days      bigint CHECK (talks_days >= 1),
    chats_days      bigint CHECK (chats_days >= 1),
    webhooks_days   bigint CHECK (webhooks_days >= 1),
    next_ms         bigint NOT NULL,
    swept_ms        bigint,
    counts          text COLLATE "C" NOT NULL CHECK (json_valid(counts)),
    lease_owner     text COLLATE "C",
    lease_token     bigint NOT NULL CHECK (lease_token >= 0),
    lease_until     bigint,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
);
CREATE INDEX retention_due ON retention (next_ms);

-- What must not be swept or erased, since a court or an authority may ask for it.
CREATE TABLE legal_holds (
    id        text COLLATE "C" PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('call', 'campaign', 'recipient')),
    subject   text COLLATE "C" NOT NULL,
    reason    text COLLATE "C" NOT NULL CHECK (trim(reason) <> '' AND length(reason) <= 500),
    placed_by text COLLATE "C" NOT NULL,
    since_ms  bigint NOT NULL,
    lifted_by text COLLATE "C",
    lifted_ms bigint,
    CHECK ((lifted_by IS NULL) = (lifted_ms IS NULL))
);
CREATE UNIQUE INDEX legal_holds_once ON legal_holds (tenant_id, kind, subject) WHERE lifted_ms IS NULL;
CREATE INDEX legal_holds_newest ON legal_holds (tenant_id, id DESC);

-- "Forget this person": a piece of work that goes on where it stopped. `number` and `names` are what is looked for; once
-- it is done `number` is the pseudonym too, and `names` is empty.
CREATE TABLE erasures (
    id           text COLLATE "C" PRIMARY KEY,
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    number       text COLLATE "C" NOT NULL CHECK (number ~ '^\+[1-9]'),
    pseudonym    text COLLATE "C" NOT NULL,
    names        text COLLATE "C" NOT NULL CHECK (json_valid(names)),
    state        text COLLATE "C" NOT NULL CHECK (state IN ('open', 'done')),
    step         text COLLATE "C" NOT NULL,
    place        text COLLATE "C" NOT NULL CHECK (json_valid(place)),
    counts       text COLLATE "C" NOT NULL CHECK (json_valid(counts)),
    waits_for    bigint NOT NULL CHECK (waits_for >= 0),
    requested_by text COLLATE "C" NOT NULL,
    next_ms      bigint NOT NULL,
    lease_owner  text COLLATE "C",
    lease_token  bigint NOT NULL CHECK (lease_token >= 0),
    lease_until  bigint,
    created_ms   bigint NOT NULL,
    done_ms      bigint,
    CHECK ((state = 'done') = (done_ms IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
);
CREATE UNIQUE INDEX erasures_once ON erasures (tenant_id, number) WHERE state = 'open';
CREATE INDEX erasures_open ON erasures (next_ms) WHERE state = 'open';
CREATE INDEX erasures_newest ON erasures (tenant_id, id DESC);

-- Files of recordings that have to go, by the engine on whose disk they lie.
CREATE TABLE file_removals (
    call_id   text COLLATE "C" PRIMARY KEY REFERENCES calls (id),
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    node      text COLLATE "C" NOT NULL,
    names     text COLLATE "C" NOT NULL CHECK (json_valid(names)),
    since_ms  bigint NOT NULL
);

-- When the words of a row were taken away; NULL: they are there.
ALTER TABLE tasks ADD COLUMN erased_ms bigint;
CREATE INDEX tasks_to_sweep ON tasks (tenant_id, updated_ms, id)
    WHERE erased_ms IS NULL AND state IN ('completed', 'failed', 'cancelled', 'suppressed');
ALTER TABLE conversations ADD COLUMN erased_ms bigint;
CREATE INDEX conversations_to_sweep ON conversations (tenant_id, updated_ms, id)
    WHERE erased_ms IS NULL OR erased_ms < updated_ms;
CREATE INDEX recordings_by_age ON recordings (tenant_id, created_ms, call_id);
CREATE INDEX webhook_events_by_age ON webhook_events (tenant_id, created_ms);
