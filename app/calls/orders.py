"""What an operator's command means in a talk: effects and a sentence for whoever issued it, or why not.

Pure. `app.calls.run` calls it between two steps of the talk and carries the effects out.
"""

from typing import assert_never

import msgspec

from app.calls.conversation import Conversation, TalkState
from app.calls.hand_over import ORDERED
from app.calls.talk_model import SAY_AGAIN_LATER, SAY_GOODBYE, Note, TalkEffect, ToMedia, WantHangUp
from app.calls.tools import TransferCall
from app.domain import command as cmd
from media import protocol as media
from stasis.outcome import EndedBy

LINE_IS_OPEN = (
    "For a while you could not be heard on this call. You are heard again now. Whatever you said meanwhile was "
    "not heard: go on with the call in one or two sentences."
)
NOT_ANSWERED = "The callee has not answered yet; nothing was done."
ENDING = "The call is ending; nothing was done."
BEING_TRANSFERRED = "The callee waits for somebody else who is being called; only ending the call is possible."
TAKEN = "A person has taken the call over; hand it back first. Nothing was done."
TAKEN_BACK = "The call was taken back before it was answered."
_CLOSING = {
    TalkState.TALKING: "The agent says goodbye.",
    TalkState.ASIDE: "Nobody else is called any more; the callee comes back and the agent says goodbye.",
}
HANDED_OVER = "The callee talks with somebody else now; only ending the call is possible."


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What a command leads to. `keys` are still to be pressed: only then is it known whether it is done."""

    sentence: str
    effects: tuple[TalkEffect, ...] = ()
    keys: str = ""
    refused: bool = False
    later: bool = False
    """The answer comes when it is known whether anybody is called."""


def carry_out(talk: Conversation, payload: cmd.Payload, now: float) -> Carried:
    """The rule for one command. `talk` takes note of what is done."""
    match payload:
        case cmd.EndCall():
            return _end(talk, payload, now)
        case cmd.Reschedule():
            return _reschedule(talk, payload, now)
        case cmd.Transfer():
            return _transfer(talk, payload, now)
        case cmd.TakeOver(mic=mic):
            return _take_over(talk, mic, now)
        case cmd.HandBack():
            return _hand_back(talk)
        case _:
            return _in_talk(talk, payload, now)


def _end(talk: Conversation, order: cmd.EndCall, now: float) -> Carried:
    reason = order.reason or "an operator ended the call"
    if not order.polite or talk.state in {TalkState.ASIDE, TalkState.TAKEN} or talk.tools.transfer.handed_over:
        return Carried(sentence="Hung up.", effects=(WantHangUp(EndedBy.OPERATOR, reason),))
    return _closing(talk, reason, SAY_GOODBYE, now)


def _reschedule(talk: Conversation, order: cmd.Reschedule, now: float) -> Carried:
    reason = order.reason or "an operator asked for another time"
    closing = _closing(talk, reason, SAY_AGAIN_LATER, now)
    if closing.refused:
        return closing
    wish = Note("reschedule_wished", cmd.encode_payload(order))
    sentence = f"{closing.sentence} The analysis decides when to call again."
    return Carried(sentence=sentence, effects=(wish, *closing.effects))


def _transfer(talk: Conversation, order: cmd.Transfer, now: float) -> Carried:
    """By the same road as the agent's own; the words under way are heard out."""
    if talk.state is not TalkState.TALKING:
        return _refused(_not_talking(talk))
    request = TransferCall(target=order.target, reason=order.reason)
    if talk.tools.transfer.is_wanted:
        return _refused("A transfer is under way already; nothing was done.")
    effects = talk.tools.transfer.ask(ORDERED, request, now)
    return Carried(sentence=f"Transfer to {order.target}.", effects=tuple(effects), later=True)


def _not_talking(talk: Conversation) -> str:
    """Why nothing can be ordered of a talk that is not going on."""
    if talk.tools.transfer.handed_over:
        return HANDED_OVER
    why = {TalkState.WAITING: NOT_ANSWERED, TalkState.ASIDE: BEING_TRANSFERRED, TalkState.TAKEN: TAKEN}
    return why.get(talk.state, ENDING)


def _take_over(talk: Conversation, mic: str, now: float) -> Carried:
    """The agent falls silent and listens; the callee hears a person."""
    if talk.state is not TalkState.TALKING:
        return _refused(_not_talking(talk))
    if talk.tools.transfer.is_wanted:
        return _refused("A transfer is under way; nothing was done.")
    return Carried(sentence="The callee hears the operator.", effects=tuple(talk.operator.take(mic, now)))


def _hand_back(talk: Conversation) -> Carried:
    if talk.state is not TalkState.TAKEN:
        return _refused("Nobody has taken this call over; nothing was done.")
    return Carried(sentence="The agent goes on.", effects=tuple(talk.operator.hand_back()))


def _closing(talk: Conversation, reason: str, farewell: str, now: float) -> Carried:
    if talk.state is TalkState.TAKEN:
        return _refused(TAKEN)
    sentence = _CLOSING.get(talk.state, TAKEN_BACK)
    effects = talk.close(EndedBy.OPERATOR, reason, now, farewell=farewell)
    if not effects:
        return _refused(_not_talking(talk))
    return Carried(sentence=sentence, effects=tuple(effects))


Talked = cmd.SendDtmf | cmd.Hold | cmd.Unhold | cmd.Mute | cmd.Unmute | cmd.Say | cmd.Whisper


def _in_talk(talk: Conversation, payload: Talked, now: float) -> Carried:
    """What makes sense only while callee and agent talk."""
    if talk.state is not TalkState.TALKING:
        return _refused(_not_talking(talk))
    match payload:
        case cmd.SendDtmf(digits=digits):
            return Carried(sentence="", effects=(talk.tools.hold_for_keys(digits, now),), keys=digits)
        case cmd.Hold():
            line = talk.mute(now, agent=True, callee=True)
            return Carried(sentence="Callee and agent do not hear each other until unhold.", effects=tuple(line))
        case cmd.Mute():
            line = talk.mute(now, agent=True)
            return Carried(sentence="The agent hears and is not heard until unmute.", effects=tuple(line))
        case cmd.Unhold() | cmd.Unmute():
            return _open(talk, now)
        case cmd.Say(text=text):
            if talk.muted:
                return _refused("The agent is not heard now: unmute or unhold first. Nothing was done.")
            words = f"Say this to the callee now, word for word as far as it is fit to be said: {text}"
            say = ToMedia(media.Say(call_id=talk.call_id, instructions=words))
            return Carried(sentence="The agent says it.", effects=(say,))
        case cmd.Whisper(text=text, respond=respond):
            told = f"A note from the operator, which the callee does not hear: {text}"
            whisper = media.InjectText(call_id=talk.call_id, text=told, respond=respond)
            return Carried(sentence="The agent was told.", effects=(ToMedia(whisper),))
        case _:
            assert_never(payload)


def _open(talk: Conversation, now: float) -> Carried:
    """Open the line. A line that was open stays as it is: nothing is cut, nobody told."""
    if not talk.muted:
        return Carried(sentence="The line was open already.")
    told = media.InjectText(call_id=talk.call_id, text=LINE_IS_OPEN, respond=True)
    effects = (*talk.mute(now, agent=False), ToMedia(told))
    return Carried(sentence="Callee and agent hear each other again.", effects=effects)


def _refused(sentence: str) -> Carried:
    return Carried(sentence=sentence, refused=True)
