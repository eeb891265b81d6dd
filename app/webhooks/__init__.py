"""Tells a tenant's other systems what happened: signed, again until they have it, never into our own network."""
