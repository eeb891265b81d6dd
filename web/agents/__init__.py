"""The pages of agents: who speaks, each version, what changed between two, the file that makes the next one."""
