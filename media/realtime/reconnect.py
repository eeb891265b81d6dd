"""When to connect again: backoff, giving up, sessions that die as soon as they live, and their regular end.

An outage ends when a session is configured, not when a socket opens. Times are monotonic seconds, delays ms.
Called by `media.realtime.session`.
"""

DELAYS_MS = (200, 500, 1_000, 2_000, 4_000)
GIVE_UP_S = 12.0
QUICK_LIFE_S = 5.0
QUICK_LIVES_LIMIT = 3
SESSION_LIMIT_S = 3_600.0
ROTATE_BEFORE_EXPIRY_S = 300.0


class SessionLife:
    """How long the present server session lives: 60 minutes, or what its `expires_at` says."""

    def __init__(self) -> None:
        self._opened_at_unix_s: float | None = None
        self._expires_at: float | None = None

    @property
    def rotate_at(self) -> float | None:
        """From here on the next quiet moment is used for a new session."""
        return None if self._expires_at is None else self._expires_at - ROTATE_BEFORE_EXPIRY_S

    def opened(self, at_unix_s: float | None, now: float) -> None:
        """The socket is open."""
        self._opened_at_unix_s = at_unix_s
        self._expires_at = now + SESSION_LIMIT_S

    def announced(self, expires_at_unix_s: float | None, now: float) -> None:
        """session.created names the end; times that make no sense are not believed."""
        if expires_at_unix_s is None or self._opened_at_unix_s is None:
            return
        left_s = expires_at_unix_s - self._opened_at_unix_s
        if ROTATE_BEFORE_EXPIRY_S < left_s <= SESSION_LIMIT_S:
            self._expires_at = now + left_s

    def closed(self) -> None:
        """The session is gone."""
        self._expires_at = None


class ReconnectPlan:
    """Backoff of one session. `None` as a delay means: give up."""

    def __init__(self) -> None:
        self._attempt = 0
        self._outage_at: float | None = None
        self._configured_at: float | None = None
        self._quick_lives = 0

    def begin(self, now: float) -> None:
        """The very first connect, which has as long as an outage may take."""
        self._outage_at = now

    def configured(self, now: float) -> None:
        """A session works: the outage is over."""
        self._outage_at = None
        self._configured_at = now
        self._attempt = self._quick_lives

    def rotate(self, now: float) -> int | None:
        """The session is replaced because its time is up: at once, unless it never really lived."""
        if self._configured_at is None or now - self._configured_at < QUICK_LIFE_S:
            return self.lost(now)
        self._configured_at = None
        self._quick_lives = self._attempt = 0
        return 0

    def lost(self, now: float) -> int | None:
        """The socket closed, or would not open. Milliseconds until the next attempt."""
        if self._died_quickly(now):
            return None
        if self._outage_at is None:
            self._outage_at = now
        delay_ms = DELAYS_MS[min(self._attempt, len(DELAYS_MS) - 1)]
        self._attempt += 1
        if now + delay_ms / 1000 - self._outage_at > GIVE_UP_S:
            return None
        return delay_ms

    def _died_quickly(self, now: float) -> bool:
        if self._configured_at is None:
            return False
        quick = now - self._configured_at < QUICK_LIFE_S
        self._configured_at = None
        if not quick:
            self._quick_lives = 0
            self._attempt = 0
            return False
        self._quick_lives += 1
        return self._quick_lives >= QUICK_LIVES_LIMIT
