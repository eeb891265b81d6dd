"""The token bucket of a trunk: how many calls may begin in a second.

It holds one token, so that no second ever sees more calls than the rate: with a deeper one a pause would be
followed by a burst, which carriers answer with refusals. Kept in millionths of a token, so that nothing is
rounded up.
"""

import msgspec

TOKEN_MICRO = 1_000_000
CLOCK_TOLERANCE_MS = 5_000
"""Clocks of several hosts may differ by this much; a bucket from further ahead was written before a clock was
set.
"""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """As it was at `at_ms`."""

    tokens_micro: int = TOKEN_MICRO
    at_ms: int = 0


def filled(bucket: Bucket, per_second: float, now_ms: int) -> Bucket:
    """The bucket now. A clock that is behind the bucket's waits for it; one that was set back begins anew,
    empty.
    """
    if now_ms < bucket.at_ms:
        behind = bucket.at_ms - now_ms <= CLOCK_TOLERANCE_MS
        return bucket if behind else Bucket(tokens_micro=0, at_ms=now_ms)
    gained = int((now_ms - bucket.at_ms) * per_second * TOKEN_MICRO / 1000)
    return Bucket(tokens_micro=min(TOKEN_MICRO, bucket.tokens_micro + gained), at_ms=now_ms)


def next_token_ms(bucket: Bucket, per_second: float, waiting: int = 0) -> int:
    """When there is a token for somebody behind `waiting` others; `at_ms` when there is one now."""
    missing = TOKEN_MICRO * (1 + waiting) - bucket.tokens_micro
    return bucket.at_ms if missing <= 0 else bucket.at_ms + -int(-missing * 1000 // (per_second * TOKEN_MICRO))


def taken(bucket: Bucket) -> Bucket:
    """With one token less. Raises ValueError when there is none."""
    if bucket.tokens_micro < TOKEN_MICRO:
        raise ValueError("the bucket has no token")
    return msgspec.structs.replace(bucket, tokens_micro=bucket.tokens_micro - TOKEN_MICRO)
