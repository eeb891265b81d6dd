-- Transfers of living calls to a second phone: each row is the committed intent, written before anything rings.
CREATE TABLE call_transfers (
    call_id       text COLLATE "C" NOT NULL REFERENCES calls (id),
    seq           bigint NOT NULL CHECK (seq BETWEEN 1 AND 99),
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    target        text COLLATE "C" NOT NULL CHECK (length(target) BETWEEN 1 AND 80),
    number        text COLLATE "C" NOT NULL,
    number_dialed text COLLATE "C" NOT NULL,
    mode          text COLLATE "C" NOT NULL CHECK (mode IN ('cold', 'warm')),
    reason        text COLLATE "C" NOT NULL,
    wanted_by     text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL CHECK (state IN ('dialing', 'ringing', 'answered', 'consulting', 'joining', 'joined',
                      'returning', 'over')),
    outcome       text COLLATE "C" CHECK (outcome IN ('connected', 'busy', 'no_answer', 'rejected', 'declined', 'bad_number',
                      'unreachable', 'network', 'trunk_fault', 'canceled', 'failed')),
    detail        text COLLATE "C" NOT NULL,
    dialing_ms    bigint NOT NULL,
    ringing_ms    bigint,
    answered_ms   bigint,
    joined_ms     bigint,
    ended_ms      bigint,
    PRIMARY KEY (call_id, seq),
    CHECK ((state = 'over') = (outcome IS NOT NULL)),
    CHECK ((state = 'over') = (ended_ms IS NOT NULL))
);
-- A call has at most one transfer under way; the index also answers which lines are taken.
CREATE UNIQUE INDEX call_transfers_one_alive ON call_transfers (call_id) WHERE state <> 'over';
