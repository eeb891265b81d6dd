"""How outside systems are reached: which addresses may be private, which secrets are sent, and shown to nobody."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import msgspec

from app.domain.outside_tool import environment_name, filled_header
from app.guarded_http import GuardedClient, HostRules, Origin
from app.guarded_http.client import Resolve
from app.outside_tools.errors import ToolFailed

MAX_BYTES = 512 * 1024
"""Of one answer; more is not read, whatever of it would reach the model."""
HIDDEN = "[hidden]"
MIN_SECRET = 4
"""Shorter values are no secrets, and hiding them would spoil texts."""
MAX_DEPTH = 100
"""Of a result, in arrays and objects: deeper than anything a model reads."""
_SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|key|passw|credential|(?:^|-)auth(?:$|-)", re.I)
"""Names of headers whose fixed values are secrets; those of others, like a version, may be in any result."""


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
        """A text of another system, without the secrets it was sent: some echo their request."""
        for secret in self._secrets(headers):
            text = text.replace(secret, HIDDEN)
        return text

    def hidden(self, value: object, headers: Mapping[str, str]) -> object:
        """The same for what was read from JSON: texts and names in it, and numbers that are a secret as a whole.
        Raises ToolFailed for a value of more than `MAX_DEPTH` levels.
        """
        return _hidden(value, self._secrets(headers), MAX_DEPTH)

    def _secrets(self, headers: Mapping[str, str]) -> list[str]:
        """Longest first, each also as JSON writes it: a text may be JSON, or hold some."""
        found: set[str] = set()
        for name, value in headers.items():
            if (variable := environment_name(value)) is not None:
                found.add(self.environment.get(variable, ""))
            elif _SECRET_HEADER.search(name):
                found |= {value, value.partition(" ")[2]} if "auth" in name.lower() else {value}
        plain = [one for one in found if len(one) >= MIN_SECRET]
        escaped = [msgspec.json.encode(one).decode()[1:-1] for one in plain]
        slashes = [one.replace("/", "\\/") for one in escaped]  # some encoders escape it, all may
        return sorted({*plain, *escaped, *slashes}, key=len, reverse=True)


def _hidden(value: object, secrets: list[str], levels: int) -> object:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if not isinstance(value, list | dict):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return HIDDEN if number and str(value) in secrets else value
    if not levels:
        raise ToolFailed("It was asked and answered, too deeply nested to be read.", status="nonsense")
    if isinstance(value, list):
        return [_hidden(one, secrets, levels - 1) for one in cast("list[object]", value)]
    named = cast("dict[str, object]", value).items()
    return {str(_hidden(name, secrets, 0)): _hidden(one, secrets, levels - 1) for name, one in named}
