"""The one way out to addresses that other people chose: look-ups, pages, webhooks, agents' own tools."""

from app.guarded_http.client import Fetched, GuardedClient
from app.guarded_http.errors import FetchFailed, Unreachable, UrlRefused
from app.guarded_http.rules import HostRules, Origin, trusted_origins
from app.guarded_http.rules import checked as check_url

__all__ = [
    "FetchFailed",
    "Fetched",
    "GuardedClient",
    "HostRules",
    "Origin",
    "Unreachable",
    "UrlRefused",
    "check_url",
    "trusted_origins",
]
