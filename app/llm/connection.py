"""The HTTP side that both adapters share: one SDK client, bounded concurrency, retries, errors in our words.

Retried are 408, 409, 429 (not `insufficient_quota`), 5xx and broken connections, at most `TRIES` times, after
`retry-after(-ms)` or a growing pause with jitter; `x-should-retry: false` is obeyed. The SDK's own retries are
off: they would also repeat what cannot succeed. Bodies are never logged.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from functools import cache
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import openai
import structlog

from app.llm.errors import TextModelError, TextModelRefused, TextModelUnavailable
from app.llm.model import Reply

log = structlog.get_logger()
T = TypeVar("T")

TRIES = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
"""A server that asks for a longer pause is not waited for here; the work is queued by whoever asked."""
_RETRYABLE = frozenset({408, 409, 429})
_SETUP = frozenset({401, 402, 403})
for _name in ("openai", "httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # at debug level they write whole bodies


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates and names are checked against the machine's trust store, read once: it takes some 20 ms."""
    return ssl.create_default_context()


class TextConnection:
    """Async context manager around `AsyncOpenAI`. `pause` sleeps between tries."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        concurrency: int = 4,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        strict: bool = False,
    ) -> None:
        """`strict`: answers must fit the SDK's types exactly (for tests of servers)."""
        self._places = asyncio.Semaphore(concurrency)
        self._pause = pause
        self.host = urlsplit(base_url).netloc
        self.client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(verify=tls_context()),
            _strict_response_validation=strict,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    async def run(self, send: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        """One request, repeated where sensible; each try may take `timeout_s`. Raises TextModelError."""
        for number in range(1, TRIES + 1):
            try:
                async with self._places, asyncio.timeout(timeout_s):
                    return await send()
            except (openai.OpenAIError, TimeoutError, OSError) as error:
                pause_s = retry_pause_s(error, number)
                ours = self.named(error)
                if pause_s is None or number == TRIES:
                    raise ours from error
                log.info("text model asked again", host=self.host, reason=ours.message, pause_s=round(pause_s, 2))
            await self._pause(pause_s)
        raise AssertionError("the last try raises")

    def read(self, answer: T, read: Callable[[T, str], Reply], model: str) -> Reply:
        """The answer as a `Reply`. The SDK checks nothing of what servers send, so it is caught here."""
        try:
            return read(answer, model)
        except (AttributeError, TypeError, msgspec.ValidationError):
            raise TextModelUnavailable(f"{self.host} answered in a form that is not the API's.") from None

    def named(self, error: Exception) -> TextModelError:
        """The same failure as one of ours; its message names host and reason, never content."""
        if isinstance(error, openai.APIStatusError):
            return self._status(error)
        if isinstance(error, openai.APIResponseValidationError):
            return TextModelUnavailable(f"{self.host} answered in a form that is not the API's.")
        if isinstance(error, openai.APITimeoutError | TimeoutError):
            return TextModelUnavailable(f"{self.host} did not answer in time.")
        return TextModelUnavailable(f"{self.host} cannot be reached ({type(error).__name__}).")

    def _status(self, error: openai.APIStatusError) -> TextModelError:
        status = error.status_code
        about = f" ({error.param})" if error.param else ""
        if error.code == "insufficient_quota" or status in _SETUP:
            why = "has no quota left" if error.code == "insufficient_quota" else "refused the key"
            return TextModelRefused(
                f"{self.host} {why} (HTTP {status}). Check key, billing and model.", setup=True
            )
        if status in _RETRYABLE or status >= 500:
            return TextModelUnavailable(
                f"{self.host} answered HTTP {status}.", retry_after_s=_retry_after_s(error)
            )
        setup = status == 404
        code = f", {error.code}" if error.code else ""
        return TextModelRefused(f"{self.host} did not take the request: HTTP {status}{code}{about}.", setup=setup)


def retry_pause_s(error: Exception, number: int) -> float | None:
    """Seconds before the next try after the `number`-th failed; None: do not try again."""
    if isinstance(error, openai.APIStatusError):
        wanted = error.response.headers.get("x-should-retry")
        worth = error.status_code in _RETRYABLE or error.status_code >= 500
        if wanted == "false" or not worth or error.code == "insufficient_quota":
            return None
        asked_s = _retry_after_s(error)
        if asked_s is not None:
            return asked_s if asked_s <= LONGEST_PAUSE_S else None
    elif isinstance(error, openai.APIResponseValidationError):
        return None
    most_s = min(FIRST_PAUSE_S * 2 ** (number - 1), LONGEST_PAUSE_S)
    return most_s * (0.5 + random.random() / 2)


def _retry_after_s(error: openai.APIStatusError) -> float | None:
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    return None
