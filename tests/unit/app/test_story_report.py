"""A report at the end of `opendeep sim story` that says what is not so would be seen."""

import msgspec
import pytest

from app.cli.sim_story_report import miscounted, recount, unproven
from app.domain.call import Turn
from app.domain.report import Number, named
from app.domain.report_words import QuoteFound, ReportWords, ShownCall
from app.domain.task import TaskState
from tests.unit.app.lifecycle_world import a_task

NUMBERS = (
    Number(name="tasks", label="tasks", text="5", value=5),
    Number(name="goal_reached", label="tasks that reached their goal", text="4", value=4),
    Number(name="goal_share", label="share", text="80 %", value=80, unit="percent"),
    Number(name="cost", label="cost so far", text="$0.1623", value=162_300, unit="micro_usd"),
    Number(name="calls", label="calls", text="1,234", value=1234),
)
TURN = Turn(seq=1, item_id="i", speaker="callee", text="yes, i can", start_audio_ms=0)
SHOWN = {"c": ShownCall(call_id="c", turns=(TURN,))}
QUOTE = QuoteFound(call_id="c", item_id="i", turn=1, seq=1, speaker="callee", audio_ms=0, quote="yes, i can")
TRUE = ReportWords(
    headline="4 of 5 recipients agreed",
    summary="Of 5 recipients 4 agreed (80 %); 1,234 calls cost $0.1623.",
    findings=("Nobody complained, 4.",),
    next_steps=("Call nobody again.",),
    quotes=(QUOTE,),
)


def test_words_that_keep_to_the_numbers_are_taken() -> None:
    assert unproven(TRUE, named(NUMBERS), SHOWN) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"headline": "3 of 5 recipients agreed"},
        {"headline": "14 of 5 recipients agreed"},
        {"headline": "4.5 of 5 recipients agreed"},
        {"summary": "80 % agreed; it cost $0.16234."},
        {"summary": "It cost $0.16."},
        {"summary": "1,2345 calls."},
        {"summary": "81 % agreed."},
        {"findings": ("Nearly half of them agreed.",)},
        {"next_steps": ("Call the other 2 again.",)},
        {"next_steps": ("See www.example.org.",)},
        {"quotes": (msgspec.structs.replace(QUOTE, quote="yes, i cannot"),)},
        {"quotes": (msgspec.structs.replace(QUOTE, call_id="d"),)},
    ],
    ids=lambda one: str(next(iter(one.values())))[:30],
)
def test_words_that_say_more_are_seen(changed: dict[str, object]) -> None:
    assert unproven(msgspec.structs.replace(TRUE, **changed), named(NUMBERS), SHOWN) != []


def test_a_number_that_differs_or_is_missing_is_seen() -> None:
    assert miscounted(NUMBERS, {"tasks": 5, "goal_reached": 4}) == []
    assert miscounted(NUMBERS, {"tasks": 6}) == ["the report says 5 for tasks, the store 6"]
    assert miscounted(NUMBERS, {"opt_outs": 0}) == ["the report has no number opt_outs"]


def test_rows_are_counted() -> None:
    states = ("completed", "completed", "suppressed", "pending")
    tasks = [a_task(state=TaskState(state)) for state in states]
    counted = recount(tasks, [], 1)
    wanted = {"tasks": 4, "goal_reached": 2, "suppressed": 1, "settled": 3, "open": 1, "opt_outs": 1, "calls": 0}
    assert {name: counted[name] for name in wanted} == wanted
