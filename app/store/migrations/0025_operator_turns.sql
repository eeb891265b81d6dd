-- A person who has taken over a call is the third who speaks in it.
CREATE TABLE call_transcripts_now (
    call_id        TEXT NOT NULL REFERENCES calls (id),
    seq            INTEGER NOT NULL,
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    speaker        TEXT NOT NULL CHECK (speaker IN ('callee', 'agent', 'operator')),
    item_id        TEXT NOT NULL,
    text           TEXT NOT NULL,
    start_audio_ms INTEGER NOT NULL,
    end_audio_ms   INTEGER NOT NULL,
    interrupted    INTEGER NOT NULL CHECK (interrupted IN (0, 1)),
    heard_ms       INTEGER NOT NULL,
    generated_ms   INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL,
    response_id    TEXT,
    stop_to_response_ms  INTEGER CHECK (stop_to_response_ms >= 0),
    response_to_delta_ms INTEGER CHECK (response_to_delta_ms >= 0),
    delta_to_rtp_ms      INTEGER CHECK (delta_to_rtp_ms >= 0),
    PRIMARY KEY (call_id, seq),
    UNIQUE (call_id, item_id, speaker)
) STRICT, WITHOUT ROWID;
INSERT INTO call_transcripts_now (call_id, seq, tenant_id, speaker, item_id, text, start_audio_ms, end_audio_ms,
    interrupted, heard_ms, generated_ms, created_ms, response_id, stop_to_response_ms, response_to_delta_ms,
    delta_to_rtp_ms)
SELECT call_id, seq, tenant_id, speaker, item_id, text, start_audio_ms, end_audio_ms,
    interrupted, heard_ms, generated_ms, created_ms, response_id, stop_to_response_ms, response_to_delta_ms,
    delta_to_rtp_ms
FROM call_transcripts;
DROP TABLE call_transcripts;
ALTER TABLE call_transcripts_now RENAME TO call_transcripts;
