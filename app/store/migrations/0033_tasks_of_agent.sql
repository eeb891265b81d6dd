-- Whether an agent calls anybody else, asked before its words go with somebody who is forgotten.
CREATE INDEX tasks_of_agent ON tasks (agent_id, number);
