"""The pages of campaigns: the list, one campaign with its figures, and the tasks and calls behind each number."""

from web.campaigns.routes import campaign_routes

__all__ = ["campaign_routes"]
