-- A call-back is a call of its task in the other direction: nobody was dialed for it. caller_channel is the id
-- Asterisk gave the caller; task_before is the state the task goes back to when nobody talked ('' = it never moved).
ALTER TABLE calls ADD COLUMN direction TEXT NOT NULL DEFAULT 'outbound'
    CHECK (direction IN ('outbound', 'inbound') AND (direction = 'outbound' OR dialed = 0));
ALTER TABLE calls ADD COLUMN caller_channel TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN task_before TEXT NOT NULL DEFAULT ''
    CHECK (task_before IN ('', 'pending', 'waiting_user'));
-- Who was dialed lately, for the number that calls now.
CREATE INDEX calls_dialed ON calls (number_dialed, dialing_ms DESC) WHERE dialed = 1;
