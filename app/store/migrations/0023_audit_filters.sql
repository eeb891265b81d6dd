-- What the page "Audit" asks, newest first, each answered by one index.
CREATE INDEX audit_log_of_actor ON audit_log (tenant_id, actor, seq);
CREATE INDEX audit_log_of_action ON audit_log (tenant_id, action, seq);
CREATE INDEX audit_log_of_object ON audit_log (tenant_id, object, seq);
CREATE INDEX audit_log_by_time ON audit_log (tenant_id, at_ms, seq);
