"""`:name` to `$N`: SQLite, which knows `:name` itself, is the independent witness for generated statements."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.parameters import positional, without_locks

NAMES = ("a", "b_2", "Now", "x", "at_ms")
PARAMETER = st.sampled_from([f":{name}" for name in NAMES])
ASKED = st.sampled_from([f":{name} IS NULL" for name in NAMES] + [f"(:{name} is  not null)" for name in NAMES])
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=12)
QUOTED = TEXT.map(lambda text: "'" + text.replace("'", "''") + "'")
NUMBER = st.integers(0, 99).map(str)
COMMENT = st.sampled_from(["/* :a 'it' \" */ 1", "1 -- :b it's $1 FOR UPDATE\n", "/*:x*/ 2"])
TERM = st.one_of(PARAMETER, ASKED, QUOTED, NUMBER, COMMENT)
VALUES = {"a": 1, "b_2": None, "Now": "it's", "x": 2.5, "at_ms": 7}


def run(sql: str, values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        return connection.execute(sql, values).fetchall()  # type: ignore[arg-type]


@given(st.lists(TERM, min_size=1, max_size=8))
def test_what_is_bound_by_number_is_what_was_meant_by_name(terms: list[str]) -> None:
    sql = "SELECT " + ", ".join(terms)
    made = positional(sql)
    # SQLite takes `$1` for a parameter named 1, and `$1::text` for one named 1::text (as in Tcl).
    numbered = {str(at): value for at, value in enumerate(made.values(VALUES), start=1)}
    every = numbered | {f"{at}::{kind}": value for at, value in numbered.items() for kind in ("text", "bigint")}
    assert run(made.text, every) == run(sql, VALUES)


@pytest.mark.parametrize(
    ("sql", "text", "names"),
    [
        ("a = :x AND b = :y OR c = :x", "a = $1 AND b = $2 OR c = $1", ["x", "y"]),
        ("SELECT :x::bigint, '::', ':y'", "SELECT $1::bigint, '::', ':y'", ["x"]),
        ('SELECT ":q" FROM t -- :c\nWHERE :p', 'SELECT ":q" FROM t -- :c\nWHERE $1', ["p"]),
        ("a > :now_ms - :idle_ms", "a > $1::bigint - $2::bigint", ["now_ms", "idle_ms"]),
        ("SELECT $body$ :no 'it $body$, :yes", "SELECT $body$ :no 'it $body$, $1", ["yes"]),
        ("SELECT 'it''s :no', :yes", "SELECT 'it''s :no', $1", ["yes"]),
        (":x IS NULL OR a = :x", "$1::text IS NULL OR a = $2", ["x", "x"]),
    ],
)
def test_the_shapes(sql: str, text: str, names: list[str]) -> None:
    made = positional(sql)
    assert made.text == text
    assert [name for name, _ in made.parameters] == names


def test_asking_for_null_passes_only_whether_it_is() -> None:
    made = positional(":x IS NULL OR a = :x")
    assert made.values({"x": 7}) == ["", 7]
    assert made.values({"x": None}) == [None, None]
    with pytest.raises(KeyError):
        made.values({})


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT 'open", "unfinished"),
        ('SELECT "open', "unfinished"),
        ("SELECT /* open", "unfinished"),
        ("SELECT /* a /* b */ */ :x", "inside a comment"),
        (r"SELECT E'\' :x'", "E''"),
        ("SELECT $1, :x", "named"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(sql: str, why: str) -> None:
    for made in (positional, without_locks):
        with pytest.raises(ValueError, match=why):
            made(sql)


def test_sqlite_reads_no_locking_clause() -> None:
    sql = "SELECT 'FOR UPDATE' FROM t JOIN u FOR UPDATE OF t SKIP LOCKED"
    assert without_locks(sql) == "SELECT 'FOR UPDATE' FROM t JOIN u "
    assert without_locks("SELECT 1 for update") == "SELECT 1 "
    assert without_locks("SELECT 'FOR KEY SHARE' FROM t\nFOR key  SHARE") == "SELECT 'FOR KEY SHARE' FROM t\n"
    assert positional(sql).text == sql
