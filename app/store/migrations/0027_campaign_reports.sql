-- Reports of campaigns: numbers computed by code, words by a text model or by code. A row that is `waiting` is written by
-- whoever holds its lease; one that is done never changes. A campaign has one final report, made when it is over.
CREATE TABLE campaign_reports (
    id             TEXT PRIMARY KEY,
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    campaign_id    TEXT NOT NULL REFERENCES campaigns (id),
    kind           TEXT NOT NULL CHECK (kind IN ('final', 'interim')),
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'done')),
    requested_by   TEXT NOT NULL,
    tries          INTEGER NOT NULL CHECK (tries >= 0),
    next_try_ms    INTEGER NOT NULL,
    last_error     TEXT NOT NULL,
    lease_owner    TEXT,
    lease_token    INTEGER NOT NULL,
    lease_until    INTEGER,
    written_by     TEXT NOT NULL CHECK (written_by IN ('', 'model', 'code')),
    numbers        TEXT NOT NULL CHECK (json_valid(numbers)),
    words          TEXT NOT NULL CHECK (json_valid(words)),
    model          TEXT NOT NULL,
    prompt_version TEXT NOT NULL,
    asked          INTEGER NOT NULL CHECK (asked >= 0),
    input_tokens   INTEGER NOT NULL,
    cached_tokens  INTEGER NOT NULL,
    output_tokens  INTEGER NOT NULL,
    cost_micro_usd INTEGER CHECK (cost_micro_usd >= 0),
    price_table    TEXT NOT NULL,
    created_ms     INTEGER NOT NULL,
    done_ms        INTEGER,
    CHECK ((state = 'done') = (done_ms IS NOT NULL)),
    CHECK ((state = 'done') = (written_by <> ''))
) STRICT;
CREATE UNIQUE INDEX campaign_reports_final ON campaign_reports (campaign_id) WHERE kind = 'final';
CREATE UNIQUE INDEX campaign_reports_asked ON campaign_reports (campaign_id) WHERE kind = 'interim' AND state = 'waiting';
CREATE INDEX campaign_reports_waiting ON campaign_reports (next_try_ms) WHERE state = 'waiting';
CREATE INDEX campaign_reports_of_campaign ON campaign_reports (campaign_id, created_ms DESC, id DESC);

INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, 'talk_ms', sum(ended_ms - answered_ms) FROM calls
    WHERE campaign_id IS NOT NULL AND answered_ms IS NOT NULL AND ended_ms > answered_ms GROUP BY campaign_id;
