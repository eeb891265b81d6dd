-- Settled tasks of a campaign are counted by the tables themselves: many roads settle a task, and none may forget it.
-- A task that had failed may yet be completed by a call-back.
CREATE TRIGGER tasks_settled AFTER UPDATE OF state ON tasks
    WHEN NEW.campaign_id IS NOT NULL AND NEW.state <> OLD.state
        AND NEW.state IN ('completed', 'failed', 'cancelled', 'suppressed')
BEGIN
    INSERT INTO campaign_counts (campaign_id, name, n) VALUES (NEW.campaign_id, NEW.state, 1)
        ON CONFLICT (campaign_id, name) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tasks_settled_otherwise AFTER UPDATE OF state ON tasks
    WHEN NEW.campaign_id IS NOT NULL AND NEW.state <> OLD.state
        AND OLD.state IN ('completed', 'failed', 'cancelled', 'suppressed')
BEGIN
    UPDATE campaign_counts SET n = n - 1 WHERE campaign_id = NEW.campaign_id AND name = OLD.state;
END;
