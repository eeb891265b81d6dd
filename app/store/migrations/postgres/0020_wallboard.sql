-- What the wallboard asks every few seconds: the living calls of a tenant, and what came of those that ended lately.
CREATE INDEX calls_alive ON calls (tenant_id, created_ms DESC, id DESC) WHERE state <> 'ended';
CREATE INDEX calls_ended ON calls (tenant_id, ended_ms, outcome, answered_by) WHERE ended_ms IS NOT NULL;
