"""Rehearsals: an agent's version against simulated callees, before anybody is called."""
