-- The calls of a campaign and of an agent, newest first, without looking at those of others.
CREATE INDEX calls_newest_of_campaign ON calls (campaign_id, created_ms DESC, id DESC) WHERE campaign_id IS NOT NULL;
CREATE INDEX calls_newest_of_agent ON calls (agent_id, created_ms DESC, id DESC);
