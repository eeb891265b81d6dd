"""What the models of one call have cost so far, and whether that is enough. Pure.

Used by `app.calls.conversation`.
"""


class Spending:
    """`limit_micro_usd` None: there is no limit."""

    def __init__(self, limit_micro_usd: int | None) -> None:
        self.micro_usd = 0
        self._limit = limit_micro_usd

    def add(self, micro_usd: int) -> bool:
        """Count a response or a transcription. True: the call has cost what it may."""
        self.micro_usd += micro_usd
        return self._limit is not None and self.micro_usd >= self._limit
