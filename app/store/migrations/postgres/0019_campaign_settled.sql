-- by hand: triggers are written otherwise here.
-- Settled tasks of a campaign are counted by the tables themselves: many roads settle a task, and none may forget it.
-- A task that had failed may yet be completed by a call-back.
CREATE FUNCTION count_settled_task() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.state IN ('completed', 'failed', 'cancelled', 'suppressed') THEN
        INSERT INTO campaign_counts (campaign_id, name, n) VALUES (NEW.campaign_id, NEW.state, 1)
            ON CONFLICT (campaign_id, name) DO UPDATE SET n = campaign_counts.n + 1;
    END IF;
    IF OLD.state IN ('completed', 'failed', 'cancelled', 'suppressed') THEN
        UPDATE campaign_counts SET n = n - 1 WHERE campaign_id = NEW.campaign_id AND name = OLD.state;
    END IF;
    RETURN NULL;
END
$body$;
CREATE TRIGGER tasks_settled AFTER UPDATE OF state ON tasks FOR EACH ROW
    WHEN (NEW.campaign_id IS NOT NULL AND NEW.state <> OLD.state)
    EXECUTE FUNCTION count_settled_task();
