-- What admission asks before it lets a call begin. One file of app/store for each subject.

-- Tenants. NULL: as the site's settings say.
ALTER TABLE tenants ADD COLUMN state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended'));
ALTER TABLE tenants ADD COLUMN allowed_countries TEXT;
ALTER TABLE tenants ADD COLUMN max_concurrent_calls INTEGER CHECK (max_concurrent_calls >= 0);
ALTER TABLE tenants ADD COLUMN number_calls_per_day INTEGER CHECK (number_calls_per_day >= 0);
-- Per calendar month, UTC.
ALTER TABLE tenants ADD COLUMN budget_micro_usd INTEGER CHECK (budget_micro_usd >= 0);
-- Tighter rules in the form of a policy pack's, as JSON.
ALTER TABLE tenants ADD COLUMN rules TEXT;

CREATE TABLE caller_ids (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    number     TEXT NOT NULL,
    reachable  INTEGER NOT NULL CHECK (reachable IN (0, 1)),
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, number)
) STRICT;

ALTER TABLE campaigns ADD COLUMN pause_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN max_concurrent_calls INTEGER CHECK (max_concurrent_calls >= 0);
ALTER TABLE campaigns ADD COLUMN budget_micro_usd INTEGER CHECK (budget_micro_usd >= 0);

-- Answered calls of a campaign per day (days since 1970, UTC), and those of them that heard no agent.
CREATE TABLE campaign_days (
    campaign_id TEXT NOT NULL REFERENCES campaigns (id),
    day         INTEGER NOT NULL,
    answered    INTEGER NOT NULL,
    silent      INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, day)
) STRICT;

-- What is known of the callee: IANA zone and region like US-FL are empty when they are not known.
ALTER TABLE tasks ADD COLUMN purpose TEXT NOT NULL DEFAULT 'service'
    CHECK (purpose IN ('marketing', 'survey', 'service'));
ALTER TABLE tasks ADD COLUMN callee_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN callee_kind TEXT NOT NULL DEFAULT 'person' CHECK (callee_kind IN ('person', 'business'));
ALTER TABLE tasks ADD COLUMN callee_region TEXT NOT NULL DEFAULT '';

ALTER TABLE calls ADD COLUMN trunk TEXT NOT NULL DEFAULT '';
-- Answered, and the callee heard no agent.
ALTER TABLE calls ADD COLUMN silent INTEGER NOT NULL DEFAULT 0 CHECK (silent IN (0, 1));
CREATE INDEX calls_to_number ON calls (number_dialed, dialing_ms) WHERE dialed = 1;

-- A lane is a campaign, or the single tasks of a tenant: what is claimed from in turn.
DROP INDEX tasks_due;
CREATE INDEX tasks_of_lane ON tasks (coalesce(campaign_id, tenant_id), priority DESC, next_action_time, id)
    WHERE state = 'pending';
CREATE INDEX tasks_next ON tasks (next_action_time) WHERE state = 'pending';
CREATE TABLE lane_holds (
    lane     TEXT PRIMARY KEY,
    rule     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE consents (
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    number       TEXT NOT NULL,
    purpose      TEXT NOT NULL CHECK (purpose IN ('marketing', 'survey', 'service')),
    level        TEXT NOT NULL CHECK (level IN ('none', 'express', 'written')),
    evidence     TEXT NOT NULL CHECK (trim(evidence) <> ''),
    given_ms     INTEGER NOT NULL,
    expires_ms   INTEGER,
    withdrawn_ms INTEGER,
    PRIMARY KEY (tenant_id, number, purpose)
) STRICT;

CREATE TABLE registries (
    name        TEXT PRIMARY KEY,
    imported_ms INTEGER NOT NULL,
    numbers     INTEGER NOT NULL
) STRICT;
CREATE TABLE registry_numbers (
    registry TEXT NOT NULL REFERENCES registries (name),
    number   TEXT NOT NULL,
    PRIMARY KEY (registry, number)
) STRICT;

-- The token bucket of each trunk; a whole token is 1000000.
CREATE TABLE trunk_buckets (
    trunk        TEXT PRIMARY KEY,
    tokens_micro INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL
) STRICT;

-- The error breaker of each lane.
CREATE TABLE breakers (
    lane     TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    opened   INTEGER NOT NULL,
    until_ms INTEGER,
    probe_id TEXT,
    reason   TEXT NOT NULL
) STRICT;

-- Money: what an account has spent and what its living calls may still cost at most.
CREATE TABLE budget_accounts (
    id                 TEXT PRIMARY KEY,
    spent_micro_usd    INTEGER NOT NULL,
    reserved_micro_usd INTEGER NOT NULL CHECK (reserved_micro_usd >= 0)
) STRICT;
CREATE TABLE budget_reservations (
    call_id            TEXT NOT NULL REFERENCES calls (id),
    account_id         TEXT NOT NULL REFERENCES budget_accounts (id),
    reserved_micro_usd INTEGER NOT NULL CHECK (reserved_micro_usd >= 0),
    charged_micro_usd  INTEGER NOT NULL,
    PRIMARY KEY (call_id, account_id)
) STRICT;

-- What was decided of a task and why. `subject` is the call of a dial, or the rule of a refusal: a task that is put
-- off again and again by one rule keeps one row.
CREATE TABLE decisions (
    task_id   TEXT NOT NULL REFERENCES tasks (id),
    subject   TEXT NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    result    TEXT NOT NULL CHECK (result IN ('dial', 'defer', 'suppress')),
    rule      TEXT NOT NULL,
    sentence  TEXT NOT NULL,
    until_ms  INTEGER,
    evidence  TEXT NOT NULL,
    times     INTEGER NOT NULL,
    first_ms  INTEGER NOT NULL,
    last_ms   INTEGER NOT NULL,
    PRIMARY KEY (task_id, subject)
) STRICT;
