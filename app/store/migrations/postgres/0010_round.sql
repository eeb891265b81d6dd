-- What every round of a scheduler asks is answered by an index that holds nothing but the answer: tasks that are
-- claimed or in a call with their leases, tasks that wait for a conclusion, campaigns that run.
DROP INDEX tasks_leased;
CREATE INDEX tasks_alive ON tasks (lease_until, lease_owner, campaign_id, tenant_id)
    WHERE state IN ('claimed', 'in_call');
CREATE INDEX tasks_analyzing ON tasks (updated_ms, id) WHERE state = 'analyzing';
CREATE INDEX campaigns_active ON campaigns (id, max_concurrent_calls) WHERE state = 'active';
