"""Questions of the assistant as a form, and what a person filled in. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec

from app.domain.fields import FieldSpec, Value, check_specs, read_value
from app.domain.number import NumberRefused, parse_number
from app.errors import ValidationFailed

QuestionType = Literal["text", "number", "phone", "date_time", "choice", "multi_choice", "yes_no"]
QUESTION_TYPES: tuple[QuestionType, ...] = get_args(QuestionType)
MAX_QUESTIONS = 20


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the form. `default` is what stands in it at first, as text; empty: nothing."""

    name: str
    type: QuestionType
    label: str
    help: str = ""
    required: bool = True
    options: tuple[str, ...] = ()
    default: str = ""


class AnswersRefused(ValidationFailed):
    """A form that was not filled in well; `fields` says for each name what is wrong."""

    code = "answers"

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = fields


def form_problems(questions: Sequence[Question]) -> list[str]:
    """What is wrong with a form the model made, in sentences for it."""
    if not questions:
        return ["kind is questions, and there are none."]
    if len(questions) > MAX_QUESTIONS:
        return [f"{len(questions)} questions are too many at once; ask the {MAX_QUESTIONS} most important ones."]
    found = [f"The question {one.name[:40]!r} has no label." for one in questions if not one.label.strip()]
    try:
        check_specs([_spec(one) for one in questions])
    except ValidationFailed as refused:
        found.append(refused.message)
        return found
    for one in questions:
        if one.default and one.type == "phone":
            found.append(f"{one.name}: a telephone number has no default; the user types it.")
        elif one.default:
            try:
                _read(one, _split(one), region="", fictional=False)
            except ValidationFailed as refused:
                found.append(f"The default does not fit: {refused.message}")
    return found


def read_answers(
    questions: Sequence[Question], given: Mapping[str, object], *, region: str = "", fictional: bool = False
) -> dict[str, Value]:
    """The values by name. Raises AnswersRefused with a sentence for every field that is missing or wrong."""
    values: dict[str, Value] = {}
    wrong: dict[str, str] = {}
    known = {one.name for one in questions}
    for name in given:
        if name not in known:
            wrong[str(name)[:60]] = f"There is no field {str(name)[:60]!r} in this form."
    for one in questions:
        value = given.get(one.name)
        if value in (None, "", [], ()):
            if one.required:
                wrong[one.name] = f"{one.label}: please fill this in."
            continue
        try:
            values[one.name] = _read(one, value, region=region, fictional=fictional)
        except ValidationFailed as refused:
            wrong[one.name] = refused.message.replace(one.name, one.label, 1)
    if wrong:
        raise AnswersRefused(wrong)
    return values


def _spec(one: Question) -> FieldSpec:
    return FieldSpec(
        name=one.name, type=one.type, label=one.label, help=one.help, required=one.required, options=one.options
    )


def _split(one: Question) -> object:
    return [part.strip() for part in one.default.split(",")] if one.type == "multi_choice" else one.default


def _read(one: Question, value: object, *, region: str, fictional: bool) -> Value:
    if one.type != "phone":
        return read_value(_spec(one), value)
    try:
        return parse_number(str(value), region=region, fictional=fictional)
    except NumberRefused as refused:
        raise ValidationFailed(f"{one.name}: {refused.message}") from None
