"""What a form of the assistant adds to the sources of a plan: the user's words, never the model's."""

import pytest

from app.domain.fields import Value
from app.domain.plan_form import Question, QuestionType
from app.domain.planning import PlannerTurn, Profile, TurnContent
from app.llm.planner_history import sources_of

NUMBER = "+14155550123"


def told(question: Question, value: Value) -> list[PlannerTurn]:
    asked = TurnContent(questions=(question,))
    return [
        PlannerTurn(seq=1, role="assistant", kind="questions", text="Please.", content=asked),
        PlannerTurn(
            seq=2, role="user", kind="answers", text="", content=TurnContent(answers={question.name: value})
        ),
    ]


def field(name: str, kind: QuestionType, *options: str, default: str = "") -> Question:
    return Question(name=name, type=kind, label="?", options=options, default=default)


def test_a_refusal_does_not_read_like_what_was_refused() -> None:
    sources = sources_of(told(field("gave_written_consent", "yes_no"), False), (), Profile(name="Ann"), "US", ())
    assert sources.of_quote("gave written consent", ("user",)) is None


@pytest.mark.parametrize(
    ("question", "value"),
    [
        (field("callee_4155550123", "yes_no"), True),
        (field("callee_4155550123", "text"), "call them"),
        (field("which", "choice", "Ann 415 555 0123", "Bob"), "Ann 415 555 0123"),
        (field("which", "multi_choice", "415-555-0123"), ("415-555-0123",)),
        (field("who", "text", default="Ann, (415) 555-0123"), "Ann, (415) 555-0123"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_number_of_the_models_is_not_the_users(question: Question, value: Value) -> None:
    assert sources_of(told(question, value), (), Profile(name="Ann"), "US", ()).of_number(NUMBER) is None


def test_what_the_user_typed_or_chose_counts() -> None:
    typed = sources_of(told(field("who", "phone"), NUMBER), (), Profile(name="Ann"), "US", ()).of_number(NUMBER)
    assert typed is not None
    assert typed.kind == "user"
    chosen = sources_of(
        told(field("zone", "choice", "Europe/Paris", "UTC"), "Europe/Paris"), (), Profile(name="Ann"), "US", ()
    )
    assert chosen.says("Europe/Paris", ("user",))
