-- What an agent knows and may do besides talking; JSON in the form of app/domain/agent.py.
ALTER TABLE agents ADD COLUMN few_shot TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(few_shot));
ALTER TABLE agents ADD COLUMN data_to_fill TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(data_to_fill));
ALTER TABLE agents ADD COLUMN http_tools TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(http_tools));
ALTER TABLE agents ADD COLUMN mcp TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(mcp));
ALTER TABLE agents ADD COLUMN s3_file_paths TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(s3_file_paths));
ALTER TABLE agents ADD COLUMN transfer_targets TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(transfer_targets));
ALTER TABLE agents ADD COLUMN voicemail TEXT NOT NULL DEFAULT 'leave' CHECK (voicemail IN ('leave', 'none'));
ALTER TABLE agents ADD COLUMN voicemail_message TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN unanswered TEXT NOT NULL DEFAULT 'close_and_call_back'
    CHECK (unanswered IN ('go_on', 'close', 'close_and_call_back'));
ALTER TABLE agents ADD COLUMN feedback_wait_s INTEGER NOT NULL DEFAULT 45 CHECK (feedback_wait_s BETWEEN 5 AND 600);
ALTER TABLE agents ADD COLUMN max_talk_s INTEGER CHECK (max_talk_s BETWEEN 10 AND 7200);
ALTER TABLE agents ADD COLUMN version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1);

-- Every version an agent ever had; a call keeps the one it began with.
CREATE TABLE agent_versions (
    agent_id   TEXT NOT NULL REFERENCES agents (id),
    version    INTEGER NOT NULL CHECK (version >= 1),
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    body       TEXT NOT NULL CHECK (json_valid(body)),
    made_by    TEXT REFERENCES users (id),
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (agent_id, version)
) STRICT, WITHOUT ROWID;

ALTER TABLE calls ADD COLUMN agent_version INTEGER NOT NULL DEFAULT 1 CHECK (agent_version >= 1);
-- Who answered, by answer supervision; empty: not decided.
ALTER TABLE calls ADD COLUMN answered_by TEXT NOT NULL DEFAULT '' CHECK (answered_by IN ('', 'human', 'machine',
    'beep', 'ivr', 'call_screening', 'hold_music', 'silence', 'fax', 'network_tone', 'uncertain'));

-- What a call found out, each value with the callee's words that prove it and their place in the audio.
CREATE TABLE collected_fields (
    call_id        TEXT NOT NULL REFERENCES calls (id),
    name           TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 48),
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    task_id        TEXT NOT NULL REFERENCES tasks (id),
    value          TEXT NOT NULL CHECK (json_valid(value)),
    item_id        TEXT NOT NULL,
    quote          TEXT NOT NULL,
    start_audio_ms INTEGER NOT NULL,
    end_audio_ms   INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL,
    PRIMARY KEY (call_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX collected_fields_of_task ON collected_fields (task_id, created_ms);

-- What the agent does when nobody answers in time, as it was when it asked.
ALTER TABLE feedback_requests ADD COLUMN rule TEXT NOT NULL DEFAULT 'close_and_call_back'
    CHECK (rule IN ('go_on', 'close', 'close_and_call_back'));
