"""A request that comes twice is done once: races, other bodies, crashes, both databases."""

import asyncio

import pytest

from app.errors import ConflictError, ValidationFailed
from app.store import idempotency, users
from app.store.db import Database
from app.store.idempotency import CLAIM_MS, KEPT_MS, Answered, Asking
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import NOW, TENANT

pytestmark = pytest.mark.anyio
DONE = Answered(status=201, body='{"id":"x"}')


def asking(**changes: object) -> Asking:
    fields = {"tenant_id": TENANT, "actor": "user:a", "route": "POST /api/v1/x", "key": "k", "body": b"{}"}
    return Asking(**{**fields, **changes})


async def deed(db: Database, who: Asking, token: str, tenant: str = "made") -> None:
    """Something that shows whether it was done: a tenant."""
    async with db.tx() as tx:
        await users.add_tenant(tx, tenant, "Made", NOW)
        await idempotency.settle(tx, who, token, DONE)


async def tenants(db: Database) -> set[str]:
    return {row[0] for row in await users.list_tenants(db)} - {TENANT}


async def test_the_first_answer_comes_again(opener: Opener) -> None:
    async with opener() as db:
        token = await idempotency.claim(db, asking(), NOW)
        assert isinstance(token, str)
        with pytest.raises(ConflictError, match="still being done") as refused:
            await idempotency.claim(db, asking(), NOW + 1)
        assert (refused.value.code, refused.value.retryable) == ("request_in_flight", True)
        await deed(db, asking(), token)
        assert await idempotency.claim(db, asking(), NOW + KEPT_MS) == DONE
        assert await tenants(db) == {"made"}
        with pytest.raises(ValidationFailed) as other:
            await idempotency.claim(db, asking(body=b"{ }"), NOW + 2)
        assert other.value.code == "idempotency_key_reused"


@pytest.mark.parametrize(
    "change", [{"actor": "user:b"}, {"route": "POST /api/v1/y"}, {"key": "l"}, {"tenant_id": "other"}]
)
async def test_a_key_is_one_persons_and_one_paths(opener: Opener, change: dict[str, str]) -> None:
    async with opener() as db:
        await users.add_tenant(db, "other", "Other", 0)
        assert isinstance(await idempotency.claim(db, asking(), NOW), str)
        assert isinstance(await idempotency.claim(db, asking(**change), NOW), str)


async def test_after_a_crash_it_is_done_once(opener: Opener) -> None:
    async with opener() as db:
        lost = await idempotency.claim(db, asking(), NOW)  # and its process dies
        assert isinstance(lost, str)
        with pytest.raises(ConflictError):
            await idempotency.claim(db, asking(), NOW + CLAIM_MS - 1)
        token = await idempotency.claim(db, asking(), NOW + CLAIM_MS)
        assert isinstance(token, str)
        with pytest.raises(ConflictError):  # it was only slow: what it did is undone
            await deed(db, asking(), lost, "twice")
        await deed(db, asking(), token)
        assert await tenants(db) == {"made"}
        with pytest.raises(ConflictError):
            await deed(db, asking(), lost, "twice")
        assert await tenants(db) == {"made"}
        await idempotency.release(db, asking(), lost)
        await idempotency.release(db, asking(), token)
        assert await idempotency.claim(db, asking(), NOW + CLAIM_MS) == DONE, "an answer is not forgotten"


async def test_a_refused_request_frees_its_key(opener: Opener) -> None:
    async with opener() as db:
        token = await idempotency.claim(db, asking(), NOW)
        assert isinstance(token, str)
        await idempotency.release(db, asking(), token)
        assert isinstance(await idempotency.claim(db, asking(body=b"[]"), NOW), str)


async def test_of_many_at_once_one_does_it(opener: Opener) -> None:
    async with opener() as db:
        got: list[str | Answered | ConflictError] = []

        async def one() -> None:
            try:
                got.append(await idempotency.claim(db, asking(), NOW))
            except ConflictError as refused:
                got.append(refused)

        async with asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(one())
        assert sum(isinstance(one, str) for one in got) == 1
        assert sum(isinstance(one, ConflictError) for one in got) == 11


async def test_old_answers_are_swept(opener: Opener) -> None:
    async with opener() as db:
        await users.add_tenant(db, "other", "Other", 0)
        for tenant in (TENANT, "other"):
            for number in range(3):
                who = asking(key=f"k{number}", tenant_id=tenant)
                token = await idempotency.claim(db, who, NOW + number)
                assert isinstance(token, str)
                await deed(db, who, token, f"{tenant}{number}")
        assert await idempotency.sweep(db, NOW + KEPT_MS) == 0
        assert await idempotency.sweep(db, NOW + KEPT_MS + 2) == 4, "two of each tenant"
        assert await db.one("SELECT count(*) FROM idempotency_keys") == (2,)


async def test_an_answer_that_is_too_old_is_not_given_again(opener: Opener) -> None:
    async with opener() as db:
        token = await idempotency.claim(db, asking(), NOW)
        assert isinstance(token, str)
        await deed(db, asking(), token)
        assert await idempotency.claim(db, asking(), NOW + KEPT_MS) == DONE
        again = await idempotency.claim(db, asking(body=b"[]"), NOW + KEPT_MS + 1)
        assert isinstance(again, str), "the key is free again, for another body too"
