"""Settings of how much may be asked of the console; a part of `Settings`."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EntranceSettings(BaseSettings):
    """Fields only; see `app.config.settings`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        env_file_encoding="utf-8",
    )

    api_requests_per_minute: int = Field(default=600, ge=0, le=100_000)
    """Requests to the API a key or a person may make in a minute, or a stranger's address; 0: no limit."""
    sign_ins_per_minute: int = Field(default=30, ge=0, le=100_000)
    """Tries to sign in from one address in a minute; 0: no limit."""
