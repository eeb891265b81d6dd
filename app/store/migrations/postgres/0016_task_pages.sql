-- What the pages "Tasks" and "Calendar" ask, each answered by one index whatever the number of tasks.
CREATE INDEX tasks_of_state ON tasks (tenant_id, state, created_ms DESC, id DESC);
DROP INDEX tasks_of_campaign;
CREATE INDEX tasks_of_campaign ON tasks (campaign_id, state, created_ms DESC, id DESC);
CREATE INDEX tasks_pending_due ON tasks (tenant_id, next_action_time, id) WHERE state = 'pending';
CREATE INDEX tasks_campaign_due ON tasks (campaign_id, next_action_time, id) WHERE state = 'pending';
CREATE INDEX tasks_of_tail ON tasks (tenant_id, substr(number, length(number) - 3));
CREATE INDEX tasks_of_callee ON tasks (tenant_id, lower(callee_name), id) WHERE callee_name <> '';

-- A task that somebody put aside: its next_action_time is `until_ms` meanwhile, and was `before_ms`. The row says
-- nothing any more once the task's time is another one.
CREATE TABLE task_holds (
    task_id   text COLLATE "C" PRIMARY KEY REFERENCES tasks (id),
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    until_ms  bigint NOT NULL,
    before_ms bigint NOT NULL,
    reason    text COLLATE "C" NOT NULL,
    placed_by text COLLATE "C" NOT NULL,
    since_ms  bigint NOT NULL
);

-- How calls that rang ended, by the hour of the callee's week (0 is Monday 00:00 to 01:00). `week` counts weeks since
-- Monday 29 December 1969, in the callee's own time.
CREATE TABLE answer_hours (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    week      bigint NOT NULL,
    hour      bigint NOT NULL CHECK (hour BETWEEN 0 AND 167),
    rung      bigint NOT NULL,
    answered  bigint NOT NULL,
    people    bigint NOT NULL,
    PRIMARY KEY (tenant_id, week, hour)
);

-- What people changed of a task, for its time line; who was allowed to is in the audit log. JSON as in
-- app/domain/task_change.py.
CREATE TABLE task_changes (
    task_id   text COLLATE "C" NOT NULL REFERENCES tasks (id),
    seq       bigint NOT NULL,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    actor     text COLLATE "C" NOT NULL,
    change    text COLLATE "C" NOT NULL CHECK (json_valid(change)),
    at_ms     bigint NOT NULL,
    PRIMARY KEY (task_id, seq)
);
CREATE INDEX feedback_of_task ON feedback_requests (task_id, created_ms);
