"""What a call shall find out (`data_to_fill`): typed fields, and values that count only with their evidence. Pure.

A value is taken down when it has the field's type and when the words that prove it stand in a turn of the callee.
The model proposes; this file decides. "Done" is refused while a required field lacks evidence.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal

import msgspec

from app.domain.number import NumberRefused, parse_number
from app.errors import ValidationFailed

FieldType = Literal[
    "text", "number", "yes_no", "choice", "multi_choice", "date", "time", "date_time", "phone", "email"
]
MAX_FIELDS = 30
MAX_TEXT = 1_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_YES = {"yes", "true", "1", "y"}
_NO = {"no", "false", "0", "n"}

Value = str | float | bool | tuple[str, ...]


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing to find out. `label` is what people see, `help` what the agent is told."""

    name: str
    type: FieldType = "text"
    label: str = ""
    help: str = ""
    required: bool = False
    options: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A turn of the callee that may prove something."""

    item_id: str
    text: str
    start_audio_ms: int
    end_audio_ms: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was said: the turn and its place on the audio of the call, in milliseconds from the answer."""

    item_id: str
    quote: str
    start_audio_ms: int
    end_audio_ms: int


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its proof. `value` is JSON text in the form of the field's type."""

    name: str
    value: str
    evidence: Evidence


class NotTaken(msgspec.Struct, frozen=True):
    """Why a value was not taken down; the sentence goes back to the model."""

    sentence: str


def check_specs(specs: Sequence[FieldSpec]) -> None:
    """Raises ValidationFailed with the first field that cannot be asked for, and why."""
    if len(specs) > MAX_FIELDS:
        raise ValidationFailed(f"A call can collect {MAX_FIELDS} fields at most; these are {len(specs)}.")
    names: set[str] = set()
    for spec in specs:
        if not _NAME.fullmatch(spec.name):
            raise ValidationFailed(f"{spec.name[:60]!r} is no field name: small letters, digits and _, please.")
        if spec.name in names:
            raise ValidationFailed(f"The field {spec.name} is there twice.")
        if (spec.type in {"choice", "multi_choice"}) != bool(spec.options):
            raise ValidationFailed(f"The field {spec.name}: a choice has options, and nothing else has.")
        if spec.minimum is not None and spec.maximum is not None and spec.minimum > spec.maximum:
            raise ValidationFailed(f"The field {spec.name}: its minimum is above its maximum.")
        names.add(spec.name)


def json_schema(spec: FieldSpec) -> dict[str, object]:
    """What a value of the field looks like, for the model (JSON Schema)."""
    match spec.type:
        case "number":
            limits = {"minimum": spec.minimum, "maximum": spec.maximum}
            return {"type": "number", **{name: limit for name, limit in limits.items() if limit is not None}}
        case "yes_no":
            return {"type": "boolean"}
        case "choice":
            return {"type": "string", "enum": list(spec.options)}
        case "multi_choice":
            return {"type": "array", "items": {"type": "string", "enum": list(spec.options)}}
        case "date":
            return {"type": "string", "description": "YYYY-MM-DD"}
        case "time":
            return {"type": "string", "description": "HH:MM, 24 hours"}
        case "date_time":
            return {"type": "string", "description": "YYYY-MM-DDTHH:MM, local time of the callee"}
        case "phone":
            return {"type": "string", "description": "telephone number with country code, like +12025550123"}
        case "email" | "text":
            return {"type": "string", "maxLength": MAX_TEXT}


def read_value(spec: FieldSpec, given: object) -> Value:
    """The value in its one form. Raises ValidationFailed with a sentence for the model."""
    try:
        value = _read(spec, given)
    except (ValueError, TypeError, NumberRefused) as problem:
        raise ValidationFailed(f"{spec.name}: {given!r:.80} does not fit ({_expected(spec)}).") from problem
    return value


def _read(spec: FieldSpec, given: object) -> Value:
    match spec.type:
        case "number":
            return _number(spec, given)
        case "yes_no":
            return _yes_no(given)
        case "choice":
            return _option(spec, _text(given))
        case "multi_choice":
            if not isinstance(given, list | tuple):
                raise TypeError(given)
            return tuple(dict.fromkeys(_option(spec, _text(one)) for one in given))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any JSON
        case "date" | "time" | "date_time":
            return _moment(spec.type, _text(given))
        case "phone":
            return parse_number(_text(given))
        case "email":
            email = _text(given).lower()
            if not _EMAIL.fullmatch(email):
                raise ValueError(email)
            return email
        case "text":
            return _text(given)


