"""How outside systems are reached: which addresses may be private, which secrets are sent, and shown to nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.outside_tool import environment_name, filled_header
from app.guarded_http import GuardedClient, HostRules, Origin
from app.guarded_http.client import Resolve
from app.outside_tools.errors import ToolFailed

MAX_BYTES = 512 * 1024
"""Of one answer; more is not read, whatever of it would reach the model."""
HIDDEN = "[hidden]"
MIN_SECRET = 4
"""Shorter values are no secrets, and hiding them would spoil texts."""


@dataclass(frozen=True)
class Way:
    """`trusted`: origins that may be private (OUTSIDE_TOOL_HOSTS). `environment`: variables whose names begin with
    OPENDEEP_TOOL_; no other is sent. `resolve`: for tests, instead of the machine's resolver.
    """

    trusted: frozenset[Origin] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    resolve: Resolve | None = None

    @property
    def rules(self) -> HostRules:
        """For the guarded client."""
        return HostRules(trusted=self.trusted)

    def client(self, timeout_s: float, max_bytes: int = MAX_BYTES) -> GuardedClient:
        """A client with these limits."""
        return GuardedClient(resolve=self.resolve, max_bytes=max_bytes, timeout_s=timeout_s)

    def missing(self, headers: Mapping[str, str], url: str) -> str:
        """The first environment variable that a header needs and that cannot be sent; empty: there is none."""
        return next(
            (
                environment_name(value) or name
                for name, value in headers.items()
                if self._filled(value, url) is None
            ),
            "",
        )

    def headers(self, headers: Mapping[str, str], url: str) -> dict[str, str]:
        """As they are sent to `url`. Raises ToolFailed when a variable is not set, or not for that host."""
        sent: dict[str, str] = {}
        for name, value in headers.items():
            filled = self._filled(value, url)
            if filled is None:
                raise ToolFailed(
                    f"The environment variable {environment_name(value)} is not set, or not for this host.",
                    status="no secret",
                )
            sent[name] = filled
        return sent

    def _filled(self, value: str, url: str) -> str | None:
        return filled_header(value, url, self.environment)

    def redacted(self, text: str, headers: Mapping[str, str]) -> str:
        """What another system wrote, without the secrets it was sent: some echo their request."""
        secrets = [self.environment.get(environment_name(value) or "", "") for value in headers.values()]
        secrets += [value for value in headers.values() if environment_name(value) is None]
        for secret in sorted({one for one in secrets if len(one) >= MIN_SECRET}, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
