-- Reports of campaigns: numbers computed by code, words by a text model or by code. A row that is `waiting` is written by
-- whoever holds its lease; one that is done never changes. A campaign has one final report, made when it is over.
CREATE TABLE campaign_reports (
    id             text COLLATE "C" PRIMARY KEY,
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    campaign_id    text COLLATE "C" NOT NULL REFERENCES campaigns (id),
    kind           text COLLATE "C" NOT NULL CHECK (kind IN ('final', 'interim')),
    state          text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'done')),
    requested_by   text COLLATE "C" NOT NULL,
    tries          bigint NOT NULL CHECK (tries >= 0),
    next_try_ms    bigint NOT NULL,
    last_error     text COLLATE "C" NOT NULL,
    lease_owner    text COLLATE "C",
    lease_token    bigint NOT NULL,
    lease_until    bigint,
    written_by     text COLLATE "C" NOT NULL CHECK (written_by IN ('', 'model', 'code')),
    numbers        text COLLATE "C" NOT NULL CHECK (json_valid(numbers)),
    words          text COLLATE "C" NOT NULL CHECK (json_valid(words)),
    model          text COLLATE "C" NOT NULL,
    prompt_version text COLLATE "C" NOT NULL,
    asked          bigint NOT NULL CHECK (asked >= 0),
    input_tokens   bigint NOT NULL,
    cached_tokens  bigint NOT NULL,
    output_tokens  bigint NOT NULL,
    cost_micro_usd bigint CHECK (cost_micro_usd >= 0),
    price_table    text COLLATE "C" NOT NULL,
    created_ms     bigint NOT NULL,
    done_ms        bigint,
    CHECK ((state = 'done') = (done_ms IS NOT NULL)),
    CHECK ((state = 'done') = (written_by <> ''))
);
CREATE UNIQUE INDEX campaign_reports_final ON campaign_reports (campaign_id) WHERE kind = 'final';
CREATE UNIQUE INDEX campaign_reports_asked ON campaign_reports (campaign_id) WHERE kind = 'interim' AND state = 'waiting';
CREATE INDEX campaign_reports_waiting ON campaign_reports (next_try_ms) WHERE state = 'waiting';
CREATE INDEX campaign_reports_of_campaign ON campaign_reports (campaign_id, created_ms DESC, id DESC);

INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, 'talk_ms', sum(ended_ms - answered_ms) FROM calls
    WHERE campaign_id IS NOT NULL AND answered_ms IS NOT NULL AND ended_ms > answered_ms GROUP BY campaign_id;
