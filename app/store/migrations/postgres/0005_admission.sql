-- What admission asks before it lets a call begin. One file of app/store for each subject.

-- Tenants. NULL: as the site's settings say.
ALTER TABLE tenants ADD COLUMN state text COLLATE "C" NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended'));
ALTER TABLE tenants ADD COLUMN allowed_countries text COLLATE "C";
ALTER TABLE tenants ADD COLUMN max_concurrent_calls bigint CHECK (max_concurrent_calls >= 0);
ALTER TABLE tenants ADD COLUMN number_calls_per_day bigint CHECK (number_calls_per_day >= 0);
-- Per calendar month, UTC.
ALTER TABLE tenants ADD COLUMN budget_micro_usd bigint CHECK (budget_micro_usd >= 0);
-- Tighter rules in the form of a policy pack's, as JSON.
ALTER TABLE tenants ADD COLUMN rules text COLLATE "C";

CREATE TABLE caller_ids (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    number     text COLLATE "C" NOT NULL,
    reachable  bigint NOT NULL CHECK (reachable IN (0, 1)),
    created_ms bigint NOT NULL,
    PRIMARY KEY (tenant_id, number)
);

ALTER TABLE campaigns ADD COLUMN pause_reason text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN max_concurrent_calls bigint CHECK (max_concurrent_calls >= 0);
ALTER TABLE campaigns ADD COLUMN budget_micro_usd bigint CHECK (budget_micro_usd >= 0);

-- Answered calls of a campaign per day (days since 1970, UTC), and those of them that heard no agent.
CREATE TABLE campaign_days (
    campaign_id text COLLATE "C" NOT NULL REFERENCES campaigns (id),
    day         bigint NOT NULL,
    answered    bigint NOT NULL,
    silent      bigint NOT NULL,
    PRIMARY KEY (campaign_id, day)
);

-- What is known of the callee: IANA zone and region like US-FL are empty when they are not known.
ALTER TABLE tasks ADD COLUMN purpose text COLLATE "C" NOT NULL DEFAULT 'service'
    CHECK (purpose IN ('marketing', 'survey', 'service'));
ALTER TABLE tasks ADD COLUMN callee_zone text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN callee_kind text COLLATE "C" NOT NULL DEFAULT 'person' CHECK (callee_kind IN ('person', 'business'));
ALTER TABLE tasks ADD COLUMN callee_region text COLLATE "C" NOT NULL DEFAULT '';

ALTER TABLE calls ADD COLUMN trunk text COLLATE "C" NOT NULL DEFAULT '';
-- Answered, and the callee heard no agent.
ALTER TABLE calls ADD COLUMN silent bigint NOT NULL DEFAULT 0 CHECK (silent IN (0, 1));
CREATE INDEX calls_to_number ON calls (number_dialed, dialing_ms) WHERE dialed = 1;

-- A lane is a campaign, or the single tasks of a tenant: what is claimed from in turn.
DROP INDEX tasks_due;
CREATE INDEX tasks_of_lane ON tasks (coalesce(campaign_id, tenant_id), priority DESC, next_action_time, id)
    WHERE state = 'pending';
CREATE INDEX tasks_next ON tasks (next_action_time) WHERE state = 'pending';
CREATE TABLE lane_holds (
    lane     text COLLATE "C" PRIMARY KEY,
    rule     text COLLATE "C" NOT NULL,
    reason   text COLLATE "C" NOT NULL,
    until_ms bigint NOT NULL
);

CREATE TABLE consents (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    number       text COLLATE "C" NOT NULL,
    purpose      text COLLATE "C" NOT NULL CHECK (purpose IN ('marketing', 'survey', 'service')),
    level        text COLLATE "C" NOT NULL CHECK (level IN ('none', 'express', 'written')),
    evidence     text COLLATE "C" NOT NULL CHECK (trim(evidence) <> ''),
    given_ms     bigint NOT NULL,
    expires_ms   bigint,
    withdrawn_ms bigint,
    PRIMARY KEY (tenant_id, number, purpose)
);

CREATE TABLE registries (
    name        text COLLATE "C" PRIMARY KEY,
    imported_ms bigint NOT NULL,
    numbers     bigint NOT NULL
);
CREATE TABLE registry_numbers (
    registry text COLLATE "C" NOT NULL REFERENCES registries (name),
    number   text COLLATE "C" NOT NULL,
    PRIMARY KEY (registry, number)
);

-- The token bucket of each trunk; a whole token is 1000000.
CREATE TABLE trunk_buckets (
    trunk        text COLLATE "C" PRIMARY KEY,
    tokens_micro bigint NOT NULL,
    at_ms        bigint NOT NULL
);

-- The error breaker of each lane.
CREATE TABLE breakers (
    lane     text COLLATE "C" PRIMARY KEY,
    failures bigint NOT NULL,
    opened   bigint NOT NULL,
    until_ms bigint,
    probe_id text COLLATE "C",
    reason   text COLLATE "C" NOT NULL
);

-- Money: what an account has spent and what its living calls may still cost at most.
CREATE TABLE budget_accounts (
    id                 text COLLATE "C" PRIMARY KEY,
    spent_micro_usd    bigint NOT NULL,
    reserved_micro_usd bigint NOT NULL CHECK (reserved_micro_usd >= 0)
);
CREATE TABLE budget_reservations (
    call_id            text COLLATE "C" NOT NULL REFERENCES calls (id),
    account_id         text COLLATE "C" NOT NULL REFERENCES budget_accounts (id),
    reserved_micro_usd bigint NOT NULL CHECK (reserved_micro_usd >= 0),
    charged_micro_usd  bigint NOT NULL,
    PRIMARY KEY (call_id, account_id)
);

-- What was decided of a task and why. `subject` is the call of a dial, or the rule of a refusal: a task that is put
-- off again and again by one rule keeps one row.
CREATE TABLE decisions (
    task_id   text COLLATE "C" NOT NULL REFERENCES tasks (id),
    subject   text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    result    text COLLATE "C" NOT NULL CHECK (result IN ('dial', 'defer', 'suppress')),
    rule      text COLLATE "C" NOT NULL,
    sentence  text COLLATE "C" NOT NULL,
    until_ms  bigint,
    evidence  text COLLATE "C" NOT NULL,
    times     bigint NOT NULL,
    first_ms  bigint NOT NULL,
    last_ms   bigint NOT NULL,
    PRIMARY KEY (task_id, subject)
);
