"""`opendeep why` wherever the tasks are kept."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.cli.store import open_store
from app.cli.why import ask
from app.config import Settings
from app.errors import NotFoundError
from app.ids import new_id
from app.store import tasks
from tests.unit.app.store_world import NOW, TENANT, add_agent, new_task

pytestmark = pytest.mark.anyio


def settings(folder: Path, url: str = "") -> Settings:
    return Settings(_env_file=None, simulate=True, data_dir=folder, database_url=SecretStr(url))  # type: ignore[call-arg]


async def known_task(given: Settings) -> str:
    async with open_store(given) as db:
        await add_agent(db)
        return (await tasks.create(db, TENANT, new_task(), NOW)).id


def test_before_there_is_any_database_no_task_is_known(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no task"):
        asyncio.run(ask(settings(tmp_path), new_id(NOW)))
    assert not [*tmp_path.iterdir()], "asking makes nothing"


async def test_a_task_in_the_file_is_known(tmp_path: Path) -> None:
    given = settings(tmp_path)
    task_id = await known_task(given)
    assert (await ask(given, task_id)).task_id == task_id


@pytest.mark.postgres
async def test_a_task_in_postgres_is_known_where_there_is_no_file(tmp_path: Path, fresh_database: str) -> None:
    given = settings(tmp_path, fresh_database)
    task_id = await known_task(given)
    assert not given.database_path.exists()
    assert (await ask(given, task_id)).task_id == task_id
    with pytest.raises(NotFoundError, match="There is no task"):
        await ask(given, new_id(NOW))
