"""ARCHITECTURE.md tells the truth: its diagrams are those of the code, its files exist."""

import re

import pytest

from scripts.lib.diagrams import ARCHITECTURE, TABLES, inserted

ROOT = ARCHITECTURE.parent


def test_diagrams_are_those_of_the_code() -> None:
    text = ARCHITECTURE.read_text()
    assert inserted(text) == text, "run: .venv/bin/python scripts/lib/diagrams.py --write"


@pytest.mark.parametrize("title", TABLES)
def test_every_state_is_reachable_and_leads_to_an_end(title: str) -> None:
    table = dict(TABLES[title])
    first = next(iter(table))
    reached, todo = {first}, [first]
    while todo:
        for state in table[todo.pop()] - reached:
            reached.add(state)
            todo.append(state)
    assert reached == set(table)
    ends = {state for state, following in table.items() if not following}
    assert ends
    for state in table:
        seen, todo = {state}, [state]
        while todo:
            todo.extend(following := table[todo.pop()] - seen)
            seen |= following
        assert seen & ends, f"{state} never ends"


def test_named_files_exist() -> None:
    for path in re.findall(
        r"`((?:app|stasis|media|web|asterisk|scripts|tests)/[\w./]+)`", ARCHITECTURE.read_text()
    ):
        assert (ROOT / path).exists(), path
