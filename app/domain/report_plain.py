"""The report that code writes by itself: without a text model, or when one would not keep to the numbers. Pure."""

from collections.abc import Mapping, Sequence

from app.domain.report import Number
from app.domain.report_words import QuoteFound, ReportWords, put_in

_LINES = (
    (
        "people",
        "A person answered at [people] of [dialed] numbers that were dialed; conversations: [conversations].",
    ),
    ("calls_busy", "Calls to a busy line: [calls_busy]."),
    ("calls_no_answer", "Calls that nobody answered: [calls_no_answer]."),
    ("opt_outs", "People who asked not to be called again: [opt_outs]; their numbers are on the list."),
    ("suppressed", "Tasks that may not be called, by a list or for want of consent: [suppressed]."),
    ("dialed_again", "Tasks that took more than one attempt: [dialed_again]."),
)
_STEPS = (
    ("waiting_for_you", 'Answer what tasks ask on the page "Questions": [waiting_for_you] wait for you.'),
    ("open", "Nothing to do for tasks that are still open ([open]): the campaign goes on by itself."),
    ("not_reached", "Before calling again, look at the tasks that did not reach their goal: [not_reached]."),
    ("calls_bad_number", "Correct numbers that do not exist; calls to such: [calls_bad_number]."),
    ("calls_trunk_fault", "Ask your provider about calls that the trunk refused: [calls_trunk_fault]."),
)
NOTHING = "Nothing is left to do."


def plain(numbers: Mapping[str, Number], quotes: Sequence[QuoteFound] = ()) -> ReportWords:
    """Sentences about what is not zero."""
    summary = (
        "[settled] of [tasks] tasks are settled and [goal_reached] reached their goal ([goal_share]). "
        "There were [calls] calls and [talk_minutes] of talk; it cost [cost]."
    )
    steps = _said(_STEPS, numbers)
    return ReportWords(
        headline=put_in("[goal_reached] of [tasks] tasks reached their goal", numbers),
        summary=put_in(summary, numbers),
        findings=_said(_LINES, numbers),
        next_steps=steps or (NOTHING,),
        quotes=tuple(quotes),
    )


def _said(lines: Sequence[tuple[str, str]], numbers: Mapping[str, Number]) -> tuple[str, ...]:
    return tuple(put_in(text, numbers) for name, text in lines if name in numbers and numbers[name].value > 0)
