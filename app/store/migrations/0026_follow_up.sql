-- What the chat follows up: calls that were planned there. `main_agent_informed_user` is NULL for all others, 0 while
-- the person has not been told how the call ended, 1 afterwards; `planned_in` is the conversation.
ALTER TABLE calls ADD COLUMN main_agent_informed_user INTEGER CHECK (main_agent_informed_user IN (0, 1));
ALTER TABLE calls ADD COLUMN planned_in TEXT REFERENCES conversations (id);
CREATE INDEX calls_untold ON calls (planned_in, ended_ms) WHERE main_agent_informed_user = 0;
CREATE INDEX plans_of_campaign ON plans (campaign_id) WHERE campaign_id IS NOT NULL;
