-- by hand: PostgreSQL changes a check where SQLite has to copy the table.
-- A person who has taken over a call is the third who speaks in it.
ALTER TABLE call_transcripts DROP CONSTRAINT call_transcripts_speaker_check;
ALTER TABLE call_transcripts ADD CONSTRAINT call_transcripts_speaker_check
    CHECK (speaker IN ('callee', 'agent', 'operator'));
