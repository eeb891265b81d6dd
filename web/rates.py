"""How many requests somebody may make: programs per key, people per session, strangers per address.

Litestar's middleware counts in windows of a minute. With `REDIS_URL` the counts lie in Redis, so that a console
that is started again goes on with them; while Redis is away they are counted here. Nobody is refused, and nobody
waits long, for a Redis that does not answer.
"""

import ipaddress
import time
from datetime import timedelta
from typing import Any

import structlog
from litestar import Request
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.middleware.rate_limit import RateLimitConfig, RateLimitMiddleware
from litestar.stores.base import Store
from litestar.stores.memory import MemoryStore
from litestar.stores.redis import RedisStore
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.config import Settings
from web.auth import SAFE_METHODS, caller_of, person_of

log = structlog.get_logger()

STORE = "rates"
ANSWER_S = 0.2
"""How long Redis may take; every request that is counted waits behind it."""
AWAY_S = 10.0
"""How long Redis is not asked after it failed."""
SWEEP_AT = 1_000
"""So many counts are set, then those of windows that are over are removed from memory."""
ENTRANCES = ("/sign-in", "/enter")
Asked = Request[Any, Any, State]


class RateStore(Store):
    """Counts in Redis, or in memory when there is none or it is away."""

    def __init__(self, redis_url: str) -> None:
        """Raises ValueError when `redis_url` is no address of a Redis."""
        self._memory = MemoryStore()
        self._redis: RedisStore | None = None
        self._ask_again_s = 0.0
        self._set = 0
        if redis_url:
            redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - redis-py leaves arguments untyped
                redis_url,
                socket_timeout=ANSWER_S,
                socket_connect_timeout=ANSWER_S,
                retry=Retry(NoBackoff(), 0),
            )
            self._redis = RedisStore(redis, namespace="opendeep_rates", handle_client_shutdown=True)

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep a count."""
        if (redis := self._asked()) is not None:
            try:
                return await redis.set(key, value, expires_in)
            except (RedisError, OSError) as error:
                self._away(error)
        self._set += 1
        if self._set % SWEEP_AT == 0:
            await self._memory.delete_expired()
        return await self._memory.set(key, value, expires_in)

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """A count."""
        if (redis := self._asked()) is not None:
            try:
                return await redis.get(key, renew_for)
            except (RedisError, OSError) as error:
                self._away(error)
        return await self._memory.get(key, renew_for)

    async def delete(self, key: str) -> None:
        """Forget a count kept here."""
        await self._memory.delete(key)

    async def delete_all(self) -> None:
        """Forget what is kept here."""
        await self._memory.delete_all()

    async def exists(self, key: str) -> bool:
        """Whether there is a count."""
        return await self.get(key) is not None

    async def expires_in(self, key: str) -> int | None:
        """Seconds a count kept here lives on."""
        return await self._memory.expires_in(key)

    async def __aexit__(self, *failed: Any) -> None:
        if self._redis is not None:
            await self._redis.__aexit__(*failed)

    def _asked(self) -> RedisStore | None:
        return self._redis if time.monotonic() >= self._ask_again_s else None

    def _away(self, error: Exception) -> None:
        log.warning("requests are counted in memory, Redis does not answer", error=str(error))
        self._ask_again_s = time.monotonic() + AWAY_S


class ApiRate(RateLimitMiddleware):
    """Requests to the API. The name stands in the keys of the counts."""


class EntranceRate(RateLimitMiddleware):
    """Tries to get in."""


def rates(settings: Settings) -> list[DefineMiddleware]:
    """The middlewares, to stand behind the one that finds the person; 0 in the settings switches one off."""
    made: list[DefineMiddleware] = []
    if settings.api_requests_per_minute:
        api = RateLimitConfig(
            ("minute", settings.api_requests_per_minute),
            identifier_for_request=whose,
            check_throttle_handler=_asks_api,
            middleware_class=ApiRate,
            store=STORE,
        )
        made.append(api.middleware)
    if settings.sign_ins_per_minute:
        entrance = RateLimitConfig(
            ("minute", settings.sign_ins_per_minute),
            identifier_for_request=address_of,
            check_throttle_handler=_enters,
            middleware_class=EntranceRate,
            store=STORE,
        )
        made.append(entrance.middleware)
    return made


def whose(request: Asked) -> str:
    """Who is counted: a key or a person of a tenant, else where the request comes from."""
    person = person_of(request)
    return address_of(request) if person is None else f"{person.tenant_id} {person.actor}"


def address_of(request: Asked) -> str:
    """Where a request comes from; of IPv6 the network of 64 bits, which is one customer's."""
    told = caller_of(request).address
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return told
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


async def _asks_api(request: Asked) -> bool:
    """A coroutine, though it waits for nothing: Litestar would run a plain function in the pool of threads."""
    return request.url.path.startswith("/api/")


async def _enters(request: Asked) -> bool:
    return request.method not in SAFE_METHODS and request.url.path in ENTRANCES
