-- Transfers of living calls to a second phone: each row is the committed intent, written before anything rings.
CREATE TABLE call_transfers (
    call_id       TEXT NOT NULL REFERENCES calls (id),
    seq           INTEGER NOT NULL CHECK (seq BETWEEN 1 AND 99),
    tenant_id     TEXT NOT NULL REFERENCES tenants (id),
    target        TEXT NOT NULL CHECK (length(target) BETWEEN 1 AND 80),
    number        TEXT NOT NULL,
    number_dialed TEXT NOT NULL,
    mode          TEXT NOT NULL CHECK (mode IN ('cold', 'warm')),
    reason        TEXT NOT NULL,
    wanted_by     TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('dialing', 'ringing', 'answered', 'consulting', 'joining', 'joined',
                      'returning', 'over')),
    outcome       TEXT CHECK (outcome IN ('connected', 'busy', 'no_answer', 'rejected', 'declined', 'bad_number',
                      'unreachable', 'network', 'trunk_fault', 'canceled', 'failed')),
    detail        TEXT NOT NULL,
    dialing_ms    INTEGER NOT NULL,
    ringing_ms    INTEGER,
    answered_ms   INTEGER,
    joined_ms     INTEGER,
    ended_ms      INTEGER,
    PRIMARY KEY (call_id, seq),
    CHECK ((state = 'over') = (outcome IS NOT NULL)),
    CHECK ((state = 'over') = (ended_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
-- A call has at most one transfer under way; the index also answers which lines are taken.
CREATE UNIQUE INDEX call_transfers_one_alive ON call_transfers (call_id) WHERE state <> 'over';
