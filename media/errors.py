"""Errors of the media room.

- MediaError
  - MalformedRtp: the peer sent bytes that are not an RTP packet; counted where packets are read, never fatal.
  - MediaUsageError: our own code called something wrongly; always a bug.
"""


class MediaError(Exception):
    """Anything this room raises on purpose."""


class MalformedRtp(MediaError):
    """These bytes are not an RTP version 2 packet (RFC 3550 5.1)."""


class MediaUsageError(MediaError, ValueError):
    """An argument that our own code must not pass."""
