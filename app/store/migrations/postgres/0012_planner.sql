-- The planner's chat. A turn is what was said by one side; a reply carries what it cost. `answering_until_ms` is the
-- claim of whoever writes the next reply. `client_key` makes a message that is sent twice one turn.
CREATE TABLE conversations (
    id                 text COLLATE "C" PRIMARY KEY,
    tenant_id          text COLLATE "C" NOT NULL REFERENCES tenants (id),
    owner              text COLLATE "C" NOT NULL,
    display_name       text COLLATE "C" NOT NULL,
    answering_until_ms bigint,
    created_ms         bigint NOT NULL,
    updated_ms         bigint NOT NULL
);
CREATE INDEX conversations_newest ON conversations (tenant_id, owner, updated_ms DESC, id DESC);

CREATE TABLE conversation_turns (
    conversation_id text COLLATE "C" NOT NULL REFERENCES conversations (id),
    seq             bigint NOT NULL CHECK (seq >= 1),
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants (id),
    role            text COLLATE "C" NOT NULL CHECK (role IN ('user', 'assistant')),
    kind            text COLLATE "C" NOT NULL CHECK (kind IN ('message', 'answers', 'questions', 'plan', 'failure')),
    text            text COLLATE "C" NOT NULL,
    content         text COLLATE "C" NOT NULL CHECK (json_valid(content)),
    lookups         text COLLATE "C" NOT NULL CHECK (json_valid(lookups)),
    client_key      text COLLATE "C",
    model           text COLLATE "C" NOT NULL,
    prompt_version  text COLLATE "C" NOT NULL,
    asked           bigint NOT NULL CHECK (asked >= 0),
    input_tokens    bigint NOT NULL,
    cached_tokens   bigint NOT NULL,
    output_tokens   bigint NOT NULL,
    cost_micro_usd  bigint CHECK (cost_micro_usd >= 0),
    price_table     text COLLATE "C" NOT NULL,
    created_ms      bigint NOT NULL,
    PRIMARY KEY (conversation_id, seq),
    UNIQUE (conversation_id, client_key)
);

-- A plan that passed every check. Only an open one can be confirmed; a correction supersedes it.
CREATE TABLE plans (
    id              text COLLATE "C" PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants (id),
    conversation_id text COLLATE "C" NOT NULL REFERENCES conversations (id),
    turn_seq        bigint NOT NULL,
    state           text COLLATE "C" NOT NULL CHECK (state IN ('open', 'superseded', 'confirmed')),
    plan            text COLLATE "C" NOT NULL CHECK (json_valid(plan)),
    forecast        text COLLATE "C" NOT NULL CHECK (json_valid(forecast)),
    campaign_id     text COLLATE "C" REFERENCES campaigns (id),
    confirmed_by    text COLLATE "C" NOT NULL,
    created_ms      bigint NOT NULL,
    confirmed_ms    bigint,
    UNIQUE (conversation_id, turn_seq),
    CHECK ((state = 'confirmed') = (campaign_id IS NOT NULL)),
    CHECK ((state = 'confirmed') = (confirmed_ms IS NOT NULL))
);
CREATE UNIQUE INDEX plans_one_open ON plans (conversation_id) WHERE state = 'open';
