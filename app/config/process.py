"""Settings of how the process works, stops and is watched; a part of `Settings`."""

from typing import Literal

from pydantic import Field, field_validator

from app.config.agents import AgentSettings


class ProcessSettings(AgentSettings):
    """Fields only; see `app.config.settings`."""

    scheduler_poll_s: float = Field(default=1.0, ge=0.05, le=60)
    """Seconds between looks for due tasks when nothing wakes the scheduler."""
    lease_s: int = Field(default=30, ge=5, le=600)
    """Seconds a claimed task is held without renewal."""
    on_stop: Literal["drain", "hand_over"] = "drain"
    """What SIGTERM does: drain waits for living calls, hand_over leaves them to the next process (deployments)."""
    drain_limit_s: int = Field(default=0, ge=0, le=86_400)
    """Seconds a drain waits before the agents say goodbye; 0: as long as the longest call may take."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important log line that is written."""
    log_json: bool = False
    """True: one JSON object a line."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port Prometheus reads figures from, at /metrics and without a login; 0: none."""
    metrics_host: str = "127.0.0.1"
    """Address of that port. Keep it on loopback or in a network of your own: it tells how much you call."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level
