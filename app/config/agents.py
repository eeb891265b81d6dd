"""Settings of what agents may reach and know; a part of `Settings`."""

from pydantic import Field

from app.config.keeping import KeepingSettings


class AgentSettings(KeepingSettings):
    """Fields only; see `app.config.settings`."""

    outside_tool_hosts: str = Field(
        default="", pattern=r"^( *(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+)(:[0-9]{1,5})? *(,|$))*$"
    )
    """Hosts agents' own functions may reach in your network, or without TLS: host or host:port, by commas."""
    webhook_hosts: str = Field(
        default="", pattern=r"^( *(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+)(:[0-9]{1,5})? *(,|$))*$"
    )
    """Hosts webhooks may reach in your network, or without TLS: host or host:port, separated by commas."""
    documents_dir: str = ""
    """Folder of documents agents know, in it one folder per tenant (default/...); empty: DATA_DIR/documents."""
    s3_endpoint: str = ""
    """Address of the object store that s3://bucket/key means, like https://s3.eu-central-1.amazonaws.com."""
