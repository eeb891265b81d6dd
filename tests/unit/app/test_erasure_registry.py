"""Every column that can hold words is decided upon, and what the decisions become runs on both databases."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.domain.personal_data import EVERY, OF_NUMBERS, OF_TASKS
from app.domain.personal_table import Road, Table
from app.store.erasing import statement
from app.store.free_text import WALKS
from tests.fresh_sqlite import fresh_sqlite

KINDS = ("TEXT", "BLOB")


def columns(path: Path) -> dict[str, set[str]]:
    """Text and blob columns of every table."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})") if row[2] in KINDS}
            for name in names
            if not name.startswith("sqlite_")
        }


def undecided(schema: dict[str, set[str]], tables: tuple[Table, ...]) -> list[str]:
    """Tables and columns nobody decided about, or that are decided upon and not there."""
    known = {table.name: table for table in tables}
    wrong = sorted(schema.keys() ^ known.keys())
    for name in schema.keys() & known.keys():
        table = known[name]
        texts: set[str] = set() if table.goes else schema[name] - table.decided
        strange = {one for one in table.decided - schema[name] if not one.endswith("_ms")}
        wrong += sorted(f"{name}.{column}" for column in texts | strange)
    return wrong


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    return columns(fresh_sqlite(tmp_path_factory.mktemp("registry") / "test.db"))


def test_every_text_column_has_one_decision(schema: dict[str, set[str]]) -> None:
    assert undecided(schema, EVERY) == []
    assert len({table.name for table in EVERY}) == len(EVERY)
    for table in EVERY:
        names = [name for names in table.kept for name in names.split()] + list(table.becomes)
        assert len(names) == len(set(names)), table.name
        assert all(why.strip() for why in table.kept.values()), table.name


def test_a_new_table_and_a_new_column_are_noticed(schema: dict[str, set[str]]) -> None:
    assert undecided({**schema, "diaries": {"words"}}, EVERY) == ["diaries"]
    assert undecided({**schema, "calls": {*schema["calls"], "words"}}, EVERY) == ["calls.words"]
    assert undecided(schema, EVERY[1:]) == [EVERY[0].name]


def test_what_goes_with_a_task_or_a_number_has_a_statement() -> None:
    for table in (*OF_TASKS, *OF_NUMBERS):
        assert statement(table).startswith(("DELETE", "UPDATE")), table.name


def test_no_statement_reads_more_than_what_it_takes(tmp_path: Path) -> None:
    """A tenant may have a million tasks: each statement comes to its rows by more than the tenant."""
    with closing(sqlite3.connect(fresh_sqlite(tmp_path / "test.db"))) as connection:
        for table in (*OF_TASKS, *OF_NUMBERS):
            sql = statement(table)
            params = dict.fromkeys(re.findall(r":(\w+)", sql), "[]")
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", params)]
            steps = [step for step in plan if "json_each" not in step and "LIST SUBQUERY" not in step]
            if table.name != "legal_holds":  # lifted ones: a handful
                assert all(step.startswith("SEARCH") for step in steps), (table.name, plan)
                assert not [step for step in steps if step.endswith("(tenant_id=?)")], (table.name, plan)


def test_every_free_text_is_walked_through(schema: dict[str, set[str]]) -> None:
    walked = {walk.table: {*walk.columns, *walk.named} for walk in WALKS if not walk.goes}
    free = {table.name: table for table in EVERY if table.road is Road.FREE_TEXT}
    assert walked.keys() == free.keys()
    for name, table in free.items():
        texts = {one for one, value in table.becomes.items() if one in schema[name] and value != "'message'"}
        told = {one for names, why in table.kept.items() for one in names.split() if "names the person" in why}
        assert texts | told | ({"numbers"} if name == "campaign_reports" else set()) <= walked[name], name
