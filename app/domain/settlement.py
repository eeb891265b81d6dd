"""What becomes of a call that nobody runs: the rule by which a restart goes on with it, ends it or makes it again.

| the row says | callee channel | media leg | what follows |
|---|---|---|---|
| not dialed | here | any | close: it cannot be, and nobody may be left on the line |
| not dialed | not here | any | retry: nobody was rung |
| dialed | here, or nobody can say yet | lives | adopt: the call goes on, whatever state it is in |
| dialed | here | gone | close: an answer would be silence |
| talking | here | any | adopt: without a leg it gets another one |
| talking | nobody can say yet | lives | adopt |
| ending | here | any | close |
| any that was dialed | was here and is gone | any | analyze: lost, never dialed again by this rule |
| dialed | certainly never made, and none can be under way | any | retry: not an attempt |
| talking, ending | certainly never made | any | analyze: that is a contradiction |
| any that was dialed | nobody can say, leg gone | gone | wait; analyze once it cannot live any more |
"""

from enum import StrEnum

from app.domain.call import Call, CallState


class RowSays(StrEnum):
    """How far the stored call had come."""

    NOT_DIALED = "not_dialed"
    DIALED = "dialed"
    TALKING = "talking"
    ENDING = "ending"


class Shown(StrEnum):
    """What Asterisk knows of the callee channel."""

    HERE = "here"
    PASSED = "passed"
    """It was made, and is gone."""
    NEVER = "never"
    """It was not made, and no originate can be under way any more."""
    UNCLEAR = "unclear"


class Action(StrEnum):
    ADOPT = "adopt"
    CLOSE = "close"
    """Hang up, then analyze."""
    RETRY = "retry"
    """The attempt is given back: nobody was rung."""
    ANALYZE = "analyze"
    WAIT = "wait"


def row_says(call: Call) -> RowSays:
    """How far a call that has not ended had come."""
    match call.state:
        case CallState.BRIDGED if call.dialed or call.direction == "inbound":
            return RowSays.TALKING
        case CallState.ENDING if call.dialed or call.direction == "inbound":
            return RowSays.ENDING
        case _:  # a caller who was not answered yet can call again, like one who was never rung
            return RowSays.DIALED if call.dialed else RowSays.NOT_DIALED


def action(row: RowSays, shown: Shown, *, leg_lives: bool, outlived: bool = False) -> Action:
    """The rule of the table above. `outlived`: no originate can be under way, so what is not here is over."""
    match shown, row:
        case Shown.HERE, RowSays.NOT_DIALED | RowSays.ENDING:
            return Action.CLOSE
        case Shown.HERE, RowSays.DIALED:
            return Action.ADOPT if leg_lives else Action.CLOSE
        case Shown.HERE, RowSays.TALKING:
            return Action.ADOPT
        case Shown.PASSED, _:
            return Action.ANALYZE
        case _, RowSays.NOT_DIALED:
            return Action.RETRY
        case Shown.NEVER, RowSays.DIALED:
            return Action.RETRY
        case Shown.NEVER, _:
            return Action.ANALYZE
        case _, RowSays.ENDING:
            return Action.ANALYZE if outlived or leg_lives else Action.WAIT
        case _:
            if leg_lives:
                return Action.ADOPT
            return Action.ANALYZE if outlived else Action.WAIT
