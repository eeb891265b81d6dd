"""How the simulated Asterisk is set up, and its wall clock.

What would stand in ari.conf, pjsip.conf and extensions.conf of a real one.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec


class ExchangeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How this Asterisk is set up."""

    trunk: str = "opendeep-trunk"
    asterisk_id: str = "02:0d:ee:90:00:01"
    version: str = "22.10.1"
    channelvars: tuple[str, ...] = ()
    """The `channelvars` line of ari.conf: variables shown in every channel JSON that has them. Asterisk's own
    default, and the bundled ari.conf, have none: only the externalMedia reply says where its leg listens."""
    media_start_delay_s: float = 0.001
    """From the externalMedia reply to the media channel's events."""
    hangup_delay_s: float = 0.001
    """From a soft hangup to the channel's end."""
    dialplan: Mapping[str, str] = msgspec.field(
        default_factory=lambda: {"opendeep-amd": "amd", "opendeep-transfer": "hold", "opendeep-apology": "apology"}
    )
    """What `continue` finds: "amd" comes back into Stasis, "hold" keeps the call up, "apology" answers, plays
    tones and hangs up; other contexts hang up."""
    callback_app: str = ""
    """The application `opendeep-callers` names for every number; empty, as shipped: callers get 403."""
    keep_callees: int = 200
    """How many callees, with their recordings, are kept after their calls."""


def stamp() -> str:
    """The wall clock as Asterisk prints it: milliseconds and +0000."""
    return (
        datetime.fromtimestamp(time.time(), tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
    )
