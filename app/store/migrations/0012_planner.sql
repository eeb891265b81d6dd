-- The planner's chat. A turn is what was said by one side; a reply carries what it cost. `answering_until_ms` is the
-- claim of whoever writes the next reply. `client_key` makes a message that is sent twice one turn.
CREATE TABLE conversations (
    id                 TEXT PRIMARY KEY,
    tenant_id          TEXT NOT NULL REFERENCES tenants (id),
    owner              TEXT NOT NULL,
    display_name       TEXT NOT NULL,
    answering_until_ms INTEGER,
    created_ms         INTEGER NOT NULL,
    updated_ms         INTEGER NOT NULL
) STRICT;
CREATE INDEX conversations_newest ON conversations (tenant_id, owner, updated_ms DESC, id DESC);

CREATE TABLE conversation_turns (
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    seq             INTEGER NOT NULL CHECK (seq >= 1),
    tenant_id       TEXT NOT NULL REFERENCES tenants (id),
    role            TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    kind            TEXT NOT NULL CHECK (kind IN ('message', 'answers', 'questions', 'plan', 'failure')),
    text            TEXT NOT NULL,
    content         TEXT NOT NULL CHECK (json_valid(content)),
    lookups         TEXT NOT NULL CHECK (json_valid(lookups)),
    client_key      TEXT,
    model           TEXT NOT NULL,
    prompt_version  TEXT NOT NULL,
    asked           INTEGER NOT NULL CHECK (asked >= 0),
    input_tokens    INTEGER NOT NULL,
    cached_tokens   INTEGER NOT NULL,
    output_tokens   INTEGER NOT NULL,
    cost_micro_usd  INTEGER CHECK (cost_micro_usd >= 0),
    price_table     TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, seq),
    UNIQUE (conversation_id, client_key)
) STRICT;

-- A plan that passed every check. Only an open one can be confirmed; a correction supersedes it.
CREATE TABLE plans (
    id              TEXT PRIMARY KEY,
    tenant_id       TEXT NOT NULL REFERENCES tenants (id),
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    turn_seq        INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('open', 'superseded', 'confirmed')),
    plan            TEXT NOT NULL CHECK (json_valid(plan)),
    forecast        TEXT NOT NULL CHECK (json_valid(forecast)),
    campaign_id     TEXT REFERENCES campaigns (id),
    confirmed_by    TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    confirmed_ms    INTEGER,
    UNIQUE (conversation_id, turn_seq),
    CHECK ((state = 'confirmed') = (campaign_id IS NOT NULL)),
    CHECK ((state = 'confirmed') = (confirmed_ms IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX plans_one_open ON plans (conversation_id) WHERE state = 'open';