def _text(given: object) -> str:
    if not isinstance(given, str) or not given.strip() or len(given) > MAX_TEXT:
        raise ValueError(given)
    return given.strip()


def plain_number(value: float) -> str:
    """All digits of a number, never in powers of ten: "1234567", "0.00001"."""
    return str(int(value)) if float(value).is_integer() else format(Decimal(repr(value)), "f")


def shown(value: str) -> str:
    """A JSON value as people read it: yes and no, lists with commas, text as it is."""
    read = msgspec.json.decode(value)
    if isinstance(read, bool):
        return "yes" if read else "no"
    if isinstance(read, list):
        return ", ".join(str(one) for one in read)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return plain_number(read) if isinstance(read, float) else str(read)


def _number(spec: FieldSpec, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise TypeError(given)
    value = float(given)
    low, high = spec.minimum, spec.maximum
    if not abs(value) < 1e15 or (low is not None and value < low) or (high is not None and value > high):
        raise ValueError(given)
    return value


def _yes_no(given: object) -> bool:
    word = str(given).strip().lower()
    if word not in _YES | _NO:
        raise ValueError(given)
    return word in _YES


def _moment(kind: FieldType, text: str) -> str:
    match kind:
        case "date":
            return date.fromisoformat(text).isoformat()
        case "time":
            return time.fromisoformat(text).strftime("%H:%M")
        case _:
            return datetime.fromisoformat(text).replace(tzinfo=None).strftime("%Y-%m-%dT%H:%M")


def _option(spec: FieldSpec, text: str) -> str:
    for option in spec.options:
        if plain(option) == plain(text):
            return option
    raise ValueError(text)


def _expected(spec: FieldSpec) -> str:
    match spec.type:
        case "choice" | "multi_choice":
            return "one of: " + ", ".join(spec.options)
        case "number":
            bounds = [f"at least {spec.minimum:g}"] if spec.minimum is not None else []
            bounds += [f"at most {spec.maximum:g}"] if spec.maximum is not None else []
            return " ".join(["a number", *bounds])
        case other:
            return str(json_schema(spec).get("description", other))


def plain(text: str) -> str:
    """Words without case, accents and signs: the form in which quotes are compared, as recognisers differ."""
    spelt = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(sign for sign in spelt if not unicodedata.combining(sign))
    return " ".join(re.findall(r"\w+", bare))


def find_quote(quote: str, turns: Sequence[Said]) -> Said | None:
    """The newest turn of the callee in which these words stand together; None when nobody said them."""
    wanted = plain(quote)
    if not wanted:
        return None
    return next((turn for turn in reversed(turns) if f" {wanted} " in f" {plain(turn.text)} "), None)


class FieldBook:
    """What is collected in one call so far. `save` is the only way in."""

    def __init__(self, specs: Sequence[FieldSpec], collected: Sequence[Collected] = ()) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.collected = {one.name: one for one in collected if one.name in self.specs}

    @property
    def missing(self) -> tuple[str, ...]:
        """Required fields that are not proven yet, in their order."""
        return tuple(name for name, spec in self.specs.items() if spec.required and name not in self.collected)

    @property
    def complete(self) -> bool:
        """Nothing that was asked for is open: neither required nor optional."""
        return bool(self.specs) and self.specs.keys() == self.collected.keys()

    def save(self, name: str, given: object, quote: str, turns: Sequence[Said]) -> Collected | NotTaken:
        """Take a value down, or say why not. A later value replaces an earlier one: people correct themselves."""
        spec = self.specs.get(name)
        if spec is None:
            known = ", ".join(self.specs) or "none"
            return NotTaken(f"There is no field {name[:60]!r} in this call. Fields: {known}.")
        try:
            value = read_value(spec, given)
        except ValidationFailed as refused:
            return NotTaken(refused.message)
        said = find_quote(quote, turns)
        if said is None:
            return NotTaken(
                f"{name}: the callee has not said {quote[:120]!r}. Give the callee's own words, or ask again."
            )
        taken = Collected(
            name=name,
            value=msgspec.json.encode(value).decode(),
            evidence=Evidence(
                item_id=said.item_id,
                quote=quote.strip()[:500],
                start_audio_ms=said.start_audio_ms,
                end_audio_ms=said.end_audio_ms,
            ),
        )
        self.collected[name] = taken
        return taken
