-- How an agent takes turns; empty: TURN_PRESET of the settings.
ALTER TABLE agents ADD COLUMN turn_preset text COLLATE "C" NOT NULL DEFAULT ''
    CHECK (turn_preset IN ('', 'natural', 'phone', 'noisy', 'digits'));

-- Where an agent's turn lost its time, and which response made it (its cost is in response_usage). NULL: not measured.
ALTER TABLE call_transcripts ADD COLUMN response_id text COLLATE "C";
ALTER TABLE call_transcripts ADD COLUMN stop_to_response_ms bigint CHECK (stop_to_response_ms >= 0);
ALTER TABLE call_transcripts ADD COLUMN response_to_delta_ms bigint CHECK (response_to_delta_ms >= 0);
ALTER TABLE call_transcripts ADD COLUMN delta_to_rtp_ms bigint CHECK (delta_to_rtp_ms >= 0);

-- A tenant that must not dial until somebody lifts it: its account with the model is refused.
CREATE TABLE tenant_holds (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    code      text COLLATE "C" NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
    message   text COLLATE "C" NOT NULL,
    call_id   text COLLATE "C" REFERENCES calls (id),
    since_ms  bigint NOT NULL,
    PRIMARY KEY (tenant_id, code)
);
