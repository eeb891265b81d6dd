-- Figures of campaigns, counted as things happen, so that a page about a million tasks reads a few rows.

-- How far a task has come: 1 dialed, 2 answered, 3 a person answered, 4 a conversation (app/domain/campaign_figures.py).
ALTER TABLE tasks ADD COLUMN reached bigint NOT NULL DEFAULT 0 CHECK (reached BETWEEN 0 AND 4);
UPDATE tasks SET reached = 1 WHERE EXISTS (SELECT 1 FROM calls c WHERE c.task_id = tasks.id AND c.dialed = 1);
UPDATE tasks SET reached = 2
    WHERE EXISTS (SELECT 1 FROM calls c WHERE c.task_id = tasks.id AND c.answered_ms IS NOT NULL);
UPDATE tasks SET reached = 3 WHERE EXISTS (SELECT 1 FROM calls c
    WHERE c.task_id = tasks.id AND c.answered_ms IS NOT NULL AND c.answered_by = 'human');
UPDATE tasks SET reached = 4 WHERE EXISTS (SELECT 1 FROM calls c
    WHERE c.task_id = tasks.id AND c.answered_ms IS NOT NULL
        AND c.answered_by IN ('human', '', 'uncertain', 'silence')
        AND EXISTS (SELECT 1 FROM call_transcripts w WHERE w.call_id = c.id AND w.speaker = 'callee')
        AND EXISTS (SELECT 1 FROM call_transcripts w WHERE w.call_id = c.id AND w.speaker = 'agent'));
UPDATE tasks SET reached = 4 WHERE state = 'completed' AND reached >= 2;
CREATE INDEX tasks_reached ON tasks (campaign_id, reached, created_ms DESC, id DESC) WHERE reached > 0;

-- The campaign of a call that has ended and had been dialed, or was a call-back.
ALTER TABLE calls ADD COLUMN campaign_id text COLLATE "C" REFERENCES campaigns (id);
UPDATE calls SET campaign_id = (SELECT t.campaign_id FROM tasks t WHERE t.id = calls.task_id)
    WHERE state = 'ended' AND (dialed = 1 OR direction = 'inbound');
CREATE INDEX calls_of_campaign ON calls (campaign_id, outcome, created_ms DESC, id DESC)
    WHERE campaign_id IS NOT NULL;

-- `name`: tasks, a settled state, reached:1 to reached:4, attempt:K (tasks that were dialed K times at least).
CREATE TABLE campaign_counts (
    campaign_id text COLLATE "C" NOT NULL REFERENCES campaigns (id),
    name        text COLLATE "C" NOT NULL,
    n           bigint NOT NULL,
    PRIMARY KEY (campaign_id, name)
);
INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, 'tasks', count(*) FROM tasks WHERE campaign_id IS NOT NULL GROUP BY campaign_id;
INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, state, count(*) FROM tasks
    WHERE campaign_id IS NOT NULL AND state IN ('completed', 'failed', 'cancelled', 'suppressed')
    GROUP BY campaign_id, state;
INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, 'reached:1', count(*) FROM tasks
    WHERE campaign_id IS NOT NULL AND reached >= 1 GROUP BY campaign_id;
INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, 'reached:2', count(*) FROM tasks
    WHERE campaign_id IS NOT NULL AND reached >= 2 GROUP BY campaign_id;
INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, 'reached:3', count(*) FROM tasks
    WHERE campaign_id IS NOT NULL AND reached >= 3 GROUP BY campaign_id;
INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT campaign_id, 'reached:4', count(*) FROM tasks
    WHERE campaign_id IS NOT NULL AND reached >= 4 GROUP BY campaign_id;
INSERT INTO campaign_counts (campaign_id, name, n)
    SELECT d.campaign_id, 'attempt:' || d.nth, count(*) FROM (
        SELECT campaign_id, row_number() OVER (PARTITION BY task_id ORDER BY attempt_number) AS nth
        FROM calls WHERE campaign_id IS NOT NULL AND dialed = 1) d
    GROUP BY d.campaign_id, d.nth;

-- Ended calls by the hour in which they began (hours since 1970, UTC) and how they ended.
CREATE TABLE campaign_hours (
    campaign_id text COLLATE "C" NOT NULL REFERENCES campaigns (id),
    hour        bigint NOT NULL,
    outcome     text COLLATE "C" NOT NULL,
    calls       bigint NOT NULL,
    PRIMARY KEY (campaign_id, hour, outcome)
);
INSERT INTO campaign_hours (campaign_id, hour, outcome, calls)
    SELECT campaign_id, created_ms / 3600000, outcome, count(*) FROM calls
    WHERE campaign_id IS NOT NULL GROUP BY campaign_id, created_ms / 3600000, outcome;

-- How a campaign is brought to its end: 0 not yet, 1 stopped and its waiting tasks are taken off, 2 every task is settled
-- and the report is due, 3 nothing is left to do.
ALTER TABLE campaigns ADD COLUMN closing bigint NOT NULL DEFAULT 0 CHECK (closing BETWEEN 0 AND 3);
UPDATE campaigns SET closing = 3 WHERE state IN ('completed', 'cancelled');
CREATE INDEX campaigns_closing ON campaigns (closing, id) WHERE closing IN (1, 2);
CREATE INDEX campaigns_newest ON campaigns (tenant_id, created_ms DESC, id DESC);
