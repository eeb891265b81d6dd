-- What a text model made of an ended call. A row that is `waiting` keeps its task in state analyzing until it is done.
-- cost_micro_usd NULL: a model without a known price answered.
CREATE TABLE analyses (
    call_id        text COLLATE "C" PRIMARY KEY REFERENCES calls (id),
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    task_id        text COLLATE "C" NOT NULL REFERENCES tasks (id),
    state          text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'done')),
    tries          bigint NOT NULL CHECK (tries >= 0),
    next_try_ms    bigint NOT NULL,
    last_error     text COLLATE "C" NOT NULL,
    model          text COLLATE "C" NOT NULL,
    prompt_version text COLLATE "C" NOT NULL,
    asked          bigint NOT NULL CHECK (asked >= 0),
    input_tokens   bigint NOT NULL,
    cached_tokens  bigint NOT NULL,
    output_tokens  bigint NOT NULL,
    cost_micro_usd bigint CHECK (cost_micro_usd >= 0),
    price_table    text COLLATE "C" NOT NULL,
    judgement      text COLLATE "C" NOT NULL CHECK (json_valid(judgement)),
    decision       text COLLATE "C" NOT NULL CHECK (json_valid(decision)),
    created_ms     bigint NOT NULL,
    done_ms        bigint,
    CHECK ((state = 'done') = (done_ms IS NOT NULL))
);
CREATE INDEX analyses_waiting ON analyses (next_try_ms) WHERE state = 'waiting';
CREATE INDEX analyses_of_task ON analyses (task_id, created_ms);
