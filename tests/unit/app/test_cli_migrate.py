"""`opendeep migrate` and the database checks of `opendeep doctor`: what ran, what is wrong; no password."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.doctor.database import database
from app.store.postgres import PostgresDatabase, connect_once
from scripts.lib.postgres_server import PostgresServer
from tests.unit.app.test_cli import run

pytestmark = pytest.mark.anyio


def settings(url: str) -> Settings:
    return Settings(_env_file=None, database_url=SecretStr(url))  # type: ignore[call-arg]


def test_sqlite_is_made_and_then_there_is_nothing_to_do(tmp_path: Path) -> None:
    first = run(tmp_path, "migrate", "--json", SIMULATE="True")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout.splitlines()[-1])
    assert told["ok"]
    assert told["results"][0]["n"] >= 3
    again = run(tmp_path, "migrate", SIMULATE="True")
    assert "nothing to do" in again.stdout


@pytest.mark.postgres
def test_postgres_is_migrated_and_its_password_is_not_shown(
    tmp_path: Path, fresh_database: str, postgres_cluster: PostgresServer
) -> None:
    done = run(tmp_path, "migrate", "--json", SIMULATE="True", DATABASE_URL=fresh_database)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])["results"][0]
    assert told["figures"]["database"].endswith("schema opendeep_simulated")
    assert "0001_init.sql" in told["figures"]["migrations"]
    wrong = run(tmp_path, "migrate", SIMULATE="True", DATABASE_URL=fresh_database + "-nothing")
    assert wrong.returncode == 2
    assert "no such database" in wrong.stderr
    for text in (done.stdout, done.stderr, wrong.stdout, wrong.stderr):
        assert postgres_cluster.password not in text


@pytest.mark.postgres
async def test_doctor_names_what_is_wrong_with_a_postgres(postgres_cluster: PostgresServer) -> None:
    connection = await connect_once(postgres_cluster.url)
    try:
        await connection.execute("CREATE DATABASE doctored")
        await connection.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")
    finally:
        await connection.close()
    url = postgres_cluster.url.rpartition("/")[0] + "/doctored"
    found = {check.name: check for check in await database(settings(url))}
    assert found["database"].severity == "fail"
    assert "fsync" in found["database"].message, "the cluster of the tests runs without"
    assert (found["database schema"].severity, found["database rights"].severity) == ("warn", "ok")
    assert found["database clock"].severity == "ok"
    weak = url.replace(f"opendeep:{postgres_cluster.password}", "weak:weak")
    rights = {check.name: check for check in await database(settings(weak))}["database rights"]
    assert rights.severity == "fail"
    assert "GRANT CREATE ON DATABASE doctored TO weak" in rights.message
    async with PostgresDatabase(url):
        pass
    assert {c.name: c.severity for c in await database(settings(url))}["database schema"] == "ok"
    connection = await connect_once(url)
    try:
        await connection.execute("INSERT INTO opendeep.schema_migrations VALUES (999, 'x', 'x', 0)")
    finally:
        await connection.close()
    newer = {check.name: check for check in await database(settings(url))}["database schema"]
    assert newer.severity == "fail"
    (nobody,) = await database(settings("postgresql://u:canary@127.0.0.1:1/d"))
    assert nobody.severity == "fail"
    assert "canary" not in nobody.message
