"""Settings of how long what people said is kept; a part of `Settings`."""

from pydantic import Field, SecretStr

from app.config.lookups import PlanningSettings


class KeepingSettings(PlanningSettings):
    """Fields only; see `app.config.settings`."""

    retention_recordings_days: int | None = Field(default=None, ge=1, le=3650)
    """Days recordings are kept; empty here and in the next two: for good. A tenant may set fewer, not more."""
    retention_talks_days: int | None = Field(default=None, ge=1, le=3650)
    """Days what was said, found out and judged is kept after a task is over; time, outcome and cost stay."""
    retention_chats_days: int | None = Field(default=None, ge=1, le=3650)
    """Days chats with the planner and uploaded lists are kept after the last word."""
    retention_webhooks_days: int | None = Field(default=30, ge=1, le=3650)
    """Days messages to other systems are kept, delivered or not."""
    erasure_key: SecretStr = SecretStr("")
    """Makes pseudonyms of erased numbers: 32 characters or more; empty: another one each time, linked to none."""
