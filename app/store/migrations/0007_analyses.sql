-- What a text model made of an ended call. A row that is `waiting` keeps its task in state analyzing until it is done.
-- cost_micro_usd NULL: a model without a known price answered.
CREATE TABLE analyses (
    call_id        TEXT PRIMARY KEY REFERENCES calls (id),
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    task_id        TEXT NOT NULL REFERENCES tasks (id),
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'done')),
    tries          INTEGER NOT NULL CHECK (tries >= 0),
    next_try_ms    INTEGER NOT NULL,
    last_error     TEXT NOT NULL,
    model          TEXT NOT NULL,
    prompt_version TEXT NOT NULL,
    asked          INTEGER NOT NULL CHECK (asked >= 0),
    input_tokens   INTEGER NOT NULL,
    cached_tokens  INTEGER NOT NULL,
    output_tokens  INTEGER NOT NULL,
    cost_micro_usd INTEGER CHECK (cost_micro_usd >= 0),
    price_table    TEXT NOT NULL,
    judgement      TEXT NOT NULL CHECK (json_valid(judgement)),
    decision       TEXT NOT NULL CHECK (json_valid(decision)),
    created_ms     INTEGER NOT NULL,
    done_ms        INTEGER,
    CHECK ((state = 'done') = (done_ms IS NOT NULL))
) STRICT;
CREATE INDEX analyses_waiting ON analyses (next_try_ms) WHERE state = 'waiting';
CREATE INDEX analyses_of_task ON analyses (task_id, created_ms);
