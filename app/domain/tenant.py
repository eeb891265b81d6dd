"""Tenants. Until people sign in, everything belongs to the one that migration 0001 creates."""

DEFAULT_TENANT_ID = "default"
