"""How the simulated API behaves when nothing goes wrong."""

import msgspec


class SimOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Timing and limits; the defaults resemble the real service."""

    speed: float = 5.0
    """Audio is generated this many times faster than it is spoken (3 to 8 on the real service)."""
    delta_ms: tuple[int, int] = (200, 400)
    """Shortest and longest audio in one delta."""
    first_delta_ms: int = 80
    """From response.created to the first delta, unless the brain's step says otherwise."""
    transcript_ms: int = 150
    """From committed to the transcript of the callee's turn."""
    vocabulary: tuple[str, ...] = ()
    """Sentences whose words the recognizer knows; empty: it writes down exactly what it hears."""
    session_limit_s: float = 3_600.0
    journal_limit: int = 20_000
    keep_audio: bool = False
    """Keep every appended byte (`SimSession.appended_audio`), for tests that compare it with what was spoken."""
    api_key: str | None = None
    """The only key that is let in; None accepts any."""
